"""Threads that take work from a queue, one step at a time: as many as there are cores, or as many as are needed."""

import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from orchestrator.concurrency.work import Work
from orchestrator.model.spec import Priority
from orchestrator.supervise.fair_queue import FairQueue

LOST = "lost"  # returned by a job whose thread has been replaced
IDLE_S = 10.0  # a thread that had nothing to hold for this long ends

Step = Callable[[Work[Any], Priority], None]


class WorkerPool:
    """A fixed number of threads; work that gives way goes to the end of their queue of its priority."""

    def __init__(self, name: str, threads: int, step: Step) -> None:
        self._there: SimpleQueue[bool] = SimpleQueue()  # one for each work that is queued
        self._queue: FairQueue[tuple[Work[Any], Priority]] = FairQueue()
        self._lock = threading.Lock()
        self._step, self._threads = step, threads
        for _ in range(threads):
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, work: Work[Any], priority: Priority) -> None:
        """Queue work for its next step."""
        self._queue.put((work, priority), priority)
        self._there.put(True)

    def close(self) -> None:
        """Let every thread end after what is queued so far; does not wait."""
        for _ in range(self._threads):
            self._there.put(False)

    def _run(self) -> None:
        while self._there.get():
            with self._lock:
                ready = self._queue.take()
            assert ready is not None, "each is taken once"
            self._step(*ready)


class ThreadPerJob:
    """A thread for each job, which may take an hour and keeps nothing else waiting; at most so many at once.

    A job that may never return can be given up: its thread counts no more, and ends if it returns after all.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = self._threads = 0  # free ones less those that somebody is about to take

    def submit(self, job: Callable[[], object]) -> None:
        """Run `job` as soon as fewer than so many are at work; it returns `LOST` if it was given up meanwhile."""
        with self._lock:
            self._free -= 1
            grow = self._grows()
        if grow:
            self._spawn()
        self._queue.put(job)

    def give_up(self) -> None:
        """Count a job's thread no more, and start another in its place if one is wanted; that job returns `LOST`."""
        with self._lock:
            self._threads -= 1
            grow = self._grows()
        if grow:
            self._spawn()

    def close(self) -> None:
        """Let every thread end after what is queued so far; does not wait."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._queue.put(None)

    def _grows(self) -> bool:
        grow = self._free < 0 and self._threads < self._most
        self._threads += grow
        self._free += grow
        return grow

    def _spawn(self) -> None:
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=IDLE_S)
            except Empty:
                if self._leave():
                    return
                continue
            if job is None:
                return
            try:
                if job() is LOST:
                    return
            except Exception:  # noqa: BLE001 — a bug of ours, which takes nobody's thread
                report()
            with self._lock:
                self._free += 1

    def _leave(self) -> bool:
        with self._lock:
            if self._free <= 0:  # a job is on its way to this thread
                return False
            self._free -= 1
            self._threads -= 1
            return True


def report() -> None:
    """Report the exception that is being handled as the end of a thread is reported."""
    threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
