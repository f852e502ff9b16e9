"""Compiled components on disk, authenticated: bytes that airs did not write itself are never given to wasmtime.

Deserialising runs what it reads as native code, and a flipped byte is not noticed. So a file holds a keyed hash over
its own name and its content; it is read once, checked, and those very bytes are loaded. Every doubt is a miss, and a
miss is only slow.

    MAC (32)   length of what is said about the code (4)   what is said about the code   code

Any number of processes may use one folder. Files appear whole under their names; a draft is locked by whoever writes
it, so that one left behind by a killed process is known and removed.
"""

import contextlib
import fcntl
import hashlib
import hmac
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

MAX_CACHE_BYTES = 2 << 30  # of all files together; those not used for the longest time go first
MAX_ENTRY_BYTES = 512 << 20
_KEY_BYTES = 32
_MAC_BYTES = 32
_LENGTH_BYTES = 4
_SUFFIX = ".cwasm"
_DRAFT_SUFFIX = ".tmp"
_TRIES = 3

Buffer = bytes | memoryview


class Entry(msgspec.Struct, frozen=True):
    """What the cache holds of one artifact: its code, and what was found out about it."""

    about: memoryview
    code: memoryview


class CompileCache:
    """A folder of compiled components, private to its user, with the key that authenticates them."""

    def __init__(self, folder: Path, settings: str) -> None:
        """Open or create the cache; `settings` names everything beside the artifact that compiled code depends on.

        Raises:
            OSError: the folder cannot be made, or belongs to somebody else.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise PermissionError(f"{folder} belongs to another user")
        folder.chmod(0o700)
        self._folder = folder
        self._settings = hashlib.sha256(settings.encode()).hexdigest()[:16]
        _remove_drafts(folder)
        self._key = _load_key(folder / "key") or _make_key(folder / "key")

    def path(self, artifact: str) -> Path:
        """Return where the compiled code of an artifact lies, or would."""
        return self._folder / self._name(artifact)

    def read(self, artifact: str) -> Entry | None:
        """Return what is held of an artifact, authenticated; None when there is nothing that can be trusted."""
        name = self._name(artifact)
        content = _read_private(self._folder / name, MAX_ENTRY_BYTES, touch=True)
        if content is None or len(content) < _MAC_BYTES + _LENGTH_BYTES:
            return None
        if not hmac.compare_digest(content[:_MAC_BYTES], self._mac(name, content[_MAC_BYTES:])):
            return None
        begin = _MAC_BYTES + _LENGTH_BYTES
        end = begin + int.from_bytes(content[_MAC_BYTES:begin], "little")
        return Entry(content[begin:end], content[end:])

    def write(self, artifact: str, about: bytes, code: Buffer) -> None:
        """Keep compiled code and what is said about it, replacing whatever was there.

        Raises:
            OSError: it could not be written; nothing half-written stays under the final name.
        """
        parts = (len(about).to_bytes(_LENGTH_BYTES, "little"), about, code)
        if _MAC_BYTES + _LENGTH_BYTES + len(about) + memoryview(code).nbytes > MAX_ENTRY_BYTES:
            return
        name = self._name(artifact)
        with _draft(self._folder, (self._mac(name, *parts), *parts)) as draft:
            draft.replace(self._folder / name)
        _remove_drafts(self._folder)
        self._shrink(keep=name)

    def _name(self, artifact: str) -> str:
        return f"{artifact.removeprefix('sha256:')}-{self._settings}{_SUFFIX}"

    def _mac(self, name: str, *parts: Buffer) -> bytes:
        mac = hmac.new(self._key, name.encode() + b"\0", "sha256")
        for part in parts:
            mac.update(part)
        return mac.digest()

    def _shrink(self, keep: str) -> None:
        """Remove what was not used for the longest time, until all together are small enough.

        A file that vanishes meanwhile is fine.
        """
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                info = path.stat()
                found.append((info.st_mtime_ns, info.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= MAX_CACHE_BYTES:
                return
            if path.name != keep:
                path.unlink(missing_ok=True)
                total -= size


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


def _remove_drafts(folder: Path) -> None:
    """Remove the drafts that nobody writes any more."""
    for path in folder.glob(f".*{_DRAFT_SUFFIX}"):
        with contextlib.suppress(OSError):  # finished or removed meanwhile, or nothing of ours
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)
