"""How soon something is sent again that was not taken, and how much is sent in a minute. Time is an argument."""

from email.utils import parsedate_to_datetime

FIRST_MS, LONGEST_MS = 1_000, 600_000
ASKED_MAX_MS = 3_600_000  # of a wait that a server asks for
BURST_SHARE = 6  # a sixth of what is sent in a minute may be sent at once


def backoff_ms(failures: int, chance: float) -> int:
    """Return how long to wait after so many failures in a row; `chance` is between 0 and 1."""
    longest = min(LONGEST_MS, FIRST_MS * 2 ** min(failures - 1, 20))
    return int(longest * (0.5 + chance / 2))


def asked_wait_ms(retry_after: str, now_s: float) -> int:
    """Read a `Retry-After`, in seconds or as a date; 0 for none that can be read."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal() and len(text) < 12:
        return min(int(text) * 1_000, ASKED_MAX_MS)
    try:
        at_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0
    return max(0, min(int((at_s - now_s) * 1_000), ASKED_MAX_MS))


class SendRate:
    """So many a minute in the long run, and a share of them at once."""

    def __init__(self, per_minute: int, now_ms: int) -> None:
        self._most = max(1.0, per_minute / BURST_SHARE)
        self._gap_ms = 60_000 / per_minute
        self._left, self._since_ms = self._most, now_ms

    def wait_ms(self, now_ms: int) -> int:
        """Return how long to wait before the next; 0 for not at all."""
        self._left = min(self._most, self._left + (now_ms - self._since_ms) / self._gap_ms)
        self._since_ms = now_ms
        return 0 if self._left >= 1 else int((1 - self._left) * self._gap_ms) + 1

    def take(self) -> None:
        """Count one that is sent."""
        self._left -= 1
