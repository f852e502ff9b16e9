"""A disk that takes nothing more, and then does again: the same process writes again, and nothing acknowledged is lost.

Files may not grow beyond what the log has reached, which RocksDB sees as a full disk, and keeps for ever.
"""

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from orchestrator.model.ids import DeploymentKey
from orchestrator.store.data import DataError
from orchestrator.store.database import Database, DatabaseDamaged, DatabaseFault, _Before
from orchestrator.store.decisions import PutRecord
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from orchestrator.store.synced import SyncedFile, read_synced, sizes_of_logs
from tests.store.values import COUNTER, record

LIMIT_S = 30.0
QUOTA = 1 << 30
ROUNDS = 3


@contextmanager
def full(state: StateDir) -> Iterator[None]:
    """Let no file grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes_of_logs(state.database).values()), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wait_until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_store_is_written_again_once_its_disk_takes_something(state, store):
    told: list[str] = []
    store.watch(told.append)
    store.decide([PutRecord(record=record())])
    store.data.set(COUNTER, "k", b"kept", QUOTA)
    with full(state):
        with pytest.raises(DatabaseFault, match="File too large"):
            store.decide([PutRecord(record=record(generation=2))])
        with pytest.raises(DataError, match="File too large"):
            store.data.set(COUNTER, "k", b"refused", QUOTA)
        assert "File too large" in store.condition
        assert (store.record(COUNTER).generation, store.data.get(COUNTER, "k"), store.serial) == (1, b"kept", 1)
    wait_until(lambda: told[-1] == "")
    assert "File too large" in told[0]
    assert not store.condition
    assert (store.record(COUNTER).generation, store.data.get(COUNTER, "k"), store.serial) == (1, b"kept", 1)
    assert store.decide([PutRecord(record=record(generation=3))]) == 2
    store.close()
    again = Store.open(state)
    assert (again.record(COUNTER).generation, again.serial, again.data.get(COUNTER, "k")) == (3, 2, b"kept")
    again.close()


def test_a_disk_that_stays_full_is_tried_again_and_again_and_what_is_there_can_be_read(state, store):
    store.data.set(COUNTER, "k", b"kept", QUOTA)
    with full(state):
        with pytest.raises(DataError):
            store.data.set(COUNTER, "k", b"refused", QUOTA)
        files = len(list(state.database.iterdir()))
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            assert store.data.get(COUNTER, "k") == b"kept"
        assert store.condition
        assert len(list(state.database.iterdir())) <= files + 2, "attempts leave nothing behind"
    wait_until(lambda: not store.condition)


def test_threads_that_write_while_the_disk_fails_find_what_they_were_told(state, store):
    acknowledged: dict[str, int] = {}
    ended = threading.Event()

    def count(name: str) -> None:
        key, n = DeploymentKey(namespace="default", name=name), 0
        while not ended.is_set():
            try:
                store.data.set(key, "n", str(n + 1).encode(), QUOTA)
            except DataError:
                assert store.data.get(key, "n") == str(n).encode()
                time.sleep(0.001)
            else:
                n += 1
                acknowledged[name] = n

    threads = [threading.Thread(target=count, args=(f"d-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) == len(threads))
    for _ in range(ROUNDS):
        with full(state):
            wait_until(lambda: store.condition)
        wait_until(lambda: not store.condition)
    ended.set()
    for thread in threads:
        thread.join()
    store.close()
    again = Store.open(state)
    for name, n in acknowledged.items():
        assert again.data.get(DeploymentKey(namespace="default", name=name), "n") == str(n).encode()
    again.close()


def test_what_was_reported_as_failed_and_is_in_the_log_all_the_same_is_taken_back(state):
    database = Database(state.database)
    database.write([(b"old", b"1")], sync=True)
    before = _Before.of(database._open_engine, [[(b"old", b"2"), (b"new", b"2")]])
    database.write([(b"old", b"2"), (b"new", b"2")], sync=True)
    database._put_back(before)
    assert (database.get(b"old"), database.get(b"new"), database.condition) == (b"1", None, "")
    database._put_back(_Before(1_000, {}))
    assert "lost" in database.condition
    database.close()


def test_a_decision_that_was_noted_and_is_missing_is_missed_by_its_number(state, store):
    store.decide([PutRecord(record=record())])
    store.close()
    noted = SyncedFile(state.path / "synced", read_synced(state.path / "synced"))
    noted.decided(3)
    noted.close()
    with pytest.raises(DatabaseDamaged, match="ends at decision 1 of 3"):
        Store.open(state)
