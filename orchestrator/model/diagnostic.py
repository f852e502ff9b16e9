"""A diagnostic: what is wrong, where, why, and what to do about it."""

from enum import Enum

from msgspec import UNSET, UnsetType

from orchestrator.model.base import Value


class Severity(Enum):
    """How bad a diagnostic is: an error makes its deployment invalid, a warning does not.

    A failure keeps its deployment from being used as well, but by what is elsewhere: its component was not fetched.
    """

    ERROR = "error"
    FAILURE = "failure"
    WARNING = "warning"


class Location(Value, frozen=True, order=True):
    """A place in a file as its reader would type it; line and column count from 1, 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Diagnostic(Value, frozen=True):
    """One problem: `summary` says what in one line, `detail` why, `suggestion` what to do next.

    `overlay` is where an overlay names the base in which the problem lies; left out where no overlay is concerned.
    """

    severity: Severity
    summary: str
    location: Location
    detail: str = ""
    suggestion: str = ""
    overlay: Location | UnsetType = UNSET

    @property
    def is_error(self) -> bool:
        """Whether this keeps its subject from being used."""
        return self.severity is not Severity.WARNING

    @property
    def is_failure(self) -> bool:
        """Whether something elsewhere is to blame, and another attempt may go better."""
        return self.severity is Severity.FAILURE
