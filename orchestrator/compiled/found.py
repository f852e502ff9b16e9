"""Digests of artifacts → their worlds: those that were inspected before, else read off the bytes. Plans ask for them.

No engine is needed, and nothing is compiled: a world that is only compared with another one starts nothing.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

from orchestrator.compiled.worlds import Worlds
from orchestrator.interface.exports import sorted_exports, world_of
from orchestrator.interface.sections import Unread
from orchestrator.interface.world_types import world_types
from orchestrator.model.world import World

HELD_MAX = 64  # worlds in memory: those asked for last


class FoundWorlds:
    """The worlds of artifacts that are at hand; safe to use from several threads."""

    def __init__(self, inspected: Worlds | None, read: Callable[[str], bytes | None]) -> None:
        """Set it up; `read` returns an artifact by its digest, None where it is not at hand."""
        self._inspected, self._read = inspected, read
        self._lock = threading.Lock()
        self._held: OrderedDict[str, World | None] = OrderedDict()

    def world(self, artifact: str) -> World | None:
        """Return the world of an artifact; None where it cannot be known."""
        with self._lock:
            if artifact in self._held:
                self._held.move_to_end(artifact)
                return self._held[artifact]
        found = self._found(artifact)
        with self._lock:
            if found is not None:  # what is not at hand now may come
                self._held[artifact] = found
            if len(self._held) > HELD_MAX:
                self._held.popitem(last=False)
        return found

    def _found(self, artifact: str) -> World | None:
        inspected = None if self._inspected is None else self._inspected.read(artifact)
        if inspected is not None:
            return inspected
        data = self._read(artifact)
        if data is None:
            return None
        try:
            types = world_types(data)
        except Unread:
            return None
        return world_of(types, sorted_exports(types))
