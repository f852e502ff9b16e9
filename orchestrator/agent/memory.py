"""Keeps what the C library holds beside what is in use small: a third of all, after an apply of thousands.

All threads share one heap, and what is free in it goes back to the system after a change. `process` asks for both.
Memory that is in use stays where it is, and so does Python's own.
"""

import asyncio
import ctypes
from collections.abc import Awaitable, Callable

REST_S = 3.0  # without a decision, before it is looked at


_M_ARENA_MAX = -8  # of malloc.h


def share_one_heap() -> None:
    """Have all threads of this process allocate from one heap; to be called before there are several.

    Objects of one deployment are made by one thread and released by another: with a heap for each thread, pages stay
    half empty in all of them. Small objects are Python's own, or come from a thread's cache, without a lock.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc alone
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def _trim() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)


async def _rest() -> None:
    await asyncio.sleep(REST_S)


async def give_back(
    decisions: Callable[[], int], rest: Callable[[], Awaitable[None]] = _rest, trim: Callable[[], None] = _trim
) -> None:  # fmt: skip
    """Give memory back whenever decisions were made and none during a `rest` afterwards; until it is cancelled."""
    given = seen = -1
    while True:
        await rest()
        now = decisions()
        if now == seen and now != given:
            await asyncio.to_thread(trim)
            given = now
        seen = now
