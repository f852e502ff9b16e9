"""The deployments that want a look, and when: each once, however often something happened to it.

The controller asks it on each pass; instances, timers and decisions fill it. That a key is in it says only *look
again*; nothing is lost if it is added twice, and all are looked at now and then though nothing added them.
"""

import heapq
import math
import threading
from collections.abc import Callable, Iterable, Sequence

from orchestrator.model.ids import DeploymentKey

SWEEP_MS = 60_000  # how long nothing may add a key before it is looked at on its own account
SWEEP_STEP_MS = 1_000  # such looks are spread over time: a part of all keys this often


class WorkQueue:
    """Keys, at once or at a time, by the monotonic clock. `add` may be called from any thread, the rest from one."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._wanted: set[DeploymentKey] = set()
        self._due: dict[DeploymentKey, int] = {}
        self._order: list[tuple[int, DeploymentKey]] = []  # a heap; an entry that `_due` does not know is void
        self._swept_ms = now_ms()
        self._to_sweep: Sequence[DeploymentKey] = ()
        self._share = 0  # of them, in one step

    def add(self, keys: Iterable[DeploymentKey]) -> None:
        """Put keys into the next pass."""
        with self._lock:
            self._wanted.update(keys)

    def add_in(self, key: DeploymentKey, delay_ms: int) -> None:
        """Put a key into a pass in a while, or sooner if that was asked for already."""
        at_ms = self._now_ms() + delay_ms
        known = self._due.get(key)
        if known is None or at_ms < known:
            self._due[key] = at_ms
            heapq.heappush(self._order, (at_ms, key))

    def take(self, everything: Callable[[], Iterable[DeploymentKey]]) -> set[DeploymentKey]:
        """Return those whose turn it is, with the next part of `everything` where that is due."""
        now = self._now_ms()
        with self._lock:
            taken, self._wanted = self._wanted, set()
        while self._order and self._order[0][0] <= now:
            at_ms, key = heapq.heappop(self._order)
            if self._due.get(key) == at_ms:
                del self._due[key]
                taken.add(key)
        taken.update(self._sweep(now, everything))
        for key in taken:
            self._due.pop(key, None)  # the look itself says when to look again
        return taken

    def wait_ms(self) -> int:
        """Return how long nothing is due."""
        with self._lock:
            if self._wanted:
                return 0
        while self._order and self._due.get(self._order[0][1]) != self._order[0][0]:
            heapq.heappop(self._order)
        now = self._now_ms()
        sweep_ms = max(0, self._swept_ms + SWEEP_STEP_MS - now)
        return min(sweep_ms, max(0, self._order[0][0] - now)) if self._order else sweep_ms

    def _sweep(self, now: int, everything: Callable[[], Iterable[DeploymentKey]]) -> Sequence[DeploymentKey]:
        if now - self._swept_ms < SWEEP_STEP_MS:
            return ()
        self._swept_ms = now
        if not self._to_sweep:
            self._to_sweep = [*everything()]
            self._share = math.ceil(len(self._to_sweep) * SWEEP_STEP_MS / SWEEP_MS)
        part, self._to_sweep = self._to_sweep[: self._share], self._to_sweep[self._share :]
        return part
