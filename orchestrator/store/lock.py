"""The lock of the state directory: one process holds it, and the system lets go of it when its holder dies.

A lock is a file that somebody may remove, with its directory or without: then another process can lock another file at
the same path. So a holder looks now and then whether its file is still there.
"""

import fcntl
import os
import time
from pathlib import Path

import msgspec

from orchestrator.decoding import from_json
from orchestrator.model.base import Value, canonical_json

PATIENCE_S = 0.2  # someone who only looks who holds the lock has it for an instant
_LOOK_EVERY_S = 0.01
_OWNER_MAX_BYTES = 8192


class Owner(Value, frozen=True):
    """The process that holds a state directory; `started_at` is RFC 3339 or unknown, `command` what was typed."""

    pid: int
    started_at: str
    command: str
    socket: str

    def __str__(self) -> str:
        since = f", since {self.started_at}" if self.started_at else ""
        return f"process {self.pid} (`{self.command}`{since})"


class StateLocked(Exception):
    """Another process holds the state directory; `owner` is None where it has not said who it is."""

    def __init__(self, folder: Path, owner: Owner | None) -> None:
        who = str(owner) if owner else "a process that has not said who it is"
        super().__init__(f"{folder} is in use by {who}; stop it, or name another --state-dir")
        self.owner = owner


class StateLock:
    """A lock that is held until `release`, or until the process ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is locked is the one at its path."""
        assert self._descriptor is not None, "released"
        ours = os.fstat(self._descriptor)
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Let go; again does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def __enter__(self) -> "StateLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(path: Path, owner: Owner) -> StateLock:
    """Take the lock at `path` for `owner`.

    Raises:
        StateLocked: another process has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    deadline_s = time.monotonic() + PATIENCE_S
    while not _take(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline_s:
            found = _read(descriptor)
            os.close(descriptor)
            raise StateLocked(path.parent, found)
        time.sleep(_LOOK_EVERY_S)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, canonical_json(owner), 0)
    return StateLock(path, descriptor)


def holder(path: Path) -> Owner | None:
    """Say who holds the lock now; None for nobody, or somebody who has not said."""
    descriptor = _opened(path)
    if descriptor is None:
        return None
    try:
        return None if _take(descriptor, fcntl.LOCK_SH) else _read(descriptor)
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Say whether anybody holds the lock now."""
    descriptor = _opened(path)
    if descriptor is None:
        return False
    try:
        return not _take(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None


def _take(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Owner | None:
    try:
        return from_json(os.pread(descriptor, _OWNER_MAX_BYTES, 0), Owner)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
