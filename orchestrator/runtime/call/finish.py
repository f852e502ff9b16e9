"""Work done to its end on the thread that calls: for jobs, which have one, and where nothing is supervised."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from orchestrator.concurrency.work import Held, Until, Work

T = TypeVar("T")
LOOK_S = 0.025  # between two looks at whether a call is over that does not return


def here(held: Held[Any]) -> None:
    """Make a call that holds a thread on this one, for as long as it takes."""
    held.run()


def apart(held: Held[Any]) -> None:
    """Make a call on a thread of its own and wait for it on this one, until it is over and was given up."""
    over = threading.Event()
    held.given_up = over.set

    def make() -> None:
        if held.run():
            over.set()

    threading.Thread(target=make, name="airs-hold", daemon=True).start()
    while not over.wait(LOOK_S):
        if held.over_ns is not None and time.monotonic_ns() >= held.over_ns:
            held.give_up()


def finish(work: Work[T], hold: Callable[[Held[Any]], None] = here) -> T:
    """Do all of `work` on this thread, waiting where it waits, and return its result; `hold` makes what holds one."""
    while True:
        try:
            pause = work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(pause, Until):
            sit_out(pause)
        elif isinstance(pause, Held):
            hold(pause)


def sit_out(pause: Until) -> None:
    """Wait on this thread until the moment has come, or until woken."""
    woken = threading.Event()
    pause.arrange(woken.set)
    woken.wait(max(0.0, (pause.at_ns - time.monotonic_ns()) / 1e9))
