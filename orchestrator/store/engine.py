"""RocksDB as bytes to bytes, one open handle at a time, and how it is opened. The only module that imports rocksdict.

`database` keeps a handle open and decides when; `opening` and `salvage` look through one that changes no file.
rocksdict raises nothing narrower than `Exception`, which ends here: everything above gets a `DatabaseFault`.
"""

import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from rocksdict import (
    AccessType,
    DbClosedError,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

WRITE_BUFFER_BYTES = 4 << 20  # of which there are two, full: a state of thousands of deployments has tens
WAL_MAX_BYTES = 64 << 20
ROCKSDB_LOG_MAX_BYTES = 1 << 20
ROCKSDB_LOGS_MAX = 3
DAMAGE = ("Corruption:", "IO error: No such file or directory:", "Invalid argument:")  # how RocksDB begins to say so
IN_USE, BEING_CLOSED = "Already borrowed", "Already mutably borrowed"  # what rocksdict says to two threads at once
CLOSE_TRIES, CLOSE_LOOK_S = 5_000, 0.002
NO_DATA = ("rocksdict-config.json", "LOCK", "LOG")  # rocksdict writes the first whenever it opens; nobody reads them

Write = tuple[bytes, bytes | None]  # a key, and its new value or None to delete it


class Rows(Protocol):
    """A place that rows are read from."""

    def get(self, key: bytes) -> bytes | None:
        """Read one value."""

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Read every pair whose key starts with `prefix`, in key order."""


class DatabaseFault(Exception):
    """The database cannot be read or written: the machine's fault, or the file's."""


class DatabaseDamaged(DatabaseFault):
    """The files of the database do not hold what was written to them."""


class DatabaseClosed(DatabaseFault):
    """The database was closed."""


class Tail(Enum):
    """The fate of a write-ahead log that cannot be read to its end."""

    CUT_OFF = "cut off"  # the last write may be incomplete, as its process was killed; anything else is refused
    DROPPED = "dropped"  # everything from the first damaged write on is left out
    SKIPPED = "skipped"  # every damaged write is left out


class Engine:
    """An open RocksDB; all methods may be called from any thread, and raise `DatabaseFault`."""

    def __init__(self, folder: Path, db: Rdict, view: "_View | None" = None) -> None:
        self._folder, self._db, self._view = folder, db, view
        self._synced = WriteOptions()
        self._synced.sync = True

    @classmethod
    def writing(cls, folder: Path, tail: Tail, *, create: bool = False) -> "Engine":
        """Open the database in `folder` for writing; without `create`, it has to be there."""
        try:
            return cls(folder, Rdict(str(folder), _options(tail, create=create), access_type=AccessType.read_write()))
        except Exception as error:  # rocksdict raises nothing narrower
            raise fault(folder, "opened", error) from error

    @classmethod
    def reading(cls, folder: Path, tail: Tail, current: str | None = None) -> "Engine":
        """Open the database in `folder` for reading, not a byte of which changes; `current` replaces its file CURRENT.

        Raises:
            DatabaseDamaged: it is damaged, or something else than files lies in the folder.
        """
        view = _View(folder, current)
        try:
            db = Rdict(view.path, _options(tail, create=False), access_type=AccessType.read_only(False))
            return cls(folder, db, view)
        except Exception as error:  # rocksdict raises nothing narrower
            view.close()
            raise fault(folder, "opened", error, view.path) from error

    def get(self, key: bytes) -> bytes | None:
        """Read one value."""
        try:
            found: bytes | None = self._db.get(key)
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("read", error) from error
        return found

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Read every pair whose key starts with `prefix`, in key order."""
        return list(self.rows(prefix))

    def rows(self, prefix: bytes = b"", after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs in key order: all whose key starts with `prefix`, or those from the key `after` on.

        An iterator of RocksDB ends where it meets damage as if nothing more were there; it has to be asked.
        """
        bounds = ReadOptions()
        end = _after(prefix)
        if end is not None:
            bounds.set_iterate_upper_bound(end)
        try:
            at: Any = self._db.iter(bounds)
            at.seek(prefix if after is None else after)
            while at.valid():
                yield at.key(), at.value()
                at.next()
            at.status()
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("read", error) from error

    def write(self, writes: Iterable[Write], *, sync: bool) -> None:
        """Write all or none; with `sync`, they are on the disk when this returns."""
        batch = WriteBatch(raw_mode=True)
        for key, value in writes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._db.write(batch, self._synced if sync else None)
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("written", error) from error

    def sync(self) -> None:
        """Bring the write-ahead log to the disk."""
        try:
            self._db.flush_wal(True)
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("synced", error) from error

    def sequence(self) -> int:
        """Return the number of the newest write; every key that was ever written or deleted counts one."""
        try:
            return int(self._db.latest_sequence_number())
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("read", error) from error

    def oldest_log(self) -> int:
        """Return the number below which write-ahead logs are not needed any more."""
        try:
            return int(self._db.property_value("rocksdb.min-log-number-to-keep") or 0)
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("read", error) from error

    def close(self) -> None:
        """Close; later reads and writes raise `DatabaseClosed`. It is closed also where this raises."""
        try:
            self._close()
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("closed", error) from error
        finally:
            if self._view is not None:
                self._view.close()

    def _close(self) -> None:
        for _ in range(CLOSE_TRIES):
            try:
                self._db.close()
            except RuntimeError as error:
                if str(error) != IN_USE:
                    raise
                time.sleep(CLOSE_LOOK_S)  # another thread reads or writes at this instant
            else:
                return

    def _fault(self, doing: str, error: Exception) -> DatabaseFault:
        return fault(self._folder, doing, error, self._view.path if self._view else "")


def create(folder: Path) -> None:
    """Make an empty database in `folder`: it is there whole, or not at all."""
    draft = folder.with_name(f"{folder.name}.new")
    remove_folder(draft)
    draft.mkdir(mode=0o700)
    draft.chmod(0o700)
    Engine.writing(draft, Tail.CUT_OFF, create=True).close()
    draft.rename(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder of files, if it is there."""
    if folder.is_dir() and not folder.is_symlink():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def rebuild(folder: Path) -> None:
    """Make RocksDB's list of its files anew from those in `folder`, which it changes."""
    try:
        Rdict.repair(str(folder), _options(Tail.SKIPPED, create=False))
    except Exception as error:  # rocksdict raises nothing narrower
        raise fault(folder, "repaired", error) from error


def fault(folder: Path, doing: str, error: Exception, seen_at: str = "") -> DatabaseFault:
    """Word an error of RocksDB; it saw `folder` at another place, where `seen_at` is given."""
    if isinstance(error, DbClosedError) or str(error) == BEING_CLOSED:
        return DatabaseClosed(f"{folder} is closed")
    said = str(error).replace(seen_at, str(folder)) if seen_at else str(error)
    kind = DatabaseDamaged if said.startswith(DAMAGE) else DatabaseFault
    return kind(f"{folder} cannot be {doing}: {said}")


def not_a_database(folder: Path) -> str:
    """Say why RocksDB should not even open a folder: it follows links, and waits for pipes; empty when it may."""
    if not stat.S_ISDIR(folder.lstat().st_mode):
        return f"{folder} is not a folder"
    strange = sorted(entry.name for entry in os.scandir(folder) if not entry.is_file(follow_symlinks=False))
    if strange:
        return f"{folder} holds entries that are no ordinary files: {', '.join(strange[:3])}"
    return ""


class _View:
    """A folder of links to the files of a database: RocksDB's writes while it only reads go there."""

    def __init__(self, folder: Path, current: str | None = None) -> None:
        strange = not_a_database(folder)
        if strange:
            raise DatabaseDamaged(strange)
        self._folder = tempfile.TemporaryDirectory(prefix="airs-look-", ignore_cleanup_errors=True)
        self.path = self._folder.name
        for entry in os.scandir(folder):
            if not entry.name.startswith(NO_DATA) and not (current is not None and entry.name == "CURRENT"):
                os.symlink(os.path.abspath(entry.path), os.path.join(self.path, entry.name))
        if current is not None:
            Path(self.path, "CURRENT").write_text(f"{current}\n")

    def close(self) -> None:
        """Remove the links."""
        self._folder.cleanup()


def _options(tail: Tail, *, create: bool) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(create)
    options.set_paranoid_checks(True)
    options.set_wal_recovery_mode(_MODES[tail])
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_total_wal_size(WAL_MAX_BYTES)
    options.set_max_log_file_size(ROCKSDB_LOG_MAX_BYTES)
    options.set_keep_log_file_num(ROCKSDB_LOGS_MAX)
    return options


_MODES = {
    Tail.CUT_OFF: DBRecoveryMode.tolerate_corrupted_tail_records(),
    Tail.DROPPED: DBRecoveryMode.point_in_time(),
    Tail.SKIPPED: DBRecoveryMode.skip_any_corrupted_record(),
}


def _after(prefix: bytes) -> bytes | None:
    """Return the first key after all those that start with `prefix`; None if there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
