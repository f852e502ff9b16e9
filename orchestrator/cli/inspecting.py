"""The worlds of artifacts, for the command line: those found before, and where there are none by the engine.

`reading` makes an `Inspector` for each source that is read.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.worlds import Worlds
from orchestrator.model.calls import Calls
from orchestrator.model.compiling import Compiling
from orchestrator.model.world import World

if TYPE_CHECKING:
    from orchestrator.runtime import HostImport, Runtime


class Inspector:
    """Finds the worlds of artifacts, sharing those that the agent has found where there is its state to share."""

    def __init__(self, cache: Path, heard: Callable[[Compiling], None], calls: Calls) -> None:
        """Set it up; `heard` is told when a compilation begins and ends, on the thread that compiles."""
        self._cache, self._heard, self._calls = cache, heard, calls
        self._worlds = _worlds(cache)
        self._runtime: Runtime | None = None

    def inspect(self, data: bytes, name: str) -> World:
        """Return the world of an artifact, told under `name`.

        Raises:
            ArtifactFault: these bytes are no component that runs here.
        """
        known = None if self._worlds is None else self._worlds.read("sha256:" + sha256(data).hexdigest())
        if known is not None:
            return known
        if self._runtime is None:
            self._runtime = shared_runtime(self._cache, self._heard, self._calls)
        return self._runtime.inspect(data, name)

    def close(self) -> None:
        """Let go of the engine, where it was needed."""
        if self._runtime is not None:
            self._runtime.close()


def shared_runtime(
    cache: Path, compiling: Callable[[Compiling], None], calls: Calls, imports: "Sequence[HostImport]" = ()
) -> "Runtime":
    """Return a runtime that shares what the agent has compiled, where there is an agent's state to share."""
    from orchestrator.runtime import Runtime  # with wasmtime, which takes longer than everything else of a plan

    try:
        return Runtime(cache if cache.is_dir() else None, imports, compiling=compiling, calls=calls)
    except OSError:  # it may not be written, or is somebody else's: compile, as without any state
        return Runtime(None, imports, compiling=compiling, calls=calls)


def _worlds(cache: Path) -> Worlds | None:
    try:
        return Worlds(SealedFolder(cache)) if cache.is_dir() else None
    except OSError:  # it may not be written, or is somebody else's
        return None
