"""The worlds of inspected artifacts, on disk beside their compiled code: reading them does not load the engine.

Its world decides whether an artifact runs here, so only a world that airs has sealed is believed, and only one that
the same airs, wasmtime and settings found. The faults of an artifact are not kept.
"""

import msgspec

from orchestrator import __version__
from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.settings import file_name, settings_text
from orchestrator.decoding import from_msgpack
from orchestrator.model.world import World

VERSION = 1  # of what inspecting finds in the same bytes: a test tells when it has to be raised
MAX_WORLDS_BYTES = 64 << 20  # of all files together; those not used for the longest time go first
MAX_WORLD_BYTES = 4 << 20  # a larger one is found anew each time
SHRUNK_EVERY = 64  # worlds kept: to look at all files takes longer than to write one
_SUFFIX = ".world"


class Worlds:
    """The worlds of the artifacts that were inspected here."""

    def __init__(self, folder: SealedFolder) -> None:
        self._folder, self._kept = folder, 0
        self._settings = f"world {VERSION} of airs {__version__}, {settings_text('any')}"

    def read(self, artifact: str) -> World | None:
        """Return the world of an artifact, authenticated; None when there is none that can be trusted."""
        content = self._folder.read(self._name(artifact), MAX_WORLD_BYTES)
        if content is None:
            return None
        try:
            return from_msgpack(content, World)
        except msgspec.MsgspecError:  # written by an airs that described worlds in another way
            return None

    def keep(self, artifact: str, world: World) -> None:
        """Keep the world of an artifact, as far as that goes: after a full disk, it is inspected again."""
        content = msgspec.msgpack.encode(world)
        if len(content) > MAX_WORLD_BYTES:
            return
        name = self._name(artifact)
        try:
            self._folder.write(name, content)
            if self._kept % SHRUNK_EVERY == 0:
                self._folder.shrink(_SUFFIX, MAX_WORLDS_BYTES, keep=name)
        except OSError:
            return
        self._kept += 1

    def _name(self, artifact: str) -> str:
        return file_name(artifact, self._settings, _SUFFIX)
