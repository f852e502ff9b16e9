"""(what a deployment asks for, policies, approvals, now) → what speaks against it, with the rule and its file and line.

Every policy about the deployment's namespace is asked, and all of them have to agree. Called by `plan` for what is
wanted, and for what runs; and before whatever a person begins by hand.
"""

from collections.abc import Iterator
from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.policy import CapabilityRule, Mode, OnViolation, Policy, PolicySet, SignerRule, approval_subject
from orchestrator.model.signed import Signer
from orchestrator.model.spec import Deployment, Grant
from orchestrator.policy.overlap import any_matches, governs, overlaps, place_matches


class RuleEffect(Enum):
    """The effect of a rule that is broken."""

    REFUSED = "refused"
    NEEDS_APPROVAL = "needs-approval"
    WARNED = "warned"


class Breach(Value, frozen=True):
    """A rule that is broken: its kind, the policy, its place, and in words how; `stops` where it ends what runs."""

    rule: str
    effect: RuleEffect
    policy: str
    file: str
    line: int
    text: str
    stops: bool = False

    def __str__(self) -> str:
        place = f" ({self.file}:{self.line})" if self.file else ""
        return f"{self.text}{place}"


class Asked(Value, frozen=True):
    """A deployment, and the place where its component is from: a reference, or the root of its source."""

    deployment: Deployment
    place: str = ""


class Judgement(Value, frozen=True):
    """All that speaks against a deployment; `needs` are the capabilities that wait for an approval."""

    findings: tuple[Breach, ...] = ()
    needs: tuple[Grant, ...] = ()

    def having(self, effect: RuleEffect) -> tuple[Breach, ...]:
        """Return the findings with an effect."""
        return tuple(finding for finding in self.findings if finding.effect is effect)

    @property
    def is_allowed(self) -> bool:
        """Whether nothing keeps it from running."""
        return all(finding.effect is RuleEffect.WARNED for finding in self.findings)

    @property
    def stops(self) -> bool:
        """Whether what runs like this is stopped."""
        return any(finding.stops and finding.effect is RuleEffect.REFUSED for finding in self.findings)

    @property
    def text(self) -> str:
        """The findings that keep it from running, in words; empty for none."""
        return "; ".join(str(finding) for finding in self.findings if finding.effect is not RuleEffect.WARNED)

    @property
    def warning(self) -> str:
        """The findings that keep nothing from running, in words; empty for none."""
        return "; ".join(map(str, self.having(RuleEffect.WARNED)))


ALLOWED = Judgement()
_SOFT = ("signers", "sources", "approve")  # what a permissive policy only warns of


def judge(asked: Asked, rules: PolicySet, now_ms: int) -> Judgement:
    """Judge one deployment by every policy about it."""
    if rules.problem:
        text = f"the policies cannot be known: {rules.problem}"
        return Judgement(
            findings=(Breach(rule="unknown", effect=RuleEffect.REFUSED, policy="", file="", line=0, text=text),)
        )
    about = [policy for policy in rules.policies if any_matches(policy.namespaces, asked.deployment.key.namespace)]
    if not about:
        return ALLOWED
    needs = needing_approval(asked.deployment, about)
    is_approved = not needs or _is_approved(asked.deployment, needs, rules)
    findings = tuple(finding for policy in about for finding in _findings(policy, asked, now_ms, is_approved))
    return Judgement(findings=findings, needs=needs) if findings or needs else ALLOWED


def needing_approval(deployment: Deployment, policies: list[Policy]) -> tuple[Grant, ...]:
    """Return the grants that some policy wants approved, but for those of policies that only warn."""
    rules = [rule for policy in policies if policy.mode is Mode.STRICT for rule in policy.approve]
    return concerned(deployment, rules)


def concerned(deployment: Deployment, rules: list[CapabilityRule]) -> tuple[Grant, ...]:
    """Return the part of a deployment's grants that some rules are about, sorted."""
    found: list[Grant] = []
    for grant in deployment.revision.grants:
        own = [rule for rule in rules if governs(rule.capability, grant.capability)]
        patterns = [p for p in grant.patterns if any(_concerns(rule, p, deployment) for rule in own)]
        if patterns:
            found.append(Grant(capability=grant.capability, patterns=tuple(sorted(patterns))))
    return tuple(sorted(found))


def concerns(rule: CapabilityRule, capability: str, pattern: str, deployment: Deployment) -> bool:
    """Whether a rule is about one pattern of a grant."""
    return governs(rule.capability, capability) and _concerns(rule, pattern, deployment)


def _concerns(rule: CapabilityRule, pattern: str, deployment: Deployment) -> bool:
    return any(overlaps(rule.capability, pattern, ruled, deployment.key.namespace) for ruled in rule.patterns)


def _is_approved(deployment: Deployment, needs: tuple[Grant, ...], rules: PolicySet) -> bool:
    subject = approval_subject(deployment.key, deployment.revision.artifact, needs)
    return any(approval.subject == subject for approval in rules.approvals)


def _findings(policy: Policy, asked: Asked, now_ms: int, is_approved: bool) -> Iterator[Breach]:
    deployment = asked.deployment
    if policy.mode is Mode.DEVELOPMENT:
        yield finding_of(
            policy, "mode", policy.line, f"policy {policy.name} is in mode development: it refuses nothing"
        )
    yield from _signature_findings(policy, deployment, now_ms)
    if policy.sources is not None and not any(place_matches(pattern, asked.place) for pattern in policy.sources):
        text = f"its component is from {asked.place or 'an unknown place'}, which policy {policy.name} does not allow"
        yield finding_of(policy, "sources", policy.sources_line, text)
    for rule in policy.forbid:
        for grant in concerned(deployment, [rule]):
            text = f"policy {policy.name} forbids {_named(rule, grant)} on {', '.join(grant.patterns)}"
            yield finding_of(policy, "forbid", rule.line, text)
    for rule in policy.approve if not is_approved or policy.mode is not Mode.STRICT else ():
        for grant in concerned(deployment, [rule]):
            text = f"policy {policy.name} wants {_named(rule, grant)} on {', '.join(grant.patterns)} approved"
            yield finding_of(policy, "approve", rule.line, text)


def _named(rule: CapabilityRule, grant: Grant) -> str:
    """Name a capability that a rule is about, and the grant by which a deployment would have it."""
    return rule.capability if rule.capability == grant.capability else f"{rule.capability}, as in {grant.capability},"


def finding_of(policy: Policy, rule: str, line: int, text: str) -> Breach:
    """Return a finding with the effect that a policy's mode gives it."""
    effect = RuleEffect.NEEDS_APPROVAL if rule == "approve" else RuleEffect.REFUSED
    if policy.mode is Mode.DEVELOPMENT or (policy.mode is Mode.PERMISSIVE and rule in _SOFT):
        effect = RuleEffect.WARNED
    stops = policy.on_violation is OnViolation.STOP
    return Breach(rule=rule, effect=effect, policy=policy.name, file=policy.file, line=line, text=text, stops=stops)


def _signature_findings(policy: Policy, deployment: Deployment, now_ms: int) -> Iterator[Breach]:
    component = deployment.revision.component
    covering = [rule for rule in policy.signers if any_matches(rule.components, component)]
    if policy.signers and not covering:
        text = f"policy {policy.name} names nobody who may sign component {component}"
        yield finding_of(policy, "signers", policy.signers_line, text)
    for rule in covering:
        count = len({signer.key_id for signer in deployment.signers if _counts(signer, rule, now_ms)})
        if count < rule.at_least:
            yield finding_of(policy, "signers", rule.line, _unsigned(policy, rule, deployment, count, now_ms))


def naming(signer: Signer, component: str, rules: PolicySet) -> tuple[str, ...]:
    """Name the policies that trust a key for a component, each with the place of the rule."""
    return tuple(
        f"policy {policy.name} ({policy.file}:{rule.line})"
        for policy in rules.policies
        for rule in policy.signers
        if any_matches(rule.components, component) and _is_named(signer, rule)
    )


def _is_named(signer: Signer, rule: SignerRule) -> bool:
    return signer.key_id in rule.keys or (signer.is_trusted and signer.name in rule.keys)


def _counts(signer: Signer, rule: SignerRule, now_ms: int) -> bool:
    return _is_named(signer, rule) and not signer.revoked and not signer.has_expired(now_ms)


def _unsigned(policy: Policy, rule: SignerRule, deployment: Deployment, count: int, now_ms: int) -> str:
    trusted = f"whom policy {policy.name} trusts for {', '.join(rule.components)}"
    if count:
        return f"signed by {count} of those {trusted}, which wants {rule.at_least}"
    ended = [signer for signer in deployment.signers if signer.revoked or signer.has_expired(now_ms)]
    how = f"signed by {', '.join(s.shown for s in deployment.signers)}" if deployment.signers else "it is not signed"
    why = f"; revoked or expired: {', '.join(signer.shown for signer in ended)}" if ended else ""
    return f"not signed by anybody {trusted} ({how}{why})"
