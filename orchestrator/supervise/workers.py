"""The threads that run guests: one per core for messages, two for starting and stopping.

More threads make short calls slower (the GIL changes hands around every foreign call), fewer leave cores idle while
a guest computes. A worker whose guest waits in a host call lends its place to a spare thread meanwhile. This is the
only place that knows how guests are spread over cores.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from orchestrator.supervise.job_threads import JobThreads

Job = Callable[[], None]
SPARES_MAX = 256  # guests waiting in host calls that get a spare thread; further ones keep their worker


class Pool:
    """A fixed number of threads and one queue; grows by a spare while a job says that it is blocked."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._spares = 0
        self._surplus = 0  # spares whose blocked guest came back: the next worker to look at the queue leaves
        self._threads = threads
        for _ in range(threads):
            self._spawn()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._jobs.put(job)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Mark the calling worker as waiting, so that the others' messages are not delayed by it."""
        with self._lock:
            lend = self._spares < SPARES_MAX
            self._spares += lend
        if lend:
            self._spawn()
        try:
            yield
        finally:
            if lend:
                with self._lock:
                    self._surplus += 1
                self._jobs.put(_nothing)  # wakes somebody to notice the surplus

    def close(self) -> None:
        """Let every thread end after the jobs queued so far; does not wait."""
        for _ in range(self._threads + SPARES_MAX):
            self._jobs.put(None)

    def _spawn(self) -> None:
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException:  # a bug of ours, reported where this thread ends; another takes its place
                self._spawn()
                raise
            if self._surplus and self._leave():
                return

    def _leave(self) -> bool:
        with self._lock:
            if not self._surplus:
                return False
            self._surplus -= 1
            self._spares -= 1
            return True


class ThreadWorkers:
    """The real `Workers`."""

    def __init__(self, cores: int | None = None) -> None:
        self._messages = Pool("airs-guest", cores or os.cpu_count() or 1)
        self._slow = Pool("airs-start", 2)
        self._jobs = JobThreads()

    def submit(self, job: Job) -> None:
        """Run a message."""
        self._messages.submit(job)

    def submit_slow(self, job: Job) -> None:
        """Run a start or a stop."""
        self._slow.submit(job)

    def submit_job(self, job: Job) -> None:
        """Run a job to its end."""
        self._jobs.submit(job)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Wrap a wait inside a host call; harmless on a thread that is none of ours."""
        name = threading.current_thread().name
        pool = {"airs-guest": self._messages, "airs-start": self._slow}.get(name)
        if pool is None:
            yield
            return
        with pool.blocked():
            yield

    def close(self) -> None:
        """Let the threads end."""
        self._messages.close()
        self._slow.close()


def _nothing() -> None:
    return
