"""Files that only airs itself can have written: each holds a keyed hash over its own name and its content.

    MAC (32)   content

A file is read once, checked, and those very bytes are used. Every doubt is a miss, and a miss is only slow: whatever
lies here can be made again.

Any number of processes may use one folder. Files appear whole under their names; its writer locks a
draft, so that one left behind by a killed process is known and removed.
"""

import contextlib
import fcntl
import hmac
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_KEY_BYTES = 32
_MAC_BYTES = 32
_DRAFT_SUFFIX = ".tmp"
_TRIES = 3

Buffer = bytes | memoryview


class SealedFolder:
    """A folder of authenticated files, private to its user, with the key that authenticates them."""

    def __init__(self, folder: Path) -> None:
        """Open or create it.

        Raises:
            OSError: the folder cannot be made, or belongs to somebody else.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise PermissionError(f"{folder} belongs to another user")
        folder.chmod(0o700)
        self.path = folder
        _remove_drafts(folder)
        self._key = _load_key(folder / "key") or _make_key(folder / "key")

    def read(self, name: str, limit_bytes: int) -> memoryview | None:
        """Return a file's content, authenticated, and note that it was used; None when there is none to trust."""
        sealed = _read_private(self.path / name, _MAC_BYTES + limit_bytes, touch=True)
        if sealed is None or len(sealed) < _MAC_BYTES:
            return None
        content = sealed[_MAC_BYTES:]
        return content if hmac.compare_digest(sealed[:_MAC_BYTES], self._mac(name, content)) else None

    def write(self, name: str, *parts: Buffer) -> None:
        """Write a file of these parts, replacing whatever was there.

        Raises:
            OSError: it could not be written; nothing half-written stays under the final name.
        """
        with _draft(self.path, (self._mac(name, *parts), *parts)) as draft:
            draft.replace(self.path / name)

    def shrink(self, suffix: str, limit_bytes: int, keep: str) -> None:
        """Remove what was not used for the longest time, until the files of a kind are small enough together.

        A file that vanishes meanwhile is fine. Drafts that nobody writes any more go, too.
        """
        _remove_drafts(self.path)
        found = []
        for entry in _entries(self.path, suffix):
            with contextlib.suppress(FileNotFoundError):
                info = entry.stat(follow_symlinks=False)
                found.append((info.st_mtime_ns, info.st_size, entry.name))
        over = sum(size for _, size, _ in found) - limit_bytes
        for _, size, name in sorted(found) if over > 0 else ():
            if over > 0 and name != keep:
                (self.path / name).unlink(missing_ok=True)
                over -= size

    def _mac(self, name: str, *parts: Buffer) -> bytes:
        mac = hmac.new(self._key, name.encode() + b"\0", "sha256")
        for part in parts:
            mac.update(part)
        return mac.digest()


def _load_key(path: Path) -> bytes | None:
    """Read the key; one that others could read or write, or of the wrong size, is no key."""
    key = _read_private(path, _KEY_BYTES)
    return bytes(key) if key is not None and len(key) == _KEY_BYTES else None


def _make_key(path: Path) -> bytes:
    """Write a new key under its final name in one step; another process that was faster wins."""
    for _ in range(_TRIES):
        with _draft(path.parent, (os.urandom(_KEY_BYTES),)) as draft:
            try:
                os.link(draft, path)
            except FileExistsError:
                if _load_key(path) is None:
                    path.unlink(missing_ok=True)  # unusable: made by hand, or readable by others
        key = _load_key(path)
        if key is not None:
            return key
    raise OSError(f"{path} cannot be replaced by a usable key")


def _read_private(path: Path, limit: int, *, touch: bool = False) -> memoryview | None:
    """Read a plain file that only we can write and read; None for anything else. `touch` notes that it was used."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_mode & 0o077 or info.st_uid != os.geteuid():
            return None
        if info.st_size > limit:
            return None
        if touch:
            os.utime(descriptor)
        return _read_all(descriptor, info.st_size)
    except OSError:  # a disk that fails
        return None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int) -> memoryview:
    content = memoryview(bytearray(size))
    done = 0
    while done < size:
        count = os.readv(descriptor, [content[done:]])
        if not count:
            break
        done += count
    return content[:done]


@contextlib.contextmanager
def _draft(folder: Path, parts: Sequence[Buffer]) -> Iterator[Path]:
    """Write a file that nobody knows yet, locked until it was given its name, or removed again."""
    path, descriptor = _new_draft(folder)
    try:
        for part in parts:
            _write_all(descriptor, memoryview(part).cast("B"))
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _new_draft(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f".{os.getpid()}-{os.urandom(8).hex()}{_DRAFT_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # taken for one left behind, before it was locked


def _write_all(descriptor: int, content: memoryview) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _entries(folder: Path, suffix: str) -> "list[os.DirEntry[str]]":
    """List a kind of files, of which there may be thousands: `glob` makes a path and a pattern's match of each."""
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.name.endswith(suffix)]


def _remove_drafts(folder: Path) -> None:
    """Remove the drafts that nobody writes any more."""
    for entry in _entries(folder, _DRAFT_SUFFIX):
        with contextlib.suppress(OSError):  # finished or removed meanwhile, or nothing of ours
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
            finally:
                os.close(descriptor)
