"""Threads for what may take an hour: one per job, so that it keeps no message waiting, and only so many at once."""

import threading
from collections import deque
from collections.abc import Callable

AT_ONCE_MAX = 64  # jobs; further ones wait until one has ended


class JobThreads:
    """Threads that are there while there is something to run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` as soon as fewer than `AT_ONCE_MAX` are at work."""
        with self._lock:
            self._waiting.append(job)
            if self._threads >= AT_ONCE_MAX:
                return
            self._threads += 1
        self._spawn()

    def _spawn(self) -> None:
        threading.Thread(target=self._work, name="airs-job", daemon=True).start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except BaseException:  # a bug of ours, reported where this thread ends; another takes its place
                self._spawn()
                raise

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None
