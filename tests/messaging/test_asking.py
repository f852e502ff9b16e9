"""Requests between instances with a clock that the test moves: who is told what, and that it is told once."""

import itertools
import os

import pytest

from orchestrator.messaging import asking
from orchestrator.messaging.asking import FAILURE, NO_REPLY, Requests
from orchestrator.messaging.endings import Ending, RequestCounters
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.recorder import Recorder, random_id
from orchestrator.messaging.requesters import Requester, mute
from orchestrator.messaging.requests import PER_REQUESTER_MAX, TIMEOUT_MAX_MS
from orchestrator.messaging.router import Router
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import MESSAGE_MAX_BYTES, Exited, Refused, Replied, Undelivered
from orchestrator.model.spec import Mailbox
from tests.simulation.time import FakeClock

ME, TARGET = ComponentId("default", "a", "0"), ComponentId("default", "b")


class Target:
    """An instance that takes one message and leaves it to the test how that ends."""

    lane = "one"
    name = "0"

    def __init__(self):
        self.taken = []

    def take(self, work):
        self.taken.append(work)


class Stage:
    def __init__(self):
        self.clock, self.hops, self.unheard, self.wakes = FakeClock(), [], [], 0
        self.route = Route(TARGET.deployment, Mailbox(capacity=4), self.clock)
        self.route.direct({"one": 100}, hold=False)
        self.router = Router()
        self.router.add(self.route)
        numbers = itertools.count(1)
        new_id = lambda: f"id{next(numbers)}"  # noqa: E731
        recorder = Recorder(self.clock.wall_ns, self.hops.append, lambda *told: self.unheard.append(told), new_id)
        self.requests = Requests(self.router, self.clock, recorder, new_id)
        self.target = Target()
        self.route.idle(self.target)
        self.counters = RequestCounters()
        self.requester = self.requests.begin(ME, self.counters, self._wake)
        self.requester.works_on(None, "")

    def _wake(self):
        self.wakes += 1

    def ask(self, timeout_ms=1_000, payload=b"x"):
        return self.requests.ask(self.requester, TARGET, payload, timeout_ms)

    def settle(self, outcome):
        envelope = self.target.taken.pop(0)
        self.route.finished(self.target, outcome, is_idle=True)
        envelope.settle(outcome)

    def answers(self):
        found = iter(lambda: self.requests.next_answer(self.requester), None)
        return [(one.ending, one.message.content_type, one.message.payload) for one in found]

    def pass_time(self, milliseconds):
        for due in self.clock.pass_time(milliseconds):
            due.fire()


@pytest.fixture
def stage():
    return Stage()


OUTCOMES = [
    (Replied(b"yes"), Ending.ANSWERED, None, b"yes"),
    (Replied(b""), Ending.ANSWERED, None, b""),
    (Replied(None), Ending.ANSWERED, NO_REPLY, b""),
    (Refused("runtime-error", "no"), Ending.FAILED, FAILURE, b"runtime-error: no"),
    (Refused("timeout"), Ending.FAILED, FAILURE, b"timeout"),
    (Refused("runtime-error", "x" * 9_999), Ending.FAILED, FAILURE, b"runtime-error: " + b"x" * (4_096 - 15)),
    (Undelivered("expired", "too long"), Ending.FAILED, FAILURE, b"expired: too long"),
    (Exited(ExitReason(kind=ExitKind.TRAPPED, detail="secret")), Ending.FAILED, FAILURE, b"failed: trapped"),
]


@pytest.mark.parametrize(("outcome", "ending", "content_type", "payload"), OUTCOMES)
def test_every_outcome_becomes_one_answer_of_its_kind(stage, outcome, ending, content_type, payload):
    assert stage.ask() == "id1"
    stage.settle(outcome)
    assert stage.wakes == 1
    assert stage.answers() == [(ending, content_type, payload)]
    seen = stage.counters.seen()
    assert (seen.sent, seen.waiting, seen.answered + seen.failed) == (1, 0, 1)


def test_who_is_asked_sees_who_asks_and_the_id_and_the_answer_carries_both(stage):
    stage.ask(payload=b"question")
    message = stage.target.taken[0].work
    assert (message.sender, message.reply_to, message.correlation_id) == (ME, ME, "id1")
    stage.settle(Replied(b"answer"))
    answer = stage.requests.next_answer(stage.requester).message
    assert (answer.sender, answer.correlation_id, answer.payload) == (TARGET, "id1", b"answer")


def test_it_waits_for_its_answer_before_it_leaves(stage):
    class Quick(Target):
        def take(self, work):
            work.settle(Replied(b"at once"))

    stage.route.claim(stage.target)
    stage.route.idle(Quick())
    stage.ask()
    assert stage.answers() == [(Ending.ANSWERED, None, b"at once")]
    assert stage.counters.late == 0


def test_when_time_is_up_it_is_told_so_and_what_comes_then_is_late(stage):
    stage.ask(timeout_ms=50)
    stage.pass_time(49)
    assert stage.answers() == []
    stage.pass_time(1)
    assert stage.answers() == [(Ending.TIMED_OUT, FAILURE, b"correlation-timeout: no answer within 50 ms")]
    assert stage.unheard == [(ME, TARGET, Undelivered("correlation-timeout", "no answer within 50 ms"))]
    stage.settle(Replied(b"late"))
    assert stage.answers() == []
    assert (stage.counters.timed_out, stage.counters.late, stage.counters.answered, stage.wakes) == (1, 1, 0, 1)


def test_what_nobody_had_started_on_is_taken_back_when_time_is_up(stage):
    stage.ask(timeout_ms=500)  # at work
    stage.ask(timeout_ms=50)
    assert stage.route.depth == 1
    stage.pass_time(50)
    assert stage.route.depth == 0
    stage.settle(Replied(b"first"))
    assert stage.target.taken == []
    assert stage.counters.late == 0


def test_times_are_kept_in_whatever_order_they_are_asked_for(stage):
    for timeout_ms in (300, 100, 200, 100):
        stage.ask(timeout_ms=timeout_ms)
    told = []
    for _ in range(30):
        stage.pass_time(10)
        told.append(len(stage.answers()))
    assert {10 * (n + 1): count for n, count in enumerate(told) if count} == {100: 2, 200: 1, 300: 1}


def test_a_timeout_lies_between_a_millisecond_and_an_hour(stage):
    stage.ask(timeout_ms=0)
    stage.ask(timeout_ms=1 << 63)
    stage.pass_time(1)
    assert [payload for *_, payload in stage.answers()] == [b"correlation-timeout: no answer within 1 ms"]
    stage.pass_time(TIMEOUT_MAX_MS)
    assert len(stage.answers()) == 1


def test_one_that_is_cancelled_has_no_answer_and_is_cancelled_once(stage):
    stage.ask()
    assert stage.requests.cancel(stage.requester, "id1")
    assert not stage.requests.cancel(stage.requester, "id1")
    stage.settle(Replied(b"late"))
    assert stage.answers() == []
    assert (stage.counters.cancelled, stage.counters.late, stage.wakes) == (1, 1, 0)


def test_an_answer_that_has_come_and_is_not_taken_yet_can_be_cancelled(stage):
    stage.ask()
    stage.settle(Replied(b"yes"))
    assert stage.requests.cancel(stage.requester, "id1")
    assert stage.answers() == []
    assert (stage.counters.answered, stage.counters.cancelled, stage.requester.bytes_waiting) == (1, 0, 0)


def test_nobody_cancels_what_is_not_his(stage):
    stage.ask()
    other = stage.requests.begin(ComponentId("default", "c", "0"), RequestCounters(), lambda: None)
    assert not stage.requests.cancel(other, "id1")
    stage.settle(Replied(b"yes"))
    assert len(stage.answers()) == 1


def test_one_that_ends_forgets_and_the_next_of_its_name_hears_nothing(stage):
    stage.ask()
    stage.ask()
    stage.settle(Replied(b"unread"))
    stage.requests.end(stage.requester)
    after = stage.requests.begin(ME, stage.counters, lambda: None)
    stage.settle(Replied(b"late"))
    assert stage.requests.next_answer(after) is None
    seen = stage.counters.seen()
    assert (seen.waiting, seen.answered, seen.cancelled, seen.late) == (0, 1, 1, 1)
    assert isinstance(stage.ask(), Undelivered)


def test_one_that_has_to_go_hears_that_its_requests_failed_and_can_make_no_more(stage):
    stage.ask()
    stage.ask()
    stage.requests.close(stage.requester, "it stops")
    assert stage.answers() == [(Ending.FAILED, FAILURE, b"delivery-failed: it stops")] * 2
    assert stage.route.depth == 0  # the second was taken back
    refused = stage.ask()
    assert refused == Undelivered("delivery-failed", "default/a/0 can be given no answer: it stops")
    stage.settle(Replied(b"late"))
    assert (stage.counters.failed, stage.counters.late) == (2, 1)


def test_what_is_refused_at_once_never_was_a_request(stage):
    for _ in range(5):
        stage.ask()
    assert stage.ask().case == "queue-full"
    assert stage.requests.ask(stage.requester, ComponentId("default", "gone"), b"", 9).case == "target-not-found"
    assert stage.ask(payload=bytes(MESSAGE_MAX_BYTES + 1)).case == "invalid-message"
    assert (stage.counters.sent, stage.requests.outstanding(stage.requester)) == (5, 5)


def test_a_request_whose_time_is_up_before_it_is_refused_is_answered_and_not_refused(stage):
    class Slow(Router):
        def deliver(self, key, envelope):
            stage.pass_time(10)
            return Undelivered("queue-full", "")

    requests = Requests(Slow(), stage.clock, new_id=lambda: "slow")
    requester = requests.begin(ME, stage.counters, lambda: None)
    assert requests.ask(requester, TARGET, b"", 5) == "slow"
    assert requests.next_answer(requester).ending is Ending.TIMED_OUT
    assert stage.counters.seen().waiting == 0


def test_one_that_takes_no_answers_can_make_only_so_many_requests(stage):
    stage.route.mailbox = Mailbox(capacity=10_000)
    for _ in range(PER_REQUESTER_MAX - 1):
        stage.ask()
    stage.settle(Replied(b"unread"))
    stage.ask()
    assert "1000 requests of this instance" in stage.ask().detail
    stage.requests.next_answer(stage.requester)
    assert isinstance(stage.ask(), str)


def test_answers_beyond_what_may_wait_become_failures(stage, monkeypatch):
    monkeypatch.setattr(asking, "ANSWERS_MAX_BYTES", 100)
    for _ in range(3):
        stage.ask()
        stage.settle(Replied(b"x" * 40))
    assert [ending for ending, *_ in stage.answers()] == [Ending.ANSWERED, Ending.ANSWERED, Ending.FAILED]
    stage.ask()
    stage.settle(Replied(b"x" * 100))
    assert stage.answers() == [(Ending.ANSWERED, None, b"x" * 100)]
    assert stage.requester.bytes_waiting == 0


def test_who_was_not_begun_cannot_ask(stage):
    assert "exports handle-callback" in stage.requests.ask(mute(ME), TARGET, b"", 9).detail
    assert stage.requests.of(ME) is stage.requester
    assert stage.requests.of(ComponentId("default", "z", "0")).why_closed


def test_what_a_handler_sends_is_of_the_conversation_that_it_handles_and_so_is_its_answer(stage):
    stage.requester.works_on("named", "recorded")
    stage.ask()
    envelope = stage.target.taken[0]
    assert (envelope.conversation, envelope.work.conversation) == ("named", "recorded")
    stage.requester.works_on(None, None)
    stage.settle(Replied(b""))
    answer = stage.requests.next_answer(stage.requester)
    assert (answer.conversation, answer.message.conversation) == ("named", "recorded")


def test_of_conversations_without_a_name_one_is_recorded_every_20_ms(stage):
    def trace_of_a_new_handling():
        stage.requester.works_on(None, None)
        first = stage.requests.recorder.trace(stage.requester, stage.clock.wall_ns())
        assert first == stage.requests.recorder.trace(stage.requester, stage.clock.wall_ns() + 10**9), (
            "decided once a handling"
        )
        return first

    assert trace_of_a_new_handling() is not None
    assert trace_of_a_new_handling() is None
    stage.pass_time(19)
    assert trace_of_a_new_handling() is None
    stage.pass_time(1)
    assert trace_of_a_new_handling() is not None


def test_what_reaches_nobody_or_nobody_any_more_is_recorded_too(stage):
    stage.requester.works_on(None, "recorded")
    stage.requests.ask(stage.requester, ComponentId("default", "gone"), b"", 9)
    stage.ask(timeout_ms=5)
    stage.pass_time(5)
    stage.settle(Replied(b""))
    assert [(hop.kind, hop.conversation) for hop in stage.hops] == [
        (HopKind.REQUEST, "recorded"),
        (HopKind.LATE, "recorded"),
    ]


def test_an_error_that_its_asker_makes_of_an_answer_is_told_to_people(stage):
    stage.ask()
    stage.settle(Replied(b"yes"))
    answer = stage.requests.next_answer(stage.requester)
    stage.requests.recorder.handled(stage.requester, answer.message, answer.kind, Refused("runtime-error", "what?"))
    assert stage.unheard == [(TARGET, ME, Refused("runtime-error", "what?"))]


def test_ids_are_long_and_differ():
    made = {random_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert {len(id) for id in made} == {32}


def test_a_process_and_its_fork_give_other_ids():
    random_id()  # so that some more are drawn
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, "".join(random_id() for _ in range(70)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    given = os.read(reading, 70 * 32).decode()
    theirs = {given[at : at + 32] for at in range(0, len(given), 32)}
    assert len(theirs) == 70
    assert theirs.isdisjoint(random_id() for _ in range(70))


def test_an_asker_is_one_life_of_an_instance(stage):
    again = stage.requests.begin(ME, RequestCounters(), lambda: None)
    stage.requests.end(stage.requester)
    assert stage.requests.of(ME) is again
    assert isinstance(again, Requester)
    assert again.id.deployment == DeploymentKey("default", "a")
