"""A clock and a store for what is told of later."""

from pathlib import Path

import pytest

from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from orchestrator.supervise.timers import SystemClock


@pytest.fixture
def clock():
    made = SystemClock()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path):
    made = Store.open(StateDir(tmp_path / "state"))
    yield made
    made.close()
