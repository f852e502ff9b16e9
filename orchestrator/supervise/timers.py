"""The real clock: one thread that makes due calls, in order. And one call of an instance that is due later."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from orchestrator.concurrency.clock import Clock, Timer
from orchestrator.supervise.check_rounds import CheckRounds
from orchestrator.time_of_day import wall_ms, wall_ns

SWEEP_MIN = 1_024  # calls that are due, before those are swept out that were cancelled


class _Due:
    __slots__ = ("at_ms", "call", "number")

    def __init__(self, at_ms: int, number: int, call: Callable[[], None]) -> None:
        self.at_ms, self.number, self.call = at_ms, number, call

    def __lt__(self, other: "_Due") -> bool:
        return (self.at_ms, self.number) < (other.at_ms, other.number)

    def cancel(self) -> None:
        self.call = _nothing


class SystemClock:
    """Monotonic time for deadlines, wall-clock time for display, and timers."""

    def __init__(self) -> None:
        self._due: list[_Due] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._sweep_at = SWEEP_MIN
        self._spawn()

    def monotonic_ms(self) -> int:
        """Return milliseconds that only ever grow."""
        return time.monotonic_ns() // 1_000_000

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return wall_ms()

    def wall_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return wall_ns()

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> _Due:
        """Make a short call in `delay_ms`, never early."""
        due = _Due(self.monotonic_ms() + delay_ms + 1, next(self._numbers), call)
        with self._changed:
            if len(self._due) >= self._sweep_at:
                self._sweep()
            heapq.heappush(self._due, due)
            self._changed.notify()
        return due

    def _sweep(self) -> None:
        """Drop what was cancelled, so that calls for a far time, made and cancelled again and again, do not add up."""
        self._due = [due for due in self._due if due.call is not _nothing]
        heapq.heapify(self._due)
        self._sweep_at = max(SWEEP_MIN, 2 * len(self._due))

    def close(self) -> None:
        """End the thread, and drop the calls that were due later."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _spawn(self) -> None:
        threading.Thread(target=self._run, name="airs-timers", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._is_due():
                    self._changed.wait(self._wait_s())
                if self._closed:
                    return
                due = heapq.heappop(self._due)
            try:
                due.call()
            except BaseException:  # a bug of ours, reported where this thread ends; another takes its place
                self._spawn()
                raise

    def _is_due(self) -> bool:
        return bool(self._due) and self._due[0].at_ms <= self.monotonic_ms()

    def _wait_s(self) -> float | None:
        return max(0.0, (self._due[0].at_ms - self.monotonic_ms()) / 1000) if self._due else None


class OneTimer:
    """One call that is due later, or none: arming it anew takes the place of the call before."""

    __slots__ = ("_clock", "_due_ms", "_timer")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_ms = 0
        self._timer: Timer | None = None

    def arm(self, delay_ms: int, call: Callable[[], None], rounds: CheckRounds | None = None) -> None:
        """Make this call later, and no other; by one of some `rounds`, with others that are due then."""
        self.disarm()
        self._due_ms = self._clock.monotonic_ms() + delay_ms
        self._timer = (rounds or self._clock).call_later(delay_ms, call)

    def disarm(self) -> None:
        """Make no call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def left_ms(self) -> int:
        """How long it is until the call that was armed last; less than nothing where that was made."""
        return self._due_ms - self._clock.monotonic_ms()


def _nothing() -> None:
    return
