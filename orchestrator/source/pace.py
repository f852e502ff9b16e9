"""Decides how long to wait between two looks at a repository: jittered, and longer while it cannot be reached. Pure.

The jitter is seeded by the source's name, so that many sources of one server do not ask it at the same instants, and
each keeps its own beat.
"""

from random import Random

JITTER = 0.05  # of a wait, more or less
BACKOFF_MAX_S = 300.0  # between two looks at a repository that cannot be reached, unless its interval is longer
DOUBLED_MAX = 30  # times that a wait is doubled


class Pace:
    """The waits of one source, one after another."""

    def __init__(self, name: str, interval_s: float) -> None:
        self._interval_s = interval_s
        self._chance = Random(name)  # noqa: S311 — nothing depends on that nobody can tell it
        self._failures = 0
        self._factor = self._drawn()

    def begin(self) -> None:
        """Begin another wait."""
        self._factor = self._drawn()

    def looked(self, *, is_unreachable: bool) -> None:
        """Say how a look ended."""
        self._failures = min(self._failures + 1, DOUBLED_MAX) if is_unreachable else 0

    @property
    def wait_s(self) -> float:
        """The length of this wait, as the newest look ended."""
        longest = max(self._interval_s, BACKOFF_MAX_S)
        return float(min(self._interval_s * 2**self._failures, longest) * self._factor)

    def _drawn(self) -> float:
        return 1 + JITTER * (2 * self._chance.random() - 1)
