"""What happened, one event per transition, never one per tick, and who was behind it; and what guests said."""

from enum import Enum
from typing import Protocol

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.who import By


class EventType(Enum):
    """Whether someone has to look at it."""

    NORMAL = "normal"
    WARNING = "warning"


class Event(Value, frozen=True):
    """One thing that happened to a deployment (or, with an empty key, to a source or the agent).

    `by` is who asked for it by hand, `commit` what was read that led to it, `revision` the id of the revision it is
    about and `instance` the instance; each where there is one.
    """

    at_ms: int
    reason: str
    message: str
    key: DeploymentKey | None = None
    type: EventType = EventType.NORMAL
    by: By | None = None
    commit: Commit | None = None
    revision: str = ""
    instance: str = ""


class About(Value, frozen=True):
    """What an event says beside its words."""

    by: By | None = None
    commit: Commit | None = None
    revision: str = ""
    instance: str = ""


NOTHING_MORE = About()


class Announce(Protocol):
    """Whoever makes an event of what happened."""

    def __call__(
        self, key: DeploymentKey | None, reason: str, message: str, about: About = NOTHING_MORE, /
    ) -> None:  # fmt: skip
        """Make an event."""


class LogLine(Value, frozen=True):
    """One line that a guest logged or printed, or that tells of its end; control characters removed."""

    at_ms: int
    key: DeploymentKey
    instance: str
    level: str
    text: str
    context: tuple[tuple[str, str], ...] = ()
