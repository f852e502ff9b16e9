"""Delivery at least once, over real RocksDB and a clock that the tests move: nothing acknowledged is ever lost."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from orchestrator.delivery import durable
from orchestrator.delivery.durable import DurableMail, after_ms
from orchestrator.delivery.letters import DeadLetters
from orchestrator.messaging.mailbox.batch import Batch
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.router import Router
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Handled, Mail, Refused, Replied, Undelivered
from orchestrator.model.spec import Delivery, Mailbox, WhenFull
from orchestrator.store.database import DatabaseFault
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.messaging.clock import TestClock

KEY = DeploymentKey(namespace="default", name="one")
SENDER = ComponentId("default", "sender", "0")
GOODBYE = Undelivered("delivery-failed", "the agent is stopping")
OUTCOMES = {
    "well": Replied(None),
    "refused": Refused("runtime-error", "no"),
    "exited": Exited(ExitReason(kind=ExitKind.TRAPPED, detail="on purpose")),
}


class Clock(TestClock):
    """A clock whose wall time passes as well."""

    __test__ = False

    def wall_ms(self) -> int:
        return self.now_ms


class Taker:
    """An instance that holds what it was given until it is told how that ends."""

    lane = "r"
    name = "0"

    def __init__(self) -> None:
        self.batch: Batch | None = None

    def take(self, work) -> None:
        self.batch = work


class Agent:
    """The parts of an agent that deliver messages, over one state directory."""

    def __init__(self, folder: Path, mailbox: Mailbox, clock: Clock) -> None:
        self.store = Store.open(StateDir(folder))
        self.faults: list[str] = []
        self.clock = clock
        self.letters = DeadLetters(self.store.letters, clock, lambda *_: None, self.faults.append)
        self.durable = DurableMail(self.store.mail, self.letters, clock, self.faults.append)
        self.router = Router(self.letters.told, self.durable)
        self.route = Route(KEY, mailbox, clock)
        self.taker = Taker()
        self.route.direct({"r": 100}, hold=False)
        self.route.idle(self.taker)
        self.router.add(self.route)

    def send(self, *payloads: bytes, id: str | None = None) -> Undelivered | None:
        _, refused = self.router.send_many(KEY, Mail(SENDER, payloads, 0), lambda _key: True, id=id)
        return refused

    def end(self, how: str) -> list[bytes]:
        """End what the instance works on, all of it alike; returns the payloads."""
        batch, self.taker.batch = self.taker.batch, None
        if batch is None:
            return []
        outcomes = [OUTCOMES[how]] * len(batch)
        self.route.finished_batch(self.taker, batch, Handled(outcomes))
        batch.settle(outcomes)
        self.route.idle(self.taker)
        return [payload for mail in batch.mail for payload in mail.payloads]

    def drain(self) -> list[bytes]:
        """Have everything handled well, now and later."""
        handled = []
        for _ in range(200):
            handled += self.end("well")
            self.clock.pass_time(60_000)
        return handled

    @property
    def dead(self) -> list[bytes]:
        return [letter.payload for _, letter, _ in self.letters.letters(KEY)]

    @property
    def kept(self) -> list[bytes]:
        return [mail.payload for _, mail in self.store.mail.read(KEY)]


def wants(**given) -> Mailbox:
    return Mailbox(delivery=Delivery.AT_LEAST_ONCE, **given)


@pytest.fixture
def make(tmp_path):
    """Make an agent; the one before it is gone as if it had been killed, as its log has what it wrote."""
    agents, clock = [], Clock()

    def made(mailbox: Mailbox | None = None) -> Agent:
        if agents:
            agents[-1].store.close()
        agents.append(Agent(tmp_path / "state", mailbox or wants(), clock))
        return agents[-1]

    yield made
    agents[-1].store.close()


STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 4)),
    st.tuples(st.just("end"), st.sampled_from(sorted(OUTCOMES))),
    st.tuples(st.just("pass"), st.sampled_from([50, 100, 30_000])),
    st.tuples(st.sampled_from(["refuse", "open", "kill", "remove"]), st.just(0)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=40), st.sampled_from([1, 3]), st.sampled_from([WhenFull.REJECT, WhenFull.DROP_OLDEST]))
def test_whatever_happens_each_acknowledged_message_is_handled_or_a_dead_letter(steps, batch, when_full):
    mailbox = wants(capacity=5, batch=batch, attempts=3, when_full=when_full)
    with tempfile.TemporaryDirectory() as folder:
        agent = Agent(Path(folder, "state"), mailbox, Clock())
        acknowledged: set[bytes] = set()
        handled: list[bytes] = []
        failed_or_killed = False
        for number, (step, value) in enumerate(steps):
            match step:
                case "send":
                    payloads = [b"%d-%d" % (number, index) for index in range(value)]
                    queued, _ = agent.router.send_many(KEY, Mail(SENDER, payloads, 0), lambda _key: True)
                    acknowledged |= set(payloads[:queued])
                case "end":
                    done = agent.end(value)
                    handled += done if value == "well" else []
                    failed_or_killed |= value != "well"
                case "pass":
                    agent.clock.pass_time(value)
                case "refuse" | "remove":
                    agent.route.refuse(GOODBYE)
                case "open":
                    agent.route.refuse(None)
                case "kill":
                    failed_or_killed = True
                    agent.store.close()
                    agent = Agent(Path(folder, "state"), mailbox, agent.clock)
        agent.route.refuse(None)
        handled += agent.drain()
        assert set(handled) | set(agent.dead) >= acknowledged
        assert agent.kept == []
        assert failed_or_killed or len(handled) == len(set(handled))
        assert agent.faults == []
        agent.store.close()


def test_a_message_rests_twice_as_long_after_each_attempt(make):
    assert [after_ms(attempts) for attempts in (1, 2, 3, 9, 10, 99)] == [100, 200, 400, 25_600, 30_000, 30_000]
    agent = make()
    agent.send(b"x")
    agent.end("refused")
    agent.clock.pass_time(99)
    assert agent.taker.batch is None
    agent.clock.pass_time(1)
    assert agent.end("refused") == [b"x"]
    agent.clock.pass_time(100)
    assert agent.taker.batch is None
    agent.clock.pass_time(100)
    assert agent.end("well") == [b"x"]
    assert agent.kept == []


def test_others_do_not_wait_for_one_that_rests(make):
    agent = make()
    agent.send(b"bad", b"good")
    agent.end("refused")
    assert agent.end("well") == [b"good"]


def test_what_failed_is_kept_through_the_end_of_the_process_with_its_attempts(make):
    agent = make(wants(attempts=2))
    agent.send(b"x")
    agent.end("exited")
    agent = make(wants(attempts=2))
    agent.end("exited")
    assert agent.dead == [b"x"]
    assert agent.kept == []


def test_what_a_route_refuses_when_it_was_let_in_waits_for_its_opening(make):
    agent = make()
    agent.send(b"at work")
    agent.send(b"waits")
    agent.route.refuse(GOODBYE)
    assert agent.end("well") == [b"at work"]
    assert agent.kept == [b"waits"]
    assert agent.send(b"new") == GOODBYE
    assert agent.kept == [b"waits"]
    agent.route.refuse(None)
    assert agent.end("well") == [b"waits"]


def test_what_was_told_of_a_refusal_only_after_the_route_opened_is_not_forgotten(make):
    agent = make()
    told = []
    post = agent.route.post

    def late(parcel):
        inner = parcel.told
        parcel.told = lambda first, outcomes: told.append(lambda: inner(first, outcomes))
        return post(parcel)

    agent.route.post = late  # type: ignore[method-assign]
    agent.send(b"at work")
    agent.send(b"x")
    agent.route.refuse(GOODBYE)
    agent.route.refuse(None)
    told[-1]()
    agent.end("well")
    assert agent.end("well") == [b"x"]


def test_a_removed_deployments_messages_are_there_for_the_next_of_its_name(make):
    agent = make()
    agent.send(b"at work")
    agent.send(b"waits")
    agent.route.refuse(Undelivered("target-not-found", "is being removed"))
    agent.end("refused")  # rests, and would come back to a route that is no more
    agent.router.remove(KEY)
    route = Route(KEY, wants(), agent.clock)
    route.direct({"r": 100}, hold=False)
    agent.router.add(route)
    agent.clock.pass_time(1_000)
    agent.route, agent.taker = route, Taker()
    route.idle(agent.taker)
    assert sorted(agent.drain()) == [b"at work", b"waits"]


def test_the_same_id_is_taken_again_after_its_window_and_not_within(make):
    agent = make(wants(dedupe_ms=1_000))
    assert agent.send(b"1", id="a") is None
    agent.clock.pass_time(999)
    assert agent.send(b"2", id="a") is None
    agent.clock.pass_time(1)
    assert agent.send(b"3", id="a") is None
    assert agent.end("well") + agent.end("well") == [b"1", b"3"]


def test_ids_are_bounded_and_the_oldest_are_forgotten(make, monkeypatch):
    monkeypatch.setattr("orchestrator.store.mail.IDS_MAX", 2)
    agent = make()
    for id in ("a", "b", "c"):
        agent.send(b"1", id=id)
    agent = make()
    for id in ("c", "b", "a"):
        agent.send(b"2", id=id)
    assert agent.drain() == [b"1", b"1", b"1", b"2"]


def test_more_than_may_rest_are_dead_letters_at_once(make, monkeypatch):
    monkeypatch.setattr(durable, "LATER_MAX", 1)
    agent = make(wants(batch=2))
    agent.send(b"1")
    agent.send(b"2")
    agent.send(b"3")
    agent.end("refused")
    agent.end("refused")
    assert agent.dead == [b"2", b"3"]
    agent.clock.pass_time(100)
    assert agent.end("well") == [b"1"]


def test_what_cannot_be_kept_is_refused_and_not_handled(make):
    agent = make()
    agent.store.close()
    refused = agent.send(b"x")
    assert refused is not None
    assert refused.case == "delivery-failed"
    assert "cannot be kept" in refused.detail
    assert agent.taker.batch is None


def test_an_end_that_cannot_be_written_is_said(make):
    agent = make()
    agent.send(b"x")
    agent.store.close()
    agent.end("well")
    assert any("may be sent again" in fault for fault in agent.faults)


def test_what_cannot_be_read_is_said(make, monkeypatch):
    agent = make()

    def fail(_key):
        raise DatabaseFault("broken")

    monkeypatch.setattr(agent.store.mail, "read", fail)
    agent.durable.resume(agent.route)
    assert agent.faults == ["messages to default/one cannot be read: broken"]


def test_what_is_known_of_a_message_is_kept_with_it():
    mail = Mail(SENDER, (b"x",), 5, "c-1", "text/plain", "trace", "orders.new")
    assert durable.mail_of(durable.kept_of(mail, 0)) == mail
