"""Measures what many instances take, and whether crashing and restarting for a long time takes ever more.

    python -m benchmarks instances                        what one more takes, beside stock wasmtime-py
    python -m benchmarks.instances                        all of it, about three minutes
    python -m benchmarks.instances --crashes 1000         fewer crashes

Crashes are no table of `make bench`: nothing stands beside them.
"""

import argparse
import gc
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from benchmarks import machine, stage, stock
from benchmarks.load import CALCULATOR, HELLO, REVISION, runtime_for
from benchmarks.measure import Effort, Row, Table
from benchmarks.stage import CLIENT, FAULTY
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.model.message import Exited, Outcome
from orchestrator.runtime import Direct, Start, digest_of_bytes, start_here

WARM = 0.5  # of all crashes, after which growth counts: until then, the agent's journals of events fill
RESTARTS = "\n  restart: {intensity: 1000, period: 1s, backoff: {initial: 1ms, max: 1ms}}"
CRASH = b"trap"
MEASURED = 3_000
NOTES = (
    f"Growth of the process over {MEASURED} instances more, over their number; each kind in a fresh process.",
    "An actor was initialized. On either side an instance has a store of its own; ours bounds its memory, tables and "
    "stack, and can be set aside in the middle of a call.",
)
T = TypeVar("T")


def main() -> None:
    """Measure and print, a line each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instances", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--crashes", type=int, default=100_000, help="of instances by themselves")
    parser.add_argument("--supervised", type=int, default=20_000, help="crashes that the supervisor answers")
    asked = parser.parse_args()
    print(machine.announced(), file=sys.stderr)
    for path in (HELLO, CALCULATOR):
        taken = _alone(many, path, asked.instances)
        print(
            f"{path.stem}: {asked.instances} instances, {taken.resident_bytes / 1024:.1f} KiB of RSS each "
            f"({taken.called_bytes / 1024:.1f} KiB after a message), {taken.maps * asked.instances:.0f} maps together, "
            f"{taken.start_s * 1e6:.0f} µs to start one",
            flush=True,
        )
    crashes(asked.crashes)
    supervised(asked.supervised)


class Taken(NamedTuple):
    """The cost of one more instance."""

    resident_bytes: float
    called_bytes: float  # once it has answered a message
    maps: float
    start_s: float


def measure(effort: Effort) -> Table:
    """Measure idle instances beside stock wasmtime-py's, each kind in a fresh process."""
    count = effort.few(MEASURED)
    rows: list[Row] = []
    for what, path in (("actor, 01-hello", HELLO), ("plain component, 03-calculator", CALCULATOR)):
        ours, theirs = _alone(many, path, count), _alone(stock_each, path, count)
        rows.append(Row(f"one more idle {what}", ours.resident_bytes / 1024, stock.NAME, theirs / 1024, "KiB"))
        if path == HELLO:
            figures = {
                "instance-memory": ours.resident_bytes / 1024,
                "instance-memory/stock": theirs / ours.resident_bytes,
            }
            rows.append(Row("the same, after a message", ours.called_bytes / 1024, unit="KiB"))
    return Table("Instances: resident memory", tuple(rows), NOTES, figures)


def _alone(act: Callable[[Path, int], T], path: Path, count: int) -> T:
    # Each in a process of its own: memory that the last one freed is not given back at once.
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(act, path, count).result()


def many(path: Path, count: int) -> Taken:
    """Start `count` instances of one component, and give each a message if it is an actor."""
    data = path.read_bytes()
    runtime = runtime_for(None, data)
    request = Start(id=CLIENT, revision=REVISION, loaded=runtime.load(digest_of_bytes(data), lambda: data))
    held = [_started(request)]
    gc.collect()
    before, maps_before, began = resident(), maps(), time.perf_counter()
    held += [_started(request) for _ in range(count)]
    took = time.perf_counter() - began
    idle, idle_maps = resident() - before, maps() - maps_before
    for guest in held:
        guest.handle(stage.message(b"x"))
    called = resident() - before
    for guest in held:
        guest.close()
    runtime.close()
    return Taken(max(idle, 1) / count, max(called, 1) / count, idle_maps / count, took / count)


def _started(request: Start) -> Direct:
    guest = start_here(request)
    assert isinstance(guest, Direct), guest
    return guest


def stock_each(path: Path, count: int) -> float:
    """Start as many with stock wasmtime-py; return how many bytes each takes."""
    plain = stock.StockEngine()
    component = plain.compile(path.read_bytes())
    start = plain.start if path == HELLO else plain.instantiate
    held = [start(component)]
    gc.collect()
    before = resident()
    held += [start(component) for _ in range(count)]
    return max(resident() - before, 1) / count


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
            assert made.agent.exchange.router.deliver(key, Envelope(stage.message(CRASH), answers.put)) is None
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
