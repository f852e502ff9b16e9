"""The real scheduler with real guests: those that wait, those that spin, and the others, which must not notice."""

import threading
import time
from collections.abc import Iterator

import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.message import Exited, Returned
from orchestrator.runtime import Guest, Runtime, Start, Wait, digest_of_bytes
from orchestrator.runtime.call.finish import finish
from orchestrator.runtime.guest.guest import start
from orchestrator.supervise.scheduler import Scheduler
from orchestrator.supervise.timers import SystemClock
from tests.runtime.guests import CALLS_HOST, ID, TRAPS, calls, limits, revision, wasm

SOON_S = 20
MANY = 1_000


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    clock = SystemClock()
    made = Scheduler(clock, cores=2)
    yield made
    made.close()
    clock.close()


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    made = Runtime(None, calls(lambda _context, seconds: Wait(seconds, 7), waits=True))
    yield made
    made.close()


def guests(runtime: Runtime, data: bytes, count: int, timeout_ms: int = 60_000) -> list[Guest]:
    loaded = runtime.load(digest_of_bytes(data), lambda: data)
    request = Start(ID, revision(limits(fuel=1 << 62, timeout_ms=timeout_ms)), loaded)
    return [finish(start(request)) for _ in range(count)]


class Calls:
    """Calls under way, and their answers as they come."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.answers: list[object] = []
        self._answered = threading.Semaphore(0)

    def begin(self, guest: Guest, function: str, *arguments: int) -> None:
        async def call() -> None:
            self.answers.append(await guest.call(function, arguments))
            self._answered.release()

        self._scheduler.submit(call())

    def wait(self, count: int) -> list[object]:
        for _ in range(count):
            assert self._answered.acquire(timeout=SOON_S)
        return self.answers


def test_a_thousand_guests_wait_without_a_thread_each_and_end_together(scheduler, runtime):
    waiting, others = Calls(scheduler), Calls(scheduler)
    sleepers = guests(runtime, wasm(CALLS_HOST), MANY)
    (other,) = guests(runtime, wasm(TRAPS), 1)
    threads = threading.active_count()
    began = time.monotonic_ns()
    for guest in sleepers:
        waiting.begin(guest, "call", 2)
    others.begin(other, "seven")
    assert others.wait(1) == [Returned(7)]
    assert waiting.answers == []
    assert threading.active_count() <= threads + 1
    assert waiting.wait(MANY) == [Returned(7)] * MANY
    assert time.monotonic_ns() - began >= 2_000_000_000


def test_guests_that_spin_keep_nobody_from_answering(scheduler, runtime):
    spinning, others = Calls(scheduler), Calls(scheduler)
    spinners = guests(runtime, wasm(TRAPS), 8)
    (other,) = guests(runtime, wasm(TRAPS), 1)
    for guest in spinners:
        spinning.begin(guest, "spin")
    for _ in range(20):
        others.begin(other, "seven")
        others.wait(1)
    assert others.answers == [Returned(7)] * 20
    assert spinning.answers == []
    for guest in spinners:
        guest.interrupt()
    assert {answer.reason.kind for answer in spinning.wait(8)} == {ExitKind.KILLED}


def test_a_guest_that_spins_or_waits_ends_at_its_deadline_and_not_before(scheduler, runtime):
    for data, function, arguments in ((TRAPS, "spin", ()), (CALLS_HOST, "call", (60,))):
        (guest,) = guests(runtime, wasm(data), 1, timeout_ms=50)
        call = Calls(scheduler)
        began = time.monotonic_ns()
        call.begin(guest, function, *arguments)
        (answer,) = call.wait(1)
        assert isinstance(answer, Exited)
        assert answer.reason.kind is ExitKind.DEADLINE
        assert time.monotonic_ns() - began >= 50_000_000


def test_a_guest_that_waits_is_cancelled_at_once(scheduler, runtime):
    (guest,) = guests(runtime, wasm(CALLS_HOST), 1, timeout_ms=600_000)
    call = Calls(scheduler)
    call.begin(guest, "call", 600)
    guest.close()
    assert call.wait(1)[0].reason.kind is ExitKind.KILLED
