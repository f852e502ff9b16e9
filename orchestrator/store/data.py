"""Guest data: each deployment's own keys and values, within its quota.

A write is in the write-ahead log when it returns, together with the counters that it changes: it survives SIGKILL,
and the counters cannot disagree with the values. The disk has it at most `SYNC_WITHIN_S` later.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.database import Database, DatabaseFault

KEY_MAX_BYTES = 256
VALUE_MAX_BYTES = 1 << 20
_LOCKS = 64  # deployments share them by hash; a writer holds one for a few microseconds


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """The storage that a deployment uses: bytes of all keys and values, and how many keys."""

    used_bytes: int = 0
    key_count: int = 0


class DataError(Exception):
    """Why data was not read or written; `case` is of `storage-error`: `quota-exceeded`, `invalid-key` or `io-error`."""

    def __init__(self, case: str, detail: str) -> None:
        super().__init__(f"{case}: {detail}")
        self.case, self.detail = case, detail


class Data:
    """Every deployment's data; all methods may be called from any thread, and raise DataError.

    Data of an `owner`, a key of the deployment's messages, is apart from all else; the quota is for all of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    def get(self, deployment: DeploymentKey, key: str, owner: str = "") -> bytes | None:
        """Read a value, None where there is none."""
        with _io():
            row = self._database.get(_row(deployment, key, owner))
        return None if row is None else row[1:]

    def set(
        self, deployment: DeploymentKey, key: str, value: bytes, quota_bytes: int, owner: str = ""
    ) -> None:  # fmt: skip
        """Write a value. One that does not grow what is kept is allowed even beyond a quota that was lowered."""
        if len(value) > VALUE_MAX_BYTES:
            raise DataError("io-error", f"a value has at most {VALUE_MAX_BYTES} bytes, this one {len(value)}")
        row = _row(deployment, key, owner)
        with self._locked(deployment), _io():
            before, used = self._database.get(row), self.usage(deployment)
            after = _changed(used, len(key.encode()), before, value)
            if after.used_bytes > max(quota_bytes, used.used_bytes):
                kept = f"{deployment} keeps {used.used_bytes} of {quota_bytes} bytes"
                raise DataError("quota-exceeded", f"{kept}; {key!r} would make it {after.used_bytes}")
            usage = (keys.of_deployment(keys.USAGE, deployment), keys.pack(after))
            self._database.write([(row, keys.FORMAT + value), usage], sync=False)

    def delete(self, deployment: DeploymentKey, key: str, owner: str = "") -> None:
        """Remove a value; nothing happens where there is none."""
        row = _row(deployment, key, owner)
        with self._locked(deployment), _io():
            before = self._database.get(row)
            if before is None:
                return
            after = _changed(self.usage(deployment), len(key.encode()), before, None)
            usage = (keys.of_deployment(keys.USAGE, deployment), keys.pack(after))
            self._database.write([(row, None), usage], sync=False)

    def exists(self, deployment: DeploymentKey, key: str, owner: str = "") -> bool:
        """Say whether there is a value."""
        return self.get(deployment, key, owner) is not None

    def list_keys(self, deployment: DeploymentKey, prefix: str = "", owner: str = "") -> list[str]:
        """Return the keys that start with `prefix`, in byte order; the quota is their limit."""
        of_all = keys.of_data(deployment, owner)
        with _io():
            return [row[len(of_all) :].decode() for row, _ in self._database.scan(of_all + _encoded(prefix))]

    def usage(self, deployment: DeploymentKey) -> Usage:
        """Say how much is kept."""
        with _io():
            row = self._database.get(keys.of_deployment(keys.USAGE, deployment))
            return Usage() if row is None else keys.unpack(row, Usage)

    def _locked(self, deployment: DeploymentKey) -> threading.Lock:
        return self._locks[hash(deployment) % _LOCKS]


@contextmanager
def _io() -> Iterator[None]:
    try:
        yield
    except DatabaseFault as fault:
        raise DataError("io-error", str(fault)) from fault


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError("invalid-key", f"{text!r} is not Unicode text") from error


def _row(deployment: DeploymentKey, key: str, owner: str) -> bytes:
    encoded = _encoded(key)
    if not 1 <= len(encoded) <= KEY_MAX_BYTES:
        raise DataError("invalid-key", f"a key has 1 to {KEY_MAX_BYTES} bytes, this one {len(encoded)}")
    return keys.of_data(deployment, owner) + encoded


def _changed(used: Usage, key_bytes: int, before: bytes | None, after: bytes | None) -> Usage:
    # A row as kept has one byte of format before the value.
    freed = 0 if before is None else key_bytes + len(before) - len(keys.FORMAT)
    taken = 0 if after is None else key_bytes + len(after)
    count = used.key_count + (after is not None) - (before is not None)
    return Usage(used_bytes=used.used_bytes - freed + taken, key_count=count)
