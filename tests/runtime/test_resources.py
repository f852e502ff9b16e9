"""What instances hold is given back."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.model.message import Exited, Replied, Returned
from orchestrator.runtime import Runtime
from tests.runtime.guests import FAULTY, MIB, TRAPS, message, start, told, try_start, wasm

TRAPPING = wasm(TRAPS)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def test_a_thousand_starts_and_closes_leave_nothing_behind(make_runtime):
    runtime = make_runtime(told())
    data = FAULTY.read_bytes()

    def cycle(times: int) -> None:
        for _ in range(times):
            guest = start(runtime, data)
            guest.handle(message("echo x"))
            guest.close()

    cycle(100)
    gc.collect()
    before, maps = resident(), mappings()
    cycle(1_000)
    gc.collect()
    assert resident() - before < 8 * MIB
    assert mappings() - maps < 20
    assert len(runtime._engines.small.cells) == len(runtime._engines.small.memories) == 0


def test_three_thousand_crashes_and_restarts_do_not_grow_memory(make_runtime):
    runtime = make_runtime(told())
    data = FAULTY.read_bytes()

    def crash(times: int) -> None:
        for number in range(times):
            guest = start(runtime, data, fuel=1_000_000)
            assert isinstance(guest.handle(message(("trap", "loop", "recurse")[number % 3])), Exited)
            if number % 2:
                guest.close()  # else it is forgotten

    crash(300)
    gc.collect()
    before, maps = resident(), mappings()
    crash(3_000)
    gc.collect()
    assert resident() - before < 2 * MIB  # a kilobyte of each would be 3
    assert mappings() - maps < 20
    assert len(runtime._engines.small.cells) == len(runtime._engines.small.memories) == 0


def test_a_guest_that_is_forgotten_is_freed(make_runtime):
    runtime = make_runtime()
    for _ in range(10):
        start(runtime, TRAPPING).call("unreachable", [])
    gc.collect()
    assert len(runtime._engines.small.cells) == len(runtime._engines.small.memories) == 0


def test_a_start_that_fails_leaves_nothing_behind(make_runtime):
    runtime = make_runtime(told())
    data = FAULTY.read_bytes()
    for wrong in ({"stateful": True}, {"fuel": 10}, {"memory": 65_536}):
        assert isinstance(try_start(runtime, data, **wrong), Exited)
    assert len(runtime._engines.small.cells) == len(runtime._engines.small.memories) == 0


def test_messages_and_replies_do_not_leak(make_runtime):
    values: dict[str, bytes] = {}
    guest = start(make_runtime(told(values=values)), FAULTY.read_bytes(), memory=16 * MIB, fuel=1 << 40)
    payload = bytes(100_000)

    def cycle(times: int) -> None:
        for _ in range(times):
            guest.handle(message(b"store key " + payload))
            guest.handle(message("load key"))
            guest.handle(message("load forbidden"))
            guest.handle(message("err why"))

    cycle(20)
    before = resident()
    cycle(100)  # would be 100 x 100 kB x 32 bytes a byte, did any of it stay
    assert resident() - before < 20 * MIB


def test_a_runtime_that_is_forgotten_stops_ticking():
    runtime = Runtime(None)
    guest = start(runtime, TRAPPING)
    assert guest.call("seven", []) == Returned(7)
    tickers = [thread for thread in threading.enumerate() if thread.name == "airs-epoch"]
    del runtime, guest
    gc.collect()
    tickers[-1].join()


def test_guests_run_on_several_threads_at_once(make_runtime):
    runtime = make_runtime()
    together = threading.Barrier(2)

    def spin(_n: int) -> tuple[int, int]:
        guest = start(runtime, TRAPPING, fuel=1 << 62, timeout_ms=200)
        together.wait()
        began = time.monotonic_ns()
        guest.call("spin", [])
        return began, time.monotonic_ns()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(spin, range(2))
    assert max(first[0], second[0]) < min(first[1], second[1])


def test_one_guest_may_be_called_from_one_thread_after_another(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: guest.handle(message(f"echo {n}")), range(200)))
    assert answers == [Replied(str(n).encode()) for n in range(200)]
