"""Rounds of health checks: instances that are due at about the same time, one after the other.

A timer and a change of threads for each check cost more than the check. A round is as exact as a hundredth of the
interval, and early rather than late; its checks are made a few at a time, so that a message waits for few of them.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from orchestrator.concurrency.clock import Clock, Timer
from orchestrator.supervise.ports import Workers

SHARE = 100  # of its interval, by which a check may be early
SLICE = 16  # checks that are begun before others' work has its turn


class _Round:
    """The calls of one moment, and the timer that makes them."""

    __slots__ = ("at_ms", "calls", "left", "timer")

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms
        self.calls: list[_Due] = []
        self.left = 0  # calls that were not cancelled
        self.timer: Timer | None = None


class _Due:
    """A call that a round makes."""

    __slots__ = ("_cancel", "_round", "call")

    def __init__(self, call: Callable[[], None], round: _Round, cancel: Callable[[_Round], None]) -> None:
        self.call: Callable[[], None] | None = call
        self._round, self._cancel = round, cancel

    def cancel(self) -> None:
        """Do not make it, if it was not made yet."""
        if self.call is not None:
            self.call = None
            self._cancel(self._round)


class CheckRounds:
    """The rounds to come, by when they are due; from any thread."""

    __slots__ = ("_clock", "_lock", "_rounds", "_workers")

    def __init__(self, clock: Clock, workers: Workers) -> None:
        self._clock, self._workers = clock, workers
        self._lock = threading.Lock()
        self._rounds: dict[int, _Round] = {}

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> _Due:
        """Make a short call with the round that is due in `delay_ms`, or shortly before."""
        now_ms = self._clock.monotonic_ms()
        width_ms = max(1, delay_ms // SHARE)
        at_ms = (now_ms + delay_ms) // width_ms * width_ms
        with self._lock:
            found = self._rounds.get(at_ms)
            if found is None:
                found = self._rounds[at_ms] = _Round(at_ms)
                found.timer = self._clock.call_later(max(0, at_ms - now_ms), partial(self._begin, found))
            due = _Due(call, found, self._cancelled)
            found.calls.append(due)
            found.left += 1
        return due

    def _cancelled(self, round: _Round) -> None:
        with self._lock:
            round.left -= 1
            if not round.left and self._rounds.get(round.at_ms) is round:
                del self._rounds[round.at_ms]
                assert round.timer is not None
                round.timer.cancel()

    def _begin(self, round: _Round) -> None:
        with self._lock:
            if self._rounds.get(round.at_ms) is not round:  # the last of it was cancelled just now
                return
            del self._rounds[round.at_ms]
        self._workers.submit(self._make(round.calls))

    async def _make(self, due: Sequence[_Due]) -> None:
        for one in due[:SLICE]:
            call, one.call = one.call, None
            if call is not None:
                call()
        if len(due) > SLICE:
            self._workers.submit(self._make(due[SLICE:]))
