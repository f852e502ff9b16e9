"""Who takes which message: whoever is free, each in its turn, or the owner of a key, which no other has then."""

from itertools import chain

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orchestrator.messaging.mailbox.batch import Batch, Parcel
from orchestrator.messaging.mailbox.envelope import Call, Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Handled, Mail, Message, Replied, Undelivered
from orchestrator.model.spec import Mailbox, RouteBy, Routing, RoutingPolicy

from .clock import TestClock

KEY = DeploymentKey(namespace="default", name="one")
DONE = Replied(None)
KEYED = Routing(policy=RoutingPolicy.CONSISTENT_HASH)


class Taker:
    """An instance that works on one thing until it is told to end that."""

    def __init__(self, route: Route, name: str, lane: str = "a") -> None:
        self.route, self.name, self.lane = route, name, lane
        self.work: Envelope | Batch | None = None
        self.is_there = True
        route.idle(self)

    def take(self, work: Envelope | Batch) -> None:
        assert self.work is None
        self.work = work

    @property
    def to(self) -> str:
        assert self.work is not None
        return self.work.parts[0].to if isinstance(self.work, Batch) else self.work.to

    def end(self) -> list[str]:
        """Be done with the work; returns the payloads."""
        work, self.work = self.work, None
        if work is None:
            return []
        if isinstance(work, Batch):
            self.route.finished_batch(self, work, Handled([DONE] * len(work)), is_idle=self.is_there)
            work.settle([DONE] * len(work))
            return [payload.decode() for mail in work.mail for payload in mail.payloads]
        self.route.finished(self, DONE, is_idle=self.is_there)
        work.settle(DONE)
        return [work.work.payload.decode()]

    def crash(self) -> None:
        self.is_there = False
        self.end()
        self.route.leave(self, "crashed")

    def go(self) -> None:
        """Leave politely: only an idle one does."""
        assert self.route.claim(self)
        self.is_there = False
        self.route.leave(self, "was stopped")


def route(routing: Routing = KEYED, batch: int = 1, weights: dict[str, int] | None = None) -> Route:
    made = Route(KEY, Mailbox(capacity=1000, batch=batch), TestClock())
    made.routing = routing
    made.direct(weights or {"a": 100}, hold=False)
    return made


def ask(
    on: Route, payload: str, to: str = "", conversation: str | None = None, sender: str = "s"
) -> Undelivered | None:
    message = Message(ComponentId("default", sender), payload.encode(), 0)
    return on.offer(Envelope(message, lambda _: None, conversation, to))


def send(on: Route, *payloads: str, to: str = "", sender: str = "s") -> tuple[int, Undelivered | None]:
    mail = Mail(ComponentId("default", sender), [payload.encode() for payload in payloads], 0, to=to)
    return on.post(Parcel(mail, lambda *_: None))


def drained(*takers: Taker) -> dict[str, list[str]]:
    done: dict[str, list[str]] = {taker.name: [] for taker in takers}
    while any(taker.work for taker in takers):
        for taker in takers:
            done[taker.name] += taker.end()
    return done


def test_a_key_waits_for_its_owner_though_another_is_free():
    on = route()
    takers = [Taker(on, name) for name in "xy"]
    ask(on, "1", "k")
    owner = next(taker for taker in takers if taker.work)
    ask(on, "2", "k")
    send(on, "3", "4", to="k")
    assert sum(taker.work is not None for taker in takers) == 1
    assert drained(*takers)[owner.name] == ["1", "2", "3", "4"]


def test_different_keys_are_worked_on_at_once():
    on = route()
    takers = [Taker(on, name) for name in "wxyz"]
    for number in range(50):
        ask(on, str(number), f"k{number}")
    assert all(taker.work for taker in takers)
    assert sorted(chain(*drained(*takers).values()), key=int) == [str(number) for number in range(50)]


def test_messages_without_a_key_share_one():
    on = route()
    takers = [Taker(on, name) for name in "xy"]
    ask(on, "1")
    ask(on, "2")
    assert sum(taker.work is not None for taker in takers) == 1


def test_a_batch_is_of_one_key():
    on = route(batch=10)
    taker = Taker(on, "x")
    ask(on, "0", "k")
    send(on, "1", "2", to="k")
    send(on, "3", to="l")
    send(on, "4", to="k")
    assert [taker.end(), taker.end(), taker.end(), taker.end()] == [["0"], ["1", "2"], ["3"], ["4"]]


def test_a_key_at_work_is_not_given_to_its_next_owner_before_that_is_over():
    on = route()
    first = Taker(on, "x")
    for number in range(20):
        ask(on, f"a{number}", f"k{number}")
    working = first.to
    second = Taker(on, "y")
    ask(on, "more", working)
    assert second.work is None or second.to != working
    done = drained(first, second)
    assert sorted(done["x"] + done["y"]) == sorted([f"a{number}" for number in range(20)] + ["more"])
    assert done["y"], "the second has a share"


def test_keys_of_one_that_crashed_go_to_others_and_back():
    on = route()
    takers = [Taker(on, name) for name in "xy"]
    ask(on, "1", "k")
    owner, other = sorted(takers, key=lambda taker: taker.work is None)
    ask(on, "2", "k")
    owner.crash()
    assert other.end() == ["2"]
    owner.is_there = True
    on.idle(owner)
    ask(on, "3", "k")
    assert owner.end() == ["3"]


def test_what_comes_before_anybody_is_there_waits():
    on = route()
    ask(on, "1", "k")
    send(on, "2", to="k")
    taker = Taker(on, "x")
    assert taker.end() + taker.end() == ["1", "2"]


def test_a_key_stays_on_one_version_and_is_on_one_at_a_time_when_weights_change():
    on = route(weights={"a": 50, "b": 50})
    takers = [Taker(on, "x", "a"), Taker(on, "y", "b")]
    for number in range(40):
        ask(on, f"{number}", f"k{number % 10}")
    by_lane = {taker.lane: taker.to for taker in takers if taker.work}
    assert set(by_lane) == {"a", "b"}
    on.direct({"a": 100}, hold=False)
    still = takers[1].to
    assert takers[0].to != still
    takers[0].end()
    while takers[0].work:
        assert takers[0].to != still or takers[1].work is None
        takers[0].end()
    takers[1].end()
    assert takers[0].work is not None
    assert takers[0].to == still


def test_an_instance_that_is_named_takes_it_and_no_other():
    on = route(Routing())
    takers = [Taker(on, name) for name in "xy"]
    for number in range(4):
        assert ask(on, str(number), "y") is None
    assert send(on, "4", to="y") == (1, None)
    assert takers[0].work is None
    assert drained(*takers)["y"] == ["0", "1", "2", "3", "4"]


def test_an_instance_that_is_not_there_is_said_at_once_or_when_it_has_gone():
    on = route(Routing())
    taker = Taker(on, "x")
    refused = ask(on, "1", "y")
    assert refused is not None
    assert refused.case == "target-not-found"
    assert "default/one has no instance y" in refused.detail
    assert send(on, "1", to="y")[0] == 0
    ask(on, "1", "x")
    told: list[object] = []
    envelope = Envelope(Message(ComponentId("default", "s"), b"2", 0), told.append, None, "x")
    on.offer(envelope)
    taker.crash()
    assert [outcome.case for outcome in told] == ["target-not-found"]


def test_each_takes_in_its_turn_though_another_is_free():
    on = route(Routing(policy=RoutingPolicy.ROUND_ROBIN))
    takers = [Taker(on, name) for name in "xyz"]
    for number in range(3):
        ask(on, str(number))
    assert all(taker.work for taker in takers)
    takers[0].end()
    ask(on, "3")
    ask(on, "4")
    ask(on, "5")
    assert sorted(len(done) for done in drained(*takers).values()) == [1, 2, 2]


def test_what_was_sent_together_is_shared_out_in_turn():
    on = route(Routing(policy=RoutingPolicy.ROUND_ROBIN))
    takers = [Taker(on, name) for name in "xyz"]
    send(on, *(str(number) for number in range(10)))
    done = drained(*takers)
    assert sorted(len(part) for part in done.values()) == [2, 4, 4]
    assert sorted(chain(*done.values()), key=int) == [str(number) for number in range(10)]


@pytest.mark.parametrize("by", [RouteBy.CONVERSATION, RouteBy.SENDER])
def test_conversations_and_senders_stay_with_one_instance(by):
    on = route(Routing(policy=RoutingPolicy.CONSISTENT_HASH, by=by))
    takers = [Taker(on, name) for name in "xyz"]
    for number in range(30):
        name = f"n{number % 10}"
        ask(on, name, conversation=name if by is RouteBy.CONVERSATION else None, sender=name)
    done = drained(*takers)
    assert sum(len(set(part)) for part in done.values()) == 10, "none of them is with two"
    assert sum(bool(part) for part in done.values()) > 1


def test_what_has_no_conversation_goes_to_each_in_turn():
    on = route(Routing(policy=RoutingPolicy.CONSISTENT_HASH, by=RouteBy.CONVERSATION))
    takers = [Taker(on, name) for name in "xy"]
    ask(on, "1")
    ask(on, "2")
    assert all(taker.work for taker in takers)


def test_a_session_is_bound_to_its_instance_whatever_the_key():
    on = route()
    takers = [Taker(on, name) for name in "xy"]
    on.offer(Envelope(Call("f", (), "s"), lambda _: None, None, "k"))
    first = next(taker for taker in takers if taker.work)
    work, first.work = first.work, None
    on.finished(first, DONE, is_idle=True)
    work.settle(DONE)
    for number in range(10):
        on.offer(Envelope(Call("f", (), "s"), lambda _: None, None, f"k{number}"))
        assert first.work is not None
        work, first.work = first.work, None
        on.finished(first, DONE, is_idle=True)
        work.settle(DONE)


def test_calls_of_a_session_that_wait_with_others_move_to_who_takes_the_first():
    on = route()
    takers = [Taker(on, name) for name in "xy"]
    for number in range(8):
        ask(on, str(number), f"k{number}")
    for number in range(8):
        on.offer(Envelope(Call("f", (), "s"), lambda _: None, None, f"k{number}"))
    bound = set()
    while any(taker.work for taker in takers):
        for taker in takers:
            work, taker.work = taker.work, None
            if work is not None:
                bound |= {taker} if work.session else set()
                on.finished(taker, DONE, is_idle=True)
                work.settle(DONE)
    assert len(bound) == 1


def test_routing_is_changed_while_messages_wait():
    on = route(Routing())
    taker = Taker(on, "x")
    for number in range(5):
        ask(on, str(number), conversation="c")
    on.routing = KEYED
    on.routing = Routing(policy=RoutingPolicy.ROUND_ROBIN)
    on.routing = Routing()
    assert drained(taker)["x"] == ["0", "1", "2", "3", "4"]


class Keys(RuleBasedStateMachine):
    """Instances of two versions come, go and crash while messages with keys are sent."""

    def __init__(self) -> None:
        super().__init__()
        self.on = route(batch=3)
        self.takers: list[Taker] = []
        self.sent: dict[str, list[int]] = {}
        self.done: list[tuple[str, int]] = []
        self.count = 0
        self.lost = 0

    @rule(key=st.sampled_from("abcdef"), many=st.integers(0, 4))
    def send(self, key: str, many: int) -> None:
        numbers = range(self.count, self.count + max(many, 1))
        payloads = [f"{key}{number}" for number in numbers]
        self.count += len(numbers)
        self.sent.setdefault(key, []).extend(numbers)
        if many:
            assert send(self.on, *payloads, to=key)[1] is None
        else:
            assert ask(self.on, payloads[0], key) is None

    @rule(lane=st.sampled_from("ab"))
    def join(self, lane: str) -> None:
        self.takers.append(Taker(self.on, f"{len(self.takers)}", lane))

    @rule(number=st.integers(0, 20))
    def end(self, number: int) -> None:
        if self.takers:
            self._note(self.takers[number % len(self.takers)].end())

    @rule(number=st.integers(0, 20))
    def leave(self, number: int) -> None:
        there = [taker for taker in self.takers if taker.is_there]
        if there:
            taker = there[number % len(there)]
            taker.is_there = taker.work is None
            if taker.work is None:
                taker.go()
                return
            self._note(taker.end())
            self.on.leave(taker, "was stopped")

    @rule(weight=st.sampled_from([0, 30, 100]), hold=st.booleans())
    def switch(self, weight: int, hold: bool) -> None:
        self.on.direct({"a": weight, "b": 100 - weight}, hold=hold)

    def _note(self, payloads: list[str]) -> None:
        self.done += [(payload[0], int(payload[1:])) for payload in payloads]

    @invariant()
    def no_key_is_at_work_twice(self) -> None:
        at_work = [taker.to for taker in self.takers if taker.work is not None]
        assert len(at_work) == len(set(at_work))

    def teardown(self) -> None:
        self.on.direct({"a": 100}, hold=False)
        self.join("a")
        while any(taker.work for taker in self.takers):
            for taker in self.takers:
                self._note(taker.end())
        for key, numbers in self.sent.items():
            assert [number for of, number in self.done if of == key] == numbers, "each once, and in order"


TestKeys = Keys.TestCase
TestKeys.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
