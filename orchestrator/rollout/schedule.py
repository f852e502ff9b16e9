"""A schedule, how far it was attended to, and now → whether the job is run now. Decides nothing else.

The due moments are handed in, as they depend on the database of time zones.
"""

from enum import Enum
from typing import NamedTuple

from orchestrator.model.job import Attended, RunCause, Schedule, WhenAtWork, WhenMissed

LATE_MS = 60_000  # a run that is later than this was missed, and is not only late
AHEAD_MS = 3_600_000  # further ahead of now nothing was attended to in earnest: the clock was wrong then


class Next(Enum):
    """The next act for a schedule."""

    WAIT = "wait"
    BEGIN = "begin"
    REPLACE = "replace"  # cancel the run before, then begin
    SKIP = "skip"


class ScheduleStep(NamedTuple):
    """One act: of which due moment, with which cause, or skipped why."""

    verb: Next
    due_ms: int = 0
    cause: RunCause = RunCause.SCHEDULE
    why: str = ""


WAIT = ScheduleStep(Next.WAIT)


def attended_from(schedule: Schedule, attended: Attended | None, now_ms: int) -> Attended:
    """Say how far a schedule was attended to: up to now where it is new, was changed, or the clock was far ahead."""
    if attended is not None and attended.is_of(schedule) and attended.at_ms <= now_ms + AHEAD_MS:
        return attended
    return Attended(cron=schedule.cron, time_zone=schedule.time_zone, at_ms=now_ms)


def schedule_step(
    schedule: Schedule, attended_ms: int, last_due_ms: int | None, now_ms: int, *, is_at_work: bool
) -> ScheduleStep:
    """Decide on what was due last; of several that were missed, only the last counts."""
    if last_due_ms is None or last_due_ms <= attended_ms:
        return WAIT
    was_missed = now_ms - last_due_ms > LATE_MS
    cause = RunCause.MISSED if was_missed else RunCause.SCHEDULE
    if was_missed and schedule.missed is WhenMissed.SKIP:
        return ScheduleStep(Next.SKIP, last_due_ms, cause, "no agent ran when it was due")
    if is_at_work and schedule.concurrency is WhenAtWork.FORBID:
        return ScheduleStep(Next.SKIP, last_due_ms, cause, "the run before was still at work")
    replaces = is_at_work and schedule.concurrency is WhenAtWork.REPLACE
    return ScheduleStep(Next.REPLACE if replaces else Next.BEGIN, last_due_ms, cause)
