"""The file `synced` beside the database: a note of what is on the disk, so that a database that lost some is noticed.

`database` writes it only after the writes that it names are on the disk: at whatever instant a process or the machine
ends, it never names more than there is. `opening` compares. It has two slots, written in turns, each with a checksum.
"""

import os
import threading
import zlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrator.decoding import from_json
from orchestrator.store.files import write_once, write_whole

SYNCED = "synced"
SLOT_BYTES = 2048
LOGS_MAX = 32  # write-ahead logs that are named, the newest; there are seldom more than three
_CURRENT_MAX_BYTES = 256


class Manifest(msgspec.Struct, frozen=True):
    """RocksDB's list of its files, which only grows: the checksum of its first `size` bytes."""

    name: str = ""
    size: int = 0
    checksum: int = 0


class Synced(msgspec.Struct, frozen=True):
    """The part that is on the disk: decisions up to `serial`, writes up to `sequence`, so many bytes of each log."""

    turn: int = 0
    serial: int = 0
    sequence: int = 0
    logs: dict[str, int] = {}
    manifest: Manifest = Manifest()

    @property
    def is_nothing(self) -> bool:
        """Whether no database was ever there."""
        return not self.manifest.name


class SyncedUnreadable(Exception):
    """The file is there, and says nothing that could be believed."""


def read_synced(path: Path) -> Synced | None:
    """Return the note of what is on the disk; None where there is none.

    Raises:
        SyncedUnreadable: the file is damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SyncedUnreadable(f"{path} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        try:
            data = file.read(2 * SLOT_BYTES)
        except OSError as error:
            raise SyncedUnreadable(f"{path} cannot be read: {error.strerror}") from error
    slots = [slot for slot in (_decoded(data[:SLOT_BYTES]), _decoded(data[SLOT_BYTES:])) if slot is not None]
    if not slots:
        raise SyncedUnreadable(f"{path} is damaged")
    return max(slots, key=lambda slot: slot.turn)


def note_nothing(path: Path) -> None:
    """Note that no database was ever there, unless something is noted."""
    write_once(path, _encoded(Synced()) * 2)


def note_anew(path: Path, known: Synced) -> None:
    """Replace the note by `known`."""
    write_whole(path, _encoded(known) * 2)


class SyncedFile:
    """The file of a database that is open for writing; methods may be called from any thread, and raise OSError."""

    def __init__(self, path: Path, known: Synced | None) -> None:
        """Begin with the `known` note; without one, the file is made anew."""
        self._known = known or Synced()
        self._lock = threading.Lock()
        if known is None:
            write_whole(path, _encoded(self._known) * 2)
        self._file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    @property
    def known(self) -> Synced:
        """The note as written last."""
        return self._known

    def decided(self, serial: int) -> None:
        """Note a decision that is on the disk."""
        with self._lock:
            self._put(replace(self._known, serial=max(serial, self._known.serial)))

    def synced(self, sequence: int, logs: dict[str, int], manifest: Manifest) -> None:
        """Note that more is on the disk, and bring the note there, too."""
        with self._lock:
            known = replace(self._known, sequence=sequence, logs=logs, manifest=manifest)
            if known == self._known:
                return
            self._put(known)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _put(self, known: Synced) -> None:
        known = replace(known, turn=self._known.turn + 1)
        os.pwrite(self._file, _encoded(known), SLOT_BYTES * (known.turn % 2))
        self._known = known


def sizes_of_logs(folder: Path) -> dict[str, int]:
    """Say how long the write-ahead logs in a database's folder are."""
    logs = sorted((entry.name, entry) for entry in os.scandir(folder) if entry.name.endswith(".log"))
    sizes = {}
    for name, entry in logs[-LOGS_MAX:]:
        try:
            sizes[name] = entry.stat().st_size
        except FileNotFoundError:  # it was not needed any more
            continue
    return sizes


def manifest_of(folder: Path, before: Manifest) -> Manifest:
    """Return what RocksDB's list of its files is now, and bring it to the disk; `before` saves reading all of it.

    Raises:
        OSError: it cannot be read.
    """
    name = current_manifest(folder)
    size = os.stat(folder / name).st_size
    if (name, size) == (before.name, before.size):
        return before
    known = before if before.name == name and before.size <= size else Manifest(name)
    with open(folder / name, "rb") as file:
        file.seek(known.size)
        checksum = _checksum(file.read(size - known.size), known.checksum)
        os.fdatasync(file.fileno())
    return Manifest(name, size, checksum)


def current_manifest(folder: Path) -> str:
    """Return the name of RocksDB's list of its files."""
    with open(folder / "CURRENT", "rb") as file:
        return file.read(_CURRENT_MAX_BYTES).decode("ascii", errors="replace").strip()


def checksum_of(path: Path, size: int) -> int | None:
    """Return the checksum of a file's first `size` bytes, None if it has fewer."""
    with open(path, "rb") as file:
        data = file.read(size)
    return _checksum(data) if len(data) == size else None


def _checksum(data: bytes, begin: int = 0) -> int:
    return zlib.crc32(data, begin)


def _encoded(known: Synced) -> bytes:
    text = msgspec.json.encode(known)
    line = b"%08x %s" % (zlib.crc32(text), text)
    assert len(line) < SLOT_BYTES, "a slot holds the names of all logs"
    return line.ljust(SLOT_BYTES - 1) + b"\n"


def _decoded(slot: bytes) -> Synced | None:
    checksum, _, text = slot.rstrip().partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return from_json(text, Synced)
    except msgspec.MsgspecError:
        return None
