"""Writes the audit book of a running agent: notes on decisions, on calls of its API, on what guests use and are denied.

Notes on decisions are durable with them (`store/untold.py`); a thread carries them to the book, so that nobody waits
for that. A call is in the book before it is carried out. While the book cannot be written, that is a condition of the
agent, calls that would change something are refused, and everything else waits until it can be.
"""

import contextlib
import os
import threading
from collections.abc import Sequence

from msgspec.structs import replace

from orchestrator import __version__
from orchestrator.agent.peer import peer_of
from orchestrator.audit.book import Book, Told, told_of
from orchestrator.audit.uses import COUNT_EVERY_MS, Uses
from orchestrator.model.audit import AuditHead, AuditKind, Note
from orchestrator.model.event import Announce
from orchestrator.model.snapshot import RefusedCommit
from orchestrator.model.source import SourceStatus
from orchestrator.store.database import DatabaseFault
from orchestrator.store.decisions import Change, DeleteRecord
from orchestrator.store.state_dir import StateDir
from orchestrator.store.untold import Untold

GATHER_S = 0.05  # how long decisions gather, which are durable without the book, for one write of it
AGAIN_S = 1.0  # how soon to try again while it cannot be written


def told(error: OSError) -> str:
    """Say in words why a file could not be written."""
    return f"{error.strerror} ({error.filename})" if error.strerror and error.filename else str(error)


class Auditing:
    """The book of an agent. Methods may be called from any thread."""

    def __init__(self, state: StateDir, untold: Untold, announce: Announce) -> None:
        self._book, self._state_dir = Book(state.path, state.lineage), state.path
        self._untold, self._announce = untold, announce
        self._woken, self._closing = threading.Event(), threading.Event()
        self._draining = threading.Lock()
        self._to_remove: set[int] = set()  # decisions that the book tells, and whose notes are still there
        self._refused: dict[str, RefusedCommit] = {}  # by source; the newest that was noted
        self.condition = ""  # why nothing can be written, for as long as it is so; empty for nothing
        self.uses = Uses(self._woken.set)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def begin(self) -> None:
        """Tell what an agent before left behind, and begin."""
        left = self._untold.left_behind()
        told = told_of(self._state_dir, frozenset(left)) if left else {}
        for serial, notes in left.items():
            before = sum(entry.at_ms == notes[0].at_ms for entry in told.get(serial, ())) if notes else 0
            self._untold.add(serial, notes[before:])
            if len(notes) == before:
                self._to_remove.add(serial)
        self._tell(AuditKind.AGENT_STARTED)
        self._thread.start()

    def close(self) -> None:
        """Tell everything that waits, if that can be, before the store is closed."""
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        self._drain(is_last=True)
        self._tell(AuditKind.AGENT_STOPPED)
        self._book.close()

    def note(self, what: AuditKind, subject: str, **facts: str) -> None:
        """Note something in the name of the agent; it is on the disk when this returns.

        Raises:
            OSError: it is not: the caller must not do what it would have told of.
        """
        self.record(Note(kind=what, subject=subject, by=peer_of(os.getuid()), facts=facts))

    def record(self, note: Note) -> None:
        """Write a note at once.

        Raises:
            OSError: it could not be written.
        """
        try:
            self._book.append([Told(note)])
        except OSError as error:
            raise OSError(self._fail(error)) from error

    def looked(self, status: SourceStatus) -> None:
        """Note that a commit of a source is refused, once; a book that cannot be written is a condition by itself."""
        refused = status.failure.refused if status.failure is not None else None
        if refused is None or self._refused.get(status.source) == refused:
            return
        facts = {"commit": refused.commit.id, "author": refused.commit.author, "claims": refused.claims}
        note = Note(kind=AuditKind.COMMIT_REFUSED, subject=status.source, by=peer_of(os.getuid()), why=refused.why)
        with contextlib.suppress(OSError):  # nothing waits for this note; `condition` says that it is missing
            self.record(replace(note, facts={name: fact for name, fact in facts.items() if fact}))
            self._refused[status.source] = refused

    def decided(self, changes: Sequence[Change]) -> None:
        """Take note that something was decided, with the notes on it."""
        for change in changes:
            if isinstance(change, DeleteRecord):
                self.uses.forget(change.key)
        self._woken.set()

    def flush(self) -> AuditHead:
        """Tell everything that waits, and return the end of the book.

        Raises:
            OSError: it cannot be written.
        """
        self._drain()
        if self.condition:
            raise OSError(self.condition)
        return self._book.head()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._woken.wait(AGAIN_S if self.condition else COUNT_EVERY_MS / 1000)
            self._closing.wait(AGAIN_S if self.condition else GATHER_S)
            self._woken.clear()
            self._drain()

    def _drain(self, *, is_last: bool = False) -> None:
        with self._draining:
            waiting, counted = self._untold.waiting(), self.uses.take(is_last=is_last)
            told = [Told(note, serial) for serial, notes in sorted(waiting.items()) for note in notes]
            told += map(Told, counted)
            try:
                if told or self.condition:
                    self._book.append(told)
            except OSError as error:
                self.uses.give_back(counted)
                self._fail(error)
                return
            self._recover()
            self._remove([*waiting])

    def _remove(self, serials: Sequence[int]) -> None:
        self._to_remove.update(serials)
        try:
            self._untold.told([*self._to_remove])
        except (
            DatabaseFault
        ):  # the store says so itself; they are not told again, as the book is asked at the next start
            return
        self._to_remove.clear()

    def _tell(self, kind: AuditKind) -> None:
        facts = {"version": __version__, "pid": str(os.getpid())}
        try:
            self._book.append(
                [Told(Note(kind=kind, subject=str(self._state_dir), by=peer_of(os.getuid()), facts=facts))]
            )
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> str:
        """Say that nothing can be written, for as long as that is so; returns the words for it."""
        why = f"the audit book cannot be written: {told(error)}"
        was, self.condition = self.condition, why
        if not was:
            self._announce(None, "audit-failing", why)
        self._woken.set()
        return why

    def _recover(self) -> None:
        was, self.condition = self.condition, ""
        if was:
            self._announce(None, "audit-works", "the audit book can be written again")
