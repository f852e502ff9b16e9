"""When a call gives way: not for a tick that happens to come just after it began."""

from contextlib import suppress

from orchestrator.concurrency.work import GIVE_WAY
from orchestrator.model.message import Returned
from orchestrator.runtime import Runtime, Start, digest_of_bytes
from orchestrator.runtime.call.finish import finish
from orchestrator.runtime.engine.tick import TICK_S
from orchestrator.runtime.guest import store as instance
from orchestrator.runtime.guest.guest import Guest
from orchestrator.runtime.guest.guest import start as begin
from tests.runtime.guests import ID, calls, limits, revision, wasm

LOOKS_UP_AFTERWARDS = wasm("""
(component
  (import "test:host/calls" (instance $host (export "call" (func (param "n" u32) (result u32)))))
  (core func $call (canon lower (func $host "call")))
  (core module $m
    (import "host" "call" (func $call (param i32) (result i32)))
    (func $more (param i32) (result i32) (local.get 0))
    (func (export "call") (param i32) (result i32) (call $more (call $call (local.get 0)))))
  (core instance $i (instantiate $m (with "host" (instance (export "call" (func $call))))))
  (func (export "call") (param "n" u32) (result u32) (canon lift (core func $i "call"))))
""")


def times_it_gave_way() -> int:
    """Count how often a call gives way that meets a tick, but for before it begins."""
    nudges = []

    def host(_context: object, n: int) -> int:
        for nudge in nudges:
            nudge()
        return n

    runtime = Runtime(None, calls(host))
    loaded = runtime.load(digest_of_bytes(LOOKS_UP_AFTERWARDS), lambda: LOOKS_UP_AFTERWARDS)
    guest = finish(begin(Start(ID, revision(limits()), loaded)))
    assert isinstance(guest, Guest)
    nudges.append(loaded.engine.cells.nudge)

    async def called() -> None:
        assert await guest.call("call", [7]) == Returned(7)

    work, times = called(), 0
    with suppress(StopIteration):
        while True:
            assert work.send(None) is GIVE_WAY
            times += 1
    return times - 1


def test_a_call_that_has_just_begun_goes_on(monkeypatch):
    monkeypatch.setattr(instance, "JUST_NS", 10**12)
    assert times_it_gave_way() == 0


def test_a_call_that_has_been_at_work_for_some_time_gives_way(monkeypatch):
    monkeypatch.setattr(instance, "JUST_NS", 0)
    assert times_it_gave_way() == 1


def test_what_counts_as_having_just_begun_is_less_than_a_tick():
    assert 0 < instance.JUST_NS < TICK_S * 1e9
