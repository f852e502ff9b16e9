"""How one run of a job ended, and what its process-like exit code is."""

from orchestrator.model.base import Value
from orchestrator.model.exits import ExitKind, ExitReason

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
