"""What happened, one event per transition, never one per tick; and what guests said."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey


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
    """One line that a guest logged or printed, or that tells of its end; control characters removed."""

    at_ms: int
    key: DeploymentKey
    instance: str
    level: str
    text: str
    context: tuple[tuple[str, str], ...] = ()
