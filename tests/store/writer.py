"""A process that decides and writes until it is killed, printing each thing only once it is acknowledged."""

import sys
from pathlib import Path

from orchestrator.model.ids import DeploymentKey
from orchestrator.store.decisions import AppendHistory, PutRecord
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import COUNTER, OWNER, number, record


def main(path: str) -> None:
    state = StateDir(Path(path))
    state.lock(OWNER)
    store = Store.open(state)
    first = store.serial + 1
    for n in range(first, first + 1_000_000):
        key = DeploymentKey(namespace="default", name=f"d-{n % 10}")
        changes = [PutRecord(record=record(key, generation=n)), AppendHistory(key=COUNTER, number=number(n))]
        print("decided", store.decide(changes), n, flush=True)
        for k in range(5):
            store.data.set(key, f"k{n}-{k}", str(n).encode() * (k + 1), 1 << 30)
            print("set", key.name, f"k{n}-{k}", n, k + 1, flush=True)
        store.data.delete(key, f"k{n}-0")
        print("deleted", key.name, f"k{n}-0", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
