"""A process that decides and records until it is killed, printing each thing only once it is acknowledged."""

import sys
from pathlib import Path

from msgspec.structs import replace

from orchestrator.agent.auditing import Auditing
from orchestrator.audit.book import Book, Told
from orchestrator.model.audit import AuditKind, Note
from orchestrator.store.decisions import AppendHistory, PutRecord
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import COUNTER, OWNER, number, record


def decide(state: StateDir) -> None:
    """Decide, two entries of history each time, with calls in between."""
    with state.lock(OWNER):
        store = Store.open(state)
        auditing = Auditing(state, store.untold, lambda *_: None)
        auditing.begin()
        for n in range(store.serial + 1, store.serial + 1_000_000):
            history = [AppendHistory(key=COUNTER, number=replace(number(2 * n + k))) for k in range(2)]
            store.decide([PutRecord(record=record(COUNTER, generation=n)), *history])
            auditing.decided([])
            print("decided", n, flush=True)
            if n % 3 == 0:
                auditing.note(AuditKind.ACT, "default/counter", n=str(n))
                print("noted", n, flush=True)


def append(state: StateDir) -> None:
    """Append in small segments, of which few are kept: beside other such processes."""
    book = Book(state.path, state.lineage, segment_bytes=4_000, kept=4)
    for n in range(1_000_000):
        head = book.append([Told(Note(kind=AuditKind.ACT, subject=f"{sys.argv[3]}-{n}")) for _ in range(2)])
        print("appended", head.number, head.hash, flush=True)


if __name__ == "__main__":
    {"decide": decide, "append": append}[sys.argv[2]](StateDir(Path(sys.argv[1])))
