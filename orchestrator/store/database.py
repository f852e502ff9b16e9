"""RocksDB as bytes to bytes: reads, prefix scans and atomic batches. The only module that imports rocksdict.

A batch is in the write-ahead log, and so survives the death of this process, when `write` returns. With `sync` it is
also on the disk. Without, a thread brings it there: at once when nothing was written for a while, and no later than
`SYNC_WITHIN_S` (plus the sync itself) under load.
"""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rocksdict import AccessType, DbClosedError, Options, Rdict, ReadOptions, WriteBatch, WriteOptions

SYNC_WITHIN_S = 0.1
WRITE_BUFFER_BYTES = 16 << 20
WAL_MAX_BYTES = 64 << 20
ROCKSDB_LOG_MAX_BYTES = 1 << 20
ROCKSDB_LOGS_MAX = 3

Write = tuple[bytes, bytes | None]  # a key, and its new value or None to delete it


class DatabaseFault(Exception):
    """The database cannot be read or written: the machine's fault, or the file's."""


class DamagedRow(DatabaseFault):
    """One row is not one of ours; the others may well be."""


class Database:
    """An open database; all methods may be called from any thread. Opened for reading, a missing one is empty."""

    def __init__(self, folder: Path, *, readonly: bool = False) -> None:
        """Open the database in `folder`, creating it unless `readonly`.

        Raises:
            DatabaseFault: it is damaged, or another process has it open for writing.
        """
        self._folder = folder
        self._synced = WriteOptions()
        self._synced.sync = True
        self._closing = threading.Lock()
        self._stopping = threading.Event()
        self._unsynced = threading.Event()
        self._failure: DatabaseFault | None = None
        self._closed = DatabaseFault(f"{folder} is closed")
        self._db = None if readonly and not (folder / "CURRENT").exists() else self._open(readonly)
        self._syncing = threading.Thread(target=self._sync_until_closed, name="store-sync", daemon=True)
        if not readonly:
            self._syncing.start()

    def _open(self, readonly: bool) -> Rdict:
        options = Options(raw_mode=True)
        options.create_if_missing(not readonly)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_total_wal_size(WAL_MAX_BYTES)
        options.set_max_log_file_size(ROCKSDB_LOG_MAX_BYTES)
        options.set_keep_log_file_num(ROCKSDB_LOGS_MAX)
        access = AccessType.read_only(False) if readonly else AccessType.read_write()
        try:
            return Rdict(str(self._folder), options, access_type=access)
        except Exception as error:  # rocksdict raises nothing narrower
            raise DatabaseFault(f"{self._folder} cannot be opened: {error}") from error

    def get(self, key: bytes) -> bytes | None:
        """Read one value."""
        if self._db is None:
            return None
        try:
            found: bytes | None = self._db.get(key)
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("read", error) from error
        return found

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Read every pair whose key starts with `prefix`, in key order."""
        if self._db is None:
            return []
        bounds = ReadOptions()
        end = _after(prefix)
        if end is not None:
            bounds.set_iterate_upper_bound(end)
        try:
            found: Any = self._db.items(from_key=prefix, read_opt=bounds)
            return list(found)
        except Exception as error:  # rocksdict raises nothing narrower
            raise self._fault("read", error) from error

    def write(self, writes: Iterable[Write], *, sync: bool) -> None:
        """Write all or none."""
        if self._failure is not None:
            raise self._failure
        assert self._db is not None, "opened for reading"
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
        if not sync:
            self._unsynced.set()

    def close(self) -> None:
        """Sync and close; closing again does nothing.

        Raises:
            DatabaseFault: what was not on the disk yet could not be brought there; it is closed all the same.
        """
        with self._closing:
            self._stopping.set()
            self._unsynced.set()
            if self._syncing.is_alive():
                self._syncing.join()
            was_closed, self._failure = self._failure is self._closed, self._closed
            if self._db is None or was_closed:
                return
            try:
                self._db.close()  # and stays: whoever reads later is told, instead of finding nothing
            except Exception as error:  # rocksdict raises nothing narrower
                raise self._fault("closed", error) from error

    def _sync_until_closed(self) -> None:
        while not self._stopping.is_set():
            self._unsynced.wait()
            self._unsynced.clear()
            try:
                assert self._db is not None
                self._db.flush_wal(True)
            except Exception as error:  # noqa: BLE001 — rocksdict raises nothing narrower; the next write reports it
                self._failure = self._fault("synced", error)
                return
            self._stopping.wait(SYNC_WITHIN_S / 2)

    def _fault(self, doing: str, error: Exception) -> DatabaseFault:
        return (
            self._closed
            if isinstance(error, DbClosedError)
            else DatabaseFault(f"{self._folder} cannot be {doing}: {error}")
        )


def _after(prefix: bytes) -> bytes | None:
    """Return the first key after all those that start with `prefix`; None if there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
