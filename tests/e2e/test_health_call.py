"""Health by a real call that a manifest names: when an instance is Ready, and what follows when the call fails."""

import json

import pytest

from .stage import Stage, wait_until

QUICK = {"interval": "10ms", "failureThreshold": 2}
RESTART = {"backoff": {"initial": "1ms"}, "intensity": 1000}


def told(stage: Stage, name: str) -> list[str]:
    lines = stage.run("-o", "json", "events", name).out.splitlines()
    return [event["message"] for line in lines if (event := json.loads(line))["reason"] == "unhealthy"]


def test_an_actor_that_answers_another_thing_than_expected_is_ended_when_it_did_so_often_enough(stage: Stage):
    """It answers how many messages it has had: of a fresh one only the first such call is what is expected."""
    stage.have("one", "faulty", restart=RESTART, health={**QUICK, "call": {"message": "calls", "expect": "1"}})
    wait_until(lambda: stage.view("one").restarts >= 1)
    answered = 'is unhealthy: its health call answered "2", not "1"'
    wait_until(lambda: any(answered in said for said in told(stage, "one")))
    exits = stage.run("-o", "json", "events", "one").out
    assert 'unhealthy: failed 2 times in a row, at last so: its health call answered \\"3\\", not \\"1\\"' in exits


def test_an_actor_whose_call_returns_err_is_never_ready_and_status_says_why(stage: Stage):
    stage.write("one", "faulty", health={**QUICK, "failureThreshold": 100, "call": {"message": "fail 6 not today"}})
    stage.run("apply", str(stage.manifests), "--yes", "--timeout", "0s", code=None)
    wait_until(lambda: "its health call returned err" in stage.run("status").out)
    view = stage.view("one")
    assert view.ready == 0
    assert [(i.health, i.ready) for i in view.instances] == [("unhealthy", False)]
    assert "not today" in view.instances[0].unwell


def test_a_new_version_whose_call_fails_takes_nothing_over(stage: Stage):
    stage.have("one", "faulty", health={**QUICK, "call": {"message": "config", "expect": '{"v":1}'}}, config={"v": 1})
    stage.write("one", "faulty", health={**QUICK, "call": {"message": "config", "expect": '{"v":1}'}}, config={"v": 2})
    stage.apply(code=1)
    assert stage.ask("one", "config") == '{"v":1}'


def test_its_calls_are_nobodys_messages(stage: Stage):
    stage.have("one", "faulty", health={"interval": "10ms", "call": {"message": "calls"}})
    wait_until(lambda: int(stage.ask("one", "calls")) > 20)
    asked = stage.view("one").traffic.handled
    assert int(stage.ask("one", "calls")) > asked + 10
    view = stage.view("one")
    assert view.traffic.handled == view.traffic.received == asked + 1
    assert view.instances[0].metered_calls <= asked + 1


def test_a_call_that_takes_too_long_ends_the_instance(stage: Stage):
    health = {"interval": "10ms", "timeout": "50ms", "call": {"message": "calls"}}
    stage.have("one", "faulty", restart={"type": "temporary"}, health=health)
    stage.have("one", "faulty", restart={"type": "temporary"}, health={**health, "call": {"message": "sleep 60000"}})
    wait_until(lambda: [i.phase for i in stage.view("one").instances] == ["stopped"])
    assert stage.view("one").instances[0].last_exit.kind.value in ("deadline", "out-of-fuel")


def test_a_callable_is_ready_when_its_function_returns_what_is_expected(stage: Stage):
    call = {"function": "add", "args": [40, 2], "expect": 42}
    stage.have("sum", "calculator-1.0.0", health={**QUICK, "call": call})
    assert stage.run("call", "sum", "add", "1", "2").out == "3\n"
    stage.write("sum", "calculator-1.0.0", health={**QUICK, "call": {**call, "expect": 41}})
    assert "health" in stage.run("apply", str(stage.manifests), "--yes", "--timeout", "0s", code=None).said
    wait_until(lambda: stage.view("sum").ready == 0)
    wait_until(lambda: any('answered "42", not "41"' in said for said in told(stage, "sum")))


def test_a_callable_whose_function_returns_err_is_not_ready(stage: Stage):
    stage.write("sum", "calculator-1.0.0", health={**QUICK, "call": {"function": "divide", "args": [1, 0]}})
    stage.run("apply", str(stage.manifests), "--yes", "--timeout", "0s", code=None)
    wait_until(lambda: any("its health call returned err" in said for said in told(stage, "sum")))
    assert stage.view("sum").ready == 0


@pytest.mark.parametrize(
    ("component", "call", "said"),
    [
        ("calculator-1.0.0", {"function": "ad"}, ["there is no function ad", "Did you mean add?"]),
        ("calculator-1.0.0", {"function": "add", "args": [1]}, ["expected 2 arguments, got 1"]),
        (
            "calculator-1.0.0",
            {"function": "add", "args": [1, "x"], "expect": "y"},
            ['args[1]: expected s32, got "x"', 'expect: expected s32, got "y"'],
        ),
        ("calculator-1.0.0", {"message": "hello"}, ["is no actor"]),
        ("faulty", {"function": "add"}, ["there is no function add"]),
        ("faulty", {"message": "x", "args": []}, ["a message has none"]),
        ("faulty", {"message": "x", "expect": 1}, ["is the text of its reply"]),
        ("faulty", {"message": "x", "function": "y"}, ["has both `function` and `message`"]),
        ("faulty", {}, ["says neither what nor whom to call"]),
    ],
)
def test_a_call_that_does_not_go_with_the_component_is_found_by_the_plan(
    stage: Stage, component: str, call: dict[str, object], said: list[str]
):
    stage.write("one", component, health={"call": call})
    refused = stage.run("plan", str(stage.manifests), code=65).said
    assert [part for part in said if part not in refused] == [], refused
    assert refused.count("one.yaml:") >= len(said) - ("Did you mean add?" in said)
