"""A clock and workers that do nothing on their own: the world says when, and a seed says in which order."""

from collections.abc import Callable
from random import Random

from orchestrator.concurrency.work import Work
from orchestrator.model.spec import Priority

START_MS = 1_800_000_000_000
Job = Callable[[], None]


class Due:
    def __init__(self, at_ms: int, call: Job) -> None:
        self.at_ms, self.call, self.is_cancelled, self.has_begun = at_ms, call, False, False

    def cancel(self) -> None:
        self.is_cancelled = True

    def fire(self) -> None:
        if self.has_begun or not self.is_cancelled:
            self.call()


class FakeClock:
    """Time that passes when it is told to. Wall and monotonic time differ, so that mixing them shows."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._due: list[Due] = []

    def monotonic_ms(self) -> int:
        return self.now_ms

    def wall_ms(self) -> int:
        return START_MS + self.now_ms

    def wall_ns(self) -> int:
        return self.wall_ms() * 1_000_000

    def call_later(self, delay_ms: int, call: Job) -> Due:
        due = Due(self.now_ms + max(delay_ms, 0), call)
        self._due.append(due)
        return due

    def pass_time(self, milliseconds: int) -> list[Due]:
        """Let time pass; the timers that are due, in order, are the caller's to fire."""
        self.now_ms += milliseconds
        due = sorted((d for d in self._due if d.at_ms <= self.now_ms), key=lambda d: d.at_ms)
        self._due = [d for d in self._due if d.at_ms > self.now_ms and not d.is_cancelled]
        return due

    def forget(self) -> None:
        """Drop every timer, as the end of a process does."""
        self._due.clear()

    @property
    def next_ms(self) -> int | None:
        return min((d.at_ms for d in self._due if not d.is_cancelled), default=None)


class SeededWorkers:
    """Keeps jobs until somebody runs one, picked by the seed: any order that threads could give."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.jobs: list[Work[None]] = []

    def submit(self, work: Work[None], _priority: Priority = Priority.NORMAL) -> None:
        self.jobs.append(work)

    def submit_call(self, call: Job) -> None:
        async def work() -> None:
            call()

        self.submit(work())

    def run_one(self) -> None:
        """Make one step; what gave way, to go on whenever the seed says."""
        if not self.jobs:
            return
        work = self.jobs.pop(self.random.randrange(len(self.jobs)))
        try:
            work.send(None)
        except StopIteration:
            return
        self.jobs.append(work)

    def __del__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop all work, as the end of a process does."""
        for work in self.jobs:
            work.close()
        self.jobs.clear()

    def run_all(self) -> None:
        while self.jobs:
            self.run_one()
