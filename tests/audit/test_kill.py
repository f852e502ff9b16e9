"""Whatever instant a writer is killed at: the book verifies, and tells each acknowledged thing exactly once."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.agent.auditing import Auditing
from orchestrator.audit.book import Book, Told, read_book, segments_in
from orchestrator.audit.chain import entries_in, verify
from orchestrator.model.audit import AuditHead, AuditKind, Note
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import OWNER

ROUNDS = 6
ROOT = Path(__file__).parents[2]


def writer(path: Path, *how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.audit.writer", str(path), *how]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed_after(child: "subprocess.Popen[str]", lines: int) -> list[list[str]]:
    """Kill a writer once it has said `lines` things, and return all that it said."""
    with child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    assert all(said[:lines]), "the writer ended by itself"
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.parametrize("seed", [17])
def test_every_decision_is_told_once_wherever_the_end_fell(tmp_path, seed):
    chance, path = random.Random(seed), tmp_path / "state"
    decided, noted = 0, set()
    for _ in range(ROUNDS):
        for what, n in killed_after(writer(path, "decide"), chance.randrange(1, 60)):
            if what == "decided":
                decided = int(n)
            else:
                noted.add(n)
        assert verify(read_book(path)).flaws == ()
    told, serial = finished(path)
    # The last decision of each round may have been made and not yet announced.
    assert told == sorted({*told}), "in order, and none twice"
    assert {2 * n + k for n in range(1, decided + 1) for k in range(2)} <= {*told}
    assert len(told) == 2 * serial
    assert noted <= {e.facts["n"] for _, data in read_book(path) for e in entries_in(data) if e.kind == AuditKind.ACT}


def finished(path: Path) -> tuple[list[int], int]:
    """Let an agent tell what was left behind; return the numbers of the rollouts in the book, and of the decisions."""
    state = StateDir(path)
    with state.lock(OWNER):
        store = Store.open(state)
        auditing = Auditing(state, store.untold, lambda *_: None)
        auditing.begin()
        auditing.close()
        assert store.untold.left_behind() == {}
        serial = store.serial
        store.close()
    found = verify(read_book(path))
    assert (found.flaws, found.unfinished) == ((), False)
    entries = [entry for _, data in read_book(path) for entry in entries_in(data)]
    return [int(entry.facts["number"]) for entry in entries if entry.kind == AuditKind.ROLLOUT], serial


def test_several_processes_write_one_book_and_any_of_them_may_be_killed(tmp_path):
    path = tmp_path / "state"
    StateDir(path)
    chance, last = random.Random(3), AuditHead(number=0, hash="")
    for turn in range(3):
        writers = [writer(path, "append", f"{turn}-{n}") for n in range(2)]
        for child in writers:
            for _, number, hash_ in killed_after(child, chance.randrange(20, 60)):
                last = max(last, AuditHead(number=int(number), hash=hash_), key=lambda head: head.number)
        found = verify(read_book(path), [last])
        assert found.flaws == ()
        assert found.head.number >= last.number
    assert len(segments_in(path / "audit")) <= 5  # the rest was removed, and entries say so
    state = StateDir(path)
    Book(path, state.lineage).append([Told(Note(kind=AuditKind.ACT, subject="x"))])
    assert not verify(read_book(path)).unfinished
