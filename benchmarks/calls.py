"""Request and reply: a message into a real guest and its answer back.

Three ways for airs: through router, mailbox and a worker while the sender waits; the same with 64 messages under way;
and the guest alone, called on this thread. Stock wasmtime-py calls the same guest's `handle-message` on this thread
with the same record, and has no mailbox, router or worker.
"""

from collections.abc import Callable
from queue import SimpleQueue

from benchmarks import stock
from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import FAULTY, HELLO, Stage, message, replied, running_agent
from orchestrator.messaging.envelope import Envelope
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Outcome

UNDER_WAY = 64
NOTES = (
    "Stock: `Linker`, `Instance` and `Func` as they come; fuel and epoch interruption on, set anew before each call as "
    "airs does; imports are the simplest Python functions that will do; the call is made on the calling thread.",
    "`guest alone` is `Guest.handle` on the calling thread: limits set anew, record built, guest run, reply copied.",
    f"`{UNDER_WAY} under way` is the time per message while that many wait in the mailbox of one instance.",
    "01-hello writes a log line for each message, so it has one host call more than echo.",
)


def measure(effort: Effort) -> Table:
    """Measure 16 B and 1 KiB."""
    with running_agent() as stage:
        echo = stage.deploy("echo", FAULTY)
        hello = stage.deploy("hello", HELLO / "components" / "hello-1.0.0")
        plain = stock.StockEngine()
        stock_echo = plain.start(plain.compile((FAULTY / "faulty.wasm").read_bytes()))
        stock_hello = plain.start(plain.compile((HELLO / "components" / "hello-1.0.0" / "hello.wasm").read_bytes()))
        rows: list[Row] = []
        for size, shown in ((16, "16 B"), (1024, "1 KiB")):
            payload = b"echo ".ljust(size, b"x")
            rows += _rows(f"echo {shown}", stage, echo, stock_echo, payload, payload[5:], effort)
        greeting = b"Ada Lovelace 123"
        rows += _rows("01-hello 16 B", stage, hello, stock_hello, greeting, b"Hello, " + greeting + b"!", effort)
        return Table("Calls: a message into a guest and its answer back", tuple(rows), NOTES)


def _rows(
    what: str, stage: Stage, key: DeploymentKey, plain: stock.StockGuest, payload: bytes, reply: bytes, effort: Effort
) -> list[Row]:
    record = stock.message_record(payload)
    guest, sent = stage.guest(key), message(payload)
    request, burst = _request(stage, key, payload), _burst(stage, key, payload)
    assert replied(request()) == replied(guest.handle(sent)) == plain.call("handle-message", record) == reply
    took = race(
        {
            "request": request,
            "burst": burst,
            "guest": lambda: guest.handle(sent),
            "stock": lambda: plain.call("handle-message", record),
        },
        effort,
    )
    beside = took["stock"]
    return [
        Row(f"{what}, through mailbox and router", took["request"], stock.NAME, beside),
        Row(f"{what}, the same, {UNDER_WAY} under way", took["burst"] / UNDER_WAY, stock.NAME, beside),
        Row(f"{what}, guest alone", took["guest"], stock.NAME, beside),
    ]


def _request(stage: Stage, key: DeploymentKey, payload: bytes) -> Callable[[], Outcome]:
    answers: SimpleQueue[Outcome] = SimpleQueue()
    sent, deliver = message(payload), stage.agent.router.deliver

    def request() -> Outcome:
        refused = deliver(key, Envelope(sent, answers.put))
        assert refused is None
        return answers.get()

    return request


def _burst(stage: Stage, key: DeploymentKey, payload: bytes) -> Callable[[], None]:
    answers: SimpleQueue[Outcome] = SimpleQueue()
    sent, deliver = message(payload), stage.agent.router.deliver

    def burst() -> None:
        for _ in range(UNDER_WAY):
            refused = deliver(key, Envelope(sent, answers.put))
            assert refused is None
        for _ in range(UNDER_WAY):
            answers.get()

    return burst
