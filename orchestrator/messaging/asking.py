"""Requests of instances, from leaving to the answer.

Whoever is asked settles an envelope, as for any message; the answer then waits for the very instance that asked, which
takes it when it is free (`supervise.instance`). The host sets the ids; a guest chooses none.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from orchestrator.messaging.askers import Answer, Asker, mute
from orchestrator.messaging.endings import Counters, Ending
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.recorder import Recorder, random_id
from orchestrator.messaging.requests import TIMEOUT_MAX_MS, Table, Waiting
from orchestrator.messaging.router import Router
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Message, Outcome, Refused, Replied, Undelivered

FAILURE = "application/vnd.airs.error"  # content-type of an answer that is none: its payload is `CASE: TEXT`
NO_REPLY = "application/vnd.airs.no-reply"  # content-type of the answer of who replied `none`
FAILURE_MAX = 4_096  # characters of a failure's text
ANSWERS_MAX_BYTES = 16 << 20  # of answers that wait for one instance
ANSWERS_TOTAL_BYTES = 256 << 20


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


class Requests:
    """The requests of all instances; from any thread. `recorder` is told what became of them."""

    def __init__(
        self, router: Router, clock: Clock, recorder: Recorder | None = None, new_id: Callable[[], str] | None = None
    ) -> None:
        self.recorder = recorder or Recorder(clock.wall_ns)
        self._router, self._clock = router, clock
        self._new_id = new_id or random_id
        self._lock = threading.Lock()
        self._table = Table()
        self._askers: dict[ComponentId, Asker] = {}
        self._bytes_waiting = 0
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
        message = Message(asker.id, payload, now_ns, id, asker.id, None, self.recorder.trace(asker, now_ns))
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
        self.recorder.lost(request.envelope.work, request.target, HopKind.REQUEST, refused)
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

    def _came(self, asker: Asker, request: Waiting, outcome: Outcome) -> None:
        if isinstance(outcome, Undelivered):
            self.recorder.lost(request.envelope.work, request.target, HopKind.REQUEST, outcome)
        with self._lock:
            is_late = self._table.take(request.id, asker) is None
            if is_late:
                asker.counters.late += 1
            else:
                self._put(asker, request, *_ended(outcome))
        if is_late:
            message = self._message(asker, request, b"", None)
            self.recorder.lost(message, asker.id, HopKind.LATE, Undelivered("dropped", "nobody waits for it any more"))
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
            self.recorder.unheard(request.asker.id, request.target, late)
        for asker in dict.fromkeys(request.asker for request in overdue):
            assert isinstance(asker, Asker)
            asker.wake()

    def _take_back(self, requests: list[Waiting]) -> None:
        """Take what nobody has started on out of the mailboxes; nobody waits for it any more."""
        for request in requests:
            route = self._router.find(request.target.deployment)
            if route is not None:
                route.withdraw(request.envelope)


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
