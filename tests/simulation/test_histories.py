"""Random histories; `SEEDS=17` runs the one that failed, `SEEDS=0-9999` more than usual, as the soak does."""

import os
from pathlib import Path

import pytest

from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.simulation.history import History

MANY, ON_DISK = 150, 12
TRAIL_SHOWN = 60


def seeds() -> range:
    first, dash, last = os.environ.get("SEEDS", f"0-{MANY - 1}").partition("-")
    return range(int(first), int(last if dash else first) + 1)


def live(history: History, seed: int) -> None:
    try:
        history.live()
    except Exception as failure:
        trail = "\n".join(history.world.trail[-TRAIL_SHOWN:])
        failure.add_note(f"SEEDS={seed}\n{trail}\n{history.world.describe()}")
        raise


@pytest.mark.parametrize("seed", seeds())
def test_every_promise_holds_in_a_random_history(seed):
    live(History(seed), seed)


@pytest.mark.parametrize("seed", range(1_000_000, 1_000_000 + ON_DISK))
def test_every_promise_holds_in_a_random_history_on_a_real_store(seed, tmp_path: Path):
    store = Store.open(StateDir(tmp_path / "state"))
    try:
        live(History(seed, store), seed)
    finally:
        store.close()
