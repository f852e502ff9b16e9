"""The usage of a deployment, now and after a plan → how close its namespace and this machine come to a limit."""

from collections.abc import Iterable, Iterator
from functools import cached_property

from orchestrator.model.policy import NamespaceLimits, PolicySet
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.finding import FindingKind, PlanFinding
from orchestrator.plan.findings.known import Deployments
from orchestrator.plan.findings.words import size
from orchestrator.policy.limits import MEASURES, WORDS, NamespaceUsage, total_of, usage_of
from orchestrator.policy.overlap import any_matches

BYTES = ("memory_bytes", "storage_bytes")


class Room:
    """The limits that are in force, and what everything takes once a plan was carried out."""

    def __init__(self, rules: PolicySet, after: Deployments) -> None:
        self._rules, self._after = rules, after
        self._totals: dict[str | None, NamespaceUsage] = {}

    def findings(self, now: Deployment | None, then: Deployment) -> Iterator[PlanFinding]:
        """Yield a finding for each limit that a deployment comes closer to."""
        if not self._limits:
            return
        before, after = usage_of(now), usage_of(then)
        for measure in MEASURES:
            old, new = getattr(before, measure), getattr(after, measure)
            if new > old:
                yield from self._closer(then, measure, old, new)

    def _closer(self, deployment: Deployment, measure: str, old: int, new: int) -> Iterator[PlanFinding]:
        namespace = deployment.key.namespace
        for whose, namespaces, limits, file in self._limits:
            limit = getattr(limits, measure)
            if limit is None or (namespaces and not any_matches(namespaces, namespace)):
                continue
            taken = getattr(self._taken(namespace if namespaces else None), measure)
            word = WORDS[measure].removeprefix("bytes of ")
            text = f"{word} {_shown(measure, old)} → {_shown(measure, new)}; with this plan, {_scope(namespaces)} " + (
                f"{_shown(measure, taken)} of {_shown(measure, limit)} that {whose} allows"
            )
            yield PlanFinding(kind=FindingKind.QUOTA, text=text, file=file, line=limits.line, policy=whose)

    @cached_property
    def _limits(self) -> list[tuple[str, tuple[str, ...], NamespaceLimits, str]]:
        """Each limit: whose it is, for which namespaces (none is all together), how much, and where that is written."""
        machine = self._rules.machine
        own = [("this machine", (), machine.limits, machine.file)] if machine is not None else []
        return [*((p.name, p.namespaces, p.limits, p.file) for p in self._rules.policies if _has_any(p.limits)), *own]

    def _taken(self, namespace: str | None) -> NamespaceUsage:
        if namespace not in self._totals:
            self._totals[namespace] = total_of(d for k, d in self._after.items() if namespace in (None, k.namespace))
        return self._totals[namespace]


def _has_any(limits: NamespaceLimits) -> bool:
    return any(getattr(limits, measure) is not None for measure in MEASURES)


def _scope(namespaces: tuple[str, ...]) -> str:
    return "its namespace has" if namespaces else "all have"


def _shown(measure: str, count: int) -> str:
    return size(count) if measure in BYTES else str(count)


def after_all(actions: Iterable[Action], wanted: Deployments, standing: Deployments) -> Deployments:
    """Return what would be deployed once each action was carried out that is not stopped."""
    after = dict(standing)
    for action in actions:
        if action.kind is ActionKind.REMOVE:
            after.pop(action.key, None)
        elif not action.kind.is_stopped and action.key in wanted:
            after[action.key] = wanted[action.key]
    return after
