"""Compiled components on disk, authenticated: bytes that airs did not write itself are never given to wasmtime.

Deserialising runs what it reads as native code, and a flipped byte is not noticed. So a file holds a keyed hash over
its own name and its content; it is read once, checked, and those very bytes are loaded. Every doubt is a miss, and a
miss is only slow.
"""

import contextlib
import hashlib
import hmac
import os
import stat
from pathlib import Path

MAX_CACHE_BYTES = 2 << 30  # of all files together; the oldest go first
MAX_ENTRY_BYTES = 512 << 20
_KEY_BYTES = 32
_MAC_BYTES = 32
_SUFFIX = ".cwasm"


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
        self._key = _load_key(folder / "key") or _make_key(folder / "key")

    def path(self, artifact: str) -> Path:
        """Return where the compiled code of an artifact lies, or would."""
        return self._folder / self._name(artifact)

    def read(self, artifact: str) -> bytes | None:
        """Return the authenticated code of an artifact, None when there is none that can be trusted."""
        name = self._name(artifact)
        content = _read_private(self._folder / name, MAX_ENTRY_BYTES + _MAC_BYTES)
        if content is None or len(content) < _MAC_BYTES:
            return None
        mac, code = content[:_MAC_BYTES], content[_MAC_BYTES:]
        return code if hmac.compare_digest(mac, self._mac(name, code)) else None

    def write(self, artifact: str, code: bytes) -> None:
        """Keep compiled code, replacing whatever was there.

        Raises:
            OSError: it could not be written; nothing half-written stays under the final name.
        """
        if len(code) > MAX_ENTRY_BYTES:
            return
        name = self._name(artifact)
        temporary = _write_private(self._folder, self._mac(name, code) + code)
        try:
            temporary.replace(self._folder / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._shrink(keep=name)

    def _name(self, artifact: str) -> str:
        return f"{artifact.removeprefix('sha256:')}-{self._settings}{_SUFFIX}"

    def _mac(self, name: str, code: bytes) -> bytes:
        mac = hmac.new(self._key, name.encode() + b"\0", "sha256")
        mac.update(code)
        return mac.digest()

    def _shrink(self, keep: str) -> None:
        """Remove the oldest files until all together are small enough; one that vanishes meanwhile is fine."""
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
    return key if key is not None and len(key) == _KEY_BYTES else None


def _make_key(path: Path) -> bytes:
    """Write a new key under its final name in one step; another process that was faster wins."""
    for _ in range(2):
        temporary = _write_private(path.parent, os.urandom(_KEY_BYTES))
        try:
            os.link(temporary, path)
        except FileExistsError:
            if _load_key(path) is None:
                path.unlink(missing_ok=True)  # unusable: made by hand, or readable by others
        finally:
            temporary.unlink()
        key = _load_key(path)
        if key is not None:
            return key
    raise OSError(f"{path} cannot be replaced by a usable key")


def _read_private(path: Path, limit: int) -> bytes | None:
    """Read a plain file that only we can write and read; None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        private = stat.S_ISREG(info.st_mode) and not info.st_mode & 0o077 and info.st_uid == os.geteuid()
        return file.read() if private and info.st_size <= limit else None


def _write_private(folder: Path, content: bytes) -> Path:
    path = folder / f".{os.getpid()}-{os.urandom(8).hex()}.tmp"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path
