"""A message that nobody handled well and whose sender was not told, kept for people to look at and to send again."""

from orchestrator.model.base import Value
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Mail, Outcome, Refused, Undelivered

DETAIL_MAX = 500  # characters of why; a guest chooses them


class DeadLetter(Value, frozen=True):
    """One message to `key`, and why it is here: `reason` is a word of a closed set, `detail` the rest.

    It is the case of a refusal (`queue-full`, `expired`, `dropped`, `runtime-error` …) or the kind of an exit.
    `sent_ns` and `at_ms` are wall-clock time since 1970; `attempts` counts how often it was sent.
    """

    key: DeploymentKey
    sender: ComponentId
    payload: bytes
    sent_ns: int
    reason: str
    detail: str
    at_ms: int
    correlation_id: str | None = None
    content_type: str | None = None
    attempts: int = 1
    conversation: str | None = None
    topic: str | None = None
    to: str = ""

    @property
    def mail(self) -> Mail:
        """The message, to be sent again."""
        return Mail(
            self.sender, (self.payload,), self.sent_ns, self.correlation_id, self.content_type, self.conversation,
            self.topic, self.to,
        )  # fmt: skip


class Resent(Value, frozen=True):
    """How many dead letters are on their way again, and why no more: empty where all of them are."""

    sent: int
    why: str = ""


def is_lost(outcome: Outcome) -> bool:
    """Whether a message that ended so was not handled well."""
    return isinstance(outcome, Refused | Exited | Undelivered)


def why_lost(outcome: Outcome) -> tuple[str, str]:
    """Return the reason and the detail of a dead letter."""
    if isinstance(outcome, Exited):
        return outcome.reason.kind.value, outcome.reason.detail[:DETAIL_MAX]
    assert isinstance(outcome, Refused | Undelivered)
    return outcome.case, outcome.detail[:DETAIL_MAX]


def letter_of(
    key: DeploymentKey, mail: Mail, index: int, outcome: Outcome, at_ms: int, attempts: int = 1
) -> DeadLetter:
    """Return the dead letter of one message of some mail to `key` that ended so."""
    reason, detail = why_lost(outcome)
    return DeadLetter(
        key=key, sender=mail.sender, payload=bytes(mail.payloads[index]), sent_ns=mail.timestamp_ns, reason=reason,
        detail=detail, at_ms=at_ms, correlation_id=mail.correlation_id, content_type=mail.content_type,
        attempts=attempts, conversation=mail.conversation, topic=mail.topic, to=mail.to,
    )  # fmt: skip
