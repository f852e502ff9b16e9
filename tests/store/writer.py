"""A process that decides and writes until it is killed, printing each thing only once it is acknowledged."""

import os
import signal
import sys
from pathlib import Path

from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.store.decisions import AppendHistory, PutDesired, PutRecord
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import COUNTER, OWNER, deployment, number, record


def promise(store: Store) -> None:
    first = store.serial + 1
    wanted = {deployment.key: deployment for desired in store.desired() for deployment in desired.deployments}
    for n in range(first, first + 1_000_000):
        key = DeploymentKey(namespace="default", name=f"d-{n % 10}")
        wanted[key] = replace(deployment(key), replicas=n)  # the others' rows are not written again
        desired = DesiredState(source="/srv/manifests", revision=str(n), deployments=tuple(wanted.values()))
        changes = [
            PutRecord(record=record(key, generation=n)),
            AppendHistory(key=COUNTER, number=number(n)),
            PutDesired(desired=desired),
        ]
        print("decided", store.decide(changes), n, flush=True)
        for k in range(5):
            store.data.set(key, f"k{n}-{k}", str(n).encode() * (k + 1), 1 << 30)
            print("set", key.name, f"k{n}-{k}", n, k + 1, flush=True)
        store.data.delete(key, f"k{n}-0")
        print("deleted", key.name, f"k{n}-0", flush=True)


def halt(store: Store) -> None:
    """Decide, and stand still the very moment that is acknowledged, with every thread."""
    while True:
        store.decide([PutRecord(record=record(COUNTER, generation=store.serial + 1))])
        os.kill(os.getpid(), signal.SIGSTOP)


def spin(store: Store, chance: float) -> None:
    """Write until a timer of our own ends the process: a kill from outside falls where we wait, not where we write."""
    store.data.set(COUNTER, "k0", b"", 1 << 30)
    signal.setitimer(signal.ITIMER_PROF, 0.001 + 0.02 * chance)
    while True:
        for n in range(50):
            store.data.set(COUNTER, f"k{n}", b"x" * (n + 1), 1 << 30)
        for n in range(1, 50):
            store.data.delete(COUNTER, f"k{n}")


if __name__ == "__main__":
    state = StateDir(Path(sys.argv[1]))
    state.lock(OWNER)
    opened = Store.open(state)
    match sys.argv[2]:
        case "promise":
            promise(opened)
        case "halt":
            halt(opened)
        case _:
            spin(opened, float(sys.argv[3]))
