"""Restarts the instances of a set one after another, so that the others keep answering."""

import threading
from collections.abc import Sequence

from orchestrator.model.observed import Phase
from orchestrator.supervise.instance import Instance
from orchestrator.supervise.life import LifeEvent


class RollingRestart:
    """A restart by request; from any thread. `go_on` is called whenever an instance changed."""

    __slots__ = ("_current", "_has_begun", "_left", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[Instance] = []
        self._current: Instance | None = None
        self._has_begun = False

    def begin(self, instances: Sequence[Instance]) -> None:
        """Restart these, from the first on, in place of the rest of an earlier restart."""
        with self._lock:
            self._left = [*instances]
        self.go_on()

    def end(self) -> None:
        """Restart no more of them."""
        with self._lock:
            self._left.clear()

    def go_on(self) -> None:
        """Restart the next one, if the one before is back."""
        while (following := self._next()) is not None:
            following.tell(LifeEvent.RESTART)
            with self._lock:
                self._has_begun = True

    @property
    def is_over(self) -> bool:
        """Whether all are back."""
        with self._lock:
            return not self._left and self._is_current_back()

    def _next(self) -> Instance | None:
        with self._lock:
            if not self._is_current_back():
                return None
            self._current = self._left.pop(0) if self._left else None
            self._has_begun = False
            return self._current

    def _is_current_back(self) -> bool:
        # Until its restart has begun, the one that was chosen last still looks as Ready as before.
        current = self._current
        return current is None or (self._has_begun and _is_back(current))


def _is_back(instance: Instance) -> bool:
    return instance.state.ready or instance.state.phase in (Phase.GAVE_UP, Phase.STOPPED)
