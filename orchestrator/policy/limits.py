"""The usage of all deployments of a namespace, and those wanted ones that would take it over a limit. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.policy import MachineLimits, Policy, PolicySet
from orchestrator.model.spec import Deployment
from orchestrator.policy.judge import Breach, RuleEffect, finding_of
from orchestrator.policy.overlap import any_matches

MEASURES = ("deployments", "instances", "memory_bytes", "storage_bytes", "fuel_per_s")
WORDS = {
    "deployments": "deployments", "instances": "instances", "memory_bytes": "bytes of memory",
    "storage_bytes": "bytes of storage", "fuel_per_s": "fuel a second",
}  # fmt: skip


class NamespaceUsage(Value, frozen=True):
    """The most that some deployments take, by their limits; fuel as if each call took its whole timeout."""

    deployments: int = 0
    instances: int = 0
    memory_bytes: int = 0
    storage_bytes: int = 0
    fuel_per_s: int = 0

    def plus(self, other: "NamespaceUsage") -> "NamespaceUsage":
        """Return both together."""
        return NamespaceUsage(**{name: getattr(self, name) + getattr(other, name) for name in MEASURES})

    def minus(self, other: "NamespaceUsage") -> "NamespaceUsage":
        """Return what is left of one without the other."""
        return NamespaceUsage(**{name: getattr(self, name) - getattr(other, name) for name in MEASURES})


def has_limits(rules: PolicySet) -> bool:
    """Whether anything limits what a namespace takes, or all of them together."""
    return rules.machine is not None or any(
        _limit(policy, name) is not None for policy in rules.policies for name in MEASURES
    )


def usage_of(deployment: Deployment | None) -> NamespaceUsage:
    """Return what a deployment takes; nothing is taken by none."""
    if deployment is None:
        return NamespaceUsage()
    limits = deployment.revision.limits
    instances = 0 if deployment.suspend else deployment.replicas
    return NamespaceUsage(
        deployments=1, instances=instances, memory_bytes=instances * limits.memory_bytes,
        storage_bytes=limits.storage_bytes or 0,
        fuel_per_s=instances * limits.fuel * 1_000 // max(limits.timeout_ms, 1),
    )  # fmt: skip


def total_of(deployments: Iterable[Deployment]) -> NamespaceUsage:
    """Return what some deployments take together."""
    total = NamespaceUsage()
    for deployment in deployments:
        total = total.plus(usage_of(deployment))
    return total


def over_limits(
    wanted: Iterable[Deployment], standing: Mapping[DeploymentKey, Deployment], rules: PolicySet
) -> dict[DeploymentKey, tuple[Breach, ...]]:
    """Return the findings of those wanted deployments that would go over a limit of their namespace.

    `standing` is what there is, and stays. Deployments are granted room in the order of their names; one that takes no
    more than it has always keeps it.
    """
    if not has_limits(rules):
        return {}
    limited = [policy for policy in rules.policies if any(_limit(policy, name) is not None for name in MEASURES)]
    found: dict[DeploymentKey, tuple[Breach, ...]] = {}
    taken: dict[str, NamespaceUsage] = {}
    together = NamespaceUsage()
    for key, deployment in standing.items():
        used = usage_of(deployment)
        taken[key.namespace], together = taken.get(key.namespace, NamespaceUsage()).plus(used), together.plus(used)
    for deployment in sorted(wanted, key=lambda one: one.key):
        key = deployment.key
        before, more = (
            taken.get(key.namespace, NamespaceUsage()),
            usage_of(deployment).minus(usage_of(standing.get(key))),
        )
        findings = (
            *_beyond(limited, key.namespace, before.plus(more), more),
            *_beyond_machine(rules.machine, together.plus(more), more),
        )
        if findings:
            found[key] = findings
        if not findings or all(finding.effect.value == "warned" for finding in findings):
            taken[key.namespace], together = before.plus(more), together.plus(more)
    return found


def _beyond(policies: list[Policy], namespace: str, after: NamespaceUsage, more: NamespaceUsage) -> Iterator[Breach]:
    for policy in policies:
        if not any_matches(policy.namespaces, namespace):
            continue
        for name in MEASURES:
            limit = _limit(policy, name)
            if limit is not None and getattr(more, name) > 0 and getattr(after, name) > limit:
                text = (
                    f"policy {policy.name} allows namespace {namespace} {limit} {WORDS[name]}; "
                    f"with this, it would have {getattr(after, name)}"
                )
                yield finding_of(policy, "limits", policy.limits.line, text)


def _beyond_machine(machine: MachineLimits | None, after: NamespaceUsage, more: NamespaceUsage) -> Iterator[Breach]:
    if machine is None:
        return
    for name in MEASURES:
        limit = getattr(machine.limits, name)
        if limit is not None and getattr(more, name) > 0 and getattr(after, name) > limit:
            has = f"with this, it would have {getattr(after, name)}"
            text = f"the settings allow this machine {limit} {WORDS[name]}; {has}"
            file, line = machine.file, machine.limits.line
            yield Breach(rule="limits", effect=RuleEffect.REFUSED, policy="", file=file, line=line, text=text)


def _limit(policy: Policy, name: str) -> int | None:
    found: int | None = getattr(policy.limits, name)
    return found
