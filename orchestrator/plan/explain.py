"""A plan and the observed state → the whole story of one deployment: what is wanted, what runs, why, and what follows.

`airs plan --explain NAME` shows it, as text by `explain_text.py` and as JSON.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action
from orchestrator.plan.course_steps import steps_of
from orchestrator.plan.document import Plan
from orchestrator.rollout.standing import hold_of, phase_of, under_way


class WantedSide(Value, frozen=True):
    """The wish of a source for one deployment, where it is written down, and the commit that was read."""

    source: str
    component: str
    version: str
    revision: str
    file: str
    line: int
    commit: Commit | None = None


class RunningSide(Value, frozen=True):
    """The deployment as it is: what serves (empty while nothing has), its phase, and the rollout under way.

    `ready` is None where no agent runs. `fault` is why nobody looks after it, empty while somebody does.
    """

    source: str
    phase: str
    component: str = ""
    version: str = ""
    revision: str = ""
    replicas: int = 0
    ready: int | None = None
    rolling_out: str = ""
    held: str = ""
    fault: str = ""


class Explanation(Value, frozen=True):
    """One deployment's part of a plan. `actions` are its rows, with all findings; `steps` what they come to, in order.

    `why` says in a sentence why wish and reality differ, or that they do not. `unblock` is everything that would let
    stopped rows go on.
    """

    namespace: str
    name: str
    why: str
    wanted: WantedSide | None = None
    running: RunningSide | None = None
    actions: tuple[Action, ...] = ()
    unblock: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def explain(plan: Plan, seen: ObservedDeployment | None, key: DeploymentKey) -> Explanation | None:
    """Return the story of one deployment; None where neither the source wants it nor anything is there."""
    wish = next((deployment for deployment in plan.desired.deployments if deployment.key == key), None)
    actions = tuple(action for action in plan.actions if action.key == key)
    is_invalid = key in plan.desired.invalid
    if wish is None and seen is None and not is_invalid:
        return None
    unblock = (finding.unblock for action in actions for finding in action.findings if finding.blocks)
    return Explanation(
        namespace=key.namespace, name=key.name, why=_why(plan, wish, seen, actions, is_invalid=is_invalid),
        wanted=None if wish is None else _wanted(plan, wish), running=None if seen is None else _running(seen),
        actions=actions, unblock=tuple(dict.fromkeys(filter(None, unblock))),
        steps=tuple(_steps(actions, wish, seen)), diagnostics=tuple(_diagnostics(plan, wish, seen, key)),
    )  # fmt: skip


def _wanted(plan: Plan, wish: Deployment) -> WantedSide:
    return WantedSide(
        source=plan.source, component=wish.revision.component, version=wish.revision.version,
        revision=wish.revision.id, file=wish.file, line=wish.line, commit=plan.commit,
    )  # fmt: skip


def _running(seen: ObservedDeployment) -> RunningSide:
    record, rollout, hold = seen.record, under_way(seen.record), hold_of(seen.record)
    side = RunningSide(
        source=record.source, phase=phase_of(seen).value,
        ready=None if seen.instances is None else sum(instance.ready for instance in seen.instances),
        rolling_out="" if rollout is None else f"{rollout.target.revision.version}, {rollout.phase.value}",
        held="" if hold is None else hold.reason, fault=seen.fault,
    )  # fmt: skip
    if record.stable is None:
        return side
    own = record.stable.revision
    return replace(
        side, component=own.component, version=own.version, revision=own.id, replicas=record.stable.replicas
    )  # fmt: skip


def _why(
    plan: Plan, wish: Deployment | None, seen: ObservedDeployment | None, actions: tuple[Action, ...], *,
    is_invalid: bool,
) -> str:  # fmt: skip
    if is_invalid:
        return "its manifest has errors: the instances that there are go on as they are"
    reasons = list(dict.fromkeys(reason.value for action in actions for reason in action.reasons))
    if reasons:
        stopped = all(action.kind.is_stopped for action in actions)
        return f"{'nothing is done, as of ' if stopped else ''}{', '.join(reasons)}"
    if wish is None and seen is not None:
        owner = seen.record.source or "no source"
        return f"this source does not want it: it belongs to {owner}"
    rollout = under_way(seen.record) if seen is not None else None
    if rollout is not None:
        return f"the rollout to {rollout.target.revision.version} is under way, and leads to what is wanted"
    return "what runs is what is wanted"


def _steps(actions: tuple[Action, ...], wish: Deployment | None, seen: ObservedDeployment | None) -> Iterator[str]:
    for action in actions:
        yield from steps_of(action, wish, seen.record if seen is not None else None)


def _diagnostics(
    plan: Plan, wish: Deployment | None, seen: ObservedDeployment | None, key: DeploymentKey
) -> Iterator[Diagnostic]:
    """Yield what is said of its file, or of the deployment by name."""
    known = wish or (seen.record.wanted if seen is not None else None)
    for diagnostic in plan.diagnostics:
        is_its = known is not None and bool(known.file) and diagnostic.location.file == known.file
        if is_its or str(key) in diagnostic.summary:
            yield diagnostic
