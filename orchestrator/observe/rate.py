"""A limit on output: so many lines a second in the long run, some seconds' worth at once, and the rest counted."""

BURST_S = 10  # seconds' worth that may be said at once
GAP_MS = 1_000  # once something was dropped, so is all that follows within this time: the count stands where the gap is


class Rate:
    """One allowance, in lines. Time is an argument, in monotonic milliseconds. For one thread at a time."""

    __slots__ = ("_gap_until_ms", "_left", "_since_ms", "dropped", "per_s")

    def __init__(self, per_s: int, now_ms: int) -> None:
        self.per_s = per_s
        self.dropped = 0  # and not told yet
        self._left = float(per_s * BURST_S)
        self._since_ms = now_ms
        self._gap_until_ms = 0

    def admits(self, now_ms: int) -> bool:
        """Take the place of one line, if there is one."""
        if self.dropped and now_ms < self._gap_until_ms:
            return False
        earned = (now_ms - self._since_ms) * self.per_s / 1000
        self._left, self._since_ms = min(float(self.per_s * BURST_S), self._left + earned), now_ms
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def drop(self, lines: int, now_ms: int) -> bool:
        """Count lines that were not admitted; True when a gap begins, whose count is to be told `GAP_MS` later."""
        begins = not self.dropped
        if begins:
            self._gap_until_ms = now_ms + GAP_MS
        self.dropped += lines
        return begins

    def take_dropped(self) -> int:
        """Return how many were dropped since this was told last."""
        dropped, self.dropped = self.dropped, 0
        return dropped
