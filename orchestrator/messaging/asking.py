"""Requests of instances, from leaving to the answer.

The target settles an envelope, as for any message; the answer then waits for the very instance that asked, which takes
it when it is free (`supervise.instance`). The host sets the ids; a guest chooses none.
"""

import threading
from collections.abc import Callable, Iterable

from orchestrator.concurrency.clock import Clock, Timer
from orchestrator.messaging.endings import Ending, RequestCounters
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.recorder import Recorder, random_id
from orchestrator.messaging.requesters import Requester, WaitingAnswer, mute
from orchestrator.messaging.requests import TIMEOUT_MAX_MS, RequestTable, WaitingRequest
from orchestrator.messaging.router import Router
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Message, Outcome, Refused, Replied, Undelivered

FAILURE = "application/vnd.airs.error"  # content-type of an answer that is none: its payload is `CASE: TEXT`
NO_REPLY = "application/vnd.airs.no-reply"  # content-type of the answer of who replied `none`
FAILURE_MAX = 4_096  # characters of a failure's text
ANSWERS_MAX_BYTES = 16 << 20  # of answers that wait for one instance
ANSWERS_TOTAL_BYTES = 256 << 20


class Requests:
    """The requests of all instances; from any thread. `recorder` is told what became of them."""

    def __init__(
        self, router: Router, clock: Clock, recorder: Recorder | None = None, new_id: Callable[[], str] | None = None
    ) -> None:
        self.recorder = recorder or Recorder(clock.wall_ns)
        self._router, self._clock = router, clock
        self._new_id = new_id or random_id
        self._lock = threading.Lock()
        self._table = RequestTable()
        self._requesters: dict[ComponentId, Requester] = {}
        self._bytes_waiting = 0
        self._timer: tuple[int, Timer] | None = None  # when somebody looks for what is overdue

    def begin(self, id: ComponentId, counters: RequestCounters, wake: Callable[[], None]) -> Requester:
        """Begin the life of an instance; `wake` is called after an answer has come for it, and must not block."""
        requester = Requester(id, counters, wake)
        with self._lock:
            self._requesters[id] = requester
        return requester

    def of(self, id: ComponentId) -> Requester:
        """Return an instance as a sender; one that cannot ask, where it was not begun."""
        return self._requesters.get(id) or mute(id)

    def end(self, requester: Requester) -> None:
        """End a life: cancel its requests and drop its unread answers. The targets work on, unheard."""
        with self._lock:
            self._leave(requester, "it has ended")
            for _ in self._table.take_all(requester):
                requester.counters.count(Ending.CANCELLED)
            requester.answers = ()
            self._bytes_waiting -= requester.bytes_waiting
            requester.bytes_waiting = 0

    def close(self, requester: Requester, why: str) -> None:
        """Take no more requests of an instance, and answer those that wait: they failed, as it has to go."""
        with self._lock:
            self._leave(requester, why)
            left = self._table.take_all(requester)
            for request in left:
                self._put(requester, request, Ending.FAILED, *_failure("delivery-failed", why))
        self._take_back(left)

    def ask(self, requester: Requester, target: ComponentId, payload: bytes, timeout_ms: int) -> str | Undelivered:
        """Send a request; returns its id, under which its answer will come, or why there is none."""
        timeout_ms = max(1, min(timeout_ms, TIMEOUT_MAX_MS))
        now_ns, id = self._clock.wall_ns(), self._new_id()
        message = Message(requester.id, payload, now_ns, id, requester.id, None, self.recorder.trace(requester, now_ns))
        envelope = Envelope(
            message, lambda outcome: self._came(requester, request, outcome), requester.conversation, target.instance
        )
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        request = WaitingRequest(id, requester, target, timeout_ms, deadline_ms, envelope, requester.key)
        refused = self._register(requester, request) or self._deliver(requester, request)
        return id if refused is None else refused

    def _register(self, requester: Requester, request: WaitingRequest) -> Undelivered | None:
        with self._lock:
            if requester.why_closed:
                return Undelivered("delivery-failed", f"{requester.id} can be given no answer: {requester.why_closed}")
            refusal = self._table.register(request, len(requester.answers))
            if refusal:
                return Undelivered("delivery-failed", refusal)
            requester.counters.sent += 1
            self._look_by(request.deadline_ms)
        return None

    def _deliver(self, requester: Requester, request: WaitingRequest) -> Undelivered | None:
        refused = self._router.deliver(request.target.deployment, request.envelope)
        if refused is None:
            return None
        with self._lock:
            if self._table.take(request.id, requester) is None:  # it had no time left, and that is its ending
                return None
            requester.counters.sent -= 1
        self.recorder.lost(request.envelope.work, request.target, HopKind.REQUEST, refused)
        return refused

    def cancel(self, requester: Requester, id: str) -> bool:
        """Wait for an answer no longer, and take back a request still queued; False when there is no such request."""
        with self._lock:
            request = self._table.take(id, requester)
            if request is not None:
                requester.counters.count(Ending.CANCELLED)
            elif (unread := _find(requester.answers, id)) is not None:
                requester.drop(unread)
                self._account(requester, -len(unread.message.payload))
            else:
                return False
        self._take_back([] if request is None else [request])
        return True

    def next_answer(self, requester: Requester) -> WaitingAnswer | None:
        """Take out the answer that has waited the longest."""
        with self._lock:
            if not requester.answers:
                return None
            answer = requester.take()
            self._account(requester, -len(answer.message.payload))
            return answer

    def outstanding(self, requester: Requester) -> int:
        """Count what an instance waits for."""
        with self._lock:
            return self._table.count(requester)

    def _came(self, requester: Requester, request: WaitingRequest, outcome: Outcome) -> None:
        if isinstance(outcome, Undelivered):
            self.recorder.lost(request.envelope.work, request.target, HopKind.REQUEST, outcome)
        with self._lock:
            is_late = self._table.take(request.id, requester) is None
            if is_late:
                requester.counters.late += 1
            else:
                self._put(requester, request, *_ended(outcome))
        if is_late:
            message = self._message(requester, request, b"", None)
            self.recorder.lost(
                message, requester.id, HopKind.LATE, Undelivered("dropped", "nobody waits for it any more")
            )
        else:
            requester.wake()

    def _put(
        self, requester: Requester, request: WaitingRequest, ending: Ending, payload: bytes, content_type: str | None
    ) -> None:  # fmt: skip
        """Queue an answer for its requester; one that there is no room for becomes a failure."""
        size = len(payload)
        is_much = requester.bytes_waiting + size > ANSWERS_MAX_BYTES or self._bytes_waiting + size > ANSWERS_TOTAL_BYTES
        if is_much and ending is Ending.ANSWERED:
            ending = Ending.FAILED
            payload, content_type = _failure("resource-limit-exceeded", f"no room for an answer of {size} bytes")
        requester.counters.count(ending)
        message = self._message(requester, request, payload, content_type)
        requester.put(WaitingAnswer(message, ending, request.envelope.conversation, request.key))
        self._account(requester, len(payload))

    def _message(
        self, requester: Requester, request: WaitingRequest, payload: bytes, content_type: str | None
    ) -> Message:
        asked = request.envelope.work
        assert isinstance(asked, Message)
        now_ns = self._clock.wall_ns()
        return Message(request.target, payload, now_ns, request.id, None, content_type, asked.conversation)

    def _account(self, requester: Requester, size: int) -> None:
        requester.bytes_waiting += size
        self._bytes_waiting += size

    def _leave(self, requester: Requester, why: str) -> None:
        requester.why_closed = why
        if self._requesters.get(requester.id) is requester:
            del self._requesters[requester.id]

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
                assert isinstance(request.requester, Requester)
                why = _failure("correlation-timeout", f"no answer within {request.timeout_ms} ms")
                self._put(request.requester, request, Ending.TIMED_OUT, *why)
            following = self._table.next_deadline_ms()
            if following is not None:
                self._look_by(following)
        self._take_back(overdue)
        for request in overdue:
            assert isinstance(request.requester, Requester)
            late = Undelivered("correlation-timeout", f"no answer within {request.timeout_ms} ms")
            self.recorder.unheard(request.requester.id, request.target, late)
        for requester in dict.fromkeys(request.requester for request in overdue):
            assert isinstance(requester, Requester)
            requester.wake()

    def _take_back(self, requests: list[WaitingRequest]) -> None:
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
        case Exited(reason=reason):  # why in full is for its operator, not for its senders
            return Ending.FAILED, *_failure("failed", reason.kind.value)
        case _:
            raise AssertionError(f"{outcome!r} is no outcome of a message")


def _failure(case: str, text: str) -> tuple[bytes, str]:
    said = f"{case}: {text}" if text else case
    return said[:FAILURE_MAX].encode("utf-8", "replace"), FAILURE


def _find(answers: Iterable[WaitingAnswer], id: str) -> WaitingAnswer | None:
    return next((answer for answer in answers if answer.message.correlation_id == id), None)
