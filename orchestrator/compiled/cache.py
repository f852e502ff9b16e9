"""Compiled components on disk, authenticated: bytes that airs did not write itself are never given to wasmtime.

Deserialising runs what it reads as native code, and a flipped byte is not noticed; so these are sealed files.

    length of what is said about the code (4)   what is said about the code   code
"""

from pathlib import Path

import msgspec

from orchestrator.compiled.sealed import Buffer, SealedFolder
from orchestrator.compiled.settings import file_name

MAX_CACHE_BYTES = 2 << 30  # of all files together; those not used for the longest time go first
MAX_ENTRY_BYTES = 512 << 20
_LENGTH_BYTES = 4
_SUFFIX = ".cwasm"


class CacheEntry(msgspec.Struct, frozen=True):
    """The cache's entry for one artifact: its code, and the facts that inspecting it found."""

    about: memoryview
    code: memoryview


class CompileCache:
    """The compiled components of a folder."""

    def __init__(self, folder: SealedFolder, settings: str) -> None:
        """Use a folder; `settings` names everything beside the artifact that compiled code depends on."""
        self._folder, self._settings = folder, settings

    def path(self, artifact: str) -> Path:
        """Return where the compiled code of an artifact lies, or would."""
        return self._folder.path / self._name(artifact)

    def read(self, artifact: str) -> CacheEntry | None:
        """Return the entry of an artifact, authenticated; None when there is none that can be trusted."""
        content = self._folder.read(self._name(artifact), MAX_ENTRY_BYTES)
        if content is None or len(content) < _LENGTH_BYTES:
            return None
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
        return CacheEntry(content[_LENGTH_BYTES:end], content[end:])

    def write(self, artifact: str, about: bytes, code: Buffer) -> None:
        """Keep compiled code and the facts about it, replacing those that were there.

        Raises:
            OSError: it could not be written; nothing half-written stays under the final name.
        """
        if _LENGTH_BYTES + len(about) + memoryview(code).nbytes > MAX_ENTRY_BYTES:
            return
        name = self._name(artifact)
        self._folder.write(name, len(about).to_bytes(_LENGTH_BYTES, "little"), about, code)
        self._folder.shrink(_SUFFIX, MAX_CACHE_BYTES, keep=name)

    def _name(self, artifact: str) -> str:
        return file_name(artifact, self._settings, _SUFFIX)
