"""Turns the bytes of a wasm file into an `Artifact`, once for as long as the bytes stay the same.

Folder and git reading call it. It remembers what inspecting said by digest, and digests by file identity, so that an
unchanged file in a watched folder is neither read, hashed nor inspected again. It keeps nothing on disk.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from copy import copy
from threading import Lock
from typing import TypeVar

from orchestrator.model.snapshot import Artifact
from orchestrator.model.world import ArtifactFault, World

MAX_HELD_BYTES = 256 * 1024 * 1024
MAX_REMEMBERED = 16_384  # file identities, and what inspecting said

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ArtifactCache:
    """The artifacts seen lately, shared by all sources of one process; safe to use from several threads."""

    def __init__(self, inspect: Callable[[bytes, str], World], *, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._inspect = inspect
        self._digests: OrderedDict[Hashable, str] = OrderedDict()
        self._worlds: OrderedDict[str, World | ArtifactFault] = OrderedDict()
        self._held = _Held(max_held_bytes)
        self._lock = Lock()

    def inspected_by(self, inspect: Callable[[bytes, str], World]) -> "ArtifactCache":
        """Return a cache that shares what is in this one, and has others inspected in another way."""
        other = copy(self)
        other._inspect = inspect
        return other

    def artifact(self, identity: Hashable | None, read: Callable[[], bytes], name: str = "") -> Artifact:
        """Return what `identity` is known to be, or read and inspect it under `name`; None is never known."""
        with self._lock:
            known = self._held.find(self._digests.get(identity, "")) if identity is not None else None
            if known is not None:
                return known
        return self._take(identity, read(), name)

    def _take(self, identity: Hashable | None, data: bytes, name: str) -> Artifact:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        with self._lock:
            world = self._worlds.get(digest)
        if world is None:  # outside the lock: inspecting takes long
            world = self._inspected(data, name)
        with self._lock:
            if identity is not None:
                _remember(self._digests, identity, digest)
            _remember(self._worlds, digest, world)
            return self._held.hold(Artifact(digest, data, world))

    def _inspected(self, data: bytes, name: str) -> World | ArtifactFault:
        try:
            return self._inspect(data, name)
        except ArtifactFault as fault:
            return fault.with_traceback(None)


class _Held:
    """One copy of each artifact by its digest, up to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._artifacts: OrderedDict[str, Artifact] = OrderedDict()

    def find(self, digest: str) -> Artifact | None:
        """Return an artifact that is held, as the one used last."""
        known = self._artifacts.get(digest)
        if known is not None:
            self._artifacts.move_to_end(digest)
        return known

    def hold(self, artifact: Artifact) -> Artifact:
        """Hold an artifact, or return the copy that is held, dropping the least used beyond the limit."""
        known = self._artifacts.get(artifact.digest)
        if known is not None:
            return known
        self._artifacts[artifact.digest] = artifact
        self._bytes += len(artifact.data)
        while self._bytes > self._most_bytes:
            _, dropped = self._artifacts.popitem(last=False)
            self._bytes -= len(dropped.data)
        return artifact


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)
