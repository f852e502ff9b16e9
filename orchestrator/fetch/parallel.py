"""Several calls at once on threads that nobody waits for at the end: a slow server keeps no process from ending.

Python's own executors join their threads when the interpreter ends, for as long as a download may take.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def all_at_once(call: Callable[[T], R], items: Sequence[T], at_once: int) -> list[R | BaseException]:
    """Call `call` with each item, so many at a time; returns what each returned or raised, in order."""
    found: dict[int, R | BaseException] = {}
    left = iter(enumerate(items))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number, item = next(left, (-1, None))
            if number < 0 or item is None:
                return
            try:
                found[number] = call(item)
            except BaseException as raised:  # noqa: BLE001 — the caller's thread raises or tells it
                found[number] = raised

    threads = [threading.Thread(target=work, name="airs-fetch", daemon=True) for _ in items[:at_once]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(items))]
