"""Brings every deployment's instances and traffic to what its record says, and moves its rollout on.

Called on each pass, for each record that wants a look: look at the facts, let `rollout` decide, make the decision
durable, then shape the service. Every step may be repeated, so a crash between any two of them is healed by the next
pass.
"""

from collections.abc import Collection, Iterable, Sequence, Set
from functools import partial

from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.execute import history
from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.job_runs import JobRuns
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.rollouts import ANNOUNCE
from orchestrator.execute.workloads import workload_of
from orchestrator.model.event import About
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Undelivered
from orchestrator.model.observed import Number, Record, Rejection
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.model.spec import Deployment
from orchestrator.plan.dependencies import may_begin
from orchestrator.rollout.standing import (
    has_arrived,
    is_going_back,
    is_serving,
    is_suspended,
    unfinished,
    with_rejection,
)
from orchestrator.rollout.switch import switch_of
from orchestrator.store.decisions import Change, DeleteHistory, PutRecord, UpdateHistory
from orchestrator.supervise.service import Service

WAITING_MS = 100  # how soon to look again while something waits for what it depends on
ROUNDS_MAX = 2 * len(RolloutPhase)  # steps that one rollout takes in one pass; the rest is for the next
MOVED = 0  # milliseconds until the next look at what took a step


class Settling:
    """Applies records to services, on the controller's thread."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, clock: Clock, announce: ANNOUNCE, faults: Faults, runs: JobRuns
    ) -> None:  # fmt: skip
        self._ledger, self._fleet, self._clock, self._announce = ledger, fleet, clock, announce
        self._faults, self._runs = faults, runs
        self._leaving: Set[DeploymentKey] = frozenset()
        self._waiting = {key for key, record in ledger.records.items() if record.wanted.depends_on}
        self._members: dict[DeploymentKey, Deployment] = {}  # what serves and is in a group

    def open_mailboxes(self) -> None:
        """Take messages for what is recorded before anything of it runs, so that nobody hears it is not there."""
        for key, record in self._ledger.records.items():
            if key in self._ledger.deleted:
                continue
            service = self._fleet.have(record.stable or record.wanted)
            if is_suspended(record):
                service.stop(_suspended(key))

    def settle(self, keys: Collection[DeploymentKey], leaving: Set[DeploymentKey]) -> dict[DeploymentKey, int]:
        """Settle the records of `keys` but those `leaving`; returns which of them to look at again, in how many ms.

        Rollouts move on step by step, all of them together: the steps of one round are durable in one batch, and the
        next round acts on them.
        """
        self._leaving = leaving
        self._regroup(keys)
        self._let_begin()
        waits: dict[DeploymentKey, int] = {}
        # In order, so that a command that waits knows which are the last.
        front = [key for key in sorted(keys) if key in self._ledger.records and key not in leaving]
        for _ in range(ROUNDS_MAX):
            with self._ledger.together():
                looked = [(key, self._guarded(self._ledger.records[key])) for key in front]
            waits.update((key, wait_ms) for key, wait_ms in looked if wait_ms is not None)
            front = [key for key, wait_ms in looked if wait_ms == MOVED]
            if not front:
                break
        return waits

    def _let_begin(self) -> None:
        """Let the deployments recorded before this agent begin, each after the first try of its dependencies."""
        if not self._waiting:
            return
        records = self._ledger.records
        needs = {key: record.wanted.depends_on for key, record in records.items()}
        self._waiting &= records.keys() - set(may_begin(needs, self._has_tried))

    def _has_tried(self, key: DeploymentKey) -> bool:
        """Whether its first start is over, well or not: one that backs off delays nobody else."""
        record, service = self._ledger.records[key], self._fleet.services.get(key)
        if key in self._leaving:
            return True
        if key in self._waiting or service is None:
            return False
        if is_suspended(record) or record.stable is None:
            return True
        return workload_of(record.stable).has_tried(service)

    def _regroup(self, keys: Iterable[DeploymentKey]) -> None:
        """Make groups of the serving deployments, where one of these keys makes a difference."""
        changed = False
        for key in {*keys, *(self._members.keys() & self._leaving)}:
            before, member = self._members.get(key), self._member(key)
            changed = changed or before is not member
            if member is not None:
                self._members[key] = member
            elif before is not None:
                del self._members[key]
        if changed:
            self._fleet.regroup(self._members.values())

    def _member(self, key: DeploymentKey) -> Deployment | None:
        record = self._ledger.records.get(key)
        if record is None or record.stable is None or record.stable.group is None:
            return None
        return None if key in self._leaving or is_suspended(record) else record.stable

    def _guarded(self, record: Record) -> int | None:
        """Settle one record; one that fails waits its own time, and nobody else does."""
        return self._faults.guard(
            record.key, "bring it to what is recorded", record, lambda: self._settle(record), self._faults.left_ms
        )  # fmt: skip

    def _settle(self, record: Record) -> int | None:
        """Take one step with one record; returns when to look again: `MOVED` for at once, None when it is at rest."""
        record = self._runs.write_down(record)
        wait_ms = self._settle_service(record)
        if wait_ms != MOVED:
            self._fleet.put_in_place(record.stable or record.wanted, takes_messages=not is_suspended(record))
        return wait_ms

    def _settle_service(self, record: Record) -> int | None:
        service = self._fleet.have(record.stable or record.wanted)
        self._fleet.put_in_force(record.key, record.wanted.revision.grants)
        if record.key in self._waiting:
            return WAITING_MS
        if is_suspended(record):
            return self._suspend(record, service)
        rollout = unfinished(record)
        if rollout is None:
            self._rest(record, service)
            return self._runs.attend(record, service)
        self._shape(record, rollout, service)
        if self._advance(record, rollout, service):
            return MOVED
        return workload_of(rollout.target).next_look_ms(rollout, self._clock.wall_ms())

    def _suspend(self, record: Record, service: Service) -> int | None:
        self._runs.suspend(record)
        gone = service.stop(_suspended(service.key))
        service.route.direct({}, hold=gone)
        if record.rollout is not None and is_going_back(record) and gone:  # nothing is left to go back from
            return MOVED if self._advance(record, record.rollout, service) else None
        return None

    def _rest(self, record: Record, service: Service) -> None:
        """Keep the stable revision serving and nothing else alive, as there is no rollout."""
        service.runs.keep_only(None)
        if record.stable is None:
            self._fail_waiting(record, service)
            return
        workload_of(record.stable).rest(record.stable, service)

    def _fail_waiting(self, record: Record, service: Service) -> None:
        why = record.rollout.conclusion if record.rollout else "it never started"
        service.route.refuse(Undelivered("delivery-failed", f"{record.key} has no version that runs: {why}"))
        service.drop_all_but()

    def _advance(self, record: Record, before: Rollout, service: Service) -> bool:
        """Decide on the rollout's next step, if it is time for one; whether it was."""
        now = self._clock.wall_ms()
        after = workload_of(before.target).tick(before, service, now)
        if after == before:
            return False
        changed, entries = self._consequences(_with_result(replace(record, rollout=after), service), before, after, now)
        self._ledger.decide([PutRecord(record=changed), *entries])
        self._ledger.afterwards(partial(self._tell, record, before, after))
        return True

    def _tell(self, record: Record, before: Rollout, after: Rollout) -> None:
        self._regroup([record.key])  # before anybody can be told that it serves
        about = About(revision=after.target.revision.id)
        if after.phase is not before.phase:
            self._announce(record.key, after.phase.value, _said_of(after), about)
        elif after.weight != before.weight:
            self._announce(record.key, "weight", f"{after.target.revision.version} gets {after.weight} %", about)

    def _consequences(
        self, record: Record, before: Rollout, rollout: Rollout, now: int
    ) -> tuple[Record, list[Change]]:  # fmt: skip
        """Return what else changes with the rollout's phase: the stable revision, the rejected ones, the history."""
        arrived = is_serving(record, rollout.target.revision.id)
        if has_arrived(rollout) and not arrived:
            numbers = self._ledger.history(record.key)
            record = replace(record, stable=rollout.target, applied=record.attempted)
            return record, self._written(record, numbers, history.promoted(numbers, now, switch_of(before)))
        if rollout.phase is RolloutPhase.ROLLING_BACK and arrived and rollout.stable is not None:
            old = rollout.old or _deployment_of(rollout.target, rollout.stable, self._ledger.history(record.key))
            return replace(record, stable=old or record.stable), []
        if rollout.phase is RolloutPhase.FAILED:
            numbers = self._ledger.history(record.key)
            record = _rejecting(record, rollout, now)
            ended = history.rejected(numbers, rollout.conclusion, now)
            return record, self._written(record, numbers, ended)
        return record, []

    def _written(self, record: Record, before: Sequence[Number], changed: Sequence[Number]) -> list[Change]:
        """Return what is to be written of a history, and dropped of it as it is then."""
        by_number = {n.number: n for n in before} | {n.number: n for n in changed}
        old = history.beyond([by_number[n] for n in sorted(by_number)], record.wanted.rollout.retain)
        dropped = [DeleteHistory(key=record.key, number=number.number) for number in old]
        return [*_updates(record, changed), *dropped]

    def _shape(self, record: Record, rollout: Rollout, service: Service) -> None:
        old = self._old_deployment(record, rollout, rollout.stable) if rollout.stable is not None else None
        workload_of(rollout.target).shape(rollout, service, record.stable, old)

    def _old_deployment(self, record: Record, rollout: Rollout, revision: str) -> Deployment | None:
        if is_serving(record, revision):
            return record.stable
        old = rollout.old or _deployment_of(rollout.target, revision, self._ledger.history(record.key))
        if old is not None and not rollout.target.replicas and not rollout.target.revision.is_job:
            return replace(old, replicas=0)  # nothing is wanted of any version: none is kept warm
        return old


def _said_of(rollout: Rollout) -> str:
    if rollout.conclusion:
        return f"{rollout.target.revision.version}: {rollout.conclusion}"
    return workload_of(rollout.target).said_of(rollout)


def _with_result(record: Record, service: Service) -> Record:
    """Note how a job's run ended, in the same decision that ends its rollout."""
    rollout = record.rollout
    over = rollout if rollout is not None and rollout.phase.is_over else None
    result = workload_of(over.target).result(over, service) if over is not None else None
    return record if result is None else replace(record, job=result)


def _updates(record: Record, numbers: Sequence[Number]) -> list[Change]:
    return [UpdateHistory(key=record.key, number=number) for number in numbers]


def _rejecting(record: Record, rollout: Rollout, now: int) -> Record:
    # Only what the source still wants is held back; a revision nobody asks for needs no rejection.
    if record.wanted.revision.id != rollout.target.revision.id:
        return record
    target = rollout.target
    rejection = Rejection(revision=target.revision.id, reason=rollout.conclusion, at_ms=now, seen=target)
    return with_rejection(record, rejection)


def _deployment_of(like: Deployment, revision: str, numbers: Sequence[Number]) -> Deployment | None:
    """Return the deployment a revision in the history stands for, with the in-place fields of `like`."""
    found = next((n.revision for n in reversed(numbers) if n.revision.id == revision), None)
    return replace(like, revision=found) if found else None


def _suspended(key: DeploymentKey) -> Undelivered:
    return Undelivered("delivery-failed", f"{key} is suspended")
