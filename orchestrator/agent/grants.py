"""A deployment, and the policies in force → each capability that it asks for or is granted: is it in force, and why.

Pure: it reads values.
"""

from collections.abc import Iterator

from orchestrator.contract.documents import GrantView
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.policy import Mode, Policy, PolicySet, approval_subject
from orchestrator.model.spec import Deployment, Grant
from orchestrator.policy.judge import concerns, needing_approval
from orchestrator.policy.overlap import any_matches


def grants_of(key: DeploymentKey, deployment: Deployment, rules: PolicySet) -> Iterator[GrantView]:
    """Yield a row for each pattern that is asked for or granted, sorted."""
    asked, granted = _pairs(deployment.asks), _pairs(deployment.revision.grants)
    for capability, pattern in sorted({*asked, *granted}):
        why = "" if (capability, pattern) in granted else "not granted by the deployment"
        forbidden = why or _forbidden(deployment, capability, pattern, rules)
        yield GrantView(
            kind="Grant", namespace=key.namespace, deployment=key.name, capability=capability, pattern=pattern,
            asked=(capability, pattern) in asked or not deployment.asks, granted=(capability, pattern) in granted,
            in_force=not forbidden, why=forbidden or _allowed(deployment, capability, pattern, rules),
        )  # fmt: skip


def _pairs(grants: tuple[Grant, ...]) -> set[tuple[str, str]]:
    return {(grant.capability, pattern) for grant in grants for pattern in grant.patterns}


def _about(deployment: Deployment, rules: PolicySet) -> list[Policy]:
    return [policy for policy in rules.policies if any_matches(policy.namespaces, deployment.key.namespace)]


def _forbidden(deployment: Deployment, capability: str, pattern: str, rules: PolicySet) -> str:
    for policy in _about(deployment, rules):
        for rule in policy.forbid if policy.mode is not Mode.DEVELOPMENT else ():
            if concerns(rule, capability, pattern, deployment):
                return f"forbidden by policy {policy.name} ({policy.file}:{rule.line})"
    subject = _subject(deployment, rules)
    if subject and not any(approval.subject == subject for approval in rules.approvals):
        return _needing(deployment, capability, pattern, rules)
    return ""


def _allowed(deployment: Deployment, capability: str, pattern: str, rules: PolicySet) -> str:
    if not _needing(deployment, capability, pattern, rules):
        return ""
    subject = _subject(deployment, rules)
    found = next((approval for approval in rules.approvals if approval.subject == subject), None)
    return f"approved by {found.origin}{f': {found.why}' if found.why else ''}" if found else ""


def _needing(deployment: Deployment, capability: str, pattern: str, rules: PolicySet) -> str:
    for policy in _about(deployment, rules):
        for rule in policy.approve if policy.mode is Mode.STRICT else ():
            if concerns(rule, capability, pattern, deployment):
                return f"waits for an approval that policy {policy.name} wants ({policy.file}:{rule.line})"
    return ""


def _subject(deployment: Deployment, rules: PolicySet) -> str:
    needs = needing_approval(deployment, _about(deployment, rules))
    return approval_subject(deployment.key, deployment.revision.artifact, needs) if needs else ""
