"""Publishing and subscribing as a guest calls it. Real: grants, the table, the router and its routes."""

import pytest

from orchestrator.host.context import GuestContext
from orchestrator.host.pubsub import pubsub_imports
from orchestrator.messaging.mailbox.batch import Batch
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.rates import Rates
from orchestrator.messaging.recorder import Recorder
from orchestrator.messaging.router import Router
from orchestrator.messaging.topics import Topics
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import MESSAGE_MAX_BYTES, Mail
from orchestrator.model.plain import Err, Ok
from orchestrator.model.spec import Grant, Limits, Mailbox, RateLimit, Revision, WhenFull
from tests.messaging.clock import TestClock

A, B, C = (DeploymentKey(namespace="default", name=name) for name in "abc")
ALL = (
    Grant(capability="messaging.publish", patterns=("**",)),
    Grant(capability="messaging.subscribe", patterns=("**",)),
)


class Clock(TestClock):
    """A clock whose wall time passes as well."""

    __test__ = False

    def wall_ns(self) -> int:
        return self.now_ms * 1_000_000


class Taker:
    """An instance that holds what it was given."""

    name, lane = "0", "r"

    def __init__(self) -> None:
        self.mail: list[Mail] = []

    def take(self, work) -> None:
        assert isinstance(work, Batch)
        self.mail += work.mail


class Host:
    """The host functions over real parts, and what became of messages that nobody heard of."""

    def __init__(self) -> None:
        self.lost: list[tuple[DeploymentKey, str]] = []
        self.router = Router(self._lost)
        self.topics, self.clock = Topics(), Clock()
        self.rates = Rates(self.clock.monotonic_ms)
        imports = pubsub_imports(self.router, Recorder(self.clock.wall_ns), self.rates, self.topics, self.clock.wall_ns)
        self.functions = {host.function: host.call for host in imports}

    def _lost(self, route: Route, _mail: Mail):
        return lambda _first, outcomes: self.lost.extend((route.key, outcome.case) for outcome in outcomes)

    def route(self, key: DeploymentKey, **mailbox) -> Route:
        route = Route(key, Mailbox(**mailbox), self.clock)
        route.direct({"r": 100}, hold=False)
        self.router.add(route)
        return route

    def taker(self, key: DeploymentKey, *patterns: str) -> Taker:
        taker = Taker()
        self.route(key).idle(taker)
        self.topics.declare(key, patterns, lambda _: True)
        return taker

    def call(self, function: str, context: GuestContext, *values):
        return self.functions[function](context, *values)


def context(key: DeploymentKey = A, grants=ALL, in_force=lambda: None, **given) -> GuestContext:
    limits = Limits(memory_bytes=1, fuel=1, timeout_ms=1)
    revision = Revision(
        id="0", component="", version="", artifact="", stateful=False, config="", grants=grants, limits=limits
    )
    return GuestContext(ComponentId(key.namespace, key.name, "0"), revision, in_force, lambda *_: None, **given)


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_message_comes_to_each_subscriber_once_with_its_topic_and_its_publisher_and_is_not_copied(host: Host):
    one, other = host.taker(B, "x.*", "*.y"), host.taker(C, "x.y")
    payload = bytes(1000)
    assert host.call("publish", context(), "x.y", payload) == Ok(2)
    (first,), (second,) = one.mail, other.mail
    assert first.payloads[0] is second.payloads[0] is payload
    assert (first.sender, first.topic) == (ComponentId("default", "a", "0"), "x.y")


def test_a_subscriber_that_does_not_take_it_loses_it_and_keeps_nobody_else_from_it(host: Host):
    full = host.route(B, capacity=1, when_full=WhenFull.BLOCK)
    host.topics.declare(B, ["x"], lambda _: True)
    other = host.taker(C, "x")
    host.call("publish", context(), "x", b"1")
    assert host.call("publish", context(), "x", b"2") == Ok(1)
    assert host.lost == [(B, "queue-full")]
    assert (full.depth, full.traffic().rejected) == (1, 1)
    assert sum(len(mail.payloads) for mail in other.mail) + host.router.find(C).depth == 2


def test_a_deployment_that_is_gone_since_it_was_found_takes_nothing(host: Host):
    host.topics.declare(B, ["x"], lambda _: True)
    assert host.call("publish", context(), "x", b"") == Ok(0)
    assert host.lost == []


def test_what_is_larger_than_a_message_is_published_to_nobody(host: Host):
    taker = host.taker(B, "x")
    answer = host.call("publish", context(), "x", bytes(MESSAGE_MAX_BYTES + 1))
    assert (answer.case, taker.mail) == ("invalid-message", [])
    assert host.call("publish", context(), "x", bytes(MESSAGE_MAX_BYTES)) == Ok(1)


def test_a_grant_has_to_be_the_revisions_and_the_sources_and_going_acts_at_once(host: Host):
    wish = [ALL]
    guest = context(in_force=lambda: wish[0])
    assert host.call("publish", guest, "x", b"") == Ok(0)
    assert host.call("subscribe", guest, "x") == Ok()
    wish[0] = ()
    host.topics.look_anew(A)
    assert host.topics.matching("x") == ()
    denied = "capability denied: default/a was not granted messaging."
    assert host.call("publish", guest, "x", b"") == Err("delivery-failed", f"{denied}publish: [x]")
    assert host.call("subscribe", guest, "y") == Err("delivery-failed", f"{denied}subscribe: [y]")
    assert host.call("subscribe", context(grants=()), "y").payload == f"{denied}subscribe: [y]"


def test_who_takes_no_messages_subscribes_to_nothing_but_may_publish(host: Host):
    job = context(takes_messages=False)
    assert host.call("subscribe", job, "x").case == "delivery-failed"
    assert host.call("publish", job, "x", b"") == Ok(0)


@pytest.mark.parametrize("text", ["a..b", "", "x" * 100_000, "a\n", "\x1b[0m"])
def test_what_is_no_topic_is_told_in_few_and_printable_words(host: Host, text: str):
    for answer in (host.call("publish", context(), text, b""), host.call("subscribe", context(), text)):
        assert answer.case == "invalid-message"
        assert answer.payload.isprintable()
        assert len(answer.payload) < 300
    assert len(host.call("unsubscribe", context(), text).payload) < 300


def test_a_publication_counts_as_one_message_however_many_get_it(host: Host):
    for key in (B, C):
        host.taker(key, "x")
    host.rates.limit(A, RateLimit(messages=1, burst=2))
    answers = [host.call("publish", context(), "x", b"") for _ in range(3)]
    assert answers[:2] == [Ok(2), Ok(2)]
    assert answers[2].case == "delivery-failed"
    assert answers[2].payload.startswith("rate limit: default/a may send 1 messages in 1000 ms, 2 at once")
    host.clock.now_ms += 1_000
    assert host.call("publish", context(), "x", b"") == Ok(2)
