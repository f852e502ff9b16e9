"""Instances as senders: their requests from leaving to the answer, and the conversation that their messages are of.

Whoever is asked settles an envelope, as for any message; the answer then waits for the very instance that asked, which
takes it when it is free (`supervise.instance`). What an instance sends belongs to the conversation of what it is at
work on. The host sets ids and conversations; a guest chooses none.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from orchestrator.messaging.endings import Counters, Ending
from orchestrator.messaging.mailbox.batch import Told
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.requests import TIMEOUT_MAX_MS, Table, Waiting
from orchestrator.messaging.router import Router
from orchestrator.model.hop import Hop, HopKind
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Mail, Message, Outcome, Refused, Replied, Undelivered

FAILURE = "application/vnd.airs.error"  # content-type of an answer that is none: its payload is `CASE: TEXT`
NO_REPLY = "application/vnd.airs.no-reply"  # content-type of the answer of who replied `none`
FAILURE_MAX = 4_096  # characters of a failure's text
ANSWERS_MAX_BYTES = 16 << 20  # of answers that wait for one instance
ANSWERS_TOTAL_BYTES = 256 << 20
SAMPLE_NS = 20_000_000  # between two conversations that are recorded though nobody named them
_KINDS = {
    Ending.ANSWERED: HopKind.ANSWER, Ending.FAILED: HopKind.FAILURE, Ending.TIMED_OUT: HopKind.TIMEOUT,
}  # fmt: skip


Unheard = Callable[[ComponentId, ComponentId, Outcome], None]  # sender, target


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make it, if it was not made yet."""


class Clock(Protocol):
    """Time, and calls that are made later, which must not block."""

    def monotonic_ms(self) -> int:
        """Return milliseconds that only ever grow."""

    def wall_ns(self) -> int:
        """Return nanoseconds since 1970."""

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        """Make a call in `delay_ms`."""


class Answer(msgspec.Struct, frozen=True, eq=False):
    """What a request came to, as the message that its asker is given."""

    message: Message
    ending: Ending
    conversation: str | None
    key: str | None = None

    @property
    def kind(self) -> HopKind:
        """What it is in a conversation."""
        return _KINDS[self.ending]


class Asker:
    """One life of an instance as a sender. `answers` wait for it; only `Requests` changes them.

    `conversation`, `trace` and `key` are of what it is at work on: the name that keeps messages on one version, what
    they are recorded under (None while that is not decided, empty where they are not), and the key that it has there,
    None where there are no keys. It alone touches those.
    """

    __slots__ = ("answers", "bytes_waiting", "conversation", "counters", "id", "key", "trace", "wake", "why_closed")

    def __init__(self, id: ComponentId, counters: Counters, wake: Callable[[], None]) -> None:
        self.id = id
        self.counters = counters
        self.wake = wake
        self.why_closed = ""  # to further requests
        self.answers: deque[Answer] = deque()
        self.bytes_waiting = 0
        self.conversation: str | None = None
        self.trace: str | None = None
        self.key: str | None = None

    @property
    def address(self) -> ComponentId:
        """Where answers to what it sends reach it: the key that it is at work on, whoever owns that then."""
        return self.id if self.key is None else ComponentId(self.id.namespace, self.id.name, self.key)

    def works_on(self, conversation: str | None, trace: str | None, key: str | None = None) -> None:
        """Say what it is at work on next."""
        self.conversation, self.trace, self.key = conversation, trace, key


class Requests:
    """The requests of all instances; from any thread.

    `heard` is told of the hops of recorded conversations, `unheard` of what a person should know: a request from one to
    another without an answer in time, and an answer that its asker refused.
    """

    def __init__(
        self, router: Router, clock: Clock, heard: Callable[[Hop], None] | None = None,
        unheard: Unheard | None = None, new_id: Callable[[], str] | None = None,
    ) -> None:  # fmt: skip
        self._router, self._clock = router, clock
        self._heard, self._unheard = heard or _nobody, unheard or _nobody
        self._new_id = new_id or _random_id
        self._lock = threading.Lock()
        self._table = Table()
        self._askers: dict[ComponentId, Asker] = {}
        self._bytes_waiting = 0
        self._sample_at_ns = 0
        self._timer: tuple[int, Timer] | None = None  # when somebody looks for what is overdue

    def begin(self, id: ComponentId, counters: Counters, wake: Callable[[], None]) -> Asker:
        """Begin the life of an instance; `wake` is called after an answer has come for it, and must not block."""
        asker = Asker(id, counters, wake)
        with self._lock:
            self._askers[id] = asker
        return asker

    def of(self, id: ComponentId) -> Asker:
        """Return an instance as a sender; one that cannot ask, where it was not begun."""
        return self._askers.get(id) or mute(id)

    def end(self, asker: Asker) -> None:
        """End a life: what it waited for is cancelled, what waits for it dropped. Who was asked goes on unheard."""
        with self._lock:
            self._leave(asker, "it has ended")
            for _ in self._table.take_all(asker):
                asker.counters.count(Ending.CANCELLED)
            asker.answers.clear()
            self._bytes_waiting -= asker.bytes_waiting
            asker.bytes_waiting = 0

    def close(self, asker: Asker, why: str) -> None:
        """Take no more requests of an instance, and answer those that wait: they failed, as it has to go."""
        with self._lock:
            self._leave(asker, why)
            left = self._table.take_all(asker)
            for request in left:
                self._put(asker, request, Ending.FAILED, *_failure("delivery-failed", why))
        self._take_back(left)

    def ask(self, asker: Asker, target: ComponentId, payload: bytes, timeout_ms: int) -> str | Undelivered:
        """Send a request; returns its id, under which its answer will come, or why there is none."""
        timeout_ms = max(1, min(timeout_ms, TIMEOUT_MAX_MS))
        now_ns, id = self._clock.wall_ns(), self._new_id()
        message = Message(asker.id, payload, now_ns, id, asker.id, None, self.trace(asker, now_ns))
        envelope = Envelope(
            message, lambda outcome: self._came(asker, request, outcome), asker.conversation, target.instance
        )
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        request = Waiting(id, asker, target, timeout_ms, deadline_ms, envelope, asker.key)
        refused = self._register(asker, request) or self._deliver(asker, request)
        return id if refused is None else refused

    def _register(self, asker: Asker, request: Waiting) -> Undelivered | None:
        with self._lock:
            if asker.why_closed:
                return Undelivered("delivery-failed", f"{asker.id} can be given no answer: {asker.why_closed}")
            refusal = self._table.register(request, len(asker.answers))
            if refusal:
                return Undelivered("delivery-failed", refusal)
            asker.counters.sent += 1
            self._look_by(request.deadline_ms)
        return None

    def _deliver(self, asker: Asker, request: Waiting) -> Undelivered | None:
        refused = self._router.deliver(request.target.deployment, request.envelope)
        if refused is None:
            return None
        with self._lock:
            if self._table.take(request.id, asker) is None:  # it had no time left, and that is its ending
                return None
            asker.counters.sent -= 1
        self.lost(request.envelope.work, request.target, HopKind.REQUEST, refused)
        return refused

    def cancel(self, asker: Asker, id: str) -> bool:
        """Wait for an answer no longer; False when there is no such request. What nobody started on is taken back."""
        with self._lock:
            request = self._table.take(id, asker)
            if request is not None:
                asker.counters.count(Ending.CANCELLED)
            elif (unread := _find(asker.answers, id)) is not None:
                asker.answers.remove(unread)
                self._account(asker, -len(unread.message.payload))
            else:
                return False
        self._take_back([] if request is None else [request])
        return True

    def next_answer(self, asker: Asker) -> Answer | None:
        """Take out the answer that has waited the longest."""
        with self._lock:
            if not asker.answers:
                return None
            answer = asker.answers.popleft()
            self._account(asker, -len(answer.message.payload))
            return answer

    def outstanding(self, asker: Asker) -> int:
        """Count what an instance waits for."""
        with self._lock:
            return self._table.count(asker)

    def trace(self, asker: Asker, now_ns: int) -> str | None:
        """Return what a message that an instance sends now is recorded under; None where it is not."""
        if asker.trace is None:
            asker.trace = ""
            if now_ns - self._sample_at_ns >= SAMPLE_NS:
                self._sample_at_ns = now_ns
                asker.trace = self._new_id()
        return asker.trace or None

    def handled(self, asker: Asker, message: Message, kind: HopKind, outcome: Outcome) -> None:
        """Record that an instance is done with what it was at work on, if its conversation is recorded."""
        if kind is not HopKind.REQUEST and isinstance(outcome, Refused):
            self._unheard(message.sender, asker.id, outcome)
        if asker.trace:
            self._record(asker.trace, message, asker.id, kind, outcome_text(outcome), 1)

    def handled_many(self, asker: Asker, trace: str, mail: Mail, outcomes: Sequence[Outcome]) -> None:
        """Record that an instance is done with messages of one conversation; how, says the first that went badly."""
        if outcomes:
            failed = (outcome for outcome in outcomes if not isinstance(outcome, Replied))
            text = outcome_text(next(failed, Replied(None)))
            self._record(trace, mail.message(0), asker.id, HopKind.SEND, text, len(outcomes))

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
                took_us=max(0, self._clock.wall_ns() - message.timestamp_ns) // 1_000,
                outcome=outcome,
                correlation=message.correlation_id or "",
                count=count,
            )
        )

    def _came(self, asker: Asker, request: Waiting, outcome: Outcome) -> None:
        if isinstance(outcome, Undelivered):
            self.lost(request.envelope.work, request.target, HopKind.REQUEST, outcome)
        with self._lock:
            is_late = self._table.take(request.id, asker) is None
            if is_late:
                asker.counters.late += 1
            else:
                self._put(asker, request, *_ended(outcome))
        if is_late:
            message = self._message(asker, request, b"", None)
            self.lost(message, asker.id, HopKind.LATE, Undelivered("dropped", "nobody waits for it any more"))
        else:
            asker.wake()

    def _put(
        self, asker: Asker, request: Waiting, ending: Ending, payload: bytes, content_type: str | None
    ) -> None:  # fmt: skip
        """Have an answer wait for who asked; one that there is no room for becomes a failure."""
        size = len(payload)
        is_much = asker.bytes_waiting + size > ANSWERS_MAX_BYTES or self._bytes_waiting + size > ANSWERS_TOTAL_BYTES
        if is_much and ending is Ending.ANSWERED:
            ending = Ending.FAILED
            payload, content_type = _failure("resource-limit-exceeded", f"no room for an answer of {size} bytes")
        asker.counters.count(ending)
        message = self._message(asker, request, payload, content_type)
        asker.answers.append(Answer(message, ending, request.envelope.conversation, request.key))
        self._account(asker, len(payload))

    def _message(self, asker: Asker, request: Waiting, payload: bytes, content_type: str | None) -> Message:
        asked = request.envelope.work
        assert isinstance(asked, Message)
        now_ns = self._clock.wall_ns()
        return Message(request.target, payload, now_ns, request.id, None, content_type, asked.conversation)

    def _account(self, asker: Asker, size: int) -> None:
        asker.bytes_waiting += size
        self._bytes_waiting += size

    def _leave(self, asker: Asker, why: str) -> None:
        asker.why_closed = why
        if self._askers.get(asker.id) is asker:
            del self._askers[asker.id]

    def _look_by(self, deadline_ms: int) -> None:
        if self._timer is not None:
            if self._timer[0] <= deadline_ms:
                return
            self._timer[1].cancel()
        delay_ms = max(0, deadline_ms - self._clock.monotonic_ms())
        self._timer = deadline_ms, self._clock.call_later(delay_ms, self._look)

    def _look(self) -> None:
        """End what has waited for too long."""
        with self._lock:
            self._timer = None
            overdue = self._table.take_overdue(self._clock.monotonic_ms())
            for request in overdue:
                assert isinstance(request.asker, Asker)
                why = _failure("correlation-timeout", f"no answer within {request.timeout_ms} ms")
                self._put(request.asker, request, Ending.TIMED_OUT, *why)
            following = self._table.next_deadline_ms()
            if following is not None:
                self._look_by(following)
        self._take_back(overdue)
        for request in overdue:
            assert isinstance(request.asker, Asker)
            late = Undelivered("correlation-timeout", f"no answer within {request.timeout_ms} ms")
            self._unheard(request.asker.id, request.target, late)
        for asker in dict.fromkeys(request.asker for request in overdue):
            assert isinstance(asker, Asker)
            asker.wake()

    def _take_back(self, requests: list[Waiting]) -> None:
        """Take what nobody has started on out of the mailboxes; nobody waits for it any more."""
        for request in requests:
            route = self._router.find(request.target.deployment)
            if route is not None:
                route.withdraw(request.envelope)


def mute(id: ComponentId) -> Asker:
    """Return a sender that cannot ask, as nothing could give it an answer."""
    asker = Asker(id, Counters(), _no_wake)
    asker.why_closed = "it is no actor that exports handle-callback"
    return asker


def outcome_text(outcome: Outcome) -> str:
    """Say in a few words how a message ended."""
    match outcome:
        case Replied(payload=payload):
            return "handled" if payload is None else f"replied {len(payload)} bytes"
        case Refused():
            return str(outcome)[:FAILURE_MAX]
        case Exited(reason=reason):
            return str(reason)[:FAILURE_MAX]
        case Undelivered(case=case, detail=detail):
            return f"{case}: {detail}"
        case _:
            return "returned"


def _ended(outcome: Outcome) -> tuple[Ending, bytes, str | None]:
    match outcome:
        case Replied(payload=payload):
            return (Ending.ANSWERED, b"", NO_REPLY) if payload is None else (Ending.ANSWERED, payload, None)
        case Refused(case=case, detail=detail) | Undelivered(case=case, detail=detail):
            return Ending.FAILED, *_failure(case, detail)
        case Exited(reason=reason):  # why in full is for its operator, not for whoever may send to it
            return Ending.FAILED, *_failure("failed", reason.kind.value)
        case _:
            raise AssertionError(f"{outcome!r} is no outcome of a message")


def _failure(case: str, text: str) -> tuple[bytes, str]:
    said = f"{case}: {text}" if text else case
    return said[:FAILURE_MAX].encode("utf-8", "replace"), FAILURE


def _find(answers: "deque[Answer]", id: str) -> Answer | None:
    return next((answer for answer in answers if answer.message.correlation_id == id), None)


def _random_id() -> str:
    return secrets.token_hex(16)


def _no_wake() -> None:
    return


def _nobody(*_told: object) -> None:
    return
