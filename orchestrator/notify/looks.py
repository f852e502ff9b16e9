"""When a source is looked at for requests: at once, then no sooner than after an interval; a flood is one look.

Time is an argument, in monotonic milliseconds. For one thread at a time.
"""


class PendingLooks:
    """The looks that are asked for and were not done yet, at most one for each source."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._pending: set[str] = set()
        self._done_ms: dict[str, int] = {}  # of sources looked at within the interval

    def ask(self, source: str, now_ms: int) -> int | None:
        """Ask for a look; returns in how many milliseconds it is due, None where one is pending already."""
        if source in self._pending:
            return None
        self._pending.add(source)
        done_ms = self._done_ms.get(source)
        return 0 if done_ms is None else max(0, done_ms + self._interval_ms - now_ms)

    def done(self, source: str, now_ms: int) -> None:
        """Note that a source is looked at now."""
        self._pending.discard(source)
        self._done_ms = {name: at for name, at in self._done_ms.items() if now_ms - at < self._interval_ms}
        self._done_ms[source] = now_ms
