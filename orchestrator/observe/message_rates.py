"""The recent rate of messages to each deployment, which a plan compares an analysis with.

The observer hands in how many came so far. The rate is the mean since a moment one to two windows ago, or since the
first look where that is later, so that it neither jumps with each burst nor remembers last night.
"""

import threading
from collections.abc import Callable
from weakref import WeakKeyDictionary

from orchestrator.messaging.mailbox.route import Route

WINDOW_MS = 60_000
LEAST_MS = 1_000  # below this, a handful of messages would look like a flood

_Sample = tuple[int, int]  # when, and how many had come


class MessageRates:
    """The rates by route, each as long as that lives; from any thread."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        # The older is what is compared with, the newer becomes that a window later.
        self._samples: WeakKeyDictionary[Route, tuple[_Sample, _Sample]] = WeakKeyDictionary()

    def of(self, route: Route, received: int) -> float | None:
        """Return messages a second; None where none ever came, or nobody has looked for long enough."""
        now_ms = self._now_ms()
        with self._lock:
            older, newer = self._samples.get(route, ((now_ms, received),) * 2)
            if now_ms - newer[0] >= WINDOW_MS:
                older, newer = newer, (now_ms, received)
            self._samples[route] = older, newer
        span_ms = now_ms - older[0]
        return (received - older[1]) * 1000 / span_ms if received and span_ms >= LEAST_MS else None
