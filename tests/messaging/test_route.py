"""A mailbox and those who take from it: whatever is asked in whatever order, each message has one outcome."""

import threading
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.messaging.mailbox.envelope import Envelope, Stage
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.router import Router
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import MESSAGE_MAX_BYTES, Exited, Message, Refused, Replied, Undelivered
from orchestrator.model.spec import Mailbox

from .clock import TestClock

KEY = DeploymentKey(namespace="default", name="one")
DONE = Replied(None)
REFUSAL = Undelivered("delivery-failed", "not now")
CAPACITY = 4


def message(payload: bytes = b"x") -> Message:
    return Message(sender=ComponentId("airs", "test"), payload=payload, timestamp_ns=0)


class Letter:
    """An envelope, every outcome it had, and how often somebody took it."""

    def __init__(self, conversation: str | None = None) -> None:
        self.outcomes: list[object] = []
        self.taken_by: list[Taker] = []
        self.was_withdrawn = False
        self.envelope = Envelope(message(), self.outcomes.append, conversation)


class Taker:
    def __init__(self, lane: str, letters: dict[Envelope, Letter]) -> None:
        self.lane, self.name, self._letters = lane, str(id(self)), letters
        self.work: list[Envelope] = []

    def take(self, envelope: Envelope) -> None:
        self.work.append(envelope)
        self._letters[envelope].taken_by.append(self)


def route(capacity: int = 100, **weights: int) -> Route:
    made = Route(KEY, Mailbox(capacity=capacity), TestClock())
    made.direct(weights, hold=False)
    return made


class Stepping:
    """A route with letters and takers, whose names are their lanes' and a number."""

    def __init__(self, of: Route) -> None:
        self.route = of
        self.letters: dict[Envelope, Letter] = {}

    def send(self, conversation: str | None = None) -> Letter:
        letter = Letter(conversation)
        self.letters[letter.envelope] = letter
        refused = self.route.offer(letter.envelope)
        if refused is not None:
            letter.outcomes.append(refused)
        return letter

    def taker(self, lane: str) -> Taker:
        return Taker(lane, self.letters)

    def finish(self, taker: Taker, outcome: object = DONE) -> None:
        envelope = taker.work.pop()
        self.route.finished(taker, outcome)
        envelope.settle(outcome)
        self.route.idle(taker)


class Mail(RuleBasedStateMachine):
    """Offers, takers, weights, refusals, withdrawals and forgotten versions, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.on = Stepping(Route(KEY, Mailbox(capacity=CAPACITY), TestClock()))
        self.route = self.on.route
        self.takers = [self.on.taker(lane) for lane in ("a", "a", "b", "b")]
        self.idle: set[Taker] = set()
        self.is_held = self.is_alone = False
        self.refusal: Undelivered | None = None

    def _note_taken(self) -> None:
        self.idle -= {taker for taker in self.takers if taker.work}

    @rule(conversation=st.sampled_from([None, "one", "two"]))
    def offer(self, conversation):
        was = self.route.depth
        letter = self.on.send(conversation)
        if self.refusal is not None:
            assert letter.outcomes == [self.refusal]
        elif was >= CAPACITY:
            assert letter.outcomes[0].case == "queue-full"
        else:
            assert letter.outcomes == []
        self._note_taken()

    @rule(which=st.integers(0, 3))
    def come(self, which):
        taker = self.takers[which]
        if taker not in self.idle and not taker.work:
            self.idle.add(taker)
            self.route.idle(taker)
            self._note_taken()

    @rule(which=st.integers(0, 3))
    def go(self, which):
        taker = self.takers[which]
        assert self.route.claim(taker) is (taker in self.idle)
        self.idle.discard(taker)

    @rule(which=st.integers(0, 3), outcome=st.sampled_from([DONE, Refused("runtime-error")]))
    def finish(self, which, outcome):
        taker = self.takers[which]
        if taker.work:
            self.idle.add(taker)
            self.on.finish(taker, outcome)
            self._note_taken()

    @rule(weight=st.sampled_from([0, 30, 100]), hold=st.booleans())
    def direct(self, weight, hold):
        self.is_held = hold
        self.route.direct({"a": weight, "b": 100 - weight}, hold=hold)
        self._note_taken()

    @rule(refused=st.booleans())
    def refuse(self, refused):
        self.refusal = REFUSAL if refused else None
        self.route.refuse(self.refusal)

    @rule(alone=st.booleans())
    def work_alone(self, alone):
        self.is_alone = alone
        self.route.work_alone(alone)
        self._note_taken()

    @precondition(lambda self: self.on.letters)
    @rule(data=st.data())
    def withdraw(self, data):
        letter = data.draw(st.sampled_from(list(self.on.letters.values())))
        could = letter.envelope.stage is Stage.QUEUED and not letter.outcomes
        letter.was_withdrawn = self.route.withdraw(letter.envelope) or letter.was_withdrawn
        assert letter.was_withdrawn or not could

    @rule(lane=st.sampled_from(["a", "b"]))
    def forget(self, lane):
        members = [taker for taker in self.takers if taker.lane == lane]
        if not any(taker in self.idle or taker.work for taker in members):
            self.route.forget(lane)
            self._note_taken()

    @invariant()
    def every_letter_has_at_most_one_outcome_and_one_taker(self):
        for letter in self.on.letters.values():
            assert len(letter.outcomes) + letter.was_withdrawn <= 1
            assert len(letter.taken_by) <= 1
            assert not (letter.taken_by and letter.was_withdrawn)

    @invariant()
    def what_waits_is_what_is_counted(self):
        assert self.route.depth == len(self._waiting()) <= CAPACITY
        assert self.refusal is None or not self._waiting()

    @invariant()
    def nobody_waits_for_somebody_who_is_idle(self):
        at_work = sum(len(taker.work) for taker in self.takers)
        assert at_work == self.route.busy("a") + self.route.busy("b")
        if not self.route.weights or (self.is_alone and at_work):
            return
        for letter in self._waiting():
            assert letter.envelope.lane in self.route.weights
            assert not any(taker.lane == letter.envelope.lane for taker in self.idle)

    def _waiting(self) -> list[Letter]:
        letters = self.on.letters.values()
        return [one for one in letters if not (one.outcomes or one.taken_by or one.was_withdrawn)]

    def teardown(self):
        self.route.refuse(None)
        self.route.work_alone(False)
        self.route.direct({"a": 50, "b": 50}, hold=False)
        for _ in range(2 * CAPACITY):
            for taker in self.takers:
                if taker.work:
                    self.on.finish(taker)
                elif taker not in self.idle:
                    self.route.idle(taker)
                    self.idle.add(taker)
        assert all(letter.outcomes or letter.was_withdrawn for letter in self.on.letters.values())


TestMail = Mail.TestCase
TestMail.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_messages_are_taken_in_the_order_they_came_whatever_the_weights_became():
    on = Stepping(route(a=100))
    letters = [on.send() for _ in range(6)]
    on.route.direct({"b": 100}, hold=False)
    taker = on.taker("b")
    on.route.idle(taker)
    order = []
    while taker.work:
        order.append(taker.work[0])
        on.finish(taker)
    assert order == [letter.envelope for letter in letters]


def test_the_longest_idle_takes_first():
    on = Stepping(route(a=100))
    first, second = on.taker("a"), on.taker("a")
    on.route.idle(first)
    on.route.idle(second)
    assert [on.send().taken_by for _ in range(2)] == [[first], [second]]


def test_a_message_that_was_started_stays_where_it_is_when_weights_change():
    on = Stepping(route(a=100))
    old, new = on.taker("a"), on.taker("b")
    on.route.idle(old)
    letter = on.send()
    on.route.direct({"b": 100}, hold=False)
    on.route.idle(new)
    assert (old.work, new.work) == ([letter.envelope], [])


def test_what_waits_for_a_version_that_goes_is_dealt_to_who_serves():
    on = Stepping(route(a=50, b=50))
    letters = [on.send() for _ in range(4)]
    on.route.direct({"b": 100}, hold=False)
    on.route.forget("a")
    taker = on.taker("b")
    on.route.idle(taker)
    for _ in letters:
        on.finish(taker)
    assert all(letter.outcomes == [DONE] for letter in letters)


def test_a_version_forgotten_while_it_still_has_weight_keeps_its_messages():
    on = Stepping(route(a=100))
    letter = on.send()
    on.route.forget("a")
    taker = on.taker("a")
    on.route.idle(taker)
    assert taker.work == [letter.envelope]


def test_one_that_works_alone_takes_the_next_only_when_the_last_has_ended_in_any_version():
    on = Stepping(route(a=100))
    on.route.work_alone(True)
    old, new = on.taker("a"), on.taker("b")
    on.route.idle(old)
    on.send()
    on.route.direct({"b": 100}, hold=False)
    on.route.idle(new)
    second = on.send()
    assert not second.taken_by
    on.finish(old)
    assert second.taken_by == [new]


def test_those_that_waited_for_one_that_worked_alone_go_on_when_it_need_not_any_more():
    on = Stepping(route(a=100))
    on.route.work_alone(True)
    takers = [on.taker("a"), on.taker("a")]
    for taker in takers:
        on.route.idle(taker)
    letters = [on.send(), on.send()]
    assert [len(letter.taken_by) for letter in letters] == [1, 0]
    on.route.work_alone(False)
    assert [len(letter.taken_by) for letter in letters] == [1, 1]


def test_a_message_that_is_being_refused_can_no_longer_be_withdrawn():
    made = route(a=100)
    first, second, withdrawn = Letter(), Letter(), []
    # The first to be told takes the second back, which is on its way to its own refusal.
    first.envelope.on_outcome = lambda outcome: withdrawn.append(made.withdraw(second.envelope))
    made.offer(first.envelope)
    made.offer(second.envelope)
    made.refuse(REFUSAL)
    assert withdrawn == [False]
    assert second.outcomes == [REFUSAL]


def test_a_message_that_was_never_queued_cannot_be_withdrawn():
    made = route(capacity=0, a=100)
    letter = Letter()
    assert made.offer(letter.envelope).case == "queue-full"
    assert made.withdraw(letter.envelope) is False


def test_a_second_outcome_is_refused_as_a_bug():
    letter = Letter()
    letter.envelope.settle(DONE)
    with pytest.raises(AssertionError, match="one outcome"):
        letter.envelope.settle(DONE)


def test_errors_are_counted_by_version():
    on = Stepping(route(a=100))
    taker = on.taker("a")
    on.route.idle(taker)
    for outcome in (DONE, Refused("runtime-error"), Exited(ExitReason(kind=ExitKind.TRAPPED))):
        on.send()
        on.finish(taker, outcome)
    counters = on.route.counters("a")
    assert (counters.handled, counters.errors) == (3, 2)
    assert on.route.counters("b").handled == 0


def test_a_message_that_is_too_large_or_has_no_target_is_the_senders():
    router = Router()
    router.add(route(a=100))
    large = Envelope(message(bytes(MESSAGE_MAX_BYTES + 1)), lambda _: None)
    assert router.deliver(KEY, large).case == "invalid-message"
    assert router.deliver(KEY, Envelope(message(bytes(MESSAGE_MAX_BYTES)), lambda _: None)) is None
    router.remove(KEY)
    assert router.deliver(KEY, Envelope(message(), lambda _: None)).case == "target-not-found"


class Threaded:
    """Takes on a thread of its own, as instances do."""

    def __init__(self, lane: str, on: Route) -> None:
        self.lane, self.name, self._route = lane, str(id(self)), on
        self._work: list[Envelope] = []
        self._has_work = threading.Semaphore(0)
        self.started: Counter[int] = Counter()
        threading.Thread(target=self._live, daemon=True).start()
        on.idle(self)

    def take(self, envelope: Envelope | None) -> None:
        self._work.append(envelope)
        self._has_work.release()

    def _live(self) -> None:
        while True:
            self._has_work.acquire()
            envelope = self._work.pop()
            if envelope is None:
                return
            self.started[id(envelope)] += 1
            self._route.finished(self, DONE)
            envelope.settle(DONE)
            self._route.idle(self)


def test_with_real_threads_every_message_has_one_outcome_while_everything_changes():
    made = Route(KEY, Mailbox(capacity=10_000), TestClock())
    made.direct({"a": 100}, hold=False)
    takers = [Threaded(lane, made) for lane in ("a", "a", "b", "b")]
    told = threading.Semaphore(0)
    letters = [[Letter(f"c{n % 7}" if n % 2 else None) for n in range(400)] for _ in range(3)]
    everything = [letter for own in letters for letter in own]
    refused: list[Letter] = []
    for letter in everything:
        letter.envelope.on_outcome = lambda outcome, to=letter: (to.outcomes.append(outcome), told.release())

    def send(own: list[Letter]) -> None:
        refused.extend(letter for letter in own if made.offer(letter.envelope) is not None)

    def withdraw() -> None:
        for letter in letters[0]:
            letter.was_withdrawn = made.withdraw(letter.envelope)

    threads = [threading.Thread(target=send, args=(own,)) for own in letters]
    threads.append(threading.Thread(target=withdraw))
    for thread in threads:
        thread.start()
    for weight in (30, 100, 0, 50) * 10:
        made.direct({"a": weight, "b": 100 - weight}, hold=weight == 50)
        made.refuse(REFUSAL if weight == 0 else None)
    made.refuse(None)
    made.direct({"a": 50, "b": 50}, hold=False)
    for thread in threads:
        thread.join()
    for _ in range(len(everything) - len(refused) - sum(letter.was_withdrawn for letter in everything)):
        assert told.acquire(timeout=10), "a message has no outcome"
    for taker in takers:
        taker.take(None)
    told_of = [letter for letter in everything if letter not in refused]
    assert {len(letter.outcomes) + letter.was_withdrawn for letter in told_of} == {1}
    assert not any(letter.outcomes for letter in refused)
    assert max(count for taker in takers for count in taker.started.values()) == 1
