"""Grants that guests use and calls that were denied → notes: the first at once, the others counted.

Guests' threads tell it, in memory; nothing of it touches the disk. It holds one line for each deployment and capability
that was denied, and one for each revision and capability that was used.
"""

import threading
from collections.abc import Callable, Iterator

from orchestrator.model.audit import AuditKind, Note
from orchestrator.model.ids import DeploymentKey
from orchestrator.time_of_day import wall_ms

LINES_MAX = 20_000  # of each kind; a guest chooses none of what they are counted by
COUNT_EVERY_MS = 60_000  # how often the denials of one line are told after the first


class _Denials:
    """The denials of one capability to one deployment."""

    __slots__ = ("at_ms", "count", "on", "told_at_ms", "untold")

    def __init__(self, on: str, at_ms: int) -> None:
        self.on, self.at_ms = on, at_ms
        self.count = self.untold = 0
        self.told_at_ms = 0


class Uses:
    """The uses and denials of one agent's guests; methods may be called from any thread."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._used: set[tuple[DeploymentKey, str, str]] = set()
        self._denied: dict[tuple[DeploymentKey, str], _Denials] = {}
        self._refused: dict[DeploymentKey, str] = {}
        self._fresh: list[Note] = []

    def used(self, key: DeploymentKey, revision: str, capability: str, on: str) -> None:
        """Note that a capability was used, the first time that a revision uses it."""
        line = (key, revision, capability)
        if line in self._used:
            return
        with self._lock:
            if line in self._used or len(self._used) >= LINES_MAX:
                return
            self._used.add(line)
            facts = {"capability": capability, "on": on, "revision": revision}
            self._fresh.append(Note(kind=AuditKind.GRANT_USED, subject=str(key), at_ms=wall_ms(), facts=facts))
        self._wake()

    def denied(self, key: DeploymentKey, capability: str, on: str) -> None:
        """Count a denial; the first of a line is told at once."""
        with self._lock:
            line = self._denied.get((key, capability))
            if line is None:
                if len(self._denied) >= LINES_MAX:
                    return
                line = self._denied[key, capability] = _Denials(on, wall_ms())
            line.count += 1
            line.untold += 1
            is_first = line.count == 1
        if is_first:
            self._wake()

    def refused(self, key: DeploymentKey, reason: str, text: str) -> None:
        """Note that a policy refuses what is wanted of a deployment, once for as long as it says the same."""
        with self._lock:
            if self._refused.get(key) == text or len(self._refused) >= LINES_MAX:
                return
            self._refused[key] = text
            facts = {"rule": reason, "because": text}
            self._fresh.append(Note(kind=AuditKind.DENIED, subject=str(key), at_ms=wall_ms(), facts=facts))
        self._wake()

    def allowed(self, key: DeploymentKey) -> None:
        """Note that no policy refuses what is wanted any more."""
        if key in self._refused:
            with self._lock:
                self._refused.pop(key, None)

    def take(self, *, is_last: bool = False) -> list[Note]:
        """Return what is to be told now, once; with `is_last`, the counts of which the time has not come as well."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
            return [*fresh, *self._counted(wall_ms(), is_last)]

    def give_back(self, notes: list[Note]) -> None:
        """Take back what could not be told."""
        with self._lock:
            self._fresh = [*notes, *self._fresh]

    def forget(self, key: DeploymentKey) -> None:
        """Forget a deployment that is no more, once its counts are told."""
        with self._lock:
            self._refused.pop(key, None)
            self._used = {line for line in self._used if line[0] != key}
            for line in [line for line in self._denied if line[0] == key and not self._denied[line].untold]:
                del self._denied[line]

    def _counted(self, now_ms: int, is_last: bool) -> Iterator[Note]:
        for (key, capability), line in self._denied.items():
            if line.untold and (is_last or now_ms - line.told_at_ms >= COUNT_EVERY_MS):
                facts = {"capability": capability, "on": line.on, "times": str(line.untold), "total": str(line.count)}
                line.told_at_ms, line.untold = now_ms, 0
                yield Note(kind=AuditKind.DENIED, subject=str(key), at_ms=now_ms, facts=facts)
