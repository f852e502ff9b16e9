"""One step of a conversation: a message that went from one component to another, and how it ended."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.ids import ComponentId


class HopKind(Enum):
    """The kind of a hop: a message, or the outcome of a request on its way back to the sender."""

    SEND = "send"
    REQUEST = "request"
    ANSWER = "answer"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    LATE = "late"


class Hop(Value, frozen=True):
    """A message of a conversation. `at_us` is when it was sent, in microseconds since 1970; `took_us` counts from
    then to its end.

    `correlation` is the id of the request that it is, or that it answers. Alike messages that were handled in one call
    are one hop, of `count` messages.
    """

    conversation: str
    kind: HopKind
    sender: ComponentId
    target: ComponentId
    at_us: int
    took_us: int
    outcome: str
    correlation: str = ""
    count: int = 1


class Conversation(Value, frozen=True):
    """The hops of one conversation that are still kept, in the order in which they were sent."""

    conversation: str
    hops: tuple[Hop, ...]
