"""A `health()` is taken for constant where its code says so, and for nothing but that."""

from pathlib import Path

import pytest

from orchestrator.model.message import Health
from orchestrator.runtime import digest_of_bytes
from orchestrator.runtime.adapter.constant import MAX_STEPS, has_constant_health
from tests.runtime.guests import message, start, told, wasm
from tests.runtime.test_within import ECHO, MESSAGING, actor

ROOT = Path(__file__).resolve().parents[2]
MANY = "(drop (i32.const 0)) " * MAX_STEPS
CONSTANT = {
    "a number": "(i32.const 2)",
    "through locals": "(local $l i32) (local.set $l (i32.const 1)) (drop (local.get $l)) (local.tee $l (i32.const 3))",
    "returned early": "(return (i32.const 1))",
    "of another function": "(call $three)",
    "of a function of a function": "nop (call $again)",
}
OPEN = {
    "reads memory": "(i32.load8_u (i32.const 8))",
    "reads a global": "(global.get $is-ready)",
    "computes": "(i32.div_u (i32.const 1) (i32.const 0))",
    "writes": "(global.set $is-ready (i32.const 1)) (i32.const 0)",
    "writes in what it calls": "(call $writes)",
    "has a loop": "(loop (result i32) (i32.const 0))",
    "branches": "(if (result i32) (i32.const 1) (then (i32.const 0)) (else (i32.const 1)))",
    "calls itself": "(call $itself)",
    "calls through a table": "(call_indirect (type $known) (i32.const 0))",
    "traps": "unreachable",
    "is long": f"{MANY} (i32.const 0)",
}
MORE = """
    (type $known (func (result i32)))
    (func $three (result i32) (i32.const 3))
    (func $again (result i32) (call $three))
    (func $itself (result i32) (call $itself))
    (func $writes (result i32) (i32.store (i32.const 0) (i32.const 1)) (i32.const 0))"""


@pytest.mark.parametrize("body", CONSTANT.values(), ids=CONSTANT)
def test_code_of_constants_alone_is_constant(body):
    assert has_constant_health(actor(ECHO, more=MORE, health=body))


@pytest.mark.parametrize("body", OPEN.values(), ids=OPEN)
def test_code_that_might_answer_otherwise_is_not(body):
    assert not has_constant_health(actor(ECHO, more=MORE, health=body))


def test_code_that_asks_the_host_is_not_constant_and_its_imports_are_no_functions_of_its_own():
    sends = "(call $publish (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)) (i32.const 0)"
    assert not has_constant_health(actor(ECHO, more=MORE, calls=True, health=sends)), MESSAGING
    assert has_constant_health(actor(ECHO, more=MORE, calls=True, health="(call $three)"))


def test_a_guest_without_a_health_of_its_own_has_the_constant_one_of_the_sdk_and_one_with_it_does_not():
    hello = ROOT / "examples" / "01-hello" / "components" / "hello-1.0.0" / "hello.wasm"
    worker = ROOT / "examples" / "05-supervision" / "components" / "worker-1.0.0" / "worker.wasm"
    assert [has_constant_health(file.read_bytes()) for file in (hello, worker)] == [True, False]


def test_no_beginning_of_a_component_is_taken_for_constant():
    data = actor(ECHO, more=MORE, health="(call $again)")
    assert has_constant_health(data)
    assert not any(has_constant_health(data[:size]) for size in range(0, len(data), 7))


def test_the_guest_says_so_also_when_it_comes_from_the_cache(make_runtime):
    for body, is_constant in (("(i32.const 0)", True), ("(i32.load (i32.const 0))", False)):
        data = actor(ECHO, health=body)
        for _ in range(2):
            runtime = make_runtime(told())
            runtime.load(digest_of_bytes(data), lambda data=data: data)
            description = runtime.load(digest_of_bytes(data), bytes).description
            assert description.has_constant_health is is_constant


@pytest.mark.parametrize(("body", "is_asked"), [("(i32.const 0)", False), ("(i32.load8_u (i32.const 8))", True)])
def test_a_constant_health_is_asked_once_and_any_other_every_time(runtime, body, is_asked):
    guest = start(runtime, actor(ECHO, health=body))
    assert guest.health() is Health.HEALTHY
    guest.handle(message("x"))
    fuel = guest.fuel_used  # of the last call
    assert guest.health() is Health.HEALTHY
    assert (guest.fuel_used != fuel) is is_asked


def test_a_guest_that_has_ended_is_not_healthy_however_constant_that_was(runtime):
    guest = start(runtime, actor("unreachable"))
    assert guest.health() is Health.HEALTHY
    assert guest.handle(message("x")) == guest.health()


def test_a_component_without_lifecycle_can_say_nothing_else(runtime):
    assert start(runtime, wasm("(component)"))._guest.has_constant_health
    assert not start(runtime, actor(ECHO, health="(i32.load (i32.const 0))"))._guest.has_constant_health
