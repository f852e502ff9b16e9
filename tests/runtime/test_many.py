"""Many instances in one process: what they take of memory and of the kernel's maps."""

import gc
import os
import resource
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.message import Health, Replied, Returned
from orchestrator.runtime import HostImport, Runtime, digest_of_bytes
from orchestrator.runtime.engine.engines import SMALL_BYTES
from tests.runtime.guests import MIB, ROOT, message, start, told, try_start, wasm
from tests.runtime.test_within import ECHO, actor

HELLO = (ROOT / "examples/01-hello/components/hello-1.0.0/hello.wasm").read_bytes()
MANY = 20_000
MAPS = 65_530  # vm.max_map_count as Linux comes
BEYOND_LINEAR_MEMORY = 28 << 10  # what an instance that was called, and is at rest again, takes besides

GROWING = """
(component
  (core module $m
    (memory 1)
    (func (export "grow") (param $times i32) (param $pages i32) (result i32)
      (local $sum i32) (local $page i32)
      (loop $more
        (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable))
        (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (memory.size))
        (br_if $more (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.set $page (memory.size))
      (loop $next
        (local.set $sum (i32.add (local.get $sum)
          (i32.load (i32.sub (i32.mul (local.get $page) (i32.const 65536)) (i32.const 4)))))
        (br_if $next (local.tee $page (i32.sub (local.get $page) (i32.const 1)))))
      (local.get $sum)))
  (core instance $i (instantiate $m))
  (func (export "grow") (param "times" u32) (param "pages" u32) (result u32) (canon lift (core func $i "grow"))))
"""


def maps() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def maps_of_memories(runtime: Runtime) -> int:
    """How many of the process's maps linear memories lie in."""
    ranges = (line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines())
    starts = sorted(int(begin, 16) for begin, _end in ranges)
    memories = runtime._engines.small.memories._memories.values()
    return len({bisect_right(starts, memory.address) for memory in memories})


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def linear_memory(runtime: Runtime, count: int) -> int:
    """Count the bytes of the guests' own memories that are in use; their adapters' count as ours."""
    everyone = runtime._engines.small.memories._memories.values()
    memories = [memory for memory in everyone if not memory.is_adapter]
    assert len(memories) == count
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        pages = sum(_present(pagemap, memory.address, memory.mapped) for memory in memories)
    return pages * resource.getpagesize()


def pages_of_adapters(runtime: Runtime) -> int:
    """Count the pages that adapters have in use."""
    memories = runtime._engines.small.memories._memories.values()
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        return sum(_present(pagemap, memory.address, memory.mapped) for memory in memories if memory.is_adapter)


def _present(pagemap: Any, address: int, size: int) -> int:
    page = resource.getpagesize()
    entries = array("Q", os.pread(pagemap.fileno(), size // page * 8, address // page * 8))
    return sum(entry >> 63 for entry in entries)


def everything() -> list[HostImport]:
    return list(told())


def test_twenty_thousand_small_instances_live_in_one_process(make_runtime):
    runtime = make_runtime(everything())
    first = start(runtime, HELLO)
    gc.collect()
    before = resident()
    guests = [start(runtime, HELLO) for _ in range(MANY)]
    assert maps() < MAPS
    assert maps_of_memories(runtime) < MANY / 10
    for guest in guests:
        assert isinstance(guest.handle(message("Ada")), Replied)
    assert maps() < MAPS / 2  # their stacks lie side by side too
    for guest in guests:
        assert [guest.health(), guest.health()] == [Health.HEALTHY] * 2  # the second time without a message between
    gc.collect()
    beyond = resident() - before - linear_memory(runtime, 1 + MANY)
    assert beyond / MANY <= BEYOND_LINEAR_MEMORY
    for guest in (first, guests[0], guests[MANY // 2], guests[-1]):
        assert isinstance(guest.handle(message("Ada")), Replied)
    for guest in (first, *guests):
        guest.close()
    assert len(runtime._engines.small.memories) == 0


def test_an_instance_without_work_gives_back_what_messages_lay_in(make_runtime):
    runtime = make_runtime(everything())
    guest = start(runtime, HELLO)
    for _ in range(2):
        guest.handle(message("x" * 100_000))
        assert guest.health() is Health.HEALTHY
        assert pages_of_adapters(runtime) > 20
        assert guest.health() is Health.HEALTHY
        assert pages_of_adapters(runtime) == 0


def test_an_instance_at_rest_is_asked_how_it_is_again_and_again_without_preparing_that_anew(make_runtime):
    runtime = make_runtime(everything())
    guest = start(runtime, actor(ECHO, health="(i32.load8_u (i32.const 8))"))
    guest.handle(message("Ada"))
    prepared = guest._guest._instance._entries
    for _ in range(3):
        assert guest.health() is Health.HEALTHY
    kept = prepared.copy()
    assert len(kept) == 1, "what messages take is not kept"
    assert guest.health() is Health.HEALTHY
    assert prepared == kept
    assert pages_of_adapters(runtime) == 0


def test_an_instance_that_need_not_be_asked_often_keeps_nothing_for_it(make_runtime):
    guest = start(make_runtime(everything()), HELLO)
    for _ in range(2):
        assert guest.health() is Health.HEALTHY
        assert not guest._guest._instance._entries


@pytest.mark.parametrize(("times", "pages"), [(3, 1), (40, 1), (5, 30), (1, 200)])
def test_a_memory_that_outgrows_its_place_keeps_what_it_holds(make_runtime, times, pages):
    runtime = make_runtime()
    guests = [start(runtime, wasm(GROWING), memory=64 * MIB) for _ in range(5)]
    expected = sum(1 + pages * step for step in range(1, times + 1))
    assert [guest.call("grow", [times, pages]) for guest in guests] == [Returned(expected)] * 5


def test_growth_ends_at_the_limit_wherever_the_memory_lies(make_runtime):
    guest = start(make_runtime(), wasm(GROWING), memory=3 * MIB)
    assert guest.call("grow", [47, 1]) == Returned(sum(range(2, 49)))
    ended = guest.call("grow", [1, 1])
    assert ended.reason.kind.value == "memory"


def test_only_small_components_go_without_guards(make_runtime, tmp_path):
    small = wasm(GROWING)
    large = small + _custom_section(bytes(SMALL_BYTES))
    runtime = make_runtime(cache=tmp_path / "cache")
    again = make_runtime(cache=tmp_path / "cache")
    for made in (runtime, again):
        engines = [made.load(digest_of_bytes(data), lambda data=data: data).engine for data in (small, large)]
        assert [engine.guards for engine in engines] == [False, True]
        assert start(made, large, memory=64 * MIB).call("grow", [40, 1]) == Returned(sum(range(2, 42)))


def test_a_memory_larger_than_the_limit_at_its_start_is_refused_without_a_trace(make_runtime):
    runtime = make_runtime()
    before = maps()
    for _ in range(50):
        assert try_start(runtime, wasm(GROWING), memory=1000).reason.kind.value == "memory"
    assert maps() - before < 20
    assert len(runtime._engines.small.memories) == 0


def _custom_section(content: bytes) -> bytes:
    body = b"\x03pad" + content
    size, encoded = len(body), bytearray()
    while size >= 0x80:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes((0, *encoded)) + body
