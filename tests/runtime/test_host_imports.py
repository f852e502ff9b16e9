import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Replied, Returned
from orchestrator.runtime import GuestTrap, HostImport
from tests.runtime.guests import (
    CALLS_HOST,
    FAULTY,
    ID,
    MESSAGING,
    calls,
    message,
    passing_on,
    start,
    told,
    try_start,
    wasm,
)

CALLING = wasm(CALLS_HOST)


def test_a_host_function_gets_the_context_of_the_instance_that_called(make_runtime):
    seen = []
    runtime = make_runtime(calls(lambda context, n: seen.append((context, n)) or n + 1))
    first, second = start(runtime, CALLING, "first"), start(runtime, CALLING, "second")
    assert first.call("call", [1]) == Returned(2)
    assert second.call("call", [5]) == Returned(6)
    assert seen == [("first", 1), ("second", 5)]


def test_a_host_function_that_fails_ends_the_instance_as_the_hosts_fault(make_runtime):
    def fail(_context: object, _n: int) -> int:
        raise KeyError("lost")

    exited = start(make_runtime(calls(fail)), CALLING).call("call", [1])
    assert exited.reason.kind is ExitKind.HOST_FAULT
    assert "test:host/calls#call failed: KeyError: 'lost'" in exited.reason.detail


@pytest.mark.parametrize("wrong", [-1, 1 << 32, "1", None])
def test_a_host_function_that_returns_what_its_type_does_not_allow_is_the_hosts_fault(make_runtime, wrong):
    exited = start(make_runtime(calls(lambda _context, _n: wrong)), CALLING).call("call", [1])
    assert exited.reason.kind is ExitKind.HOST_FAULT
    assert "expected u32" in exited.reason.detail


def test_an_interrupted_program_stays_interrupted(make_runtime):
    def interrupted(_context: object, _n: int) -> int:
        raise KeyboardInterrupt

    guest = start(make_runtime(calls(interrupted)), CALLING)
    with pytest.raises(KeyboardInterrupt):
        guest.call("call", [1])
    assert isinstance(guest.call("call", [1]), Exited)


def test_a_host_function_cannot_enter_the_guest_that_called_it(make_runtime):
    guests = []
    guests.append(start(make_runtime(calls(lambda _c, n: guests[0].call("call", [n]))), CALLING))
    exited = guests[0].call("call", [1])
    assert exited.reason.kind is ExitKind.HOST_FAULT
    assert "one call at a time" in exited.reason.detail


def test_a_host_function_may_enter_another_guest(make_runtime):
    others = []
    runtime = make_runtime(calls(lambda _c, n: others[n - 1].call("call", [n - 1]).value + 1 if n else 100))
    others += [start(runtime, CALLING) for _ in range(3)]
    assert others[2].call("call", [2]) == Returned(102)


def test_no_thread_gets_another_threads_exception(make_runtime):
    together = threading.Barrier(8)

    def fail(context: str, n: int) -> int:
        if n % 3 == 0:
            raise GuestTrap(f"{context}/{n}")
        if n % 3 == 1:
            raise ValueError(f"{context}/{n}")
        return n

    runtime = make_runtime(calls(fail))

    def work(name: str) -> list[str]:
        together.wait()
        wrong = []
        for n in range(300):
            guest = start(runtime, CALLING, name)
            answer = guest.call("call", [n])
            is_right = answer == Returned(n) if n % 3 == 2 else f"{name}/{n}" in answer.reason.detail
            if not is_right:
                wrong.append(f"{name}/{n}: {answer}")
            guest.close()
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert [wrong for names in pool.map(work, [f"thread-{i}" for i in range(8)]) for wrong in names] == []


def test_a_component_with_imports_that_nothing_provides_does_not_start_and_names_them_all(make_runtime):
    offered = [host for host in told() if host.interface != MESSAGING]
    exited = try_start(make_runtime(offered), FAULTY.read_bytes())
    assert exited.reason.kind is ExitKind.INITIALIZE_FAILED
    for function in ("broadcast", "cancel-request", "request", "self-id", "send"):
        assert f"{MESSAGING}#{function}" in exited.reason.detail
    assert "storage" not in exited.reason.detail


@pytest.mark.parametrize(
    ("kind", "types", "seen"),
    [
        ("u8", "", b"\x00\x7f\x80\xff"),
        ("string", "", ["", "grüße", "\U0001f980"]),
        ("(option string)", "", [None, ""]),
        ("(tuple u8 (list u8))", "", [(1, b"ab")]),
        ("(result u32 (error string))", "", None),
    ],
)
def test_values_pass_through_a_host_function_unchanged(make_runtime, kind, types, seen):
    got = []
    runtime = make_runtime([HostImport("test:host/echo", "echo", lambda _c, values: got.append(values) or values)])
    guest = start(runtime, passing_on(kind, types))
    values = {"u8": [0, 127, 128, 255], "(tuple u8 (list u8))": [[1, [97, 98]]]}.get(kind, seen)
    values = [{"ok": 3}, {"err": "no"}] if values is None else values
    assert guest.call("echo", [values]) == Returned(values)
    assert seen is None or got == [seen]


def test_a_mebibyte_passes_through_a_host_function_both_ways(make_runtime):
    payload = bytes(range(256)) * 4096
    values: dict[str, bytes] = {}
    guest = start(make_runtime(told(values=values)), FAULTY.read_bytes(), memory=64 << 20, fuel=1 << 40)
    assert guest.handle(message(b"store key " + payload[: (1 << 20) - 64])) == Replied(b"stored")
    assert values["key"] == payload[: (1 << 20) - 64]
    assert guest.handle(message("load key")) == Replied(values["key"])


def test_the_airssys_interfaces_reach_a_guest_written_in_c(make_runtime):
    log: list[object] = []
    guest = start(make_runtime(told(log)), FAULTY.read_bytes())
    orders = {
        "store k some value": b"stored",
        "load k": b"some value",
        "exists k": b"yes",
        "delete k": b"deleted",
        "exists k ": b"no",
        "log hello": b"logged",
        "send default/other a payload": b"sent",
        "now": b"1234",
    }
    for order, reply in orders.items():
        answer = guest.handle(message(order.strip()))
        assert answer == Replied(reply), order
    assert ("send", ComponentId("default", "other", ""), b"a payload") in log
    assert any(entry[:2] == ("info", "hello") for entry in log)


def test_an_error_of_a_result_around_an_option_reaches_the_guest(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    answer = guest.handle(message("load forbidden"))
    assert isinstance(answer, Replied)
    assert b"refused" in answer.payload
    assert guest.handle(message("echo still here")) == Replied(b"still here")


def test_every_kind_of_error_payload_reaches_the_guest(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    for order, word in [("request a b", b"not here"), ("cancel x", b"queue-full"), ("broadcast a,b c", b"a")]:
        answer = guest.handle(message(order))
        assert isinstance(answer, Replied), answer
        assert b"error" in answer.payload
        assert word in answer.payload


def test_self_id_is_what_the_host_says(make_runtime):
    answer = start(make_runtime(told()), FAULTY.read_bytes()).handle(message("self"))
    assert ID.name.encode() in answer.payload


def test_wasi_grants_no_variables(make_runtime, monkeypatch):
    monkeypatch.setenv("AIRS_TEST_SECRET", "x")
    data = wasm("""
    (component
      (import "wasi:cli/environment@0.2.0" (instance $env
        (export "get-environment" (func (result (list (tuple string string)))))))
      (core module $libc (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
      (core instance $libc (instantiate $libc))
      (core func $get (canon lower (func $env "get-environment")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
      (core module $m (import "libc" "memory" (memory 1)) (import "env" "get" (func $get (param i32)))
        (func (export "count") (result i32) (call $get (i32.const 0)) (i32.load (i32.const 4))))
      (core instance $i (instantiate $m
        (with "libc" (instance $libc)) (with "env" (instance (export "get" (func $get))))))
      (func (export "count") (result u32) (canon lift (core func $i "count"))))
    """)
    assert start(make_runtime(), data).call("count", []) == Returned(0)


def test_an_unknown_wasi_import_does_not_start(make_runtime):
    data = wasm('(component (import "wasi:nonsense/thing@0.2.0" (instance (export "f" (func)))))')
    exited = try_start(make_runtime(), data)
    assert exited.reason.kind is ExitKind.INITIALIZE_FAILED
    assert "wasi:nonsense/thing@0.2.0" in exited.reason.detail
