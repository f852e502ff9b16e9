"""How a command ends when it cannot do what was asked: what, why, what next, and an exit code. Never a traceback."""

from orchestrator.model.base import Value

OK, FAILED, CHANGES, USAGE, INVALID, NO_AGENT, REFUSED, TIMED_OUT = 0, 1, 2, 64, 65, 69, 77, 124


class Failure(Exception):
    """Ends the command with `exit_code` after printing the rest to stderr."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "", exit_code: int = FAILED) -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion, self.exit_code = summary, detail, suggestion, exit_code


class Problem(Value, frozen=True):
    """The agent's side of a `Failure`, as it travels."""

    summary: str
    detail: str = ""
    suggestion: str = ""
    exit_code: int = FAILED
