"""What happened, one event per transition, never one per tick."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey
from orchestrator.observe.journal import Journal

EVENTS_KEPT = 10_000
LOG_LINES_KEPT = 20_000  # of all deployments together
LOG_LINE_MAX = 8_192  # characters; a longer line is cut


class EventType(Enum):
    """Whether someone has to look at it."""

    NORMAL = "normal"
    WARNING = "warning"


class Event(Value, frozen=True):
    """One thing that happened to a deployment (or, with an empty key, to a source or the agent)."""

    at_ms: int
    reason: str
    message: str
    key: DeploymentKey | None = None
    type: EventType = EventType.NORMAL


class LogLine(Value, frozen=True):
    """One line a guest logged through `host-services`, control characters removed."""

    at_ms: int
    key: DeploymentKey
    instance: str
    level: str
    text: str
    context: tuple[tuple[str, str], ...] = ()


class Journals:
    """The events and log lines of this process; memory only, gone with it."""

    def __init__(self) -> None:
        self.events: Journal[Event] = Journal(EVENTS_KEPT)
        self.logs: Journal[LogLine] = Journal(LOG_LINES_KEPT)


def printable(text: str) -> str:
    """Remove control characters and line breaks, so that a guest cannot write to somebody's terminal."""
    return "".join(c if c.isprintable() else " " for c in text)[:LOG_LINE_MAX]
