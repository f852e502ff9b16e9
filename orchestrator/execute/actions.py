"""Walks a plan: each action becomes a durable decision; the instances follow in `settle.py`."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import groupby

from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.execute.faults import Faults, RecordFault
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.history import RolloutOrigin
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.renames import Renames
from orchestrator.execute.rollouts import ANNOUNCE, Rollouts
from orchestrator.execute.workloads import workload_of
from orchestrator.model.audit import AuditKind, Note
from orchestrator.model.desired import DesiredState
from orchestrator.model.event import NOTHING_MORE, About
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Barred, Record
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.dependencies import free_to_end
from orchestrator.plan.differences import spec_digest
from orchestrator.plan.document import Plan
from orchestrator.plan.removals import mass_prune_hold
from orchestrator.plan.ruled import is_barring
from orchestrator.plan.text import in_place
from orchestrator.rollout.commands import Refusal
from orchestrator.rollout.in_place import put_in_place
from orchestrator.rollout.standing import is_in_force, leading_to, revisions_at
from orchestrator.store.decisions import Change, DeleteRecord, PutDesired, PutRecord, Tell


class Actions:
    """Carries out the actions of one plan at a time, on the controller's thread."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, clock: Clock, announce: ANNOUNCE, faults: Faults
    ) -> None:  # fmt: skip
        self._ledger, self._fleet, self._clock, self._told = ledger, fleet, clock, announce
        self._faults = faults
        self._rollouts = Rollouts(ledger, clock, self._announce)
        self._renames = Renames(ledger, fleet, faults, self._announce)
        self._to_resume = set(ledger.records)  # recorded by an earlier agent, and not told of by this one
        self.unread: Callable[[str], Sequence[str]] = _all_are_read  # the siblings of a source, that may want its own

    def execute(self, plan: Plan, *, is_whole: bool = True) -> tuple[ActionOutcome, ...]:
        """Carry out every action in the plan's order; one that fails or waits does not stop the others.

        Their decisions are durable together, before anything acts on them. A plan that is not whole is one for some of
        what its source wants, and says nothing of the rest.
        """
        self.note_wanted(plan)
        wanted = {deployment.key: deployment for deployment in plan.desired.deployments}
        may_leave = self.may_leave(action.key for action in plan.actions if action.kind is ActionKind.REMOVE)
        planned = {action.key for action in plan.actions}
        self._faults.done(_carrying_out(plan), lambda key: key not in planned and (is_whole or key in wanted))
        outcomes: list[ActionOutcome] = []
        for alone, actions in groupby(plan.actions, _is_alone):
            with nullcontext() if alone else self._ledger.together():  # each adoption builds on the one before
                outcomes += [self._guarded(one, wanted.get(one.key), plan, may_leave) for one in actions]
        return tuple(outcomes)

    def _announce(self, key: DeploymentKey | None, reason: str, message: str, about: About = NOTHING_MORE) -> None:
        self._ledger.afterwards(partial(self._told, key, reason, message, about))

    def _guarded(
        self, action: Action, wanted: Deployment | None, plan: Plan, may_leave: Collection[DeploymentKey]
    ) -> ActionOutcome:
        """Carry out one action; a fault of it is its outcome."""
        doing = _carrying_out(plan)
        return self._faults.guard(
            action.key, doing, (action, wanted), lambda: self._act(action, wanted, plan, may_leave),
            lambda fault: ActionOutcome(key=action.key, status=Status.FAILED, detail=f"failed: {fault.detail}"),
        )  # fmt: skip

    def note_wanted(self, plan: Plan) -> None:
        """Record what the source wants now of each deployment it owns, whether or not it can be had."""
        changes: list[Change] = []
        for deployment in plan.desired.deployments:
            record = self._ledger.records.get(deployment.key)
            if record is not None and record.source == plan.source:
                noted = self._noted(record, deployment, plan)
                if noted != record and not _is_another_commit_alone(record, noted, plan):
                    changes.append(PutRecord(record=noted))
        self._ledger.decide(changes)

    def _noted(self, record: Record, wanted: Deployment, plan: Plan) -> Record:
        grown = spec_digest(record.wanted) != spec_digest(wanted)
        noted = _acknowledged(replace(record, wanted=wanted), self._clock.wall_ms())
        in_force = is_in_force(noted) and not any(a.key == record.key for a in plan.actions)
        return replace(
            noted,
            generation=record.generation + grown,
            held=None if _waits_for_leave(record) else record.held,
            attempted=plan.source_revision,
            applied=plan.source_revision if in_force else record.applied,
        )

    def _act(
        self, action: Action, wanted: Deployment | None, plan: Plan, may_leave: Collection[DeploymentKey]
    ) -> ActionOutcome:
        status, detail = Status.BLOCKED, action.note
        needed: tuple[DeploymentKey, ...] = ()
        match action.kind:
            case ActionKind.CREATE if wanted is not None:
                needed = tuple(key for key in wanted.depends_on if not self._is_ready(key))
                status, detail = self._create(wanted, plan, needed)
            case ActionKind.ROLL_OUT if wanted is not None:
                status, detail = self._roll_out(action, wanted, plan)
            case ActionKind.UPDATE if wanted is not None:
                status, detail = self._bar(action) if is_barring(action) else self._update(wanted, plan)
            case ActionKind.ADOPT if wanted is not None:
                status, detail = self._adopt(action, wanted, plan)
            case ActionKind.REMOVE | ActionKind.RENAME:
                status, detail = self._end(action, wanted, plan, may_leave)
            case ActionKind.RESTART:
                status = Status.IN_HAND  # settling starts what is recorded and not there
                if action.key in self._to_resume:  # it is told once, however long it waits for others
                    self._to_resume.discard(action.key)
                    self._announce(action.key, "resumed", f"starting {action.new_version} again")
            case ActionKind.HELD:
                status = Status.HELD
                if Reason.MASS_PRUNE in action.reasons:
                    self._keep_waiting(action.key)
        return ActionOutcome(key=action.key, status=status, detail=detail, waits_for=needed)

    def _end(
        self, action: Action, wanted: Deployment | None, plan: Plan, may_leave: Collection[DeploymentKey]
    ) -> tuple[Status, str]:
        """Remove a deployment, or give all of it another name, once no source beside this one may want it."""
        unread = self.unread(plan.source)
        if unread:
            return Status.WAITING, f"waits until {', '.join(unread)}, which may want it, was read again"
        if wanted is None or action.formerly is UNSET:
            return self.remove(action.key, may_leave)
        return self._renames.rename(action.formerly, wanted, plan)

    def _create(self, wanted: Deployment, plan: Plan, needed: tuple[DeploymentKey, ...]) -> tuple[Status, str]:
        if needed:
            return Status.WAITING, f"waits for {', '.join(map(str, needed))} to be Ready"
        old = self._ledger.records.get(wanted.key)
        if old is not None and old.deleted:
            return Status.WAITING, "waits for its deletion to end"
        attempted = plan.source_revision
        record = old or Record(key=wanted.key, source=plan.source, generation=1, wanted=wanted, attempted=attempted)
        self._rollouts.begin(record, wanted, Cause.APPLY, "created", _origin(plan))
        return Status.IN_HAND, ""

    def _roll_out(self, action: Action, wanted: Deployment, plan: Plan) -> tuple[Status, str]:
        record = self._ledger.records[action.key]
        if Reason.REVERTED in action.reasons and record.rollout is not None:
            return self._turn_back(record, record.rollout, plan)
        because = ", ".join(reason.value for reason in action.reasons)
        self._rollouts.begin(record, wanted, Cause.APPLY, because, _origin(plan))
        return Status.IN_HAND, ""

    def _turn_back(self, record: Record, rollout: Rollout, plan: Plan) -> tuple[Status, str]:
        result = self._rollouts.abort(record, rollout, "the source wants the stable revision again", plan.desired.by)
        return (Status.FAILED, result.reason) if isinstance(result, Refusal) else (Status.IN_HAND, "")

    def _update(self, wanted: Deployment, plan: Plan) -> tuple[Status, str]:
        record = self._ledger.records[wanted.key]
        self._ledger.decide([PutRecord(record=put_in_place(record, wanted, self._clock.wall_ms()))])
        changed = "; ".join(in_place(action) for action in plan.actions if action.key == wanted.key)
        self._announce(wanted.key, "updated", f"updated in place: {changed}", _about(plan))
        return Status.DONE, ""

    def _bar(self, action: Action) -> tuple[Status, str]:
        """Stop what a policy does not let run, or let it begin again; durable, with an entry in the audit book."""
        record, is_stopped = self._ledger.records[action.key], Reason.POLICY_REFUSED in action.reasons
        revision, now = leading_to(record).revision, self._clock.wall_ms()
        barred = Barred(revision=revision.id, reason=action.note, at_ms=now) if is_stopped else None
        facts = {"version": revision.version, "revision": revision.id, "because": action.note or "allowed again"}
        note = Note(kind=AuditKind.STOPPED if is_stopped else AuditKind.ALLOWED, subject=str(action.key), facts=facts)
        self._ledger.decide([PutRecord(record=replace(record, barred=barred)), Tell(note=note)])
        told = action.note if is_stopped else f"{revision.version} may run again"
        self._announce(action.key, "policy-stopped" if is_stopped else "policy-resumed", told)
        return Status.DONE, ""

    def _adopt(self, action: Action, wanted: Deployment, plan: Plan) -> tuple[Status, str]:
        record = self._ledger.records[wanted.key]
        if Reason.MOVED in action.reasons:  # its owner names it no more
            self._ledger.decide([PutRecord(record=replace(record, source=plan.source, wanted=wanted))])
            self._announce(wanted.key, "moved", f"moved from {record.source} to {plan.source}", _about(plan))
            return Status.DONE, ""
        before = self._ledger.desired.get(record.source)
        given_up = [PutDesired(desired=without(before, wanted.key))] if before else []
        adopted = replace(record, source=plan.source, adopted=True, wanted=wanted)
        self._ledger.decide([PutRecord(record=adopted), *given_up])
        told = f"taken over from {record.source or 'no source'} by {plan.source}"
        self._announce(wanted.key, "adopted", told, _about(plan))
        return Status.DONE, ""

    def may_leave(self, leaving: Iterable[DeploymentKey]) -> frozenset[DeploymentKey]:
        """Return those of the leaving whose turn it is: a dependency leaves after its dependents."""
        records = self._ledger.records
        return frozenset(free_to_end({key: records[key].wanted.depends_on for key in leaving if key in records}))

    def finish_deletions(self) -> None:
        """Go on with what somebody deleted; one that cannot be removed does not keep the others."""
        deleted = sorted(self._ledger.deleted)
        may_leave = self.may_leave(deleted)
        with self._ledger.together():
            for key in deleted:
                self._faults.guard(key, "remove it", key, partial(self.remove, key, may_leave), _failed)

    def remove(self, key: DeploymentKey, may_leave: Collection[DeploymentKey]) -> tuple[Status, str]:
        """Stop a deployment whose turn it is and, once nothing of it is left, forget it; repeated until then."""
        if key not in may_leave:
            return Status.IN_HAND, "stops once what depends on it has stopped"
        if not self._fleet.stop(key):
            return Status.IN_HAND, "its instances are stopping"
        self._ledger.decide([DeleteRecord(key=key)])
        self._ledger.afterwards(partial(self._faults.forget, key))
        self._announce(key, "removed", "removed; its stored data are kept")
        return Status.DONE, ""

    def _keep_waiting(self, key: DeploymentKey) -> None:
        record = self._ledger.records[key]
        if record.held is None:  # an operator's hold stays; the others of the mass say that it waits
            hold = mass_prune_hold(record, self._clock.wall_ms())
            self._ledger.decide([PutRecord(record=replace(record, held=hold))])

    def _is_ready(self, key: DeploymentKey) -> bool:
        record, service = self._ledger.records.get(key), self._fleet.services.get(key)
        if record is None or record.stable is None or service is None:
            return False
        return workload_of(record.stable).is_ready(record.stable, service)


def _acknowledged(record: Record, now_ms: int) -> Record:
    """Note what a held revision is wanted with now, where that makes no difference to what serves."""
    put = put_in_place(record, record.wanted, now_ms)
    return put if put.stable == record.stable and put.rollout == record.rollout else record


def _is_another_commit_alone(before: Record, noted: Record, plan: Plan) -> bool:
    """Whether a record need not be written, as it says of a later commit what can be told without it."""
    same = replace(noted, attempted=before.attempted, applied=before.applied) == before
    return same and (noted.attempted, noted.applied) == revisions_at(before, plan.source_revision)


def _carrying_out(plan: Plan) -> str:
    return f"carry out the plan of {plan.source}"


def _is_alone(action: Action) -> bool:
    """Whether an action changes what another of the same plan builds on: a taken wish."""
    return Reason.ADOPTED in action.reasons


def _all_are_read(_source: str) -> Sequence[str]:
    return ()


def _failed(fault: RecordFault) -> tuple[Status, str]:
    return Status.FAILED, fault.detail


def without(desired: DesiredState, key: DeploymentKey) -> DesiredState:
    """Return what a source wants, less one deployment."""
    return replace(desired, deployments=tuple(d for d in desired.deployments if d.key != key))


def _waits_for_leave(record: Record) -> bool:
    return record.held is not None and record.held.reason == Reason.MASS_PRUNE.value


def _origin(plan: Plan) -> RolloutOrigin:
    return RolloutOrigin(plan.source_revision, plan.commit, plan.desired.by)


def _about(plan: Plan) -> About:
    return About(by=plan.desired.by, commit=plan.commit)
