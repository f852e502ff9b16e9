"""A job: when it is run, each of its runs, how one ended, and what its process-like exit code is."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.who import By

COULD_NOT_START = 125
_CODES = {  # as shells and `timeout` report the same of a process
    ExitKind.DEADLINE: 124,
    ExitKind.INITIALIZE_FAILED: COULD_NOT_START,
    ExitKind.HOST_FAULT: COULD_NOT_START,
    ExitKind.STUCK_CALLS: COULD_NOT_START,
    ExitKind.TRAPPED: 134,
    ExitKind.STACK: 134,
    ExitKind.HOST_CALLS: 137,
    ExitKind.OUT_OF_FUEL: 137,
    ExitKind.MEMORY: 137,
    ExitKind.KILLED: 137,
    ExitKind.CANCELLED: 137,
}


class JobOutcome(Value, frozen=True):
    """The code a job ended with, or why it had to be ended: exactly one of the two is there."""

    code: int | None = None
    reason: ExitReason | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of `airs run`."""
        if self.code is not None:
            return self.code
        return _CODES.get(self.reason.kind, COULD_NOT_START) if self.reason else COULD_NOT_START

    @property
    def succeeded(self) -> bool:
        """Whether it ran to its end and said that all is well."""
        return self.code == 0

    def __str__(self) -> str:
        return f"exit code {self.code}" if self.code is not None else str(self.reason)


class WhenAtWork(Enum):
    """The fate of a run that is due while the one before is still at work."""

    FORBID = "forbid"  # it is skipped
    REPLACE = "replace"  # the one before is cancelled
    ALLOW = "allow"  # both run


class WhenMissed(Enum):
    """The fate of a run that was due while no agent ran."""

    ONCE = "once"  # the last that was missed is made up for
    SKIP = "skip"


class Schedule(Value, frozen=True):
    """The moments at which a job is run: a line of cron in a time zone."""

    cron: str
    time_zone: str = "UTC"
    concurrency: WhenAtWork = WhenAtWork.FORBID
    missed: WhenMissed = WhenMissed.ONCE


class Attended(Value, frozen=True):
    """The moment up to which a schedule was attended to: everything due by then was run, or skipped on purpose."""

    cron: str
    time_zone: str
    at_ms: int

    def is_of(self, schedule: Schedule) -> bool:
        """Whether it is about the same moments: of a schedule that was changed, nothing was attended to."""
        return (self.cron, self.time_zone) == (schedule.cron, schedule.time_zone)


class RunCause(Enum):
    """The cause of a run."""

    SCHEDULE = "schedule"
    MISSED = "missed"  # of a schedule, made up for
    REQUEST = "request"


class JobRun(Value, frozen=True):
    """One run of a job, of those that a schedule or a person asked for; kept in the order of `number`.

    `outcome` is None while it is at work, and of one that was `skipped`, which says why. `instance` is its name in the
    log; `output` is the last of what it printed. Times are wall-clock milliseconds.
    """

    number: int
    revision: str
    version: str
    cause: RunCause
    due_ms: int
    started_ms: int
    ended_ms: int = 0
    instance: str = ""
    outcome: JobOutcome | None = None
    skipped: str = ""
    output: str = ""
    by: By | None = None
