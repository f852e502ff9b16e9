"""Runs jobs as threads of which one runs at a time, and changes between them wherever a lock is taken or let go.

A seed decides who goes on, so that a race that is found is found again.
"""

import threading
from collections.abc import Callable
from random import Random

Job = Callable[[], None]


class Strand:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.turn = threading.Semaphore(0)
        self.waits_for: Lock | None = None


class Lock:
    """Stands in for `threading.Lock` where it is used with `with`."""

    def __init__(self, interleaver: "Interleaver") -> None:
        self._interleaver = interleaver
        self.is_held = False

    def __enter__(self) -> None:
        self._interleaver.change()
        while self.is_held:
            self._interleaver.wait_for(self)
        self.is_held = True

    def __exit__(self, *_: object) -> None:
        self.is_held = False
        self._interleaver.change()


class Interleaver:
    """`go` adds a job, `run` runs every job to its end, those that were added meanwhile too."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.failures: list[BaseException] = []
        self._strands: list[Strand] = []
        self._current: Strand | None = None
        self._all_ended = threading.Semaphore(0)
        self.Lock = lambda: Lock(self)

    def go(self, job: Job) -> None:
        strand = Strand(job)
        self._strands.append(strand)
        threading.Thread(target=self._live, args=(strand,), daemon=True).start()

    def run(self) -> None:
        while self._strands:
            self._hand_on()
            self._all_ended.acquire()
        if self.failures:
            raise self.failures[0]

    def change(self) -> None:
        """Let another go on here, or not."""
        if self._current is not None:
            self._hand_on(self._current)

    def wait_for(self, lock: Lock) -> None:
        assert self._current is not None, "a lock is held when nobody runs"
        self._current.waits_for = lock
        self._hand_on(self._current)
        # It goes on once the lock was free; somebody else may have been faster.

    def _live(self, strand: Strand) -> None:
        strand.turn.acquire()
        try:
            strand.job()
        except BaseException as failure:  # noqa: BLE001 — raised again by `run`
            self.failures.append(failure)
        self._strands.remove(strand)
        self._hand_on()

    def _hand_on(self, own: Strand | None = None) -> None:
        able = [s for s in self._strands if s.waits_for is None or not s.waits_for.is_held]
        if not able:
            if self._strands:
                self.failures.append(AssertionError("everybody waits for somebody"))
                self._strands.clear()
            self._current = None
            self._all_ended.release()
            return
        following = self.random.choice(able)
        following.waits_for = None
        self._current = following
        if following is own:
            return
        following.turn.release()
        if own is not None:
            own.turn.acquire()
