"""The life of an instance as one table: phase × event → phase. Everything absent from it is refused."""

from enum import Enum

from orchestrator.model.observed import Phase


class Event(Enum):
    """What can happen to an instance."""

    START = "start"
    STARTED = "started"
    EXITED = "exited"
    RETRY_LATER = "retry-later"
    BACKOFF_OVER = "backoff-over"
    GIVE_UP = "give-up"
    UPDATE = "update"
    UPDATED = "updated"
    STOP = "stop"
    STOPPED = "stopped"


class Impossible(Exception):
    """An event that cannot happen in this phase: a bug of ours."""


TABLE: dict[tuple[Phase, Event], Phase] = {
    (Phase.INSTALLED, Event.START): Phase.STARTING,
    (Phase.INSTALLED, Event.STOP): Phase.STOPPED,
    (Phase.STARTING, Event.STARTED): Phase.RUNNING,
    (Phase.STARTING, Event.EXITED): Phase.FAILED,
    (Phase.STARTING, Event.STOP): Phase.STOPPING,
    (Phase.RUNNING, Event.EXITED): Phase.FAILED,
    (Phase.RUNNING, Event.UPDATE): Phase.UPDATING,
    (Phase.RUNNING, Event.STOP): Phase.STOPPING,
    (Phase.UPDATING, Event.UPDATED): Phase.RUNNING,
    (Phase.UPDATING, Event.EXITED): Phase.FAILED,
    (Phase.UPDATING, Event.STOP): Phase.STOPPING,
    (Phase.STOPPING, Event.EXITED): Phase.STOPPED,  # it died on its own while being stopped: stopped all the same
    (Phase.STOPPING, Event.STARTED): Phase.STOPPING,  # the start that was under way came through too late
    (Phase.STOPPING, Event.STOPPED): Phase.STOPPED,
    (Phase.FAILED, Event.RETRY_LATER): Phase.BACKING_OFF,
    (Phase.FAILED, Event.GIVE_UP): Phase.GAVE_UP,
    (Phase.FAILED, Event.STOPPED): Phase.STOPPED,  # a temporary instance is not missed
    (Phase.FAILED, Event.STOP): Phase.STOPPED,
    (Phase.BACKING_OFF, Event.BACKOFF_OVER): Phase.STARTING,
    (Phase.BACKING_OFF, Event.GIVE_UP): Phase.GAVE_UP,  # its policy was edited to allow less
    (Phase.BACKING_OFF, Event.STOPPED): Phase.STOPPED,  # its policy was edited to miss it no more
    (Phase.BACKING_OFF, Event.STOP): Phase.STOPPED,
    (Phase.GAVE_UP, Event.START): Phase.STARTING,
    (Phase.GAVE_UP, Event.STOP): Phase.STOPPED,
    (Phase.STOPPED, Event.RETRY_LATER): Phase.BACKING_OFF,  # stopped by its group, which starts it again
    (Phase.STOPPED, Event.GIVE_UP): Phase.GAVE_UP,  # stopped by its group, which gave up
    (Phase.STOPPED, Event.START): Phase.STARTING,
}


def next_phase(phase: Phase, event: Event) -> Phase:
    """Return the phase that `event` leads to.

    Raises:
        Impossible: the event cannot happen in this phase.
    """
    try:
        return TABLE[phase, event]
    except KeyError:
        raise Impossible(f"{event.value} cannot happen to an instance that is {phase.value}") from None


def diagram() -> str:
    """Draw the table as a Mermaid state diagram (ARCHITECTURE.md holds a copy that a test compares)."""
    lines = [f"    {_id(a)} --> {_id(b)}: {event.value}" for (a, event), b in TABLE.items() if a is not b]
    return "\n".join(["stateDiagram-v2", "    [*] --> installed", *lines, "    stopped --> [*]"])


def _id(phase: Phase) -> str:
    return phase.value.replace("-", "_")  # Mermaid reads a dash as part of an arrow
