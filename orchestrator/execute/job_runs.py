"""The runs of jobs by schedule and by request: begun and written down on the controller's thread, ended on any.

A run is durable before it begins, with how far its schedule is attended to, so that a crash neither forgets one nor
runs one twice on purpose. One that a crash cut off is told apart by the next agent, which makes up for it where the
schedule says so.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.cron import last_due, next_due
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.rollouts import ANNOUNCE
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.job import Attended, JobOutcome, JobRun, RunCause, Schedule, WhenMissed
from orchestrator.model.observed import JobResult, Record
from orchestrator.model.spec import Deployment
from orchestrator.model.who import By
from orchestrator.rollout.schedule import Next, ScheduleStep, attended_from, schedule_step
from orchestrator.store.decisions import Change, DeleteRun, PutRecord, PutRun
from orchestrator.supervise.job import Run
from orchestrator.supervise.ports import OutputTaker
from orchestrator.supervise.service import Service

RUNS_KEPT = 20  # of one deployment; the oldest are forgotten
LOOK_MS = 60_000  # how long a schedule is not looked at, at most: the clock may be set
SOON_MS = 50
CUT_OFF = JobOutcome(reason=ExitReason(kind=ExitKind.KILLED, detail="cut off: its agent or its deployment ended"))


class JobRuns:
    """The runs of all jobs. Everything but `ended` is for the controller's thread."""

    def __init__(
        self, ledger: Ledger, clock: Clock, announce: ANNOUNCE, printed: Callable[[ComponentId], str] = lambda _id: ""
    ) -> None:
        """Set it up; `printed` returns the last lines that an instance printed."""
        self._ledger, self._clock, self._announce, self._printed = ledger, clock, announce, printed
        self._lock = threading.Lock()
        self._ends: dict[DeploymentKey, list[tuple[int, Run]]] = defaultdict(list)
        self._at_work: dict[DeploymentKey, dict[int, Run]] = {}
        self._known: dict[DeploymentKey, list[JobRun]] = {}  # as they are on the disk

    # ---- by request ----

    def asked(self, record: Record, deployment: Deployment, service: Service, wish: "AskedRun") -> Run | None:
        """Begin a run that a person asked for, and write it down; None where too many are at work."""
        number = self._next_number(record.key)

        def end(run: Run) -> None:
            self._note_end(record.key, number, run)
            wish.ended(run)

        run = service.runs.more(deployment.revision, wish.arguments, wish.taker, end)
        if run is not None:
            self._at_work.setdefault(record.key, {})[number] = run
            self._ledger.decide(self._added(record.key, _row(number, deployment, RunCause.REQUEST, run, wish.by)))
        return run

    # ---- by schedule ----

    def attend(self, record: Record, service: Service) -> int | None:
        """Run what is due of a job that rests; returns when to look again, None where it has no schedule."""
        stable = record.stable
        if stable is None or stable.schedule is None:
            self.suspend(record)
            return None
        schedule, now_ms = stable.schedule, self._clock.wall_ms()
        attended = attended_from(schedule, record.attended, now_ms)
        if attended != record.attended:
            record = replace(record, attended=attended)
            self._ledger.decide([PutRecord(record=record)])
        coming = next_due(schedule.cron, schedule.time_zone, attended.at_ms)
        if coming is not None and coming > now_ms:
            return min(max(coming - now_ms, SOON_MS), LOOK_MS)
        due_ms = last_due(schedule.cron, schedule.time_zone, now_ms)
        is_at_work = bool(self._at_work.get(record.key))
        self._act(
            record, stable, service, schedule_step(schedule, attended.at_ms, due_ms, now_ms, is_at_work=is_at_work)
        )
        return SOON_MS

    def suspend(self, record: Record) -> None:
        """Attend to no schedule: what comes due meanwhile is not missed."""
        if record.attended is not None:
            self._ledger.decide([PutRecord(record=replace(record, attended=None))])

    def _act(self, record: Record, deployment: Deployment, service: Service, step: ScheduleStep) -> None:
        if step.verb is Next.REPLACE:  # what is due is begun once they are gone
            for run in self._at_work[record.key].values():
                run.cancel()
        elif step.verb is Next.SKIP:
            skipped = replace(self._due(record, deployment, step), ended_ms=self._clock.wall_ms(), skipped=step.why)
            self._attended(record, step.due_ms, skipped)
            self._announce(record.key, "job-skipped", f"{deployment.revision.version} is not run: {step.why}")
        elif step.verb is Next.BEGIN:
            row = self._due(record, deployment, step)
            self._attended(record, step.due_ms, row)
            self._ledger.afterwards(partial(self._begin, record.key, deployment, service, row))

    def _due(self, record: Record, deployment: Deployment, step: ScheduleStep) -> JobRun:
        now_ms, revision = self._clock.wall_ms(), deployment.revision
        return JobRun(
            number=self._next_number(record.key), revision=revision.id, version=revision.version, cause=step.cause,
            due_ms=step.due_ms, started_ms=now_ms,
        )  # fmt: skip

    def _attended(self, record: Record, due_ms: int, row: JobRun) -> None:
        assert record.attended is not None
        attended = replace(record.attended, at_ms=due_ms)
        self._ledger.decide([PutRecord(record=replace(record, attended=attended)), *self._added(record.key, row)])

    def _begin(self, key: DeploymentKey, deployment: Deployment, service: Service, row: JobRun) -> None:
        run = service.runs.more(deployment.revision, None, None, partial(self._note_end, key, row.number))
        if run is not None:
            self._at_work.setdefault(key, {})[row.number] = run
            return
        skipped = replace(row, ended_ms=row.started_ms, skipped="too many runs are at work")
        self._ledger.decide(self._changed(key, skipped))
        self._announce(key, "job-skipped", f"{row.version} is not run: {skipped.skipped}")

    # ---- ends ----

    def _note_end(self, key: DeploymentKey, number: int, run: Run) -> None:
        """Take the end of a run, from any thread; the controller is woken after it."""
        with self._lock:
            self._ends[key].append((number, run))

    def write_down(self, record: Record) -> Record:
        """Write down the runs that have ended since the last look; returns the record as it is then."""
        if record.key not in self._known and (record.attended is not None or record.wanted.revision.is_job):
            record = self._write_down_cut_off(record)
        with self._lock:
            ends = self._ends.pop(record.key, [])
        for number, run in ends:
            record = self._write_down_end(record, number, run)
        return record

    def _write_down_end(self, record: Record, number: int, run: Run) -> Record:
        self._at_work.get(record.key, {}).pop(number, None)
        row = next((row for row in self._rows(record.key) if row.number == number), None)
        if row is None or run.outcome is None:  # forgotten among many newer ones
            return record
        ended = replace(
            row, ended_ms=run.ended_ms, outcome=run.outcome, instance=run.id.instance, output=self._printed(run.id)
        )
        if row.cause is not RunCause.REQUEST:
            result = JobResult(
                revision=row.revision, outcome=run.outcome, started_ms=row.started_ms, ended_ms=run.ended_ms
            )
            record = replace(record, job=result)
            self._ledger.decide([PutRecord(record=record)])
        self._ledger.decide(self._changed(record.key, ended))
        self._announce(record.key, "job-ran", f"{run.id.instance} of {row.version}: {run.outcome}")
        return record

    def _write_down_cut_off(self, record: Record) -> Record:
        """Tell the runs apart that an earlier agent began and did not see the end of."""
        now_ms, schedule = self._clock.wall_ms(), (record.stable or record.wanted).schedule
        for row in [row for row in self._rows(record.key) if not row.ended_ms]:
            self._ledger.decide(self._changed(record.key, replace(row, ended_ms=now_ms, outcome=CUT_OFF)))
            if row.cause is not RunCause.REQUEST and _makes_up(schedule, record.attended):
                assert record.attended is not None
                again = replace(record.attended, at_ms=min(record.attended.at_ms, row.due_ms - 1))
                record = replace(record, attended=again)
                self._ledger.decide([PutRecord(record=record)])
        return record

    # ---- rows ----

    def _rows(self, key: DeploymentKey) -> list[JobRun]:
        if key not in self._known:
            self._known[key] = [*self._ledger.runs(key)]
        return self._known[key]

    def _next_number(self, key: DeploymentKey) -> int:
        rows = self._rows(key)
        return rows[-1].number + 1 if rows else 1

    def _added(self, key: DeploymentKey, row: JobRun) -> Sequence[Change]:
        rows = [*self._rows(key), row]
        self._known[key] = rows[-RUNS_KEPT:]
        return [PutRun(key=key, run=row), *(DeleteRun(key=key, number=old.number) for old in rows[:-RUNS_KEPT])]

    def _changed(self, key: DeploymentKey, row: JobRun) -> Sequence[Change]:
        self._known[key] = [row if old.number == row.number else old for old in self._rows(key)]
        return [PutRun(key=key, run=row)]


class AskedRun:
    """A person's request of a run, and who takes its output and its end."""

    def __init__(
        self, arguments: tuple[str, ...] | None, taker: OutputTaker, ended: Callable[[Run], None], by: By
    ) -> None:  # fmt: skip
        self.arguments, self.taker, self.ended, self.by = arguments, taker, ended, by


def _row(number: int, deployment: Deployment, cause: RunCause, run: Run, by: By) -> JobRun:
    return JobRun(
        number=number, revision=deployment.revision.id, version=deployment.revision.version, cause=cause,
        due_ms=run.started_ms, started_ms=run.started_ms, instance=run.id.instance, by=by,
    )  # fmt: skip


def _makes_up(schedule: Schedule | None, attended: Attended | None) -> bool:
    if schedule is None or attended is None:
        return False
    return attended.is_of(schedule) and schedule.missed is WhenMissed.ONCE
