"""Measures what many instances take, and whether crashing and restarting for a long time takes ever more.

    python -m benchmarks.instances                        all of it, about three minutes
    python -m benchmarks.instances --crashes 1000         fewer crashes

Not one of the tables of `make bench`: these are bytes and maps, and nothing stands beside them.
"""

import argparse
import gc
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue

from benchmarks import stage
from benchmarks.load import CALCULATOR, HELLO, REVISION, runtime_for
from benchmarks.stage import CLIENT, FAULTY
from orchestrator.messaging.envelope import Envelope
from orchestrator.model.message import Exited, Outcome
from orchestrator.runtime import Direct, Start, digest_of_bytes, start_here

WARM = 0.5  # of all crashes, after which growth counts: until then, the agent's journals of events fill
RESTARTS = "\n  restart: {intensity: 1000, period: 1s, backoff: {initial: 1ms, max: 1ms}}"
CRASH = b"trap"


def main() -> None:
    """Measure and print, a line each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instances", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--crashes", type=int, default=100_000, help="of instances by themselves")
    parser.add_argument("--supervised", type=int, default=20_000, help="crashes that the supervisor answers")
    asked = parser.parse_args()
    for path in (HELLO, CALCULATOR):  # each in a process of its own: what the last one freed is not given back at once
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            print(alone.submit(many, path, asked.instances).result(), flush=True)
    crashes(asked.crashes)
    supervised(asked.supervised)


def many(path: Path, count: int) -> str:
    """Start `count` instances of one component; return what each takes."""
    data = path.read_bytes()
    runtime = runtime_for(None, data)
    request = Start(id=CLIENT, revision=REVISION, loaded=runtime.load(digest_of_bytes(data), lambda: data))
    held = [start_here(request)]
    gc.collect()
    before, maps_before, began = resident(), maps(), time.perf_counter()
    held += [start_here(request) for _ in range(count)]
    took = time.perf_counter() - began
    assert all(isinstance(guest, Direct) for guest in held), held[-1]
    each = (resident() - before) / count
    said = (
        f"{path.stem}: {count} instances, {each / 1024:.1f} KiB of RSS each, {maps() - maps_before} maps together, "
        f"{took / count * 1e6:.0f} µs to start one"
    )
    for guest in held:
        assert isinstance(guest, Direct)
        guest.close()
    runtime.close()
    return said


def crashes(count: int) -> int:
    """Start an instance, let it trap, free it, `count` times; return by how many bytes RSS grew once warm."""
    data = (FAULTY / "faulty.wasm").read_bytes()
    runtime = runtime_for(None, data)
    request = Start(id=CLIENT, revision=REVISION, loaded=runtime.load(digest_of_bytes(data), lambda: data))

    def crash() -> None:
        guest = start_here(request)
        assert isinstance(guest, Direct), guest
        assert isinstance(guest.handle(stage.message(CRASH)), Exited)
        guest.close()

    grown = _grown("crash, free, start again", crash, count)
    runtime.close()
    return grown


def supervised(count: int) -> int:
    """Let the one instance of a deployment trap, and the supervisor start it again, `count` times; return the same."""
    with stage.running_agent() as made:
        key = made.deploy("faulty", FAULTY, RESTARTS)
        answers: SimpleQueue[Outcome] = SimpleQueue()

        def crash() -> None:
            assert made.agent.router.deliver(key, Envelope(stage.message(CRASH), answers.put)) is None
            assert isinstance(answers.get(timeout=stage.LIMIT_S), Exited)

        return _grown("the same through mailbox and supervisor", crash, count)


def _grown(what: str, crash: Callable[[], None], count: int) -> int:
    warm = max(1, int(count * WARM))
    for _ in range(warm):
        crash()
    gc.collect()
    before, maps_before, began = resident(), maps(), time.perf_counter()
    for _ in range(count - warm):
        crash()
    took = time.perf_counter() - began
    gc.collect()
    grown = resident() - before
    print(f"{what}: {count} times, the last {count - warm} took {took:.1f} s and "
          f"{grown / 1024:+.0f} KiB of RSS, {maps() - maps_before:+d} maps")  # fmt: skip
    return grown


def resident() -> int:
    """Return this process's RSS in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def maps() -> int:
    """Return how many maps this process has."""
    return len(Path(f"/proc/{os.getpid()}/maps").read_text().splitlines())


if __name__ == "__main__":
    main()
