"""What is on the disk when the power is cut: every decision that was acknowledged, and soon everything else.

The disk is a file system in a file. What a process has written and not synced is in the memory of the system, and not
in that file: a copy of it is what is found after a loss of power.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.disk import Disk
from tests.store.values import COUNTER, synced

ROOT = Path(__file__).parents[2]
CUTS = 6
SEED = 20250102
SOON_S = 5.0


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    try:
        made.make()
        yield made
    finally:
        made.close()


@contextmanager
def writing(disk: Disk, how: str) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "tests.store.writer", str(disk.path / "state"), how]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def test_a_decision_is_on_the_disk_when_it_is_acknowledged(disk):
    with writing(disk, "halt") as writer:
        for n in range(CUTS):
            _, status = os.waitpid(writer.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            with disk.as_if_power_was_cut() as found:
                store = Store.open(StateDir(found / "state"))
                assert (store.serial, store.record(COUNTER).generation, store.doubts) == (n + 1, n + 1, ())
                store.close()
            writer.send_signal(signal.SIGCONT)


def test_a_guests_data_are_on_the_disk_soon(disk):
    store = Store.open(StateDir(disk.path / "state"))
    store.data.set(COUNTER, "k", b"value", 1_000)
    deadline = time.monotonic() + SOON_S
    while not holds(disk, b"value"):
        assert time.monotonic() < deadline
    store.close()


def holds(disk: Disk, value: bytes) -> bool:
    with disk.as_if_power_was_cut() as found:
        again = Store.open(StateDir(found / "state"))
        try:
            return again.data.get(COUNTER, "k") == value
        finally:
            again.close()


def test_what_is_noted_as_synced_is_on_the_disk(disk):
    store = Store.open(StateDir(disk.path / "state"))
    store.data.set(COUNTER, "k", b"value", 1_000)
    synced(disk.path / "state")
    assert holds(disk, b"value")
    store.close()


def test_whenever_the_power_is_cut_nothing_acknowledged_is_missed_and_nothing_missed_in_vain(disk):
    chance = random.Random(SEED)
    for _ in range(CUTS):
        with writing(disk, "promise") as writer:
            said = [writer.stdout.readline() for _ in range(chance.randrange(1, 200))]
            os.kill(writer.pid, signal.SIGSTOP)  # so that the copy is of one instant
            with disk.as_if_power_was_cut() as found:
                store = Store.open(StateDir(found / "state"))
                decided = [int(line.split()[1]) for line in said if line.startswith("decided")]
                assert store.serial >= max(decided, default=0)
                assert len(store.history(COUNTER)) == store.serial
                store.close()
