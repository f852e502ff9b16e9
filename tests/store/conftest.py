"""Everything is real here: RocksDB, files, locks, processes and signals."""

import pytest

from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store


@pytest.fixture
def state(tmp_path):
    return StateDir(tmp_path / "state")


@pytest.fixture
def store(state):
    opened = Store.open(state)
    yield opened
    opened.close()
