"""Brings every deployment's instances and traffic to what its record says, and moves its rollout on.

Called on each pass, for each record: look at the facts, let `rollout` decide, make the decision durable, then shape
the service. Every step may be repeated, so a crash between any two of them is healed by the next pass.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from orchestrator.execute import history
from orchestrator.execute.actions import ANNOUNCE
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.ledger import Ledger
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Undelivered
from orchestrator.model.observed import JobResult, Number, Phase, Record, Rejection
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.model.spec import Deployment
from orchestrator.plan.dependencies import may_begin
from orchestrator.plan.differences import spec_digest
from orchestrator.rollout.advance import advance, due_ms
from orchestrator.rollout.facts import Facts
from orchestrator.rollout.jobs import RunFacts, advance_job
from orchestrator.rollout.shape import NewSet, OldSet, Shape, shape
from orchestrator.rollout.suspended import is_suspended
from orchestrator.store.decisions import Change, DeleteHistory, PutRecord, UpdateHistory
from orchestrator.supervise.ports import Clock
from orchestrator.supervise.service import Service

ARRIVED = (RolloutPhase.KEEPING, RolloutPhase.SUCCEEDED)
WAITING_FOR_TIME = (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED, RolloutPhase.KEEPING)
SETTLING_MS = 100  # how soon to look again at a rollout that waits for instances, beyond the events that wake us
HOLDING_MS = 10  # the same while messages are held back, as every caller waits with us


class Settling:
    """Applies records to services, on the controller's thread."""

    def __init__(self, ledger: Ledger, fleet: Fleet, clock: Clock, announce: ANNOUNCE) -> None:
        self._ledger, self._fleet, self._clock, self._announce = ledger, fleet, clock, announce
        self._leaving: frozenset[DeploymentKey] = frozenset()
        self._waiting = {key for key, record in ledger.records.items() if record.wanted.depends_on}
        self._grouped: tuple[int, frozenset[DeploymentKey]] | None = None  # the serial that groups were made at

    def settle(self, leaving: frozenset[DeploymentKey]) -> int | None:
        """Settle every record but those `leaving`; returns in how many ms to look again, None when at rest."""
        self._leaving = leaving
        self._regroup()
        self._let_begin()
        waits = [self._settle(r) for key, r in self._ledger.records.items() if key not in leaving]
        if self._waiting:
            waits.append(SETTLING_MS)
        return min((wait for wait in waits if wait is not None), default=None)

    def _let_begin(self) -> None:
        """Have what was recorded before this agent start in order: each after the first try of what it depends on."""
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
        if is_suspended(record) or record.stable is None or record.stable.revision.job is not None:
            return True
        coming = (Phase.INSTALLED, Phase.STARTING)
        is_coming = any(i.phase in coming and not i.restarts and not i.last_exit for i in service.observe())
        return bool(service.revisions()) and not is_coming

    def _regroup(self) -> None:
        records = self._ledger.records
        now = self._ledger.serial, self._leaving
        if self._grouped == now:
            return
        serving = (r for key, r in records.items() if r.stable and key not in self._leaving and not is_suspended(r))
        self._fleet.regroup(record.stable for record in serving if record.stable is not None)
        self._grouped = now

    def _settle(self, record: Record) -> int | None:
        wait_ms = self._settle_service(record)
        record = self._ledger.records.get(record.key, record)  # which may have moved on
        self._fleet.put_in_place(record.stable or record.wanted, takes_messages=not is_suspended(record))
        return wait_ms

    def _settle_service(self, record: Record) -> int | None:
        service = self._fleet.have(record.stable or record.wanted)
        self._fleet.put_in_force(record.key, record.wanted.revision.grants)
        if record.key in self._waiting:
            return None
        if is_suspended(record):
            return self._suspend(record, service)
        if record.rollout is None or record.rollout.phase.is_over:
            self._rest(record, service)
            return None
        return self._see_through(record, record.rollout, service)

    def _see_through(self, record: Record, rollout: Rollout, service: Service) -> int | None:
        """Move a rollout on as far as it goes now: each step durable, then its shape applied, then the next."""
        for _ in RolloutPhase:
            self._shape(record, rollout, service)
            moved = self._advance(record, rollout, service)
            assert moved.rollout is not None
            if moved.rollout == rollout:
                break
            record, rollout = moved, moved.rollout
        return self._settle(record) if rollout.phase.is_over else _next_look_ms(rollout, self._clock.wall_ms())

    def _suspend(self, record: Record, service: Service) -> int | None:
        gone = service.stop(Undelivered("delivery-failed", f"{service.key} is suspended"))
        service.route.direct({}, hold=gone)
        going_back = record.rollout is not None and record.rollout.phase is RolloutPhase.ROLLING_BACK
        if record.rollout is not None and going_back and gone:  # nothing is left to go back from
            self._advance(record, record.rollout, service)
        return None

    def _rest(self, record: Record, service: Service) -> None:
        """No rollout: what is stable serves, and nothing else is alive."""
        service.runs.keep_only(None)
        if record.stable is None:
            self._fail_waiting(record, service)
            return
        if record.stable.revision.job is not None:
            self._rest_from_job(record.stable, service)
            return
        serving = service.ensure(record.stable)
        service.route.direct({record.stable.revision.id: 100}, hold=False)
        _drop_all_but(service, record.stable.revision.id)
        dead = Undelivered("delivery-failed", _why_dead(record.stable)) if serving.is_dead else None
        service.route.refuse(dead)

    def _rest_from_job(self, stable: Deployment, service: Service) -> None:
        service.route.refuse(_is_a_job(stable))
        service.route.direct({}, hold=False)
        _drop_all_but(service)

    def _fail_waiting(self, record: Record, service: Service) -> None:
        why = record.rollout.conclusion if record.rollout else "it never started"
        service.route.refuse(Undelivered("delivery-failed", f"{record.key} has no version that runs: {why}"))
        _drop_all_but(service)

    def _advance(self, record: Record, before: Rollout, service: Service) -> Record:
        now = self._clock.wall_ms()
        after = _ticked(before, service, now)
        if after == before:
            return record
        changed, entries = self._consequences(_with_result(replace(record, rollout=after), service), after, now)
        self._ledger.decide([PutRecord(record=changed), *entries])
        if changed.stable is not record.stable:  # before anybody can be told that it serves
            self._regroup()
        if after.phase is not before.phase:
            self._announce(record.key, after.phase.value, said_of(after))
        elif after.weight != before.weight:
            self._announce(record.key, "weight", f"{after.target.revision.version} gets {after.weight} %")
        return changed

    def _consequences(self, record: Record, rollout: Rollout, now: int) -> tuple[Record, list[Change]]:
        """Return what else changes with the rollout's phase: what is stable, what is rejected, the history."""
        numbers = self._ledger.history(record.key)
        arrived = record.stable is not None and record.stable.revision.id == rollout.target.revision.id
        if rollout.phase in ARRIVED and not arrived:
            record = replace(record, stable=rollout.target, applied=record.attempted)
            return record, [*_updates(record, history.promoted(numbers, now)), *self._trimmed(record, numbers)]
        if rollout.phase is RolloutPhase.ROLLING_BACK and arrived and rollout.stable is not None:
            old = _deployment_of(rollout.target, rollout.stable, numbers)
            return replace(record, stable=old or record.stable), []
        if rollout.phase is RolloutPhase.FAILED:
            record = _rejecting(record, rollout, now)
            return record, _updates(record, history.rejected(numbers, rollout.conclusion, now))
        return record, []

    def _trimmed(self, record: Record, numbers: Sequence[Number]) -> list[Change]:
        old = history.beyond(numbers, record.wanted.rollout.retain)
        return [DeleteHistory(key=record.key, number=number.number) for number in old]

    def _shape(self, record: Record, rollout: Rollout, service: Service) -> None:
        if rollout.target.revision.job is not None:
            self._shape_job(record, rollout, service)
            return
        service.runs.keep_only(None)
        wanted = shape(rollout)
        new, old = rollout.target.revision.id, rollout.stable
        # Traffic first, then instances: nothing is stopped that a message could still be given to.
        self._direct(service, _weights(wanted, new, old), wanted, old)
        alive = []
        if wanted.new is NewSet.RUNNING:
            service.ensure(rollout.target)
        if wanted.new is NewSet.RUNNING or rollout.phase is RolloutPhase.PENDING:  # still warm from before, it stays so
            alive.append(new)
        if old is not None and wanted.old is not OldSet.STOPPED:
            before = self._old_deployment(record, rollout, old)
            if before is not None and wanted.old is not OldSet.DRAINED:
                service.ensure(before)
            alive.append(old)
        _drop_all_but(service, *alive)

    def _shape_job(self, record: Record, rollout: Rollout, service: Service) -> None:
        """Run the target once, while what served before, if anything stays of it, goes on."""
        revision = rollout.target.revision
        goes_on = rollout.phase is not RolloutPhase.ROLLING_BACK
        others_are_gone = service.runs.keep_only(revision.id if goes_on else None)
        if rollout.phase is RolloutPhase.STARTING and others_are_gone:
            service.runs.once(revision)
        serving = record.stable
        if serving is None or serving.revision.job is not None:
            self._rest_from_job(rollout.target, service)
        else:
            service.ensure(serving)
            service.route.direct({serving.revision.id: 100}, hold=False)
            _drop_all_but(service, serving.revision.id)

    def _direct(self, service: Service, weights: dict[str, int], wanted: Shape, old: str | None) -> None:
        """Send messages where somebody can ever take them: to whichever version is not dead, or back to the sender."""
        living = {revision: weight for revision, weight in weights.items() if not _is_dead(service, revision)}
        if weights and not living and wanted.old is OldSet.WARM and old is not None and not _is_dead(service, old):
            living = {old: 100}
        service.route.direct(living or weights, hold=wanted.hold)
        nobody = bool(weights) and not living and not wanted.hold
        why = f"{service.key} has no instance left; `airs status {service.key}` says why"
        service.route.refuse(Undelivered("delivery-failed", why) if nobody else None)

    def _old_deployment(self, record: Record, rollout: Rollout, revision: str) -> Deployment | None:
        if record.stable is not None and record.stable.revision.id == revision:
            return record.stable
        return _deployment_of(rollout.target, revision, self._ledger.history(record.key))


def said_of(rollout: Rollout) -> str:
    """Say in a sentence what a rollout's phase means for its versions."""
    new = rollout.target.revision.version
    if rollout.conclusion:
        return f"{new}: {rollout.conclusion}"
    if rollout.target.revision.job is not None:
        return f"running {new}" if rollout.phase is RolloutPhase.STARTING else f"{new} ran to its end"
    count = rollout.target.replicas
    sentences = {
        RolloutPhase.STARTING: f"starting {count} instance{'s' * (count != 1)} of {new}",
        RolloutPhase.GATING: f"{new} answers; checked before it gets traffic",
        RolloutPhase.PROGRESSING: f"{new} gets its first share of conversations",
        RolloutPhase.PAUSED: f"{new} waits for `airs rollout promote`",
        RolloutPhase.PROMOTING: f"{new} gets all traffic",
        RolloutPhase.KEEPING: f"{new} serves; the old version stays warm for a while",
        RolloutPhase.SUCCEEDED: f"{new} serves",
    }
    return sentences.get(rollout.phase, new)


def facts_of(rollout: Rollout, service: Service) -> Facts:
    """Read what the rollout's next decision depends on off the service."""
    new = service.find(rollout.target.revision.id)
    old = service.find(rollout.stable) if rollout.stable else None
    counters = service.route.counters(rollout.target.revision.id)
    exits = [i.last_exit for i in new.observe() if i.last_exit is not None] if new else []
    new_gone = rollout.target.revision.id not in service.revisions()
    return Facts(
        wanted=rollout.target.replicas,
        ready=new.ready if new else 0,
        old_ready=old.ready if old else 0,
        gave_up=new.has_given_up if new else False,
        unhealthy=new.is_ill if new else False,
        failed_start=str(exits[-1]) if exits else "",
        old_drained=rollout.stable is None or service.route.busy(rollout.stable) == 0,
        old_asks=old.asks if old else False,
        old_gone=rollout.stable is None or rollout.stable not in service.revisions(),
        new_gone=new_gone,
        new_messages=counters.handled,
        new_errors=counters.errors,
    )


def _ticked(rollout: Rollout, service: Service, now_ms: int) -> Rollout:
    if rollout.target.revision.job is None:
        return advance(rollout, facts_of(rollout, service), now_ms)
    run = service.runs.find(rollout.target.revision.id)
    facts = RunFacts(outcome=run.outcome if run else None, none_at_work=not service.runs.is_at_work)
    return advance_job(rollout, facts, now_ms)


def _with_result(record: Record, service: Service) -> Record:
    """Note how a job's run ended, in the same decision that ends its rollout."""
    rollout = record.rollout
    run = service.runs.find(rollout.target.revision.id) if rollout is not None and rollout.phase.is_over else None
    if run is None or run.outcome is None:
        return record
    result = JobResult(revision=run.revision.id, outcome=run.outcome, started_ms=run.started_ms, ended_ms=run.ended_ms)
    return replace(record, job=result)


def _is_a_job(deployment: Deployment) -> Undelivered:
    why = f"{deployment.key} is a job, which takes no messages; `airs run {deployment.key}` runs it"
    return Undelivered("delivery-failed", why)


def _why_dead(stable: Deployment) -> str:
    if stable.replicas == 0:
        return f"{stable.key} has no instances: replicas is 0"
    return f"{stable.key} has no instance left; `airs status {stable.key}` says why, `airs restart` tries again"


def _is_dead(service: Service, revision: str) -> bool:
    found = service.find(revision)
    return found is not None and found.is_dead


def _weights(wanted: Shape, new: str, old: str | None) -> dict[str, int]:
    weights = {new: wanted.weight} if wanted.new is NewSet.RUNNING else {}
    if old is not None and wanted.old is OldSet.SERVING:
        weights[old] = 100 - wanted.weight
    return weights


def _drop_all_but(service: Service, *alive: str) -> None:
    for revision in service.revisions():
        if revision not in alive:
            service.drop(revision)


def _updates(record: Record, numbers: Sequence[Number]) -> list[Change]:
    return [UpdateHistory(key=record.key, number=number) for number in numbers]


def _rejecting(record: Record, rollout: Rollout, now: int) -> Record:
    # Only what the source still wants is held back; a revision nobody asks for needs no rejection.
    if record.wanted.revision.id != rollout.target.revision.id:
        return record
    rejection = Rejection(
        revision=rollout.target.revision.id,
        spec_digest=spec_digest(rollout.target),
        reason=rollout.conclusion,
        at_ms=now,
    )
    others = tuple(r for r in record.rejected if r.revision != rejection.revision)
    return replace(record, rejected=(*others, rejection))


def _deployment_of(like: Deployment, revision: str, numbers: Sequence[Number]) -> Deployment | None:
    """Return the deployment a revision in the history stands for, with the in-place fields of `like`."""
    found = next((n.revision for n in reversed(numbers) if n.revision.id == revision), None)
    return replace(like, revision=found) if found else None


def _next_look_ms(rollout: Rollout, now_ms: int) -> int | None:
    if rollout.phase.is_over or rollout.target.revision.job is not None:  # the end of a run wakes us
        return None
    if shape(rollout).hold:
        return HOLDING_MS
    due = due_ms(rollout)
    if rollout.phase in WAITING_FOR_TIME and due is not None:
        return max(HOLDING_MS, due - now_ms)
    return SETTLING_MS
