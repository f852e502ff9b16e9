"""The compilations of now: events when a large component begins and is done, and the words for its status.

The runtime tells on the thread that compiles; the API asks from any. Small components are done before anybody could
look, so nothing is said of them.
"""

import time
from collections.abc import Callable

from orchestrator.contract.documents import CompilingView
from orchestrator.model.compiling import MIB, SHOWN_BYTES, Compiling
from orchestrator.model.ids import DeploymentKey

Announce = Callable[[DeploymentKey | None, str, str], None]


class Compilations:
    """The compilations under way, of artifacts that are large enough to wait for."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._running: dict[str, tuple[Compiling, float]] = {}

    def heard(self, compiling: Compiling) -> None:
        """Take note that a compilation begins or is over."""
        if compiling.size_bytes < SHOWN_BYTES:
            return
        what = f"{compiling.name or compiling.artifact} ({compiling.size_bytes / MIB:.1f} MiB)"
        if compiling.took_s is None:
            self._running[compiling.artifact] = (compiling, time.monotonic())
            self._announce(None, "compiling", what)
        else:
            self._running.pop(compiling.artifact, None)
            self._announce(None, "compiling", f"{what}: over after {compiling.took_s:.1f} s")

    def of(self, artifact: str) -> CompilingView | None:
        """Describe the compilation of an artifact, None when there is none under way."""
        found = self._running.get(artifact)
        if found is None:
            return None
        compiling, began = found
        elapsed_ms = int((time.monotonic() - began) * 1000)
        return CompilingView(artifact=artifact, size_bytes=compiling.size_bytes, elapsed_ms=elapsed_ms)
