"""The open database: reads, prefix scans and atomic batches by any thread, and a thread that brings them to the disk.

A batch is in the write-ahead log, and so survives the death of this process, when `write` returns. With `sync` it is
also on the disk. Without, a thread brings it there: at once when nothing was written for a while, and no later than
`SYNC_WITHIN_S` (plus the sync itself) under load. Then it notes in the file `synced` how far the disk has come.

RocksDB keeps the first failure of a write or sync for ever. So the same thread opens the database anew once the disk
takes something again; until then nothing can be written, `condition` says why, and all rows can be read.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from orchestrator.store.engine import (
    DatabaseClosed,
    DatabaseDamaged,
    DatabaseFault,
    Engine,
    Tail,
    Write,
    create,
)
from orchestrator.store.files import have_private_folder
from orchestrator.store.opening import Look, opening
from orchestrator.store.synced import SYNCED, Synced, SyncedFile, manifest_of, sizes_of_logs

__all__ = ["Database", "DatabaseDamaged", "DatabaseFault", "Write"]

SYNC_WITHIN_S = 0.1
NOTE_EVERY_S = 5.0  # how long RocksDB may have been at work on its files before that is noted
REOPEN_FIRST_S, REOPEN_MOST_S = 0.25, 5.0  # between attempts, twice as long each time
ROOM_BYTES = 4 << 20  # that are wanted on a disk, beside what the logs hold, before a database is opened anew

Noticed = Callable[[str], None]
T = TypeVar("T")


class DamagedRow(DatabaseFault):
    """One row is not one of ours; the others may well be."""


class Database:
    """An open database; all methods may be called from any thread. Opened for reading, one that never was is empty.

    Larger than most, as reading, writing, syncing and opening anew share one engine, one failure and the
    locks that keep them apart.
    """

    def __init__(self, folder: Path, *, readonly: bool = False, look: Look | None = None) -> None:
        """Open the database in `folder`; unless `readonly`, one is created where there never was any.

        Whether it is whole is found out before anything is changed; `look` reads what must be readable for that.

        Raises:
            DatabaseDamaged: it is not whole.
            DatabaseFault: it cannot be read, or another process has it open for writing.
        """
        self._folder = folder
        found = opening(folder, look)
        self.doubts = found.doubts
        self._noticed: Noticed | None = None
        self._closing, self._reopening, self._writers = (
            threading.Lock(),
            threading.Lock(),
            threading.Condition(threading.Lock()),
        )
        self._stopping, self._unsynced = threading.Event(), threading.Event()
        self._closed = DatabaseClosed(f"{folder} is closed")
        self._failure: DatabaseFault | None = None
        self._damage = ""
        self._writing = 0  # calls of `write` that are under way
        self._before: _Before | None = None
        self._note: SyncedFile | None = None
        self._not_written: list[Sequence[Write]] = []  # batches that failed, and may be in the log all the same
        self._thread = threading.Thread(target=self._keep_synced, name="store-sync", daemon=True)
        self._engine: Engine | None = found.reader
        if not readonly:
            if found.reader is None:
                create(folder)
            else:
                found.reader.close()
            have_private_folder(folder)
            self._begin(found.tail, found.known)

    def _begin(self, tail: Tail, known: Synced | None) -> None:
        self._engine = Engine.writing(self._folder, tail)
        self._note = SyncedFile(self._folder.with_name(SYNCED), known)
        self._sync()
        if self._failure is not None:
            failure = self._failure
            self._note.close()
            self._engine.close()
            raise failure
        self._thread.start()

    @property
    def condition(self) -> str:
        """Say what keeps it from being whole and written; empty for nothing."""
        failure = self._failure
        failing = "" if failure is None or failure is self._closed else f"nothing can be written: {failure}"
        return "; ".join(part for part in (failing, self._damage) if part)

    def watch(self, noticed: Noticed) -> None:
        """Call `noticed` whenever the condition changes, from any thread; it must not read or write here."""
        self._noticed = noticed

    def get(self, key: bytes) -> bytes | None:
        """Read one value."""
        return self._read(lambda engine: engine.get(key), None)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Read every pair whose key starts with `prefix`, in key order."""
        return self._read(lambda engine: engine.scan(prefix), [])

    def write(self, writes: Iterable[Write], *, sync: bool) -> None:
        """Write all or none."""
        rows = [*writes]
        with self._writers:
            self._refuse_while_failing()
            self._writing += 1
        try:
            self._open_engine.write(rows, sync=sync)
        except DatabaseFault as fault:
            self._fail(fault, rows)
            raise
        finally:
            with self._writers:
                self._writing -= 1
                self._writers.notify_all()
        self._unsynced.set()

    def decided(self, serial: int) -> None:
        """Note that the decision of this number was written and synced."""
        try:
            assert self._note is not None, "opened for reading"
            self._note.decided(serial)
        except OSError as error:  # the decision is on the disk: only the note that would miss it is not
            self._fail(self._unnoted(error))

    def close(self) -> None:
        """Sync and close; closing again does nothing.

        Raises:
            DatabaseFault: the last writes could not be brought to the disk; it is closed all the same.
        """
        with self._closing:
            self._stopping.set()
            self._unsynced.set()
            if self._thread.is_alive():
                self._thread.join()
            with self._writers:
                was_closed, self._failure = self._failure is self._closed, self._closed
            if self._engine is not None and not was_closed:
                self._close(self._engine)

    def _close(self, engine: Engine) -> None:
        note, sequence = self._note, engine.sequence()
        try:
            engine.close()  # and stays: a reader that comes later is told, instead of finding nothing
            if note is not None:
                note.synced(sequence, sizes_of_logs(self._folder), manifest_of(self._folder, note.known.manifest))
        except OSError as error:
            raise self._unnoted(error) from error
        finally:
            if note is not None:
                note.close()

    def _read(self, read: Callable[[Engine], T], nothing: T) -> T:
        engine = self._engine
        if engine is None:
            return nothing
        try:
            return read(engine)
        except DatabaseClosed:
            with self._reopening:  # until it is open again, if it is being opened anew
                is_the_same = self._engine is engine
            if is_the_same:
                self._refuse_while_failing()
                raise
            return self._read(read, nothing)
        except DatabaseDamaged as damage:
            self._is_damaged(damage)
            raise

    @property
    def _open_engine(self) -> Engine:
        assert self._engine is not None, "opened for reading"
        return self._engine

    def _refuse_while_failing(self) -> None:
        if self._failure is not None:  # a new one each time: every raise would make the one that is kept longer
            raise type(self._failure)(str(self._failure))

    def _fail(self, fault: DatabaseFault, rows: Sequence[Write] = ()) -> None:
        if isinstance(fault, DatabaseDamaged):
            self._is_damaged(fault)
        with self._writers:
            self._not_written += [rows] if rows else []
            if self._failure is not None:
                return
            self._failure = fault
        self._tell()
        self._unsynced.set()

    def _is_damaged(self, damage: DatabaseFault) -> None:
        if not self._damage:
            self._damage = f"damaged: {damage}"
            self._tell()

    def _tell(self) -> None:
        if self._noticed is not None:
            self._noticed(self.condition)

    def _keep_synced(self) -> None:
        while not self._stopping.is_set():
            self._unsynced.wait(NOTE_EVERY_S)
            self._unsynced.clear()
            if self._failure is None:
                self._sync()
            if self._failure is not None:
                self._open_anew_until_it_works()
            self._stopping.wait(SYNC_WITHIN_S / 2)

    def _sync(self) -> None:
        engine, note = self._open_engine, self._note
        assert note is not None, "opened for reading"
        try:
            sequence, logs = engine.sequence(), sizes_of_logs(self._folder)  # before the sync, which covers them
            engine.sync()
            note.synced(sequence, logs, manifest_of(self._folder, note.known.manifest))
        except DatabaseFault as fault:
            self._fail(fault)
        except OSError as error:
            self._fail(self._unnoted(error))

    def _unnoted(self, error: OSError) -> DatabaseFault:
        return DatabaseFault(f"{error.filename or self._folder.with_name(SYNCED)}: {error.strerror}")

    # -- after a failure

    def _open_anew_until_it_works(self) -> None:
        wait_s = REOPEN_FIRST_S
        while not self._stopping.wait(wait_s):
            if self._is_opened_anew():
                self._tell()
                return
            wait_s = min(2 * wait_s, REOPEN_MOST_S)

    def _is_opened_anew(self) -> bool:
        try:
            _make_sure_of_room(self._folder)
            with self._writers:
                self._writers.wait_for(lambda: self._writing == 0)
            if self._before is None:
                self._before = _Before.of(self._open_engine, self._not_written)
            self._replace_engine()
            self._put_back(self._before)
        except (DatabaseFault, OSError) as error:
            fault = error if isinstance(error, DatabaseFault) else self._unnoted(error)
            with self._writers:
                self._failure = fault
            return False
        with self._writers:
            self._not_written, self._before, self._failure = [], None, None
        self._sync()
        return True

    def _replace_engine(self) -> None:
        with self._reopening:
            with contextlib.suppress(DatabaseFault):  # it says once more why it cannot be written
                self._open_engine.close()
            try:
                self._engine = Engine.writing(self._folder, Tail.CUT_OFF)
            except DatabaseFault:
                self._engine = Engine.reading(self._folder, Tail.CUT_OFF)  # so that what is there can be read
                raise

    def _put_back(self, before: "_Before") -> None:
        """Take back writes that were reported as failed and are in the log; notice acknowledged ones that are gone."""
        engine = self._open_engine
        lost = before.sequence - engine.sequence()
        if lost > 0:
            self._is_damaged(DatabaseDamaged(f"the disk lost {lost} writes that were acknowledged and not synced yet"))
        rows = [(key, value) for key, value in before.rows.items() if engine.get(key) != value]
        if rows:
            engine.write(rows, sync=True)


class _Before:
    """A database as it was when it failed: its newest write, and the rows that failed batches would have changed."""

    def __init__(self, sequence: int, rows: dict[bytes, bytes | None]) -> None:
        self.sequence, self.rows = sequence, rows

    @classmethod
    def of(cls, engine: Engine, batches: Iterable[Sequence[Write]]) -> "_Before":
        """Read it from an engine that can still be read."""
        return cls(engine.sequence(), {key: engine.get(key) for batch in batches for key, _ in batch})


def _make_sure_of_room(folder: Path) -> None:
    """Try whether the disk has room to open the database: the rows of the logs go into new files.

    Raises:
        OSError: it has not, or takes nothing at all.
    """
    wanted = sum(sizes_of_logs(folder).values()) + ROOM_BYTES
    trial = folder.with_name(f"{folder.name}.room")
    descriptor = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, wanted)
        os.pwrite(descriptor, b"x", wanted - 1)
        os.fsync(descriptor)
    except OSError as error:
        error.filename = error.filename or str(folder)
        raise
    finally:
        os.close(descriptor)
        trial.unlink(missing_ok=True)
