"""The store: a decision on the disk."""

import itertools
import os

from msgspec.structs import replace

from benchmarks.measure import Effort, Row, Table, race
from benchmarks.stage import FAULTY, GRANTS, Stage, running_agent
from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.decisions import PutRecord

NOTES = (
    "A decision is one synced batch: the record and the next serial. Beside it, as many bytes appended to a file and "
    "fsynced on the same disk.",
)


def measure(effort: Effort) -> Table:
    """Measure decisions and guest data on the disk that holds temporary files."""
    with running_agent() as stage:
        key = stage.deploy("keeper", FAULTY, f"\n  grants: {GRANTS}")
        return Table("Store", tuple(_decisions(stage, key, effort)), NOTES)


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
