"""When memory is given back: once after decisions, when there were none for a while; one heap for all threads."""

import asyncio
import ctypes
import subprocess
import sys

import pytest

from orchestrator.agent.memory import give_back


@pytest.mark.parametrize(
    ("decisions", "times"),
    [([0, 0, 0], 1), ([1, 2, 3, 4], 0), ([1, 2, 2, 2, 2], 1), ([1, 1, 2, 3, 3, 3], 2)],
    ids=["at the beginning", "while there are ever more", "once after them", "again after others"],
)
def test_memory_is_given_back_once_after_decisions_and_not_amid_them(decisions, times):
    made, given = iter(decisions), []
    left = iter(decisions)

    async def rest() -> None:
        if next(left, None) is None:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_back(lambda: next(made), rest, lambda: given.append(True)))
    assert len(given) == times


def test_giving_back_works_on_this_system():
    async def rest() -> None:
        if next(left, None) is None:
            raise asyncio.CancelledError

    left = iter((1, 2, 3))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_back(lambda: 7, rest))


HEAPS = """
import ctypes, re, sys, threading
from orchestrator.agent.memory import share_one_heap

library = ctypes.CDLL(None)
library.malloc.restype, library.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
share_one_heap()
threads = [threading.Thread(target=lambda: library.malloc(100_000)) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
file = ctypes.c_void_p(library.fopen(sys.argv[1].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
"""


def test_all_threads_of_a_process_share_one_heap(tmp_path):
    told = tmp_path / "heaps.xml"
    if not hasattr(ctypes.CDLL(None), "malloc_info"):
        pytest.skip("the C library does not tell of its heaps")
    subprocess.run([sys.executable, "-c", HEAPS, told], check=True)
    assert told.read_text().count("<heap nr=") == 1
