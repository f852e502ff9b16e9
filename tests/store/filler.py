"""A process that fills a store with a bit of everything, says so when all of it is on the disk, and waits."""

import sys
from pathlib import Path

from orchestrator.model.ids import DeploymentKey
from orchestrator.store.decisions import AppendHistory, PutRecord
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import COUNTER, OWNER, number, record, synced

LIVES = 3  # each leaves a file of its own
ROWS = 120


def value_of(life: int, n: int) -> bytes:
    return f"{life}/{n} ".encode() * 20


def fill(store: Store, life: int) -> None:
    for n in range(10):
        key = DeploymentKey(namespace="default", name=f"d-{life}-{n}")
        store.decide([PutRecord(record=record(key)), AppendHistory(key=COUNTER, number=number(life * 10 + n))])
    for n in range(ROWS):
        store.data.set(COUNTER, f"k{life}-{n}", value_of(life, n), 1 << 30)


if __name__ == "__main__":
    state = StateDir(Path(sys.argv[1]))
    lock = state.lock(OWNER)
    for life in range(LIVES):
        store = Store.open(state)
        fill(store, life)
        if life < LIVES - 1:
            store.close()
    synced(state.path)
    print("filled", flush=True)
    if sys.stdin.readline():  # told to end in order, instead of being killed
        store.close()
        lock.release()
