"""Threads that take work from a queue, one step at a time: as many as there are cores, or as many as are needed."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from orchestrator.model.work import Work

HELD_MAX = 256  # guests that hold a thread each; further ones wait for one of those
IDLE_S = 10.0  # a thread that had nothing to hold for this long ends

Step = Callable[[Work[Any]], None]


class Crew:
    """A fixed number of threads; work that gives way goes to the end of their queue."""

    def __init__(self, name: str, threads: int, step: Step) -> None:
        self._queue: SimpleQueue[Work[Any] | None] = SimpleQueue()
        self._step, self._threads = step, threads
        for _ in range(threads):
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, work: Work[Any]) -> None:
        """Queue work for its next step."""
        self._queue.put(work)

    def close(self) -> None:
        """Let every thread end after what is queued so far; does not wait."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            self._step(work)


class Held:
    """A thread for each piece of work, made when none is free."""

    def __init__(self, name: str, step: Step) -> None:
        self._name, self._step = name, step
        self._queue: SimpleQueue[Work[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = self._threads = 0

    def put(self, work: Work[Any]) -> None:
        """Run work on a thread of its own; it waits for one only when there are `HELD_MAX`."""
        with self._lock:
            self._free -= 1
            grow = self._free < 0 and self._threads < HELD_MAX
            self._threads += grow
            self._free += grow
        if grow:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self._queue.put(work)

    def close(self) -> None:
        """Let every thread end after what is queued so far; does not wait."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._queue.put(None)

    def _run(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=IDLE_S)
            except Empty:
                if self._leave():
                    return
                continue
            if work is None:
                return
            self._step(work)
            with self._lock:
                self._free += 1

    def _leave(self) -> bool:
        with self._lock:
            if self._free <= 0:  # work is on its way to this thread
                return False
            self._free -= 1
            self._threads -= 1
            return True
