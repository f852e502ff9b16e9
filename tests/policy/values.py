"""Policies, deployments and signers to judge."""

import json

from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.policy import Approval, PolicySet
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import Content, Snapshot
from orchestrator.model.spec import Deployment, Grant, Limits, Revision
from orchestrator.policy.judge import Asked, Judgement, RuleEffect, judge
from orchestrator.policy.read import ReadPolicies, read_policies

ACME, INTERNAL = "ed25519:" + "a" * 32, "ed25519:" + "b" * 32
ARTIFACT = "sha256:" + "1" * 64
NOW = 1_000_000


def document(name="production", kind="Policy", **spec):
    return {"apiVersion": "airs.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def read(*documents) -> ReadPolicies:
    text = "\n---\n".join(each if isinstance(each, str) else json.dumps(each, indent=1) for each in documents)
    files = {"p.yaml": Content(text.encode())}
    return read_policies(Snapshot("/srv/policies", "/srv/policies", "", "", ("p.yaml",), files))


def rules(*documents) -> PolicySet:
    found = read(*documents)
    assert found.diagnostics == ()
    return found.rules


def deployment(
    name="counter", namespace="default", component="counter", signers=(), replicas=1, **grants
) -> Deployment:
    granted = tuple(
        sorted(Grant(capability=c.replace("_", "."), patterns=tuple(patterns)) for c, patterns in grants.items())
    )
    revision = Revision(
        id="r1", component=component, version="1.0.0", artifact=ARTIFACT, stateful=False, config="", grants=granted,
        limits=Limits(memory_bytes=1 << 20, fuel=1_000, timeout_ms=100, storage_bytes=1 << 10),
    )  # fmt: skip
    key = DeploymentKey(namespace=namespace, name=name)
    return Deployment(key=key, revision=revision, signers=tuple(signers), replicas=replicas)


def signed(key=ACME, name="", **more) -> Signer:
    return Signer(key_id=key, name=name, **more)


def judged(policies: PolicySet, wanted: Deployment, place="/srv/manifests") -> Judgement:
    return judge(Asked(deployment=wanted, place=place), policies, NOW)


def effects(verdict: Judgement) -> list[tuple[str, str]]:
    return [(finding.rule, finding.effect.value) for finding in verdict.findings]


def approval(wanted: Deployment, **capabilities) -> Approval:
    grants = tuple(sorted(Grant(capability=c.replace("_", "."), patterns=tuple(p)) for c, p in capabilities.items()))
    return Approval(key=wanted.key, artifact=wanted.revision.artifact, capabilities=grants)


def approved(policies: PolicySet, *approvals: Approval) -> PolicySet:
    return replace(policies, approvals=(*policies.approvals, *approvals))


REFUSED, WAITS, WARNED = RuleEffect.REFUSED.value, RuleEffect.NEEDS_APPROVAL.value, RuleEffect.WARNED.value
