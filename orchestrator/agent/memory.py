"""Returns memory to the system that the C library keeps after a change: a sixth of all, after an apply of thousands.

`process` runs it on its loop. Memory that is in use stays where it is, and so does Python's own.
"""

import asyncio
import ctypes
from collections.abc import Awaitable, Callable

REST_S = 3.0  # without a decision, before it is looked at


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
