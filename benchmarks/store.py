"""What is kept: a decision on the disk, and a guest's own data, reached from inside the guest."""

import itertools
import os
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from benchmarks import stock
from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import FAULTY, GRANTS, Stage, message, replied, running_agent
from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.decisions import PutRecord

VALUE_BYTES = 100
NOTES = (
    "A decision is one synced batch: the record and the next serial. Beside it, as many bytes appended to a file and "
    "fsynced on the same disk.",
    f"Guest storage: a message that makes the guest read or write {VALUE_BYTES} bytes once, less one that does not. "
    "Durable against SIGKILL on our side; a Python dict beside it.",
)


def measure(effort: Effort) -> Table:
    """Measure decisions and guest data on the disk that holds temporary files."""
    with running_agent() as stage:
        key = stage.deploy("keeper", FAULTY, f"\n  grants: {GRANTS}")
        return Table("Store", (*_decisions(stage, key, effort), *_guest_data(stage, key, effort)), NOTES)


def _decisions(stage: Stage, key: DeploymentKey, effort: Effort) -> list[Row]:
    record, store, numbers = stage.agent.ledger.records[key], stage.agent.store, itertools.count(2)
    row = keys.pack(record)
    file = os.open(stage.folder / "beside", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append() -> None:
        os.write(file, row)
        os.fsync(file)

    try:
        took = race(
            {
                "airs": lambda: store.decide([PutRecord(record=replace(record, generation=next(numbers)))]),
                "beside": append,
            },
            effort,
        )
    finally:
        os.close(file)
        store.decide([PutRecord(record=record)])
    return [Row(f"a decision, synced ({len(row)} bytes)", took["airs"], "write and fsync", took["beside"])]


def _guest_data(stage: Stage, key: DeploymentKey, effort: Effort) -> list[Row]:
    guest, plain = stage.guest(key), stock.StockEngine()
    stock_guest = plain.start(plain.compile((FAULTY / "faulty.wasm").read_bytes()))
    value = b"v" * VALUE_BYTES
    payloads = {"set": b"store key " + value, "get": b"load key", "neither": b"echo " + value}
    contenders: dict[str, Callable[[], object]] = {}
    for what, payload in payloads.items():
        sent, record = message(payload), stock.message_record(payload)
        assert replied(guest.handle(sent)) == stock_guest.call("handle-message", record)
        contenders[what] = partial(guest.handle, sent)
        contenders[f"stock {what}"] = partial(stock_guest.call, "handle-message", record)
    took = race(contenders, effort)
    return [
        _difference(
            f"storage.{what} from a guest", took[what], took["neither"], took[f"stock {what}"], took["stock neither"]
        )
        for what in ("get", "set")
    ]


def _difference(what: str, ours: float, ours_without: float, stock_s: float, stock_without: float) -> Row:
    least = 1e-7  # noise can make a difference negative
    return Row(what, max(ours - ours_without, least), f"{stock.NAME}, a dict", max(stock_s - stock_without, least))
