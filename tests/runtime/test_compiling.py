"""Compiling large components: told, side by side, and beside calls into guests that run."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.model.compiling import Compiling
from orchestrator.model.message import Returned
from orchestrator.model.world import ArtifactFault
from orchestrator.runtime import CodeOrigin, Runtime, digest_of_bytes
from orchestrator.runtime.component.native import NICENESS
from tests.runtime.guests import TRAPS, big, start, wasm

FUNCTIONS = 2_500
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def large() -> tuple[bytes, bytes]:
    return big(FUNCTIONS), big(FUNCTIONS + 1)


def priorities(name: str) -> list[int]:
    threads = [thread.native_id for thread in threading.enumerate() if thread.name == name]
    return [os.getpriority(os.PRIO_PROCESS, number) for number in threads if number is not None]


def test_a_compilation_is_told_when_it_begins_and_when_it_is_over(tmp_path):
    heard: list[Compiling] = []
    data = wasm(TRAPS)
    for _ in range(2):
        runtime = Runtime(tmp_path / "cache", compiling=heard.append)
        runtime.load(digest_of_bytes(data), lambda: data, "default/traps")
        runtime.load(digest_of_bytes(data), lambda: data, "default/traps")
        runtime.close()
    begun, over = heard  # once: what comes from the cache or from memory is not compiled
    assert begun == Compiling(digest_of_bytes(data), len(data), "default/traps", None)
    assert (over.artifact, over.size_bytes, over.name) == (begun.artifact, begun.size_bytes, begun.name)
    assert over.took_s is not None
    assert over.took_s > 0


def test_a_compilation_that_fails_is_over_too():
    heard: list[Compiling] = []
    runtime = Runtime(None, compiling=heard.append)
    with pytest.raises(ArtifactFault):
        runtime.inspect(b"\0asm\x0d\0\1\0" + bytes((1, 4, 0, 1, 2, 3)))
    assert [each.took_s is None for each in heard] == [True, False]
    runtime.close()


def test_large_components_compile_at_the_same_time(large):
    together = threading.Barrier(2)

    def heard(compiling: Compiling) -> None:
        if compiling.took_s is None:
            together.wait(LIMIT_S)  # broken if one had to wait for the other's end

    runtime = Runtime(None, compiling=heard)
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(runtime.load, digest_of_bytes(data), lambda data=data: data) for data in large]
        assert [load.result().origin for load in loads] == [CodeOrigin.COMPILED] * 2
    runtime.close()


def test_guests_are_called_and_started_while_a_large_component_compiles(large):
    began, over = threading.Event(), threading.Event()
    small = wasm(TRAPS)

    def heard(compiling: Compiling) -> None:
        if compiling.size_bytes > len(small):
            (began if compiling.took_s is None else over).set()

    runtime = Runtime(None, compiling=heard)
    guest = start(runtime, small)
    data = large[0]
    compiling = threading.Thread(target=lambda: runtime.load(digest_of_bytes(data), lambda: data))
    compiling.start()
    assert began.wait(LIMIT_S)
    answers = [guest.call("seven", []) for _ in range(20)] + [start(runtime, small).call("seven", [])]
    while NICENESS not in priorities("airs-compile"):
        assert not over.is_set()
    assert not over.is_set()
    compiling.join()
    assert over.is_set()
    assert answers == [Returned(7)] * 21
    runtime.close()


def test_a_large_component_from_the_cache_works(large, tmp_path):
    data = large[0]
    for origin in (CodeOrigin.COMPILED, CodeOrigin.CACHE):
        runtime = Runtime(tmp_path / "cache")
        assert runtime.load(digest_of_bytes(data), lambda: data).origin is origin
        assert start(runtime, data).call("seven", []) == Returned(7)
        runtime.close()
