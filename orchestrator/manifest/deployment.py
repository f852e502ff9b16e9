"""Turns one YAML document and the component it names into a Deployment with every default filled in, or into problems.

`draft` looks at the document alone, `disagreements` at the component too, and `assemble` makes a deployment of both.
Problems between documents (duplicates, dependencies) are `resolve`'s business.
"""

import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from orchestrator.manifest.capabilities import grant_problems, ungranted
from orchestrator.manifest.check import check
from orchestrator.manifest.component import Component
from orchestrator.manifest.component_source import source_problems
from orchestrator.manifest.documents import Document
from orchestrator.manifest.health import health_of, health_problems
from orchestrator.manifest.identity import identified
from orchestrator.manifest.job import job_of, job_problems, schedule_of
from orchestrator.manifest.mounts import mount_problems, mounts_of
from orchestrator.manifest.node import Node, Place, Unplaced, find, items, nearest, plain, text_at
from orchestrator.manifest.overlay.document import KIND as OVERLAY_KIND
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.manifest.sealed import SEALED_KIND, sealed_problems
from orchestrator.manifest.secrets import secret_problems, secrets_of
from orchestrator.manifest.subscriptions import subscription_problems
from orchestrator.manifest.units import duration_ms, size_bytes
from orchestrator.manifest.versions import parse_range, parse_version
from orchestrator.model.base import Value, canonical_json
from orchestrator.model.ids import DEFAULT_NAMESPACE, NAME_MAX_LENGTH, NAME_PATTERN, DeploymentKey
from orchestrator.model.spec import (
    Analysis,
    Backoff,
    Delivery,
    Deployment,
    DeploymentUse,
    Grant,
    Group,
    GroupStrategy,
    Job,
    Mailbox,
    PauseStep,
    Priority,
    RateLimit,
    RestartPolicy,
    RestartType,
    Revision,
    RolloutPolicy,
    RouteBy,
    Routing,
    RoutingPolicy,
    Strategy,
    WeightStep,
    WhenFull,
)

KIND = "Deployment"
KINDS_TO_COME = ("Route",)
KINDS_ELSEWHERE = ("Policy", "Approval")
Spec = dict[str, Any]
V = TypeVar("V", bound=Value)
_NAME = re.compile(NAME_PATTERN)


class Draft(msgspec.Struct, frozen=True):
    """A document read on its own: its key when it can be told, and everything wrong with it so far.

    `is_other` says that the document is of a kind that owns no deployment, `is_sealed` that it is a sealed secret.
    `is_whole` says that the tree is all of it.
    """

    root: Node
    line: int
    column: int
    key: DeploymentKey | None
    problems: tuple[Unplaced, ...]
    is_other: bool = False
    is_whole: bool = True
    is_sealed: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing that was found so far makes it invalid."""
        return not any(problem.is_error for problem in self.problems)

    @property
    def place(self) -> Place:
        """Where the document begins."""
        return (self.line, self.column)


def draft(document: Document) -> Draft:
    """Check one document by itself."""
    root = document.root if document.root is not None else Node(None, document.line, document.column)
    well_formed = document.whole and not any(problem.is_error for problem in document.problems)
    if not document.whole:
        return Draft(root, document.line, document.column, key_of(root), document.problems, is_whole=False)
    if text_at(root, "kind") == SEALED_KIND:
        problems = (*document.problems, *sealed_problems(root))
        return Draft(root, document.line, document.column, None, problems, True, well_formed, is_sealed=True)
    if text_at(root, "kind") == OVERLAY_KIND:  # one that could not be read well enough to be rendered
        return Draft(root, document.line, document.column, None, document.problems)
    problem = _kind_problem(root)
    if problem is not None:
        is_other = text_at(root, "kind") in (*KINDS_TO_COME, *KINDS_ELSEWHERE)
        problems = (*document.problems, problem)
        return Draft(root, document.line, document.column, None, problems, is_other, well_formed)
    # A value that could not be read stands as nothing in the tree: the problems that this makes are not news.
    told = {(problem.line, problem.column) for problem in document.problems if problem.is_error}
    found = [problem for problem in check("deployment", root) if (problem.line, problem.column) not in told]
    problems = (*document.problems, *found, *_contradictions(root))
    return Draft(root, document.line, document.column, key_of(root), problems, is_whole=well_formed)


def disagreements(source: Draft, key: DeploymentKey, component: Component) -> list[Unplaced]:
    """Return the wishes of a draft that its component does not allow; a part that is malformed is passed over."""
    return [
        *_version_problems(source.root, component),
        *grant_problems(find(source.root, "spec", "grants"), key.namespace, component.asks, component.name),
        *_ungranted(source.root, component),
        *subscription_problems(source.root, component),
        *_limit_problems(source.root, component),
        *_stateful_problems(source.root, component),
        *_routing_problems(source.root),
        *job_problems(source.root, component),
        *health_problems(source.root, component),
    ]


def _ungranted(root: Node, component: Component) -> Iterator[Unplaced]:
    place = nearest(root, "spec", "grants")
    why = dict(component.rationale)
    return ungranted(find(root, "spec", "grants"), place, component.asks, component.needed, why)


def dependencies(source: Draft, key: DeploymentKey) -> list[tuple[DeploymentKey, Place]]:
    """Return what a draft's `dependsOn` names, and where."""
    named = [item for item in items(find(source.root, "spec", "dependsOn")) if isinstance(item.value, str)]
    return [(DeploymentKey.parse(str(item.value), key.namespace), item.place) for item in named]


def names_before(source: Draft, key: DeploymentKey) -> list[tuple[DeploymentKey, Place]]:
    """Return what a draft's `formerly` names, and where."""
    written = find(source.root, "metadata", "formerly")
    named = [written] if written is not None and isinstance(written.value, str) else items(written)
    texts = [(str(item.value), item.place) for item in named if isinstance(item.value, str)]
    return [(DeploymentKey.parse(text, key.namespace), place) for text, place in texts if _is_name(text.split("/")[-1])]


def _kind_problem(root: Node) -> Unplaced | None:
    if not isinstance(root.value, dict):
        return Unplaced(*root.place, "a manifest must be a mapping", suggestion="begin with `apiVersion: airs.dev/v1`")
    kind = text_at(root, "kind")
    if kind == KIND:
        return None
    if kind is None:
        return Unplaced(*nearest(root, "kind"), "`kind` is missing", suggestion="add `kind: Deployment`")
    place = nearest(root, "kind")
    if kind in KINDS_ELSEWHERE:
        return Unplaced(
            *place,
            f"a document of kind {kind} has no place in a source",
            "They are read only from the place that the agent's own configuration names: "
            "a person who may deploy could otherwise allow himself everything.",
            "move it there: `policy` in airs.toml, or `--policy PATH`",
        )
    if kind in KINDS_TO_COME:
        return Unplaced(*place, f"kind {kind} is not implemented by this version", suggestion="remove the document")
    return Unplaced(
        *place, f"unknown kind {excerpt(kind)}", suggestion=did_you_mean(kind, (KIND, SEALED_KIND, OVERLAY_KIND))
    )


def key_of(root: Node) -> DeploymentKey | None:
    """Return the key that a deployment's document gives it; None where it gives none that can be one."""
    name = text_at(root, "metadata", "name")
    namespace = find(root, "metadata", "namespace")
    where = DEFAULT_NAMESPACE if namespace is None else namespace.value
    if not _is_name(name) or not _is_name(where):
        return None
    return DeploymentKey(namespace=str(where), name=str(name))


def _is_name(text: object) -> bool:
    return isinstance(text, str) and len(text) <= NAME_MAX_LENGTH and _NAME.fullmatch(text) is not None


def _contradictions(root: Node) -> list[Unplaced]:
    found = (
        source_problems, _rollout_contradictions, _backoff_contradictions, _range_problems, mount_problems,
        secret_problems,
    )  # fmt: skip
    return [problem for contradictions in found for problem in contradictions(root)]


def _rollout_contradictions(root: Node) -> list[Unplaced]:
    strategy = text_at(root, "spec", "rollout", "strategy") or Strategy.BLUE_GREEN.value
    if strategy not in {known.value for known in Strategy}:
        return []
    steps = list(items(find(root, "spec", "rollout", "steps")))
    if strategy == Strategy.CANARY.value:
        if any(find(step, "weight") for step in steps):
            return []
        place = nearest(root, "spec", "rollout", "steps" if steps else "strategy")
        return [Unplaced(*place, "a canary needs at least one `weight` step", suggestion="add `steps: [{weight: 10}]`")]
    return [
        Unplaced(
            *nearest(root, "spec", "rollout", part),
            f"`spec.rollout.{part}` says how a canary goes, but the strategy is {strategy}",
            suggestion=f"write `strategy: canary`, or remove `{part}`",
        )
        for part in ("steps", "analysis")
        if (node := find(root, "spec", "rollout", part)) is not None and node.value
    ]


def _backoff_contradictions(root: Node) -> list[Unplaced]:
    try:
        backoff = _backoff(_mapping(find(root, "spec", "restart", "backoff")))
    except (TypeError, ValueError):  # malformed, and said to be
        return []
    if backoff.initial_ms <= backoff.max_ms:
        return []
    place = nearest(root, "spec", "restart", "backoff", "initial")
    return [
        Unplaced(*place, "the first backoff is longer than the longest", suggestion="raise `max`, or lower `initial`")
    ]


def _range_problems(root: Node) -> list[Unplaced]:
    written = text_at(root, "spec", "component", "version")
    if written is None:
        return []
    try:
        parse_range(written)
    except ValueError:
        place = nearest(root, "spec", "component", "version")
        summary = f"`spec.component.version` is {excerpt(written)}, which is not a version range"
        return [Unplaced(*place, summary, suggestion="write `^1.4`, `~1.2.3`, `>=1, <2`, `1.4.0` or `*`")]
    return []


def _version_problems(root: Node, component: Component) -> list[Unplaced]:
    written = text_at(root, "spec", "component", "version") or "*"
    try:
        wanted = parse_range(written)
    except ValueError:  # malformed, and said to be
        return []
    if parse_version(component.version) in wanted or not wanted.bounds:
        return []
    place = nearest(root, "spec", "component", "version")
    summary = f"component {component.name} has version {component.version}, which {excerpt(written)} leaves out"
    return [Unplaced(*place, summary, suggestion="widen the range, or name another component")]


def _limit_problems(root: Node, component: Component) -> list[Unplaced]:
    own = msgspec.structs.asdict(component.limits)
    limits = _mapping(find(root, "spec", "limits"))
    problems = []
    for key in sorted(limits.keys() & _LIMITS.keys()):
        field, read = _LIMITS[key]
        try:
            value = read(limits[key])
        except (TypeError, ValueError):  # malformed, and said to be
            continue
        place = nearest(root, "spec", "limits", key)
        if own[field] is None:
            summary = f"`spec.limits.{key}` limits storage that component {component.name} does not have"
            problems.append(Unplaced(*place, summary, suggestion="remove it"))
        elif value > own[field]:
            summary = f"`spec.limits.{key}` is looser than the component's own; limits may only tighten"
            problems.append(Unplaced(*place, summary, suggestion="lower or remove it"))
    return problems


def _stateful_problems(root: Node, component: Component) -> list[Unplaced]:
    if not component.stateful or _routing_of(root).is_keyed:
        return []
    problems = []
    replicas = find(root, "spec", "replicas")
    if replicas is not None and isinstance(replicas.value, int) and replicas.value > 1:
        summary = f"component {component.name} is stateful: `spec.replicas` must be 0 or 1, not {replicas.value}"
        problems.append(Unplaced(*replicas.place, summary, _LOST_UPDATES, "write `replicas: 1`"))
    if text_at(root, "spec", "rollout", "strategy") == Strategy.CANARY.value:
        place = nearest(root, "spec", "rollout", "strategy")
        summary = f"component {component.name} is stateful: it cannot be rolled out as a canary"
        problems.append(Unplaced(*place, summary, _LOST_UPDATES, "write `strategy: blue-green`"))
    return problems


_LOST_UPDATES = (
    "Two instances that read, change and write the same data lose each other's updates. With `routing: {policy: "
    "consistent-hash}` each key of messages has data of its own, and one instance at a time."
)


def _routing_of(root: Node) -> Routing:
    """Return how a deployment routes, as far as that is well written."""
    written = _mapping(find(root, "spec", "routing"))
    policies, ways = {one.value for one in RoutingPolicy}, {one.value for one in RouteBy}
    if not (written.get("policy", "least-loaded") in policies and written.get("by", "key") in ways):
        return Routing()
    return _routing(written)


def _routing_problems(root: Node) -> list[Unplaced]:
    policy = text_at(root, "spec", "routing", "policy") or RoutingPolicy.LEAST_LOADED.value
    if find(root, "spec", "routing", "by") is None or policy == RoutingPolicy.CONSISTENT_HASH.value:
        return []
    place = nearest(root, "spec", "routing", "by")
    summary = f"`spec.routing.by` says what instances own, but with the policy {policy} they own nothing"
    return [Unplaced(*place, summary, suggestion="write `policy: consistent-hash`, or remove `by`")]


def assemble(source: Draft, key: DeploymentKey, component: Component, file: str) -> Deployment:
    """Return the deployment that a sound draft makes with a component it agrees with; `file` is as people type it."""
    spec = _mapping(find(source.root, "spec"))
    job = job_of(source.root, component)
    depends_on = {dependency for dependency, _ in dependencies(source, key)}
    return Deployment(
        key=key,
        revision=_revision(spec, component, job),
        replicas=spec.get("replicas", 1) if job is None else 0,
        labels=tuple(sorted(_mapping(find(source.root, "metadata", "labels")).items())),
        mailbox=_mailbox(spec),
        subscribe=tuple(sorted(spec.get("subscribe", ()))),
        rate_limit=_rate_limit(spec["rateLimit"]) if "rateLimit" in spec else None,
        routing=_routing(spec.get("routing", {})),
        priority=Priority(spec.get("priority", Priority.NORMAL.value)),
        restart=_restart(spec.get("restart", {})),
        group=_group(spec["group"]) if "group" in spec else None,
        depends_on=tuple(sorted(depends_on)),
        uses=tuple(sorted({_use(use, key) for use in spec.get("uses", ())})),
        health=health_of(source.root, component),
        rollout=_rollout(spec.get("rollout", {})),
        schedule=schedule_of(source.root) if job is not None else None,
        suspend=spec.get("suspend", False),
        file=file,
        line=source.line,
        rationale=component.rationale,
        requires=component.requires,
        names_before=tuple(sorted({old for old, _ in names_before(source, key)})) or msgspec.UNSET,
        signers=component.signers,
        asks=tuple(Grant(capability=name, patterns=asked) for name, asked in sorted(component.asks.items())),
    )


def _revision(spec: Spec, component: Component, job: Job | None) -> Revision:
    content = Revision(
        id="",
        component=component.name,
        version=component.version,
        artifact=component.artifact,
        stateful=component.stateful,
        config=canonical_json(spec.get("config", {})).decode(),
        grants=_grants(spec.get("grants", {})),
        limits=msgspec.structs.replace(component.limits, **_limits(spec.get("limits", {}))),
        job=job,
        accepts=component.accepts,
        mounts=mounts_of(spec.get("mounts", [])),
        manifest=component.manifest,
        origin=component.origin,
        secrets=secrets_of(spec.get("secrets", [])),
    )
    return identified(content)


def _grants(grants: Spec) -> tuple[Grant, ...]:
    given = ((capability, tuple(sorted(patterns))) for capability, patterns in sorted(grants.items()))
    return tuple(Grant(capability=capability, patterns=patterns) for capability, patterns in given if patterns)


_LIMITS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "memory": ("memory_bytes", size_bytes),
    "fuel": ("fuel", operator.index),
    "timeout": ("timeout_ms", duration_ms),
    "storage": ("storage_bytes", size_bytes),
    "log": ("log_per_s", operator.index),
}


def _limits(limits: Spec) -> dict[str, int]:
    return {_LIMITS[key][0]: _LIMITS[key][1](value) for key, value in limits.items()}


def _given(section: Spec, **fields: tuple[str, Any]) -> dict[str, Any]:
    """Return the fields that the section has, converted; the others keep the model's defaults."""
    return {field: convert(section[key]) for field, (key, convert) in fields.items() if key in section}


@lru_cache(1_024)
def _one_of(value: Value) -> Value:
    return value


def _shared(value: V) -> V:
    """Return an equal value that was made before: thousands of deployments have the same few policies."""
    return _one_of(value)  # type: ignore[return-value]  # what is equal is of one type


def _mailbox(spec: Spec) -> Mailbox:
    given = _given(
        spec.get("mailbox", {}),
        capacity=("capacity", int),
        batch=("batch", int),
        when_full=("whenFull", WhenFull),
        ttl_ms=("ttl", duration_ms),
        attempts=("attempts", int),
        dedupe_ms=("dedupe", duration_ms),
    )
    return _shared(Mailbox(**given, **_given(spec, delivery=("delivery", Delivery))))


def _use(use: Spec, key: DeploymentKey) -> DeploymentUse:
    functions = tuple(sorted(use.get("functions", ())))
    other = DeploymentKey.parse(use["deployment"], key.namespace)
    return DeploymentUse(deployment=other, interface=use.get("interface", ""), functions=functions)


def _rate_limit(limit: Spec) -> RateLimit:
    messages: int = limit["messages"]
    given = _given(limit, per_ms=("per", duration_ms), burst=("burst", int))
    return RateLimit(messages=messages, **{"burst": messages, **given})


def _routing(routing: Spec) -> Routing:
    return _shared(Routing(**_given(routing, policy=("policy", RoutingPolicy), by=("by", RouteBy))))


def _restart(restart: Spec) -> RestartPolicy:
    given = _given(
        restart,
        type=("type", RestartType),
        intensity=("intensity", int),
        period_ms=("period", duration_ms),
        backoff=("backoff", _backoff),
    )
    return _shared(RestartPolicy(**given))


def _backoff(backoff: Spec) -> Backoff:
    given = _given(
        backoff,
        initial_ms=("initial", duration_ms),
        factor=("factor", float),
        max_ms=("max", duration_ms),
        jitter=("jitter", float),
    )
    return Backoff(**given)


def _group(group: Spec) -> Group:
    given = _given(
        group, strategy=("strategy", GroupStrategy), intensity=("intensity", int), period_ms=("period", duration_ms)
    )
    return Group(name=group["name"], **given)


def _rollout(rollout: Spec) -> RolloutPolicy:
    given = _given(
        rollout,
        strategy=("strategy", Strategy),
        steps=("steps", _steps),
        analysis=("analysis", _analysis),
        progress_deadline_ms=("progressDeadline", duration_ms),
        keep_previous_ms=("keepPrevious", duration_ms),
        retain=("retain", int),
    )
    return _shared(RolloutPolicy(**given))


def _steps(steps: list[Spec]) -> tuple[WeightStep | PauseStep, ...]:
    return tuple(
        WeightStep(weight=step["weight"])
        if "weight" in step
        else PauseStep(duration_ms=duration_ms(step["pause"]) if step["pause"] else None)
        for step in steps
    )


def _analysis(analysis: Spec) -> Analysis:
    given = _given(
        analysis,
        interval_ms=("interval", duration_ms),
        minimum_messages=("minimumMessages", int),
        failure_limit=("failureLimit", int),
        inconclusive_limit=("inconclusiveLimit", int),
    )
    error_rate = analysis.get("metrics", {}).get("errorRate", {})
    return Analysis(**given, **_given(error_rate, error_rate_max=("max", float)))


def _mapping(node: Node | None) -> Spec:
    value = plain(node) if node is not None else {}
    return value if isinstance(value, dict) else {}
