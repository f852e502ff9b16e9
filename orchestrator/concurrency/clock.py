"""The clock as everything but itself sees it, so that a simulation can be the clock."""

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make it, if it was not made yet."""


class Clock(Protocol):
    """Time. Deadlines are monotonic; times shown or stored are wall-clock. In milliseconds but where it says so."""

    def monotonic_ms(self) -> int:
        """Return milliseconds that only ever grow."""

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""

    def wall_ns(self) -> int:
        """Return nanoseconds since 1970, for what is short."""

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        """Make a short, non-blocking call in `delay_ms`."""
