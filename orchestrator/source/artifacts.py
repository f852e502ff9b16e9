"""Turns the bytes of a wasm file into an `Artifact`, once for as long as the bytes stay the same.

Folder and git reading call it. It remembers what inspecting said by digest, and digests by file identity, so that an
unchanged file in a watched folder is neither read, hashed nor inspected again. It keeps nothing on disk.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
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
        self._max_held_bytes = max_held_bytes
        self._digests: OrderedDict[Hashable, str] = OrderedDict()
        self._worlds: OrderedDict[str, World | ArtifactFault] = OrderedDict()
        self._held: OrderedDict[str, Artifact] = OrderedDict()
        self._held_bytes = 0
        self._lock = Lock()

    def artifact(self, identity: Hashable | None, read: Callable[[], bytes], name: str = "") -> Artifact:
        """Return what `identity` is known to be, or read and inspect it under `name`; None is never known."""
        with self._lock:
            known = self._held.get(self._digests.get(identity, "")) if identity is not None else None
            if known is not None:
                self._held.move_to_end(known.digest)
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
            return self._hold(Artifact(digest, data, world))

    def _inspected(self, data: bytes, name: str) -> World | ArtifactFault:
        try:
            return self._inspect(data, name)
        except ArtifactFault as fault:
            return fault.with_traceback(None)

    def _hold(self, artifact: Artifact) -> Artifact:
        """Keep one copy per digest, dropping the least used beyond the limit."""
        known = self._held.get(artifact.digest)
        if known is not None:
            return known
        self._held[artifact.digest] = artifact
        self._held_bytes += len(artifact.data)
        while self._held_bytes > self._max_held_bytes:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= len(dropped.data)
        return artifact


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)
