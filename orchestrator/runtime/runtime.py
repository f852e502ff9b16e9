"""The runtime as its users see it: inspect an artifact, load it, start it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.compiled.cache import CompileCache
from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.settings import settings_text
from orchestrator.compiled.worlds import Worlds
from orchestrator.model.calls import Calls
from orchestrator.model.compiling import Compiling
from orchestrator.model.message import Exited
from orchestrator.model.world import World
from orchestrator.runtime.adapter import window
from orchestrator.runtime.component.loaded import Kept, Loaded, Loader, digest_of_bytes
from orchestrator.runtime.engine.engines import Engines
from orchestrator.runtime.engine.host_import import HostImport
from orchestrator.runtime.engine.path import chosen
from orchestrator.runtime.guest import guest
from orchestrator.runtime.guest.guest import Guest, Start


class Runtime:
    """Engines, their compile cache, and the host functions its guests may import. Safe to use from many threads."""

    def __init__(
        self, cache_dir: Path | None, imports: Sequence[HostImport] = (),
        compiling: Callable[[Compiling], None] = lambda _: None, calls: Calls = Calls.NATIVE,
    ) -> None:  # fmt: skip
        """Set up the engines; `cache_dir` None means that nothing compiled is kept on disk.

        `compiling` is told when a compilation begins and when it is over, on the thread that compiles. `calls` is the
        way that is asked for; `path` is the one taken, which is a slower one where that cannot be.

        Raises:
            OSError: the cache folder cannot be made, or belongs to somebody else.
            UnknownLayout: with the installed wasmtime no limit could be held.
        """
        self.path = chosen(calls)
        kept = None if cache_dir is None else _kept(SealedFolder(cache_dir), self.path.calls)
        self._engines = Engines(self.path.calls)
        self._loader = Loader(self._engines, kept, imports, compiling)

    def inspect(self, data: bytes, name: str = "") -> World:
        """Return a component's world; code compiled for that is kept for `load`. `name` stands in progress reports.

        A component that cannot run here for what it imports is not compiled.

        Raises:
            ArtifactFault: these bytes are no component that runs here.
        """
        return self._loader.inspect(digest_of_bytes(data), data, name)

    def load(self, artifact: str, data: Callable[[], bytes], name: str = "") -> Loaded:
        """Return a component ready to start; `data` is asked for only when nothing compiled is at hand.

        Raises:
            ArtifactFault: the bytes are no component that runs here, or not those of `artifact` (`sha256:<hex>`).
        """
        return self._loader.load(artifact, data, name)

    def is_at_hand(self, artifact: str) -> bool:
        """Whether `load` has nothing to read or compile; it may have when it is called."""
        return self._loader.is_at_hand(artifact)

    async def start(self, request: Start) -> Guest | Exited:
        """Instantiate and initialize a component under its revision's limits; or say why it did not start."""
        return await guest.start(request)

    def close(self) -> None:
        """Stop the engines' ticks; only after every guest was closed."""
        self._engines.stop()


def _kept(folder: SealedFolder, calls: Calls) -> Kept:
    adapter = str(window.VERSION) if calls is not Calls.STOCK else "none"
    return Kept(CompileCache(folder, settings_text(adapter)), Worlds(folder))
