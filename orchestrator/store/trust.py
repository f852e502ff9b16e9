"""The keys that a machine trusts: the file `trust.json` of the state directory, written whole, read when it changed.

`airs trust` changes it, with an agent running or not; agents and commands read it. It holds no secret, but a user who
can write it says who is trusted, and so it has to be its user's own.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from orchestrator.decoding import from_json
from orchestrator.model.base import canonical_json
from orchestrator.signing.trust import KEYS_MAX, Trust
from orchestrator.store.files import read_private, write_whole


class TrustDamaged(Exception):
    """The file does not say who is trusted, and so nobody can be."""


class TrustStore:
    """The file at `path`; where there is none, nobody is trusted. Any thread may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int] | None, Trust] = (None, Trust())

    def read(self) -> Trust:
        """Return what is trusted now; the file is read only if it is another than last time.

        Raises:
            TrustDamaged: it does not hold what it must.
            NotPrivate: somebody else may write it.
        """
        identity = self._identity()
        known, trust = self._read
        if identity != known:
            trust = self._load() if identity is not None else Trust()
            self._read = identity, trust
        return trust

    def change(self, change: Callable[[Trust], Trust]) -> Trust:
        """Change what is trusted, one process after another, and return it; the folder has to be there."""
        with self._locked():
            trust = change(self.read())
            if len(trust.keys) > KEYS_MAX:
                raise ValueError(f"a machine knows at most {KEYS_MAX} keys; remove some with `airs trust remove`")
            write_whole(self._path, canonical_json(trust))
            return trust

    def _load(self) -> Trust:
        try:
            return from_json(read_private(self._path), Trust)
        except FileNotFoundError:
            return Trust()
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            hint = "remove it, add the keys again with `airs trust add`, and revoke again those that were revoked"
            raise TrustDamaged(f"{self._path} does not say who is trusted: {problem}; {hint}") from None

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            about = os.stat(self._path)
        except FileNotFoundError:
            return None
        return about.st_ino, about.st_mtime_ns, about.st_size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path.with_name(f"{self._path.name}.lock"), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
