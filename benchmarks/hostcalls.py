"""Calls out of a guest: what one costs, from the guest's call to its return, with what the host does in between.

One message makes the guest call many times; their cost is the difference to a message that makes it call once.
"""

from collections.abc import Callable
from functools import partial

from benchmarks import stock
from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import GUEST, message, replied, running_agent

MANY = 17
VALUE = b"v" * 1024
STORED = b"s" * 100
GRANTS = "\n  grants: {storage.read: [self], storage.write: [self], messaging.send: [nobody]}"
CALLS = {
    "host-call-1KiB": ("host-messaging.send, 1 KiB, to nobody", b"!send %d nobody " + VALUE),
    "log-1KiB": ("host-services.log, 1 KiB", b"!log %d " + VALUE),
    "storage-set": ("storage.set, 100 bytes", b"!set %d key " + STORED),
    "storage-get": ("storage.get, 100 bytes", b"!get %d key"),
}
NOTES = (
    f"The difference between a message that makes the guest call {MANY} times and one that makes it call once, over "
    f"{MANY - 1}.",
    "`send` is to a deployment that its grant names and that is not there: the grant is checked, a message made, the "
    "router asked, and an error returned with the name of the target.",
    "Storage is durable against SIGKILL on our side; a Python dict beside it. Stock's other functions do nothing.",
)


def measure(effort: Effort) -> Table:
    """Measure each call beside stock wasmtime-py."""
    with running_agent() as stage:
        guest, plain = stage.guest(stage.deploy("caller", GUEST, GRANTS)), stock.StockEngine()
        other = plain.start(plain.compile((GUEST / "guest.wasm").read_bytes()))
        contenders: dict[str, Callable[[], object]] = {}
        for name, (_, order) in CALLS.items():
            for count in (1, MANY):
                payload = order % count
                sent, record = message(payload), stock.message_record(payload)
                refused = count if name == "host-call-1KiB" else 0
                assert replied(guest.handle(sent)) == b"%d" % refused, name
                assert other.call("handle-message", record) == b"0", name
                contenders[f"{name} {count}"] = partial(guest.handle, sent)
                contenders[f"{name} {count} stock"] = partial(other.call, "handle-message", record)
        took = race(contenders, effort)
    figures: dict[str, float] = {}
    rows: list[Row] = []
    for name, (what, _) in CALLS.items():
        ours, theirs = (_each(took[f"{name} 1{side}"], took[f"{name} {MANY}{side}"]) for side in ("", " stock"))
        rows.append(Row(what, ours, stock.NAME, theirs))
        figures |= {name: ours * 1e6, f"{name}/stock": theirs / ours}
    wanted = {name: figure for name, figure in figures.items() if not name.startswith("log")}
    return Table("Calls out of a guest", tuple(rows), NOTES, wanted)


def _each(one_s: float, many_s: float) -> float:
    return max((many_s - one_s) / (MANY - 1), 1e-9)  # noise can make a difference negative
