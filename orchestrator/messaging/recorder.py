"""The choice of conversations to record, and the hops of those: how each message ended, and where.

Those that somebody named are recorded, and a few without: one every `SAMPLE_NS`. Where hops are kept is for `heard`.
"""

import os
from collections.abc import Callable, Sequence

from orchestrator.messaging.mailbox.batch import Told
from orchestrator.messaging.requesters import Requester
from orchestrator.model.hop import Hop, HopKind
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Mail, Message, Outcome, Refused, Replied, Undelivered

SAMPLE_NS = 20_000_000  # between two conversations that are recorded though nobody named them
ID_BYTES, IDS_AT_ONCE = 16, 64
OUTCOME_MAX = 4_096  # characters

Unheard = Callable[[ComponentId, ComponentId, Outcome], None]  # sender, target


class Recorder:
    """Records the messages of all instances; from any thread.

    `heard` is told of the hops of recorded conversations, `unheard` of what a person should know: a request from one to
    another without an answer in time, and an answer that its requester refused.
    """

    def __init__(
        self, now_ns: Callable[[], int], heard: Callable[[Hop], None] | None = None, unheard: Unheard | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:  # fmt: skip
        self._now_ns, self._new_id = now_ns, new_id or random_id
        self._heard, self.unheard = heard or _nobody, unheard or _nobody
        self._sample_at_ns = 0

    def trace(self, requester: Requester, now_ns: int) -> str | None:
        """Return what a message that an instance sends now is recorded under; None where it is not."""
        if requester.trace is None:
            requester.trace = ""
            if now_ns - self._sample_at_ns >= SAMPLE_NS:
                self._sample_at_ns = now_ns
                requester.trace = self._new_id()
        return requester.trace or None

    def handled(self, requester: Requester, message: Message, kind: HopKind, outcome: Outcome) -> None:
        """Record that an instance is done with what it was at work on, if its conversation is recorded."""
        if kind is not HopKind.REQUEST and isinstance(outcome, Refused):
            self.unheard(message.sender, requester.id, outcome)
        if requester.trace:
            self._record(requester.trace, message, requester.id, kind, outcome_text(outcome), 1)

    def handled_many(self, requester: Requester, trace: str, mail: Mail, outcomes: Sequence[Outcome]) -> None:
        """Record that an instance is done with messages of one conversation; how, says the first that went badly."""
        if outcomes:
            failed = (outcome for outcome in outcomes if not isinstance(outcome, Replied))
            text = outcome_text(next(failed, Replied(None)))
            self._record(trace, mail.message(0), requester.id, HopKind.SEND, text, len(outcomes))

    def lost(
        self, message: object, target: ComponentId, kind: HopKind, outcome: Outcome, count: int = 1
    ) -> None:  # fmt: skip
        """Record that a message reached no instance, if its conversation is recorded."""
        if isinstance(message, Message) and message.conversation is not None:
            self._record(message.conversation, message, target, kind, outcome_text(outcome), count)

    def recording(self, key: DeploymentKey, mail: Mail, told: Told) -> Told:
        """Return `told`, with what reaches no instance recorded as well: of messages whose conversation is recorded."""

        def both(first: int, outcomes: Sequence[Outcome]) -> None:
            lost = [outcome for outcome in outcomes if isinstance(outcome, Undelivered)]
            if lost:
                target = ComponentId(key.namespace, key.name)
                self.lost(mail.message(first), target, HopKind.SEND, lost[0], len(lost))
            told(first, outcomes)

        return both

    def _record(
        self, trace: str, message: Message, target: ComponentId, kind: HopKind, outcome: str, count: int
    ) -> None:  # fmt: skip
        self._heard(
            Hop(
                conversation=trace,
                kind=kind,
                sender=message.sender,
                target=target,
                at_us=message.timestamp_ns // 1_000,
                took_us=max(0, self._now_ns() - message.timestamp_ns) // 1_000,
                outcome=outcome,
                correlation=message.correlation_id or "",
                count=count,
            )
        )


def outcome_text(outcome: Outcome) -> str:
    """Say in a few words how a message ended."""
    match outcome:
        case Replied(payload=payload):
            return "handled" if payload is None else f"replied {len(payload)} bytes"
        case Refused():
            return str(outcome)[:OUTCOME_MAX]
        case Exited(reason=reason):
            return str(reason)[:OUTCOME_MAX]
        case Undelivered(case=case, detail=detail):
            return f"{case}: {detail}"
        case _:
            return "returned"


def random_id() -> str:
    """Return an id that nobody can guess.

    Asking the kernel lets go of the interpreter's lock, for which the sender then waits, so many are asked for at once.
    """
    try:
        return _ids.pop()
    except IndexError:
        digits = os.urandom(IDS_AT_ONCE * ID_BYTES).hex()
        _ids.extend(digits[at : at + 2 * ID_BYTES] for at in range(0, len(digits) - 2 * ID_BYTES, 2 * ID_BYTES))
        return digits[-2 * ID_BYTES :]


_ids: list[str] = []  # drawn, and not given yet
os.register_at_fork(after_in_child=_ids.clear)  # two processes never give the same


def _nobody(*_told: object) -> None:
    return
