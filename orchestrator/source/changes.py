"""The files of a source that may be others now, from the thread that notices changes to the one that reads.

`None` stands for any file. A change that is not named would be found only by the next reading of everything, so who is
not sure names none.
"""

import threading
from collections.abc import Collection

Changed = frozenset[str] | None  # root-relative paths
NOTHING: Changed = frozenset()


def joined(one: Changed, other: Changed) -> Changed:
    """Return the files that either names."""
    return None if one is None or other is None else one | other


class PendingLook:
    """The paths that a reader is to look at; asked from any thread, taken by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._any = threading.Event()
        self._changed: Changed = NOTHING
        self._asks = 0
        self.taken = 0  # the number of the last question that was taken

    def add(self, changed: Collection[str] | None) -> int:
        """Ask for a look, be it at nothing in particular; returns the number of the question."""
        with self._lock:
            self._changed = joined(self._changed, None if changed is None else frozenset(changed))
            self._any.set()
            self._asks += 1
            return self._asks

    def wait(self) -> None:
        """Wait until somebody has asked."""
        self._any.wait()

    def take(self) -> Changed:
        """Return what was asked for since this was called last, and forget it."""
        with self._lock:
            changed, self._changed = self._changed, NOTHING
            self.taken = self._asks
            self._any.clear()
            return changed
