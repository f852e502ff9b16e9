"""The two engines of a runtime, and which of them a component runs on.

Without guards, memories lie side by side and share maps, of which Linux gives a process 65 530: many small instances
fit. With them, a memory takes two maps of its own and its accesses need no check: instances of large components are
few, as each takes megabytes. `component/loaded` asks; an engine is made when the first component needs it.
"""

import threading

from orchestrator.model.calls import Calls
from orchestrator.runtime.engine.engine import SharedEngine
from orchestrator.runtime.engine.stuck import Stuck

SMALL_BYTES = 512 << 10  # an artifact up to this size runs without guards


class Engines:
    """Makes each engine once, for all callers and threads."""

    def __init__(self, calls: Calls) -> None:
        """Make the engine for small components.

        Raises:
            UnknownLayout: with the installed wasmtime no limit could be held.
        """
        self.calls = calls
        self._stuck = Stuck()
        self.small = SharedEngine(guards=False, calls=calls, stuck=self._stuck)
        self._large: SharedEngine | None = None
        self._making = threading.Lock()

    def with_guards(self, guards: bool) -> SharedEngine:
        """Return the engine with or without guards."""
        if not guards:
            return self.small
        with self._making:
            if self._large is None:
                self._large = SharedEngine(guards=True, calls=self.calls, stuck=self._stuck)
            return self._large

    def of_size(self, artifact_bytes: int) -> SharedEngine:
        """Return the engine for an artifact of a size."""
        return self.with_guards(artifact_bytes > SMALL_BYTES)

    def stop(self) -> None:
        """Stop ticking; calls that are still running would no longer be ended."""
        with self._making:
            for engine in (self.small, self._large):
                if engine is not None:
                    engine.stop()
