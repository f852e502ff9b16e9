"""One cache folder, several processes: real ones, some of which are killed while they write."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.compiled import sealed
from orchestrator.compiled.cache import CompileCache
from orchestrator.compiled.sealed import SealedFolder

ARTIFACTS = 12
SIZE = 200_000
HAMMER = """
import random, sys
from pathlib import Path
from orchestrator.compiled import cache as caching
from tests.compiled.test_shared import ARTIFACTS, SIZE, code_of, name_of, opened

folder, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
caching.MAX_CACHE_BYTES = SIZE * 5
cache, random = opened(folder), random.Random(seed)
print("open", flush=True)
for _ in range(rounds):
    number = random.randrange(ARTIFACTS)
    if random.random() < 0.5:
        cache.write(name_of(number), b"about", code_of(number))
        continue
    entry = cache.read(name_of(number))
    assert entry is None or entry.code == code_of(number), number
"""
ENDLESS = 1 << 40


def name_of(number: int) -> str:
    return f"sha256:{number:064}"


def code_of(number: int) -> bytes:
    return bytes([number]) * SIZE


def opened(folder: Path) -> CompileCache:
    return CompileCache(SealedFolder(folder), "shared")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def hammer(folder: Path, seed: int, rounds: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HAMMER, str(folder), str(seed), str(rounds)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_processes_that_read_write_and_evict_at_once_see_whole_entries_only(folder):
    processes = [hammer(folder, seed, 600) for seed in range(2)]
    for process in processes:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    sizes = [path.stat().st_size for path in folder.glob("*.cwasm")]
    assert 0 < sum(sizes) <= SIZE * 6  # the last writers may each have kept its own
    assert not list(folder.glob(".*.tmp"))


def test_writers_that_are_killed_leave_nothing_wrong_and_nothing_behind(folder):
    survivor = opened(folder)
    for seed in range(12):
        process = hammer(folder, seed, ENDLESS)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        while process.poll() is None:
            if list(folder.glob(".*.tmp")):  # it is writing at this moment
                process.send_signal(signal.SIGKILL)
                process.communicate()
        for number in range(ARTIFACTS):
            entry = survivor.read(name_of(number))
            assert entry is None or entry.code == code_of(number)
    (folder / ".1234-dead.tmp").write_bytes(b"left behind by one that was killed")
    opened(folder)
    assert not list(folder.glob(".*.tmp"))
    survivor.write(name_of(0), b"about", code_of(0))
    assert survivor.read(name_of(0)).code == code_of(0)


def test_a_draft_that_is_being_written_is_left_alone(folder):
    cache = opened(folder)
    with sealed._draft(folder, (b"half",)) as draft:
        opened(folder)
        cache.write(name_of(1), b"", b"code")
        assert draft.read_bytes() == b"half"
    assert not draft.exists()


def test_the_key_of_the_process_that_came_first_is_everyones(folder):
    processes = [hammer(folder, seed, 50) for seed in range(4)]
    assert [process.communicate(timeout=120)[1] for process in processes] == [""] * 4
    mine = opened(folder)
    held = [mine.read(name_of(number)) for number in range(ARTIFACTS)]
    assert len([entry for entry in held if entry is not None]) == len(list(folder.glob("*.cwasm"))) > 0
