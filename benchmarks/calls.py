"""Request and reply: a message into a real guest and its answer back; and messages that want none.

    python -m benchmarks.calls           what is wanted, and what this machine gives, of everything there is a goal for
    python -m benchmarks.calls --check   the ratios of it, of what took turns; exits 1 when one is missed

`request` goes the way of a guest's message to another: its grant is checked, the router finds the mailbox, an instance
takes from it, and the sender waits for what the guest answers. The same guest alone, called on this thread; stock
wasmtime-py and raw C functions, calling the same `handle-message` with the same record; and a plugin of Extism.
"""

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from benchmarks import plugin, raw, stock
from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import GUEST, HELLO, Stage, message, replied, running_agent
from orchestrator.host.messaging import may_reach
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Mail, Message, Outcome, Replied

UNDER_WAY = 64
MANY, BATCH = 10_000, 1_000
HANDLED = Replied(None)
SIZES = {"16B": 16, "1KiB": 1024, "16KiB": 16 * 1024}
SENDS = "\n  grants: {messaging.send: [echo, hello, many]}"
NOTES = (
    "The sender is a deployment: its grant is checked as for its own `send`, and the message is made anew each time.",
    "The guest answers the JSON it was given. Everybody checks nothing but that an answer came; that it is the right "
    "one was checked before.",
    "Stock: `Linker`, `Instance` and `Func` as they come; fuel and epoch interruption on, set anew before each call as "
    "airs does; imports are the simplest Python functions that will do; the call is made on the calling thread.",
    "Raw C API: the same functions through ctypes, types asked for once, the record built once, the payload moved in "
    "and out in bulk; no mailbox, no time to give way.",
    "Extism: a core module that copies its input and hands the copy back, called on the calling thread, under a time "
    "limit and without fuel.",
    "`guest alone` is `Guest.handle` on the calling thread: limits set anew, message handed over, reply copied.",
    f"`{UNDER_WAY} under way` is the time per message while that many wait in the mailbox of one instance.",
    f"`many at a time` is the time per message of {MANY} different ones, sent by one `Router.send_many` with one check "
    f"of the grant, to one instance that takes batches of {BATCH}; until the sender has heard how each ended. The "
    "guest counts them, and its count is compared. The raw call beside it has an answer.",
    "01-hello writes a log line for each message, so it has one host call more than echo.",
)


class _Sides(NamedTuple):
    """The same echoing guest, started by each side."""

    stage: Stage
    sender: DeploymentKey
    echo: DeploymentKey
    stock: stock.StockGuest
    raw: raw.RawGuest
    plugin: Callable[[bytes], bytes] | None


def measure(effort: Effort) -> Table:
    """Measure 16 B, 1 KiB and 16 KiB of JSON, and the first example."""
    with running_agent() as stage:
        plain = stock.StockEngine()
        component = plain.compile((GUEST / "guest.wasm").read_bytes())
        sides = _Sides(
            stage,
            stage.deploy("sender", GUEST, SENDS),
            stage.deploy("echo", GUEST),
            plain.start(component),
            raw.RawGuest(plain.start(component)),
            plugin.echoing(),
        )
        rows: list[Row] = []
        figures: dict[str, float] = {}
        for name, size in SIZES.items():
            added, found = _request_rows(sides, name, json_of(size), effort)
            rows += added
            figures |= found
        added, found = _one_way_rows(sides, effort)
        rows += [*added, *_hello_rows(stage, plain, effort)]
        skipped = {} if sides.plugin else {f"request-{name}/extism": plugin.ABSENT for name in SIZES}
        title = "Calls: a message into a guest and its answer back"
        return Table(title, tuple(rows), NOTES, figures | found, skipped)


def json_of(size: int) -> bytes:
    """Return so many bytes of JSON."""
    return b'{"a":"'.ljust(size - 2, b"x") + b'"}'


def _request_rows(sides: _Sides, name: str, payload: bytes, effort: Effort) -> tuple[list[Row], dict[str, float]]:
    record, sent = stock.message_record(payload), message(payload)
    guest, call = sides.stage.guest(sides.echo), sides.plugin
    request = request_of(sides.stage, sides.sender, sides.echo, payload)
    contenders: dict[str, Callable[[], object]] = {
        "request": request,
        "burst": burst_of(sides.stage, sides.sender, sides.echo, payload),
        "guest": lambda: guest.handle(sent),
        "stock": lambda: sides.stock.call("handle-message", record),
        "raw": lambda: sides.raw.handle(payload),
    }
    if call is not None:
        contenders["extism"] = lambda: call(payload)
    answers = [replied(request()), replied(guest.handle(sent)), *(contenders[n]() for n in ("stock", "raw"))]
    assert all(answer == payload for answer in [*answers, *([call(payload)] if call else [])])
    took = race(contenders, effort)
    beside = {"stock": stock.NAME, "raw": raw.NAME, "extism": plugin.NAME}
    rows = [Row(f"request {name}", took["request"], beside[n], took[n]) for n in beside if n in took]
    rows += [
        Row(f"request {name}, {UNDER_WAY} under way", took["burst"] / UNDER_WAY, stock.NAME, took["stock"]),
        Row(f"request {name}, guest alone", took["guest"], raw.NAME, took["raw"]),
    ]
    ratios = {f"request-{name}/{n}": took.ratio(n, "request") for n in beside if n in took}
    return rows, {f"request-{name}": took["request"] * 1e6, **ratios}


def _one_way_rows(sides: _Sides, effort: Effort) -> tuple[list[Row], dict[str, float]]:
    many = sides.stage.deploy("many", GUEST, f"\n  mailbox: {{capacity: {MANY}, batch: {BATCH}}}")
    payloads = [b"!count %09d" % number for number in range(MANY)]
    record, single = stock.message_record(payloads[0]), json_of(len(payloads[0]))
    posted = Posted(sides.stage, sides.sender, many, payloads)
    took = race(
        {
            "many": posted,
            "one by one": burst_of(sides.stage, sides.sender, sides.echo, payloads[0]),
            "stock": lambda: sides.stock.call("handle-message", record),
            "raw": lambda: sides.raw.handle(single),
        },
        effort,
    )
    counted = replied(request_of(sides.stage, sides.sender, many, b"!counted")())
    assert int(counted) == posted.count * MANY, "each message is counted once"
    each = took["many"] / MANY
    rows = [
        Row("message 16B, many at a time", each, stock.NAME, took["stock"]),
        Row("message 16B, many at a time", each, raw.NAME, took["raw"]),
        Row("message 16B, one by one", took["one by one"] / UNDER_WAY, stock.NAME, took["stock"]),
    ]
    return rows, {
        "messages-16B": 1 / each,
        "messages-16B/stock": took.ratio("stock", "many") * MANY,
        "messages-16B/raw": took.ratio("raw", "many") * MANY,
    }


def _hello_rows(stage: Stage, plain: stock.StockEngine, effort: Effort) -> list[Row]:
    component = HELLO / "components" / "hello-1.0.0"
    sender, hello = DeploymentKey("default", "sender"), stage.deploy("hello", component)
    other = plain.start(plain.compile((component / "hello.wasm").read_bytes()))
    name = b"Ada Lovelace 123"
    record, request = stock.message_record(name), request_of(stage, sender, hello, name)
    assert replied(request()) == other.call("handle-message", record) == b"Hello, " + name + b"!"
    took = race({"request": request, "stock": lambda: other.call("handle-message", record)}, effort)
    return [Row("request 16B, 01-hello", took["request"], stock.NAME, took["stock"])]


Request = Callable[[], Outcome]


def request_of(stage: Stage, sender: DeploymentKey, key: DeploymentKey, payload: bytes) -> Request:
    """Return a call that sends a message for a deployment and waits for the answer."""
    answers: SimpleQueue[Outcome] = SimpleQueue()
    context, deliver, take = stage.context(sender), stage.agent.exchange.router.deliver, answers.put

    def request() -> Outcome:
        assert may_reach(context, key)
        refused = deliver(key, Envelope(Message(context.id, payload, time.time_ns()), take))
        assert refused is None
        return answers.get()

    return request


def burst_of(stage: Stage, sender: DeploymentKey, key: DeploymentKey, payload: bytes) -> Callable[[], None]:
    answers: SimpleQueue[Outcome] = SimpleQueue()
    context, deliver, take = stage.context(sender), stage.agent.exchange.router.deliver, answers.put

    def burst() -> None:
        for _ in range(UNDER_WAY):
            assert may_reach(context, key)
            refused = deliver(key, Envelope(Message(context.id, payload, time.time_ns()), take))
            assert refused is None
        for _ in range(UNDER_WAY):
            answers.get()

    return burst


class Posted:
    """Sends messages in one go and waits until each is known to be handled; counts how often it did."""

    def __init__(self, stage: Stage, sender: DeploymentKey, key: DeploymentKey, payloads: Sequence[bytes]) -> None:
        self._context, self._router, self._key = stage.context(sender), stage.agent.exchange.router, key
        self._payloads, self._told = payloads, SimpleQueue[Sequence[Outcome]]()
        self.count = 0

    def __call__(self) -> None:
        """Do it once more."""
        self.count += 1
        mail = Mail(self._context.id, self._payloads, time.time_ns())
        queued, refused = self._router.send_many(self._key, mail, self._may, self._hear)
        assert refused is None, refused
        left = queued
        while left:
            outcomes = self._told.get()
            assert outcomes.count(HANDLED) == len(outcomes), outcomes
            left -= len(outcomes)

    def _hear(self, _first: int, outcomes: Sequence[Outcome]) -> None:
        self._told.put(outcomes)

    def _may(self, key: DeploymentKey) -> bool:
        return may_reach(self._context, key)


if __name__ == "__main__":
    from benchmarks.check import main

    main()
