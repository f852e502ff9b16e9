"""The answer when something cannot be done: the words of a diagnostic, and an exit code."""

from orchestrator.contract.codes import FAILED
from orchestrator.model.base import Value


class Problem(Value, frozen=True):
    """What, why, what to do next, and the exit code a command line ends with."""

    summary: str
    detail: str = ""
    suggestion: str = ""
    exit_code: int = FAILED


class Failure(Exception):
    """Raised where something cannot be done; ends a command with `exit_code` after the rest was printed to stderr."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "", exit_code: int = FAILED) -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion, self.exit_code = summary, detail, suggestion, exit_code
