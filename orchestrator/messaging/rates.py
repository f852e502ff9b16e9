"""Limits of how much a deployment may send: a token bucket for each. In whole numbers, so nothing drifts.

`execute` sets the limits, and `host` asks before each message of a guest, whichever of its instances that is of.
"""

import threading
from collections.abc import Callable

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import RateLimit


class Bucket:
    """The messages left under a limit; from any thread. One costs `per_ms`, and a millisecond brings `messages`."""

    __slots__ = ("_at_ms", "_cost", "_full", "_level", "_lock", "_now_ms", "_per_ms", "limit", "limited")

    def __init__(self, limit: RateLimit, now_ms: Callable[[], int]) -> None:
        self._lock = threading.Lock()
        self._now_ms = now_ms
        self.limited = 0  # messages that were not let through
        self._level, self._at_ms = limit.burst * limit.per_ms, now_ms()
        self._set(limit)

    def change(self, limit: RateLimit) -> None:
        """Go on with another limit, with as many messages left as there were, if it allows so many."""
        with self._lock:
            self._refill()
            self._level = self._level * limit.per_ms // self._cost
            self._set(limit)

    def takes(self, count: int = 1) -> bool:
        """Take so many messages out, all or none; those that it has not are counted."""
        with self._lock:
            self._refill()
            if self._level < count * self._cost:
                self.limited += count
                return False
            self._level -= count * self._cost
            return True

    def _set(self, limit: RateLimit) -> None:
        self.limit = limit
        self._cost, self._full = limit.per_ms, limit.burst * limit.per_ms
        self._level = min(self._level, self._full)

    def _refill(self) -> None:
        now = self._now_ms()
        self._level = min(self._full, self._level + (now - self._at_ms) * self.limit.messages)
        self._at_ms = now


class Rates:
    """The buckets of the deployments that have a limit. Set by one thread, asked by any."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._buckets: dict[DeploymentKey, Bucket] = {}
        self._past: dict[DeploymentKey, int] = {}  # counts of those whose limit is gone

    def limit(self, sender: DeploymentKey, limit: RateLimit | None) -> None:
        """Set how much somebody may send; None lets it send what it likes."""
        bucket = self._buckets.get(sender)
        if bucket is None:
            if limit is not None:
                self._buckets = {**self._buckets, sender: Bucket(limit, self._now_ms)}
        elif limit is None:
            self._past[sender] = self.limited(sender)
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if key != sender}
        elif bucket.limit != limit:
            bucket.change(limit)

    def over(self, sender: DeploymentKey, count: int = 1) -> str:
        """Say why somebody may not send so many messages now; nothing where it may, which counts against its limit."""
        bucket = self._buckets.get(sender)
        if bucket is None or bucket.takes(count):
            return ""
        limit = bucket.limit
        return f"rate limit: {sender} may send {limit.messages} messages in {limit.per_ms} ms, {limit.burst} at once"

    def limited(self, sender: DeploymentKey) -> int:
        """Count the messages that were over the limit."""
        bucket = self._buckets.get(sender)
        return self._past.get(sender, 0) + (0 if bucket is None else bucket.limited)

    def forget(self, sender: DeploymentKey) -> None:
        """Forget a sender that is gone."""
        self.limit(sender, None)
        self._past.pop(sender, None)
