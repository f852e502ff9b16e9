"""Actors: spawn, send, ask, fan out, and a ring, beside actor libraries whose actors are Python objects.

On our side every actor is a guest in a sandbox of its own, under fuel, deadline and memory limit, behind a mailbox with
a bound; the sender's grant is checked.
"""

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from benchmarks import peers
from benchmarks.calls import BATCH, Posted, json_of, request_of
from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import FAULTY, GUEST, LIMIT_S, Stage, replied, running_agent
from orchestrator.concurrency.clock import Clock
from orchestrator.host.messaging import may_reach
from orchestrator.messaging.mailbox.batch import Batch
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Handled, Message, Outcome, Replied
from orchestrator.model.spec import Mailbox
from orchestrator.runtime import Guest
from orchestrator.runtime.call.finish import finish

SENDS, FANS, RING, END = 1_000, (10, 100), 100, "ring-end"
PAYLOAD = json_of(16)
SENDER = "\n  grants: {messaging.send: [echo, many, fan-10, fan-100]}"
ONE_BY_ONE = "send, one by one"
NOTES = (
    "airs: every actor is a guest, started from a component, with limits set anew before each call; every message is "
    "checked against the sender's grant. pykka: a thread for each actor. Thespian: `simpleSystemBase`, in which a "
    "message is a method call on the caller's thread; its other systems start a process for each actor.",
    "spawn: an actor is started, ready for messages, and ended; of airs without supervisor and record.",
    f"send: the time per message of {SENDS}, 16 B, until the last has been handled; many at a time in one "
    f"`Router.send_many`, taken in batches of {BATCH}; one by one each with its outcome told to its sender, which the "
    "others do not do.",
    "ask: 16 B of JSON there and back.",
    "fan out: as many messages to as many actors as it says, until all have answered.",
    f"ring: a message passes through {RING} actors. airs: each a deployment of its own, that sends what is left of its "
    f"route, at most {RING * 17} B, to the next; the last sends to a mailbox whose taker tells the end.",
)


def measure(effort: Effort) -> Table:
    """Measure each kind of work beside every library that is installed."""
    sizes = peers.Sizes(effort.few(SENDS), tuple(min(n, effort.few(n)) for n in FANS), effort.few(RING), PAYLOAD)
    with running_agent() as stage:
        ours = _ours(stage, sizes)
        beside = {name: start(sizes) for name, start in peers.installed().items()}
        try:
            rows, figures = _raced(ours, beside, sizes, effort)
        finally:
            for peer in beside.values():
                peer.close()
    skipped = {
        f"actor-{what}/{name}": peers.ABSENT.format(name)
        for name in peers.PACKAGES.keys() - beside.keys()
        for what in _names()
    }
    return Table("Actors, beside actors that are Python objects", tuple(rows), NOTES, figures, skipped)


def _names() -> list[str]:
    return ["spawn", "ask", "send", "send-each", *(f"fan-{count}" for count in FANS), "ring"]


def _raced(
    ours: Sequence[peers.Act], beside: dict[str, peers.Peer], sizes: peers.Sizes, effort: Effort
) -> tuple[list[Row], dict[str, float]]:
    rows: list[Row] = []
    figures: dict[str, float] = {}
    labels = ["spawn", "ask", "send, many at a time", ONE_BY_ONE, *(f"fan out to {n}" for n in FANS), f"ring of {RING}"]
    for name, label, act, theirs in zip(_names(), labels, ours, _in_order(beside), strict=True):
        took = race({"airs": act, **theirs}, effort)
        each = sizes.sends if name.startswith("send") else 1
        rows += [Row(label, took["airs"] / each, peers.PACKAGES[peer], took[peer] / each) for peer in beside] or [
            Row(label, took["airs"] / each)
        ]
        figures |= {f"actor-{name}/{peer}": took.ratio(peer, "airs") for peer in beside}
    return rows, figures


def _in_order(beside: dict[str, peers.Peer]) -> list[dict[str, peers.Act]]:
    """Return what each kind of work is on the other sides, in the order of `_names`."""
    orders = {name: [p.spawn, p.ask, p.send, p.send, *p.fan_out, p.ring] for name, p in beside.items()}
    return [{name: order[n] for name, order in orders.items()} for n in range(len(_names()))]


def _ours(stage: Stage, sizes: peers.Sizes) -> list[peers.Act]:
    sender = stage.deploy("sender", GUEST, SENDER)
    echo = stage.deploy("echo", GUEST)
    many = stage.deploy("many", GUEST, f"\n  mailbox: {{capacity: {SENDS}, batch: {BATCH}}}")
    fans = [stage.deploy(f"fan-{n}", GUEST, f"\n  replicas: {size}") for n, size in zip(FANS, sizes.fans, strict=True)]
    for key, size in zip(fans, sizes.fans, strict=True):
        stage.wait_ready(key, size)
    counts = [b"!count %06d" % number for number in range(sizes.sends)]
    ask = request_of(stage, sender, echo, PAYLOAD)
    assert replied(ask()) == PAYLOAD
    return [
        _spawn(stage, echo),
        ask,
        Posted(stage, sender, many, counts),
        all_of(stage, sender, many, counts),
        *(all_of(stage, sender, key, [PAYLOAD] * size) for key, size in zip(fans, sizes.fans, strict=True)),
        _ring(stage, sizes.ring),
    ]


def _spawn(stage: Stage, key: DeploymentKey) -> peers.Act:
    revision, id = stage.agent.ledger.records[key].wanted.revision, ComponentId(key.namespace, key.name, "spawned")

    def spawn() -> None:
        started = finish(stage.agent.guests.start(revision, id))
        assert isinstance(started, Guest), started
        started.close()

    return spawn


def all_of(stage: Stage, sender: DeploymentKey, key: DeploymentKey, payloads: Sequence[bytes]) -> Callable[[], None]:
    """Return how to send all of them, each by itself, and wait until each has ended."""
    answers: SimpleQueue[Outcome] = SimpleQueue()
    context, deliver, take = stage.context(sender), stage.agent.exchange.router.deliver, answers.put

    def act() -> None:
        for payload in payloads:
            assert may_reach(context, key)
            refused = deliver(key, Envelope(Message(context.id, payload, time.time_ns()), take))
            assert refused is None
        for _ in payloads:
            answers.get(timeout=LIMIT_S)

    return act


def _ring(stage: Stage, count: int) -> peers.Act:
    names = [f"ring-{number:02}" for number in range(count)]
    keys = stage.deploy_many(names, FAULTY, "\n  grants: {messaging.send: ['default/*']}")
    route = b"".join(b"send %s " % name.encode() for name in [*names[1:], END]) + b"over"
    context, router, end = stage.context(keys[0]), stage.agent.exchange.router, End(stage.agent.clock)
    router.add(end.route)

    def ring() -> None:
        refused = router.deliver(keys[0], Envelope(Message(context.id, route, time.time_ns()), _nothing))
        assert refused is None
        end.over.get(timeout=LIMIT_S)

    return ring


class End:
    """The mailbox that the last actor of a ring sends to, which tells that it was reached."""

    lane, name = "end", "end"

    def __init__(self, clock: Clock) -> None:
        self.over: SimpleQueue[bool] = SimpleQueue()
        self.route = Route(DeploymentKey("default", END), Mailbox(), clock)
        self.route.direct({self.lane: 100}, hold=False)
        self.route.idle(self)

    def take(self, work: Envelope | Batch) -> None:
        """Take what comes, and be there for more."""
        assert isinstance(work, Batch)
        self.route.finished_batch(self, work, Handled([Replied(None)] * len(work)), is_idle=True)
        self.over.put(True)


def _nothing(_outcome: Outcome) -> None:
    return
