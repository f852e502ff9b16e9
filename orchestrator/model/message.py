"""Messages between senders and guests, and the closed set of answers a call into a guest can have."""

from collections.abc import Sequence
from enum import Enum

import msgspec

from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.spec import Json

MESSAGE_MAX_BYTES = 1 << 20


class Message(msgspec.Struct, frozen=True):
    """One `component-message`. `timestamp_ns` is wall-clock nanoseconds since 1970.

    `correlation_id` is a request's id, for it and its answer; else the name of the conversation, if that has one.
    `conversation` is the name it is recorded under, which no guest sees. `topic` is the one it was published under,
    None for one that was sent.
    """

    sender: ComponentId
    payload: bytes
    timestamp_ns: int
    correlation_id: str | None = None
    reply_to: ComponentId | None = None
    content_type: str | None = None
    conversation: str | None = None
    topic: str | None = None


class Mail(msgspec.Struct, frozen=True):
    """Messages without a reply that one sender sends together: all is the same but the payloads.

    `to` is an instance, or a key where the deployment's instances own keys; empty for any.
    """

    sender: ComponentId
    payloads: Sequence[bytes]
    timestamp_ns: int
    correlation_id: str | None = None
    content_type: str | None = None
    conversation: str | None = None
    topic: str | None = None
    to: str = ""

    def part(self, begin: int, end: int) -> "Mail":
        """Return some of them, in their order."""
        if begin == 0 and end == len(self.payloads):
            return self
        return msgspec.structs.replace(self, payloads=self.payloads[begin:end])

    def message(self, index: int) -> Message:
        """Return one of them as a message of its own."""
        return Message(
            self.sender,
            self.payloads[index],
            self.timestamp_ns,
            self.correlation_id,
            None,
            self.content_type,
            self.conversation,
            self.topic,
        )

    def is_like(self, other: "Mail") -> bool:
        """Say whether the two may share a batch: all that the guest sees but time and payloads is the same."""
        return (
            self.sender == other.sender
            and self.correlation_id == other.correlation_id
            and self.content_type == other.content_type
            and self.topic == other.topic
            and self.to == other.to
        )


class Replied(msgspec.Struct, frozen=True):
    """The guest returned ok; `payload` None means `none`, no reply."""

    payload: bytes | None


class Returned(msgspec.Struct, frozen=True):
    """A typed call returned; `value` is the result as JSON (None where the function has no result)."""

    value: Json


class Refused(msgspec.Struct, frozen=True):
    """The guest returned err: `case` is the variant's case (`runtime-error`), `detail` its text."""

    case: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.case}: {self.detail}" if self.detail else self.case


class Exited(msgspec.Struct, frozen=True):
    """The call ended the instance; it is never entered again."""

    reason: ExitReason


class BadCall(msgspec.Struct, frozen=True):
    """The caller's fault: no such function, or arguments that do not fit their WIT types. No guest code ran.

    `detail` names each problem on a line of its own where there are several.
    """

    problem: str
    suggestion: str = ""
    detail: str = ""


class Undelivered(msgspec.Struct, frozen=True):
    """No guest ever started on the message: the mailbox was full, the target unknown, suspended or stopping."""

    case: str  # a messaging-error case: queue-full, target-not-found, delivery-failed, invalid-message
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.case}: {self.detail}" if self.detail else self.case


Answer = Replied | Refused | Exited


class Handled(msgspec.Struct, frozen=True):
    """How those of some messages ended that a guest was given, in their order; the others it was not given.

    `exited` is why not: the last of the outcomes, or a limit between two messages. Replies are not kept: an ok may be
    `Replied(None)` for any reply.
    """

    outcomes: Sequence[Answer]
    exited: Exited | None = None


CallAnswer = Returned | Refused | Exited | BadCall
Outcome = Replied | Returned | Refused | Exited | BadCall | Undelivered


class Health(Enum):
    """The answer of `health()`."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
