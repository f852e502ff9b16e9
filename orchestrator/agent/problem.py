"""What an API caller is told when something cannot be done: the same four words as a diagnostic, and an exit code."""

from orchestrator.model.base import Value

FAILED, USAGE, INVALID, REFUSED, TIMED_OUT = 1, 64, 65, 77, 124


class Problem(Value, frozen=True):
    """What, why, what to do next, and the exit code a command line ends with."""

    summary: str
    detail: str = ""
    suggestion: str = ""
    exit_code: int = FAILED


class Trouble(Exception):
    """Raised by an operation that cannot be done, with the HTTP status that says so."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.summary)
        self.status, self.problem = status, problem
