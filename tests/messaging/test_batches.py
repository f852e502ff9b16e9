"""Parcels and those who take batches of them: each message is worked on once, in order, and its sender is told once."""

import threading

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orchestrator.messaging.mailbox.batch import Batch, Parcel
from orchestrator.messaging.mailbox.counters import Counters
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.router import Router
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import (
    MESSAGE_MAX_BYTES,
    Exited,
    Handled,
    Mail,
    Message,
    Refused,
    Replied,
    Undelivered,
)
from orchestrator.model.spec import Mailbox

from .clock import TestClock

KEY = DeploymentKey(namespace="default", name="one")
OTHER = DeploymentKey(namespace="default", name="other")
DONE = Replied(None)
ENDED = Exited(ExitReason(kind=ExitKind.TRAPPED, detail="on purpose"))
REFUSAL = Undelivered("delivery-failed", "not now")
SENDER = ComponentId("default", "sender")


class Post:
    """Who sends to a route, numbers what is sent, and notes every outcome of each message."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.outcomes: dict[int, list[object]] = {}

    def post(self, count: int, sender: ComponentId = SENDER, conversation: str | None = None) -> int:
        first = len(self.outcomes)
        numbers = range(first, first + count)
        self.outcomes |= {number: [] for number in numbers}
        mail = Mail(sender, [b"%d" % number for number in numbers], 0, conversation)

        def told(begin: int, outcomes) -> None:
            for number, outcome in enumerate(outcomes, first + begin):
                self.outcomes[number].append(outcome)

        queued, refusal = self.route.post(Parcel(mail, told))
        assert (refusal is None) is (queued == count)
        for number in numbers[queued:]:
            self.outcomes[number].append(refusal)
        return queued

    def offer(self) -> None:
        number = len(self.outcomes)
        self.outcomes[number] = []
        envelope = Envelope(Message(SENDER, b"%d" % number, 0), self.outcomes[number].append)
        refusal = self.route.offer(envelope)
        if refusal is not None:
            self.outcomes[number].append(refusal)

    @property
    def unsettled(self) -> list[int]:
        return [number for number, outcomes in self.outcomes.items() if not outcomes]


class Taker:
    """Somebody who does as told with what was taken."""

    def __init__(self, route: Route, lane: str = "a") -> None:
        self.route, self.lane, self.name = route, lane, str(id(self))
        self.work: Envelope | Batch | None = None

    def take(self, work: Envelope | Batch) -> None:
        assert self.work is None
        self.work = work

    @property
    def numbers(self) -> list[int]:
        if self.work is None:
            return []
        if isinstance(self.work, Envelope):
            return [int(self.work.work.payload)]
        return [int(payload) for mail in self.work.mail for payload in mail.payloads]

    def finish(self, handled: Handled | None = None, *, stays: bool = True) -> list[int]:
        """Have worked on all of it, or as `handled` says; returns what it was."""
        numbers, work, self.work = self.numbers, self.work, None
        stays = stays and (handled is None or handled.exited is None)
        if isinstance(work, Envelope):
            outcome = DONE if handled is None or handled.exited is None else handled.exited
            self.route.finished(self, outcome, is_idle=stays)
            work.settle(outcome)
        else:
            assert isinstance(work, Batch)
            handled = handled or Handled([DONE] * len(work))
            self.route.finished_batch(self, work, handled, is_idle=stays)
            work.settle(handled.outcomes)
        return numbers


def made(batch: int = 4, capacity: int = 100, **weights: int) -> Post:
    route = Route(KEY, Mailbox(capacity=capacity, batch=batch), TestClock())
    route.direct(weights or {"a": 100}, hold=False)
    return Post(route)


def ended_after(count: int) -> Handled:
    return Handled([*[DONE] * count, ENDED], ENDED)


class Batches(RuleBasedStateMachine):
    """Parcels, single messages, takers that end in the middle, weights, refusals and versions that go."""

    CAPACITY = 12

    def __init__(self) -> None:
        super().__init__()
        self.route = Route(KEY, Mailbox(capacity=self.CAPACITY, batch=3), TestClock())
        self.sent = Post(self.route)
        self.takers = [Taker(self.route, lane) for lane in ("a", "a", "b")]
        self.idle: set[Taker] = set()
        self.worked_on: list[int] = []
        self.is_refused = False

    def _look(self) -> None:
        self.idle -= {taker for taker in self.takers if taker.work is not None}

    @rule(count=st.integers(1, 7), sender=st.sampled_from(["two", "three"]), conversation=st.sampled_from([None, "c"]))
    def post(self, count, sender, conversation):
        room = max(0, self.CAPACITY - self.route.depth)
        queued = self.sent.post(count, ComponentId("default", sender), conversation)
        assert queued == (0 if self.is_refused else min(room, count))
        self._look()

    @rule()
    def offer(self):
        self.sent.offer()
        self._look()

    @rule(which=st.integers(0, 2))
    def come(self, which):
        taker = self.takers[which]
        if taker.work is None and taker not in self.idle:
            self.idle.add(taker)
            self.route.idle(taker)
            self._look()

    @rule(which=st.integers(0, 2), count=st.integers(0, 3), ends=st.booleans(), refuses=st.booleans())
    def finish(self, which, count, ends, refuses):
        taker = self.takers[which]
        if taker.work is None:
            return
        size = len(taker.numbers)
        answer = Refused("runtime-error") if refuses else DONE
        count = min(count, size - 1)
        handled = Handled([*[answer] * count, ENDED], ENDED) if ends else Handled([answer] * size)
        if not ends:
            self.idle.add(taker)
        self.worked_on += taker.numbers[: len(handled.outcomes)] if isinstance(taker.work, Batch) else taker.numbers
        taker.finish(handled)
        self._look()

    @rule(weight=st.sampled_from([0, 50, 100]), hold=st.booleans())
    def direct(self, weight, hold):
        self.route.direct({"a": weight, "b": 100 - weight}, hold=hold)
        self._look()

    @rule(refused=st.booleans())
    def refuse(self, refused):
        self.is_refused = refused
        self.route.refuse(REFUSAL if refused else None)

    @rule(alone=st.booleans())
    def work_alone(self, alone):
        self.route.work_alone(alone)
        self._look()

    @rule(lane=st.sampled_from(["a", "b"]))
    def forget(self, lane):
        members = [taker for taker in self.takers if taker.lane == lane]
        if not any(taker in self.idle or taker.work is not None for taker in members):
            self.route.forget(lane)
            self._look()

    @invariant()
    def each_message_is_told_once_and_worked_on_once(self):
        assert all(len(outcomes) <= 1 for outcomes in self.sent.outcomes.values())
        at_work = [number for taker in self.takers for number in taker.numbers]
        assert len({*at_work, *self.worked_on}) == len(at_work) + len(self.worked_on)

    @invariant()
    def what_waits_is_what_is_counted(self):
        at_work = {number for taker in self.takers for number in taker.numbers}
        assert self.route.depth == len([number for number in self.sent.unsettled if number not in at_work])

    @invariant()
    def a_batch_is_alike_and_no_larger_than_allowed(self):
        for taker in self.takers:
            if isinstance(taker.work, Batch):
                mail = taker.work.mail
                assert 1 <= len(taker.numbers) <= 3
                assert all(one.is_like(mail[0]) for one in mail)
                assert taker.numbers == sorted(taker.numbers)

    @invariant()
    def nobody_is_idle_where_something_waits(self):
        if self.route.weights and self.route.depth and self.route.busy("a") + self.route.busy("b") == 0:
            assert not all(any(taker.lane == lane for taker in self.idle) for lane in self.route.weights)

    def teardown(self):
        self.route.refuse(None)
        self.route.work_alone(False)
        self.route.direct({"a": 100}, hold=False)
        while any(taker.work for taker in self.takers) or self.route.depth:
            for taker in self.takers:
                if taker.work is not None:
                    taker.finish()
                    self.idle.add(taker)
                elif taker not in self.idle:
                    self.idle.add(taker)
                    self.route.idle(taker)
                self._look()
        assert not self.sent.unsettled


TestBatches = Batches.TestCase
TestBatches.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_batch_is_as_large_as_allowed_and_the_next_goes_on_where_it_ended():
    on = made()
    on.post(10)
    taker = Taker(on.route)
    on.route.idle(taker)
    assert [taker.finish() for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all(outcomes == [DONE] for outcomes in on.outcomes.values())


def test_alike_parcels_share_a_batch_and_others_do_not():
    on = made(batch=100)
    on.post(2)
    on.post(2)
    on.offer()
    on.post(1)
    on.post(1, ComponentId("default", "another"))
    on.post(1, conversation="c")
    taker = Taker(on.route)
    on.route.idle(taker)
    assert [taker.finish() for _ in range(5)] == [[0, 1, 2, 3], [4], [5], [6], [7]]


def test_what_of_a_batch_was_not_started_is_the_first_to_be_taken_again():
    on = made()
    on.post(3)
    on.post(5)
    taker = Taker(on.route)
    on.route.idle(taker)
    taker.finish(ended_after(1))
    assert {number: outcomes for number, outcomes in on.outcomes.items() if outcomes} == {0: [DONE], 1: [ENDED]}
    assert on.route.depth == 6
    assert on.route.counters("a") == Counters(handled=2, errors=1)
    on.route.idle(taker)
    assert taker.numbers == [2, 3, 4, 5]


def test_another_instance_goes_on_with_what_was_not_started_at_once():
    on = made()
    on.post(4)
    one, other = Taker(on.route), Taker(on.route)
    on.route.idle(one)
    on.route.idle(other)
    assert other.work is None
    one.finish(ended_after(0))
    assert other.numbers == [1, 2, 3]


def test_what_was_not_started_goes_to_the_version_that_takes_now():
    on = made()
    on.post(4)
    old, new = Taker(on.route, "a"), Taker(on.route, "b")
    on.route.idle(old)
    on.route.direct({"b": 100}, hold=False)
    old.finish(ended_after(1))
    on.route.idle(new)
    assert new.numbers == [2, 3]


@pytest.mark.parametrize("hold", [True, False])
def test_what_was_not_started_waits_where_nobody_takes(hold):
    on = made()
    on.post(4)
    taker = Taker(on.route)
    on.route.idle(taker)
    on.route.direct({"a": 100} if hold else {}, hold=hold)
    on.post(1)
    taker.finish(ended_after(1))
    assert on.route.depth == 3
    on.route.direct({"a": 100}, hold=False)
    on.route.idle(taker)
    assert taker.numbers == [2, 3, 4]


def test_what_was_not_started_is_refused_where_nothing_is_taken_any_more():
    on = made()
    on.post(4)
    taker = Taker(on.route)
    on.route.idle(taker)
    on.route.refuse(REFUSAL)
    taker.finish(ended_after(1))
    assert on.outcomes == {0: [DONE], 1: [ENDED], 2: [REFUSAL], 3: [REFUSAL]}
    assert on.route.depth == 0


def test_a_refusal_is_told_for_each_message_that_waits():
    on = made()
    on.post(3)
    on.offer()
    on.route.refuse(REFUSAL)
    assert all(outcomes == [REFUSAL] for outcomes in on.outcomes.values())


def test_a_mailbox_takes_as_many_as_it_has_room_for_and_says_so():
    on = made(capacity=5)
    assert on.post(7) == 5
    assert [outcomes[0].case for outcomes in on.outcomes.values() if outcomes] == ["queue-full"] * 2
    assert on.post(1) == 0
    assert on.route.depth == 5


def test_while_versions_are_compared_messages_are_dealt_and_taken_one_by_one():
    on = made(a=50, b=50)
    on.post(100)
    takers = [Taker(on.route, "a"), Taker(on.route, "b")]
    taken: dict[str, list[int]] = {"a": [], "b": []}
    for taker in takers:
        on.route.idle(taker)
        while taker.work is not None:
            assert len(taker.numbers) == 1
            taken[taker.lane] += taker.finish()
    assert {lane: len(numbers) for lane, numbers in taken.items()} == {"a": 50, "b": 50}
    assert all(numbers == sorted(numbers) for numbers in taken.values())


def test_messages_that_were_dealt_come_in_order_when_one_version_takes_all():
    on = made(a=50, b=50)
    on.post(20)
    on.route.direct({"b": 100}, hold=False)
    taker = Taker(on.route, "b")
    on.route.idle(taker)
    taken: list[int] = []
    while taker.work is not None:
        assert len(taker.numbers) == 4
        taken += taker.finish()
    assert taken == list(range(20))


def test_a_conversation_keeps_its_version_in_a_parcel_too():
    on = made(a=50, b=50)
    on.post(1, conversation="talk")
    takers = [Taker(on.route, "a"), Taker(on.route, "b")]
    for taker in takers:
        on.route.idle(taker)
    (first,) = (taker for taker in takers if taker.work is not None)
    on.post(5, conversation="talk")
    for number in range(6):
        assert first.finish() == [number]


def test_a_batch_is_one_at_work_for_who_works_alone():
    on = made(a=100)
    on.route.work_alone(True)
    on.post(8)
    one, other = Taker(on.route), Taker(on.route)
    on.route.idle(one)
    on.route.idle(other)
    assert (one.numbers, other.numbers) == ([0, 1, 2, 3], [])
    one.finish(stays=False)
    assert other.numbers == [4, 5, 6, 7]


# ---- through the router ----


def sent_through(router: Router, payloads: list[bytes], asked: list[DeploymentKey], *, may: bool = True):
    def permit(key: DeploymentKey) -> bool:
        asked.append(key)
        return may

    return router.send_many(KEY, Mail(SENDER, payloads, 0), permit)


def test_a_permit_is_asked_once_for_all_of_them():
    router, on = Router(), made()
    router.add(on.route)
    asked: list[DeploymentKey] = []
    assert sent_through(router, [b"x"] * 9, asked) == (9, None)
    assert asked == [KEY]
    queued, refusal = sent_through(router, [b"x"] * 9, asked, may=False)
    assert (queued, refusal.case) == (0, "delivery-failed")
    assert "was not granted messaging.send: [default/one]" in refusal.detail
    assert on.route.depth == 9


def test_one_message_that_is_too_large_keeps_all_of_them_from_being_sent():
    router, on = Router(), made()
    router.add(on.route)
    queued, refusal = sent_through(router, [b"x", bytes(MESSAGE_MAX_BYTES + 1)], [])
    assert (queued, refusal.case, on.route.depth) == (0, "invalid-message", 0)
    assert sent_through(router, [bytes(MESSAGE_MAX_BYTES)], []) == (1, None)


def test_there_must_be_somebody_to_send_to():
    queued, refusal = sent_through(Router(), [b"x"], [])
    assert (queued, refusal.case) == (0, "target-not-found")


def test_many_threads_and_takers_that_end_lose_and_repeat_nothing():
    route = Route(KEY, Mailbox(capacity=100_000, batch=16), TestClock())
    route.direct({"a": 100}, hold=False)
    told: list[int] = []
    started: list[int] = []
    lock = threading.Lock()

    class Busy:
        lane = "a"

        def __init__(self) -> None:
            self.name = str(id(self))

        def take(self, work: Batch) -> None:
            threading.Thread(target=self.work, args=(work,)).start()

        def work(self, batch: Batch) -> None:
            numbers = [int(payload) for mail in batch.mail for payload in mail.payloads]
            cut = next((at for at, number in enumerate(numbers) if number % 50 == 0), len(numbers))
            handled = Handled([DONE] * cut) if cut == len(numbers) else ended_after(cut)
            with lock:
                started.extend(numbers[: len(handled.outcomes)])
            route.finished_batch(self, batch, handled)
            batch.settle(handled.outcomes)
            route.idle(self)

    def send(first: int) -> None:
        for start in range(first, first + 1_000, 20):
            numbers = range(start, start + 20)

            def hear(begin: int, outcomes, numbers=numbers) -> None:
                with lock:
                    told.extend(numbers[begin : begin + len(outcomes)])
                    if len(told) == 4_000:
                        done.set()

            route.post(Parcel(Mail(SENDER, [b"%d" % number for number in numbers], 0), hear))

    done = threading.Event()
    for _ in range(3):
        route.idle(Busy())
    senders = [threading.Thread(target=send, args=(first,)) for first in (0, 1_000, 2_000, 3_000)]
    for sender in senders:
        sender.start()
    assert done.wait(60)
    assert sorted(told) == sorted(started) == list(range(4_000))
