"""Work done to its end on the thread that calls: for jobs, which have one, and where nothing is supervised."""

import threading
import time
from typing import TypeVar

from orchestrator.model.work import Until, Work

T = TypeVar("T")


def finish(work: Work[T]) -> T:
    """Do all of `work` on this thread, waiting where it waits, and return its result."""
    while True:
        try:
            pause = work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(pause, Until):
            sit_out(pause)


def sit_out(pause: Until) -> None:
    """Wait on this thread until the moment has come, or until woken."""
    woken = threading.Event()
    pause.arrange(woken.set)
    woken.wait(max(0.0, (pause.at_ns - time.monotonic_ns()) / 1e9))
