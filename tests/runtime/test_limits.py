import threading
import time

import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.message import Exited, Health, Returned
from orchestrator.runtime import GuestTrap, Wait
from orchestrator.runtime.call.faults import MAX_FRAMES, exit_reason
from tests.runtime.guests import CALLS_HOST, MIB, TRAPS, calls, start, try_start, wasm

TRAPPING = wasm(TRAPS)

TWO_MEMORIES = wasm("""
(component
  (core module $m
    (memory $a 1) (memory $b 1)
    (func (export "grow-a") (param i32) (result i32) (memory.grow $a (local.get 0)))
    (func (export "grow-b") (param i32) (result i32) (memory.grow $b (local.get 0))))
  (core instance $i (instantiate $m))
  (func (export "grow-a") (param "pages" u32) (result s32) (canon lift (core func $i "grow-a")))
  (func (export "grow-b") (param "pages" u32) (result s32) (canon lift (core func $i "grow-b"))))
""")


@pytest.mark.parametrize(
    ("function", "kind", "detail"),
    [
        ("unreachable", ExitKind.TRAPPED, "wasm `unreachable` instruction executed"),
        ("divide", ExitKind.TRAPPED, "integer divide by zero"),
        ("outside", ExitKind.TRAPPED, "out of bounds memory access"),
        ("recurse", ExitKind.STACK, "call stack exhausted"),
        ("spin", ExitKind.OUT_OF_FUEL, "used all the fuel that one call may use"),
    ],
)
def test_a_call_that_fails_ends_the_instance_with_its_reason(runtime, function, kind, detail):
    guest = start(runtime, TRAPPING, fuel=10_000_000)
    exited = guest.call(function, [])
    assert isinstance(exited, Exited)
    assert (exited.reason.kind, exited.reason.detail) == (kind, detail)
    assert 1 <= len(exited.reason.backtrace) <= MAX_FRAMES


def test_after_a_trap_every_call_answers_what_the_trap_was(runtime):
    guest = start(runtime, TRAPPING)
    exited = guest.call("divide", [])
    assert guest.call("seven", []) == exited
    assert guest.health() == exited
    guest.close()
    assert guest.call("seven", []) == exited


def test_a_trap_leaves_other_instances_alone(runtime):
    first, second = start(runtime, TRAPPING), start(runtime, TRAPPING)
    first.call("unreachable", [])
    assert second.call("seven", []) == Returned(7)
    assert second.health() is Health.HEALTHY


def test_fuel_is_for_each_call_anew(runtime):
    guest = start(runtime, TRAPPING, fuel=100_000)
    for _ in range(20):
        assert guest.call("count", [10_000]) == Returned(None)


def test_the_same_call_uses_the_same_fuel_on_every_instance_and_engine(make_runtime):
    used = set()
    for runtime in (make_runtime(), make_runtime()):
        for guest in (start(runtime, TRAPPING), start(runtime, TRAPPING)):
            guest.call("count", [12_345])
            used.add(guest.fuel_used)
    assert len(used) == 1
    assert min(used) > 12_345


def test_a_deadline_ends_a_spinning_guest_and_is_never_early(runtime):
    for timeout_ms in (1, 15, 60):
        guest = start(runtime, TRAPPING, fuel=1 << 62, timeout_ms=timeout_ms)
        before = time.monotonic_ns()
        exited = guest.call("spin", [])
        assert time.monotonic_ns() - before >= timeout_ms * 1_000_000
        assert exited.reason.kind is ExitKind.DEADLINE


def test_a_call_within_its_deadline_is_not_ended_by_the_ticks_of_others(runtime):
    guest = start(runtime, TRAPPING, fuel=1 << 62, timeout_ms=60_000)
    other = start(runtime, TRAPPING, fuel=1 << 62, timeout_ms=50)
    spinning = threading.Thread(target=other.call, args=("spin", []))
    spinning.start()
    assert guest.call("count", [100_000_000]) == Returned(None)
    spinning.join()


def test_memory_that_is_refused_and_missed_is_the_reason(runtime):
    guest = start(runtime, TRAPPING, memory=MIB)
    exited = guest.call("grow-or-trap", [])
    assert exited.reason.kind is ExitKind.MEMORY
    assert "memory limit of 1048576 bytes" in exited.reason.detail


def test_memory_that_was_refused_in_an_earlier_call_is_not_the_reason(runtime):
    guest = start(runtime, TRAPPING, memory=MIB)
    assert guest.call("grow", [100]) == Returned(-1)
    assert guest.call("unreachable", []).reason.kind is ExitKind.TRAPPED


def test_memory_up_to_the_limit_is_there(runtime):
    guest = start(runtime, TRAPPING, memory=MIB)
    assert guest.call("grow", [15]) == Returned(1)
    assert guest.call("grow", [1]) == Returned(-1)


def test_the_limit_is_for_all_memories_of_an_instance_together(runtime):
    guest = start(runtime, TWO_MEMORIES, memory=MIB)
    assert guest.call("grow-a", [10]) == Returned(1)
    assert guest.call("grow-b", [5]) == Returned(-1)
    assert guest.call("grow-b", [4]) == Returned(1)


def test_what_a_guest_collects_itself_counts_as_memory(runtime):
    data = wasm("""
    (component
      (core module $m
        (type $bytes (array (mut i8)))
        (type $node (struct (field (ref null $bytes)) (field (ref null $node))))
        (global $keep (mut (ref null $node)) (ref.null $node))
        (func (export "keep") (param i32)
          (loop
            (global.set $keep (struct.new $node (array.new_default $bytes (i32.const 1000000)) (global.get $keep)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
      (core instance $i (instantiate $m))
      (func (export "keep") (param "megabytes" u32) (canon lift (core func $i "keep"))))
    """)
    guest = start(runtime, data, memory=16 * MIB)
    assert guest.call("keep", [5]) == Returned(None)
    assert guest.call("keep", [100]).reason.kind is ExitKind.MEMORY


def test_a_component_that_needs_more_memory_than_its_limit_does_not_start(runtime):
    exited = try_start(runtime, TWO_MEMORIES, memory=65536)
    assert isinstance(exited, Exited)
    assert exited.reason.kind is ExitKind.MEMORY


def test_a_table_cannot_be_grown_without_end(runtime):
    data = wasm("""
    (component
      (core module $m (table 1 funcref)
        (func (export "grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))
      (core instance $i (instantiate $m))
      (func (export "grow") (param "n" u32) (result s32) (canon lift (core func $i "grow"))))
    """)
    guest = start(runtime, data)
    assert guest.call("grow", [1_000]) == Returned(1)
    assert guest.call("grow", [500_000_000]) == Returned(-1)


def test_an_interruption_ends_a_running_call(make_runtime):
    inside = threading.Event()
    runtime = make_runtime(calls(lambda _context, _n: inside.set() or 0))
    guest = start(runtime, wasm(CALLS_HOST), fuel=1 << 62, timeout_ms=600_000)
    answers = []
    running = threading.Thread(target=lambda: answers.append(guest.call("spin", [])))
    running.start()
    inside.wait()
    guest.interrupt()
    running.join()
    assert answers[0].reason.kind is ExitKind.KILLED


def test_an_interruption_between_calls_ends_the_next_one(runtime):
    guest = start(runtime, TRAPPING)
    guest.interrupt()
    assert guest.call("seven", []).reason.kind is ExitKind.KILLED


def test_an_interruption_ends_a_guest_that_waits_in_a_host_function(make_runtime):
    inside = threading.Event()

    def wait(_context: object, _n: int) -> Wait:
        inside.set()
        return Wait(600, 0)

    guest = start(make_runtime(calls(wait, waits=True)), wasm(CALLS_HOST), timeout_ms=600_000)
    answers = []
    running = threading.Thread(target=lambda: answers.append(guest.call("call", [1])))
    running.start()
    inside.wait()
    guest.interrupt()
    running.join()
    assert answers[0].reason.kind is ExitKind.KILLED


def test_a_guest_that_spins_after_a_wait_ends_with_the_deadline_though_the_tick_had_stopped(make_runtime):
    inside = threading.Event()

    def wait(_context: object, _n: int) -> Wait:
        inside.set()
        return Wait(1, 0)

    runtime = make_runtime(calls(wait, waits=True))
    guest = start(runtime, wasm(CALLS_HOST), fuel=1 << 62, timeout_ms=1_500)
    answers: list[Exited] = []
    running = threading.Thread(target=lambda: answers.append(guest.call("spin", [])), daemon=True)
    running.start()
    inside.wait()
    tick = runtime._engines.small.tick
    while tick.is_on:
        tick.rest()
    running.join(20)
    assert [answer.reason.kind for answer in answers] == [ExitKind.DEADLINE]


def test_waiting_in_a_host_function_ends_with_the_deadline(make_runtime):
    guest = start(make_runtime(calls(lambda _c, _n: Wait(600, 0), waits=True)), wasm(CALLS_HOST), timeout_ms=20)
    before = time.monotonic_ns()
    assert guest.call("call", [1]).reason.kind is ExitKind.DEADLINE
    assert time.monotonic_ns() - before >= 20_000_000


def test_closing_interrupts_a_running_call(make_runtime):
    inside = threading.Event()
    runtime = make_runtime(calls(lambda _context, _n: inside.set() or 0))
    guest = start(runtime, wasm(CALLS_HOST), fuel=1 << 62, timeout_ms=600_000)
    answers = []
    running = threading.Thread(target=lambda: answers.append(guest.call("spin", [])))
    running.start()
    inside.wait()
    guest.close()
    running.join()
    assert answers[0].reason.kind is ExitKind.KILLED


def test_a_closed_guest_answers_that_it_was_closed_and_closes_again(runtime):
    guest = start(runtime, TRAPPING)
    guest.close()
    guest.close()
    assert guest.call("seven", []).reason.kind is ExitKind.KILLED
    assert guest.fuel_used == 0


def test_a_host_functions_trap_is_the_guests_with_its_reason(make_runtime):
    def refuse(_context: object, _n: int) -> int:
        raise GuestTrap("not for you")

    exited = start(make_runtime(calls(refuse)), wasm(CALLS_HOST)).call("call", [1])
    assert (exited.reason.kind, exited.reason.detail) == (ExitKind.TRAPPED, "not for you")
    assert exited.reason.backtrace


def test_a_guest_cannot_choose_its_exit_reason_through_the_names_of_its_functions():
    text = (
        "error while executing at wasm backtrace:\n    0: 0x2b - m!call stack exhausted\n"
        "Caused by:\n    wasm trap: all fuel consumed\n\nCaused by:\n    wasm trap: integer overflow\n"
    )
    assert (exit_reason(text).kind, exit_reason(text).detail) == (ExitKind.TRAPPED, "integer overflow")


CALLS_OFTEN = """
(component
  (import "test:host/calls" (instance $host (export "call" (func (param "n" u32) (result u32)))))
  (core func $call (canon lower (func $host "call")))
  (core module $m
    (import "host" "call" (func $call (param i32) (result i32)))
    (func (export "often") (param i32)
      (loop (drop (call $call (local.get 0)))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
  (core instance $i (instantiate $m (with "host" (instance (export "call" (func $call))))))
  (func (export "often") (param "times" u32) (canon lift (core func $i "often"))))
"""


def test_a_call_makes_only_so_many_host_calls_and_the_next_begins_anew(make_runtime, monkeypatch):
    monkeypatch.setattr("orchestrator.runtime.call.link.MAX_HOST_CALLS", 10)
    answered: list[int] = []
    guest = start(make_runtime(calls(lambda _context, n: answered.append(n) or n)), wasm(CALLS_OFTEN))
    for _ in range(3):
        assert guest.call("often", [10]) == Returned(None)
    exited = guest.call("often", [11])
    assert exited.reason.kind is ExitKind.HOST_CALLS
    assert exited.reason.backtrace
    assert len(answered) == 40
