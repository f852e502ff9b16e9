"""Asynchronous exports, of components with and without WASI, on both paths: called, limited and judged alike."""

import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.message import BadCall, Exited, Returned
from orchestrator.runtime import Direct, Runtime
from tests.runtime.guests import start, wasm

WASI = '(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))'
GUEST = """
(component {imports}
  (core func $return (canon task.return (result u32)))
  (core func $new-set (canon waitable-set.new))
  (core module $m
    (import "" "return" (func $return (param i32)))
    (import "" "new-set" (func $new-set (result i32)))
    (func (export "at-once") (result i32) (call $return (i32.const 42)) (i32.const 0))
    (func (export "yields") (result i32) (i32.const 1))
    (func (export "yields-again") (param i32 i32 i32) (result i32) (i32.const 1))
    (func (export "spins") (result i32) (loop $l (br $l)) (i32.const 0))
    (func (export "traps") (result i32) unreachable)
    (func (export "waits") (result i32) (i32.or (i32.const 2) (i32.shl (call $new-set) (i32.const 4))))
    (func (export "plain") (result i32) (i32.const 7))
    (func (export "then") (param i32 i32 i32) (result i32) (call $return (i32.const 43)) (i32.const 0)))
  (core instance $i (instantiate $m
    (with "" (instance (export "return" (func $return)) (export "new-set" (func $new-set))))))
  (func (export "plain") (result u32) (canon lift (core func $i "plain")))
{lifted})
"""
LIFTED = """  (func (export "{name}") async (result u32)
    (canon lift (core func $i "{core}") async (callback (core func $i "{then}"))))
"""
FUNCTIONS = {
    "at-once": ("at-once", "then"), "yields": ("yields", "then"), "for-ever": ("yields", "yields-again"),
    "spins": ("spins", "then"), "traps": ("traps", "then"), "waits": ("waits", "then"),
}  # fmt: skip
LIFTS = "".join(LIFTED.format(name=name, core=core, then=then) for name, (core, then) in FUNCTIONS.items())


@pytest.fixture(params=["without WASI", "with WASI"])
def guest(request: pytest.FixtureRequest, runtime: Runtime) -> Direct:
    imports = WASI if request.param == "with WASI" else ""
    return start(runtime, wasm(GUEST.format(imports=imports, lifted=LIFTS)), timeout_ms=200)


def test_one_that_returns_at_once_or_after_a_while_is_answered_and_others_after_it(guest):
    for _ in range(7):
        assert guest.call("at-once", []) == Returned(42)
        assert guest.call("yields", []) == Returned(43)
    assert guest.call("plain", []) == Returned(7)


@pytest.mark.parametrize("function", ["for-ever", "spins"])
def test_one_that_does_not_return_ends_at_its_deadline(guest, function):
    ended = guest.call(function, [])
    assert isinstance(ended, Exited)
    assert ended.reason.kind is ExitKind.DEADLINE


@pytest.mark.parametrize(("function", "why"), [("traps", "unreachable"), ("waits", "deadlock")])
def test_one_that_fails_says_why_itself(guest, function, why):
    ended = guest.call(function, [])
    assert isinstance(ended, Exited)
    assert ended.reason.kind is ExitKind.TRAPPED
    assert why in ended.reason.detail


@pytest.mark.parametrize("kind", ["(stream u8)", "(future)"])
@pytest.mark.parametrize("imports", ["", WASI])
def test_a_function_whose_values_cannot_be_passed_is_refused_before_it_is_entered(runtime, kind, imports):
    text = f"""
    (component {imports}
      (core module $m (func (export "f") (result i32) unreachable))
      (core instance $i (instantiate $m))
      (func (export "f") (result {kind}) (canon lift (core func $i "f"))))"""
    refused = start(runtime, wasm(text)).call("f", [])
    assert isinstance(refused, BadCall)
    assert "which airs cannot pass" in refused.problem
