"""(DesiredState, ObservedState) → Plan: the actions from one to the other. Called by the controller and the CLI.

It looks at values only: the same two states give the same bytes, in whatever order their members come.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import lt

import msgspec

from orchestrator.model.base import digest_of
from orchestrator.model.desired import DesiredState
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState
from orchestrator.model.secret import LackingSecret
from orchestrator.model.source import NOBODY
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.dependencies import Obstacle, find_obstacles, in_order
from orchestrator.plan.document import Plan, summarize
from orchestrator.plan.findings.concern import may_concern_callers
from orchestrator.plan.findings.known import NOTHING_KNOWN, KnownFacts
from orchestrator.plan.findings.room import Room, after_all
from orchestrator.plan.removals import removals
from orchestrator.plan.renames import former_names, kept_for
from orchestrator.plan.requirements import unmet_requirements
from orchestrator.plan.ruled import (
    TOUCHING,
    UNJUDGED,
    Judging,
    beyond_limits,
    has_barred,
    policy_warnings,
    ruled,
    standing_breaches,
    standing_in,
)
from orchestrator.plan.rules import Case, decide
from orchestrator.plan.siblings import FindSiblings, Siblings, has_left, moving, none_known
from orchestrator.plan.warnings import expiring, warnings

NOTHING_STANDS: Mapping[DeploymentKey, Deployment] = {}


def make_plan(
    desired: DesiredState, observed: ObservedState, diagnostics: Iterable[Diagnostic] = (),
    judging: Judging = UNJUDGED, known: KnownFacts = NOTHING_KNOWN,
) -> Plan:  # fmt: skip
    """Return the plan from `observed` to `desired`, to be shown or saved; warnings are added to `diagnostics`."""
    plan = plan_to_show(desired, observed, diagnostics, judging, known)
    return msgspec.structs.replace(plan, digest=digest_of(plan))


def plan_to_show(
    desired: DesiredState, observed: ObservedState, diagnostics: Iterable[Diagnostic] = (),
    judging: Judging = UNJUDGED, known: KnownFacts = NOTHING_KNOWN,
) -> Plan:  # fmt: skip
    """Return the same plan without its digest, for which all of it has to be encoded."""
    plan, seen = compare(desired, observed, judging, known), observed.by_key()
    plan, wanted = _informed(plan, seen, judging, known), plan.desired.deployments
    told = (
        *diagnostics, *rebuilt(plan.desired, seen), *warnings(wanted, seen, plan.actions),
        *policy_warnings(wanted, judging, desired.root),
        *moving(plan.desired, (each.record for each in observed.deployments), known.siblings(desired)),
        *_unmet(plan, seen, known), *expiring(wanted, judging.now_ms),
        *standing_breaches(wanted, seen, plan.actions, judging, desired.root),
    )  # fmt: skip
    return msgspec.structs.replace(plan, diagnostics=tuple(sorted(told, key=diagnostic_order)))


def _unmet(
    plan: Plan, seen: dict[DeploymentKey, ObservedDeployment], known: KnownFacts
) -> Iterator[Diagnostic]:  # fmt: skip
    """Warn of what deployments that go on say they use, and nobody has."""
    if any(deployment.uses for deployment in plan.desired.deployments):
        from orchestrator.plan.findings.callers import unmet_warnings  # with all types, for which few plans have use

        yield from unmet_warnings(plan, standing_in(each.record for each in seen.values()), known)


def _informed(
    plan: Plan, seen: dict[DeploymentKey, ObservedDeployment], judging: Judging, known: KnownFacts
) -> Plan:  # fmt: skip
    """Return a plan with all that a reader should know of each action."""
    if not plan.actions:
        return plan
    from orchestrator.plan.findings.informing import informed  # with all types, for which most plans have no use

    wanted = {deployment.key: deployment for deployment in plan.desired.deployments}
    standing = standing_in(each.record for each in seen.values())
    room = Room(judging.rules, after_all(plan.actions, wanted, standing))
    told = informed(plan.actions, wanted, seen, standing, known, room)
    return msgspec.structs.replace(plan, actions=tuple(told))


def compare(
    desired: DesiredState, observed: ObservedState, judging: Judging = UNJUDGED, known: KnownFacts = NOTHING_KNOWN
) -> Plan:
    """Return the same plan without warnings and digest, to be carried out at once."""
    desired = in_canonical_order(desired)
    seen = observed.by_key()
    leaving = removals(desired, [d.record for d in observed.deployments], known.siblings(desired))
    removed = {action.key for action in leaving if action.kind is ActionKind.REMOVE}
    removed |= {*kept_for(desired.deployments, seen.keys())} & seen.keys()
    standing = standing_in(d.record for d in observed.deployments if d.record.key not in removed)
    unmet = unmet_requirements(desired.deployments, standing)
    obstacles = {**obstacles_of(desired, frozenset(seen.keys() - removed)), **unmet}
    actions = decisions(desired, observed, obstacles, known.siblings)
    if judging.is_needed or has_barred(observed):
        actions = [*as_ruled(desired, observed, actions, judging, standing)]
    needs = {action.key: seen[action.key].record.wanted.depends_on for action in leaving}
    needs |= {d.key: d.depends_on for d in desired.deployments}
    known = msgspec.structs.replace(
        known, standing=lambda: {**standing, **standing_in(seen[key].record for key in removed)}
    )
    return _plan(desired, observed, in_execution_order(as_called(desired, [*actions, *leaving], known), needs))


def compare_some(
    desired: DesiredState, some: Iterable[Deployment], observed: ObservedState, staying: Collection[DeploymentKey],
    judging: Judging = UNJUDGED, standing: Mapping[DeploymentKey, Deployment] = NOTHING_STANDS,
    known: KnownFacts = NOTHING_KNOWN,
) -> Plan:  # fmt: skip
    """Return a plan for `some` of the desired deployments, and for nothing else.

    `observed` holds those of them that exist; `staying` is everything that does, `standing` with its specs, for the
    limits of `judging`; `known` is asked for those specs where callers matter. Only a whole plan removes.
    """
    part = msgspec.structs.replace(desired, deployments=tuple(sorted(some, key=lambda d: d.key)))
    needs = {d.key: d.depends_on for d in part.deployments}
    obstacles = obstacles_of(desired, frozenset(staying)) if any(needs.values()) else {}
    if any(deployment.requires for deployment in part.deployments):
        obstacles |= unmet_requirements(part.deployments, {**standing, **{d.key: d for d in desired.deployments}})
    actions = decisions(part, observed, obstacles, known.siblings)
    if judging.is_needed or has_barred(observed):
        actions = [*as_ruled(part, observed, actions, judging, standing)]
    return _plan(part, observed, in_execution_order(as_called(part, actions, known), needs))


def as_called(desired: DesiredState, actions: list[Action], known: KnownFacts) -> list[Action]:
    """Return the actions as far as callers go on working, and find what they use."""
    wanted = {deployment.key: deployment for deployment in desired.deployments}
    if not may_concern_callers(actions, wanted):
        return actions
    from orchestrator.plan.findings.callers import with_callers  # with all types, for which few plans have use

    may_break = desired.permissions.allow_breaking
    return with_callers(actions, wanted, known.standing(), known, allows_breaking=may_break)


def as_ruled(
    desired: DesiredState, observed: ObservedState, actions: Iterable[Action], judging: Judging,
    standing: Mapping[DeploymentKey, Deployment],
) -> Iterator[Action]:  # fmt: skip
    """Yield the actions as the policies allow them, beside those that stop what runs and may not."""
    seen, by_key = observed.by_key(), dict[DeploymentKey, list[Action]]()
    for action in actions:
        by_key.setdefault(action.key, []).append(action)
    touched = [d for d in desired.deployments if any(a.kind in TOUCHING for a in by_key.get(d.key, ()))]
    beyond = beyond_limits(touched, standing, judging)
    for deployment in desired.deployments:
        key = deployment.key
        found, own = by_key.get(key, ()), seen.get(key)
        is_ours = own is None or own.record.source == desired.source
        yield from ruled(found, deployment, own if is_ours else None, judging, desired.root, beyond.get(key, ()))


def _plan(desired: DesiredState, observed: ObservedState, ordered: tuple[Action, ...]) -> Plan:
    return Plan(
        source=desired.source,
        root=desired.root,
        root_reason=desired.root_reason,
        source_revision=desired.revision,
        commit=desired.commit,
        lineage=observed.lineage,
        serial=observed.serial,
        agent_running=observed.agent_running,
        desired=desired,
        actions=ordered,
        summary=summarize(ordered),
    )


def rebuilt(desired: DesiredState, seen: dict[DeploymentKey, ObservedDeployment]) -> Iterator[Diagnostic]:
    """Warn of each deployment whose component has another artifact than the stable one, and the same version."""
    for wanted in desired.deployments:
        serves = seen[wanted.key].record.stable if wanted.key in seen else None
        new, old = wanted.revision, serves.revision if serves else wanted.revision
        if (old.component, old.version) != (new.component, new.version) or old.artifact == new.artifact:
            continue
        yield Diagnostic(
            severity=Severity.WARNING,
            summary=f"component {new.component} {new.version} is not the artifact that serves under this version",
            location=Location(file=wanted.file, line=wanted.line, column=1),
            detail=f"Serving is {_short(old.artifact)}, wanted is {_short(new.artifact)}. "
            "History, rollbacks and messages tell artifacts apart by their version.",
            suggestion="give the new build another `version` in its Component.toml",
        )


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


def obstacles_of(desired: DesiredState, staying: frozenset[DeploymentKey]) -> dict[DeploymentKey, Obstacle]:
    """Return the obstacles of deployments that depend on others; `staying` are those that exist and are not removed."""
    if not any(deployment.depends_on for deployment in desired.deployments):
        return {}
    return find_obstacles({d.key: d for d in desired.deployments}, frozenset(desired.invalid), staying)


def decisions(
    desired: DesiredState, observed: ObservedState, obstacles: Mapping[DeploymentKey, Obstacle],
    find_siblings: FindSiblings = none_known,
) -> list[Action]:  # fmt: skip
    """Decide about each deployment that is wanted."""
    seen, lacking = observed.by_key(), {(each.namespace, each.name): each for each in desired.lacking}
    left, former = _left(desired, observed, find_siblings), {}
    if any(deployment.formerly for deployment in desired.deployments):
        records = {key: each.record for key, each in seen.items()}
        former = former_names(desired, records, find_siblings(desired))
    cases = (
        Case(
            source=desired.source,
            wanted=deployment,
            seen=seen.get(deployment.key),
            obstacle=obstacles.get(deployment.key),
            may_adopt=desired.permissions.adopt,
            is_left=deployment.key in left,
            former=former.get(deployment.key),
            agent_running=observed.agent_running,
            lacking=_lacking(deployment, lacking) if lacking else (),
        )
        for deployment in desired.deployments
    )
    return [action for case in cases for action in decide(case)]


def _left(desired: DesiredState, observed: ObservedState, find_siblings: FindSiblings) -> frozenset[DeploymentKey]:
    """Return the deployments of siblings that these no longer name."""
    others = [each.record for each in observed.deployments if each.record.source not in (desired.source, NOBODY)]
    siblings: Siblings = find_siblings(desired) if others else ()
    return frozenset(record.key for record in others if has_left(record, siblings)) if siblings else frozenset()


def _lacking(
    deployment: Deployment, lacking: Mapping[tuple[str, str], LackingSecret]
) -> tuple[LackingSecret, ...]:  # fmt: skip
    names = dict.fromkeys((deployment.key.namespace, use.name) for use in deployment.revision.secrets)
    return tuple(lacking[name] for name in names if name in lacking)


def in_canonical_order(desired: DesiredState) -> DesiredState:
    """Sort everything whose order means nothing; a deployment both wanted and invalid is invalid."""
    invalid = frozenset(desired.invalid)
    unique: dict[DeploymentKey, Deployment] = {}
    for deployment in _sorted(desired.deployments):
        if deployment.key not in invalid:
            unique.setdefault(deployment.key, deployment)
    return msgspec.structs.replace(
        desired,
        deployments=tuple(unique.values()),
        invalid=tuple(sorted(invalid)),
        unreadable_files=tuple(sorted(set(desired.unreadable_files))),
        awaited=msgspec.UNSET,
    )


def _sorted(deployments: Sequence[Deployment]) -> Sequence[Deployment]:
    keys = [deployment.key for deployment in deployments]
    if all(map(lt, keys, keys[1:])):  # as a resolved state comes
        return deployments
    return sorted(deployments, key=lambda d: (d.key, d.file, d.line))


def in_execution_order(
    actions: Iterable[Action], needs: dict[DeploymentKey, tuple[DeploymentKey, ...]]
) -> tuple[Action, ...]:
    """Sort: dependencies before their dependents, then removals the other way round, then stopped actions."""
    by_key: dict[DeploymentKey, list[Action]] = {}
    for action in actions:
        by_key.setdefault(action.key, []).append(action)
    if not by_key:
        return ()
    order = [action for key in in_order(needs) for action in by_key.get(key, ())]
    stopped = [action for action in order if action.kind.is_stopped]
    leaving = [action for action in order if action.kind is ActionKind.REMOVE]
    rest = [a for a in order if not a.kind.is_stopped and a.kind is not ActionKind.REMOVE]
    return (*rest, *reversed(leaving), *stopped)


def diagnostic_order(diagnostic: Diagnostic) -> tuple[object, ...]:
    """Sort by place, then by what is said."""
    return (diagnostic.location, diagnostic.severity.value, diagnostic.summary, diagnostic.detail)
