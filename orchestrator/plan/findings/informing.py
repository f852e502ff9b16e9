"""The actions of a plan → the same, with all that a reader should know of each. Asked for a plan that is shown.

Nothing here decides: an action stays what it is. `callers.py` and `ruled.py` have said before what is blocked.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.finding import FindingKind, PlanFinding
from orchestrator.plan.findings.callers import AfterPlan, callers_of, with_named
from orchestrator.plan.findings.known import Deployments, KnownFacts
from orchestrator.plan.findings.room import Room
from orchestrator.plan.findings.stopped import why_stopped
from orchestrator.plan.findings.words import counted, listed, size, spans

STORAGE = ("storage.read", "storage.write")
TAKING_OVER = (ActionKind.CREATE, ActionKind.ROLL_OUT, ActionKind.BLOCKED, ActionKind.HELD)


class FindingBasis(msgspec.Struct, frozen=True):
    """All that the findings on one action are made from, beside the action."""

    wanted: Deployments
    seen: Mapping[DeploymentKey, ObservedDeployment]
    standing: Deployments
    known: KnownFacts
    room: Room
    named: AfterPlan


class ActionView(msgspec.Struct, frozen=True):
    """One action, what there is of its deployment, and what it would be: None where there is none, or will be none."""

    action: Action
    now: Deployment | None
    then: Deployment | None

    @property
    def is_removal(self) -> bool:
        """Whether nothing is left."""
        return self.action.kind is ActionKind.REMOVE

    @property
    def is_switch(self) -> bool:
        """Whether another revision would take over from one that is there."""
        return self.now is not None and self.then is not None and self.now.revision.id != self.then.revision.id


def informed(
    actions: Iterable[Action], wanted: Deployments, seen: Mapping[DeploymentKey, ObservedDeployment],
    standing: Deployments, known: KnownFacts, room: Room,
) -> Iterator[Action]:  # fmt: skip
    """Yield the actions with the findings on each."""
    basis = FindingBasis(wanted, seen, standing, known, room, with_named(AfterPlan(standing, {}, known)))
    for action in actions:
        view = ActionView(action, standing.get(action.key), wanted.get(action.key))
        found = (*action.findings, *_findings(view, basis))
        yield replace(action, found=found) if found else action


def _findings(view: ActionView, basis: FindingBasis) -> Iterator[PlanFinding]:
    yield from why_stopped(view.action)
    if view.then is not None and view.action.kind in TAKING_OVER:
        yield from _not_granted(view.now, view.then)
        if view.is_switch and view.now is not None:
            yield from _other_signers(view.now, view.then)
    if view.then is not None and not view.action.kind.is_stopped:
        yield from basis.room.findings(view.now, view.then)
    if view.is_switch or view.is_removal:
        yield from _data(view, basis.known)
    if view.action.interrupts or view.is_removal:
        yield from _interruption(view, basis)


def _not_granted(now: Deployment | None, then: Deployment) -> Iterator[PlanFinding]:
    """Yield what a component asks for, did not ask for before, and is not granted."""
    asked_before = {(ask.capability, p) for ask in (now.asks if now else ()) for p in ask.patterns}
    granted = {(grant.capability, p) for grant in then.revision.grants for p in grant.patterns}
    why = dict(then.rationale)
    for ask in then.asks:
        lacking = tuple(p for p in ask.patterns if (ask.capability, p) not in granted | asked_before)
        if lacking:
            because = f': "{why[ask.capability]}"' if why.get(ask.capability) else ""
            text = f"asks for {ask.capability} on {', '.join(lacking)}, which it is not granted{because}"
            yield PlanFinding(kind=FindingKind.CAPABILITY, text=text, capability=ask.capability, patterns=lacking)


def _other_signers(now: Deployment, then: Deployment) -> Iterator[PlanFinding]:
    """Say so where other keys signed what comes than what runs."""
    before, after = ({signer.key_id for signer in deployment.signers} for deployment in (now, then))
    is_same_package = (now.revision.artifact, now.revision.manifest) == (then.revision.artifact, then.revision.manifest)
    if not before or before == after or is_same_package:
        return
    old, new = (", ".join(signer.shown for signer in each.signers) for each in (now, then))
    lost = f"nobody signed it, and {old} signed what runs"
    text = f"signed by {new}, and what runs by {old}" if after else lost
    yield PlanFinding(kind=FindingKind.SIGNER, text=text, old=old, new=new)


def _data(view: ActionView, known: KnownFacts) -> Iterator[PlanFinding]:
    """Tell of the data that a deployment stores, which another version takes over, or which stay when it goes."""
    now = view.now
    if now is None or (view.then is not None and view.then.revision.artifact == now.revision.artifact):
        return
    facts = known.facts(view.action.key)
    if facts is None or facts.stored is None:
        if any(grant.capability in STORAGE for grant in now.revision.grants):
            yield PlanFinding(kind=FindingKind.DATA, text="how much it stores is not known here")
        return
    stored = facts.stored
    if not stored.keys:
        return
    kept = f"{counted(stored.keys, 'key')}, {size(stored.bytes)}"
    text = f"{kept}: stored as before, and there when it is deployed again"
    if view.then is not None:
        new = view.then.revision
        quota = new.limits.storage_bytes
        over = f", over its quota of {size(quota)}: they can only shrink" if quota and stored.bytes > quota else ""
        text = f"{kept}, written by {now.revision.version}, for {new.version} to read{over}"
    yield PlanFinding(kind=FindingKind.DATA, text=text, keys=stored.keys, bytes=stored.bytes)


def _interruption(view: ActionView, basis: FindingBasis) -> Iterator[PlanFinding]:
    """Say who is interrupted and, from earlier switches of the same kind, for how long."""
    key, now = view.action.key, view.now
    callers = tuple(dict.fromkeys(str(c.deployment.key) for c in callers_of(key, basis.named))) if now else ()
    seen = basis.seen.get(key)
    rate = seen.messages_per_s if seen is not None else None
    facts = basis.known.facts(key) if view.is_switch else None
    held = tuple(switch.held_ms for switch in facts.switches if switch.held_ms) if facts is not None else ()
    told = [view.action.interrupts, *([_how_long(held)] if view.is_switch else [])]
    told += [f"called by {listed(callers)}"] if callers else []
    told += [f"{rate:.2g} messages a second come now"] if rate else []
    text = "; ".join(filter(None, told))
    if text:
        yield PlanFinding(kind=FindingKind.INTERRUPTION, text=text, callers=callers, held_ms=held)


def _how_long(held: tuple[int, ...]) -> str:
    if not held:
        return "for how long is not known, as no such switch was recorded"
    return f"{spans(held)} in the last {counted(len(held), 'such switch', 'such switches')}"
