"""Findings of a plan: which callers break and each way out, what is stored, how long the last switches took."""

import json
from collections.abc import Iterator

import jsonschema
import pytest
import wasmtime

from orchestrator.contract.codes import CHANGES, FAILED, USAGE

from .stage import COUNTER_GRANTS, ROOT, Stage, wait_until

MODULE = """(core module $m
    (memory (export "memory") 1)
    (func (export "f") (param i32) (result i32) (local.get 0)) (func (export "g")))
  (core instance $i (instantiate $m))"""
FUNCTIONS = {
    "add": '(func $add (param "n" u32) (result u32) (canon lift (core func $i "f")))',
    "reset": '(func $reset (canon lift (core func $i "g")))',
}
NAME = "demo:apps/counter@1.0.0"
TOML = """manifest-version = 1
[package]
name = "{name}"
version = "{version}"
description = "d"
authors = ["a"]
license = "Apache-2.0"
[artifact]
path = "it.wasm"
[resources]
memory = "1MiB"
fuel = 1_000_000
timeout = "1s"
"""
USES_RESET = [{"deployment": "counter", "functions": ["counter#reset"]}]


def component(stage: Stage, version: str, *functions: str) -> str:
    """Write a callable component that exports these functions, and return the name of its folder."""
    folder = stage.folder / "components" / f"typed-{version}"
    folder.mkdir(parents=True)
    exports = " ".join(f'(export "{name}" (func ${name}))' for name in functions)
    lifted = "\n".join(FUNCTIONS[name] for name in functions)
    text = f'(component {MODULE} {lifted} (instance $ops {exports}) (export "{NAME}" (instance $ops)))'
    (folder / "it.wasm").write_bytes(wasmtime.wat2wasm(text))
    (folder / "Component.toml").write_text(TOML.format(name="typed", version=version))
    return folder.name


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An agent with a typed counter and a console that says it uses one of its functions."""
    made = Stage(tmp_path_factory.mktemp("shop"))
    made.start()
    try:
        for version, functions in (("1.0.0", ("add", "reset")), ("2.0.0", ("add",))):
            component(made, version, *functions)
        made.write("console", "hello-1.0.0", uses=USES_RESET)
        made.have("counter", "typed-1.0.0")
        yield made
        made.stop()
    finally:
        made.close()


def plan(stage: Stage, *options: str) -> dict:
    return stage.json("plan", str(stage.manifests), *options)


def actions(stage: Stage, *options: str) -> dict[str, str]:
    return {action["key"]["name"]: action["kind"] for action in plan(stage, *options)["actions"]}


def findings(stage: Stage, name: str) -> list[dict]:
    return [each for action in plan(stage)["actions"] if action["key"]["name"] == name for each in action["findings"]]


def test_a_change_that_breaks_a_caller_is_blocked_told_and_goes_on_each_way_out(shop: Stage):
    shop.write("counter", "typed-2.0.0")
    shown = shop.run("plan", str(shop.manifests), "--detailed-exitcode", code=CHANGES).out
    assert "! default/counter   1.0.0 → 2.0.0   blocked because breaks-callers" in shown
    assert "default/console uses counter#reset: nobody can call it any more" in shown
    assert "--allow-breaking" in shown
    (action,) = plan(shop)["actions"]
    (finding,) = [each for each in action["findings"] if each.get("blocks")]
    assert (finding["kind"], finding["caller"]) == ("breaks-caller", "default/console")
    assert (finding["function"], finding["file"]) == (f"{NAME}#reset", str(shop.manifests / "console.yaml"))

    story = shop.run("plan", str(shop.manifests), "--explain", "counter", "--detailed-exitcode", code=CHANGES).out
    assert "wanted    2.0.0 of typed" in story
    assert f"{shop.manifests / 'counter.yaml'}:1" in story
    assert "running   1.0.0 of typed" in story
    assert "1 of 1 Ready" in story
    assert "nothing is done, as of breaks-callers" in story
    assert "what will happen" not in story
    told = shop.json("plan", str(shop.manifests), "--explain", "counter", "--allow-breaking")
    assert any("switch to 2.0.0 in one step" in step for step in told["steps"])
    jsonschema.validate(told, json.loads((ROOT / "schemas" / "plan-explain.schema.json").read_text()))
    assert (
        "did you mean `default/counter`" in shop.run("plan", str(shop.manifests), "--explain", "conter", code=USAGE).err
    )

    refused = shop.apply(code=FAILED)
    assert "left alone: default/counter (breaks-callers)" in refused.err
    assert shop.is_running("counter", "1.0.0")
    assert actions(shop, "--allow-breaking") == {"counter": "roll-out"}

    shop.write("console", "hello-1.0.0", uses=[{"deployment": "counter", "functions": ["add"]}])
    assert actions(shop) == {"console": "update", "counter": "roll-out"}
    shop.apply()
    assert shop.is_running("counter", "2.0.0")
    assert plan(shop)["actions"] == []


def test_two_revisions_of_a_history_are_compared(shop: Stage):
    told = shop.json("diff", "counter@1", "@2")
    jsonschema.validate(told, json.loads((ROOT / "schemas" / "diff.schema.json").read_text()))
    assert [change["field"] for change in told["changes"]] == ["version", "artifact"]
    assert told["world"]["compatible"] is False
    shown = shop.run("diff", f"counter@{told['old']['revision'][:8]}", "counter@stable", "--exit-code", code=FAILED).out
    assert "default/counter@1 (1.0.0, " in shown
    assert "breaking: calls through airs" in shown
    assert f"- function {NAME}#reset" in shown
    assert "The same content." in shop.run("diff", "counter@2", "@now", "--exit-code").out
    assert "+ storage.read" not in shop.run("diff", "console@1", "counter@1").out
    for wrong, why in (
        ("counter", "names no revision"),
        ("counter@77", "has no revision 77"),
        ("counter@", "names no"),
    ):
        assert why in shop.run("diff", wrong, "@1", code=USAGE).err


def test_what_is_allowed_to_break_is_rolled_out_and_a_use_that_nobody_meets_is_blocked(shop: Stage):
    shop.write("console", "hello-1.0.0", uses=[{"deployment": "counter", "interface": "demo:apps/counter"}])
    shop.write("counter", "typed-1.0.0")
    shop.apply()
    shop.write("counter", "typed-2.0.0")
    assert actions(shop) == {"counter": "blocked"}
    shop.apply("--allow-breaking")
    assert shop.is_running("counter", "2.0.0")
    shop.write("later", "hello-1.0.0", uses=USES_RESET)
    assert actions(shop) == {"later": "blocked"}
    assert "there is no function counter#reset" in shop.run("plan", str(shop.manifests)).out
    (shop.manifests / "later.yaml").unlink()


def test_who_was_seen_sending_is_a_caller_also_after_a_restart(shop: Stage):
    shop.write("sender", "faulty", grants={"messaging.send": ["default/*"]})
    shop.have("target", "hello-1.0.0")
    component(shop, "1.5.0", "add")
    shop.write("target", "typed-1.5.0")
    assert actions(shop) == {"target": "roll-out"}, "it may send there, and never did"
    shop.run("request", "sender", "send default/target hi", "--trace")
    wait_until(lambda: actions(shop) == {"target": "blocked"}, "the sender to be seen")
    shop.kill()
    assert actions(shop) == {"target": "blocked"}, "without an agent"
    shop.start()
    (action,) = plan(shop)["actions"]
    assert "default/sender was seen sending it messages" in json.dumps(action["findings"])
    (shop.manifests / "target.yaml").unlink()


def test_a_plan_tells_what_is_stored_and_for_how_long_messages_were_held(shop: Stage):
    shop.have("ledger", "counter-1.0.0", grants=COUNTER_GRANTS)
    shop.run("request", "ledger", "increment")
    shop.write("ledger", "counter-1.1.0", grants=COUNTER_GRANTS)
    shown = shop.run("plan", str(shop.manifests)).out
    assert "held for a moment; for how long is not known, as no such switch was recorded" in shown
    assert "written by 1.0.0, for 1.1.0 to read" in shown
    shop.apply()
    shop.write("ledger", "counter-1.0.0", grants=COUNTER_GRANTS)
    of_ledger = {each["kind"]: each for each in findings(shop, "ledger")}
    assert len(of_ledger["interruption"]["heldMs"]) == 1
    assert of_ledger["data"]["keys"] >= 1
    shop.stop()
    assert {each["kind"]: each for each in findings(shop, "ledger")} == of_ledger, "without an agent"
    shop.start()
    (shop.manifests / "ledger.yaml").unlink()


def test_a_watched_folder_goes_on_as_soon_as_the_caller_changes(shop: Stage):
    """Both are blocked alone: the caller's new use needs the new version, and the caller's old use keeps that back."""
    shop.write("console", "hello-1.0.0", uses=USES_RESET)
    shop.write("counter", "typed-1.0.0")
    shop.apply()
    component(shop, "3.0.0", "add")
    shop.run("source", "add", str(shop.manifests))
    try:
        before = shop.events("counter").count("blocked")
        shop.write("counter", "typed-3.0.0")
        wait_until(lambda: shop.events("counter").count("blocked") > before, "the counter to be blocked")
        assert shop.is_running("counter", "1.0.0")
        shop.write("console", "hello-1.0.0", uses=[{"deployment": "counter", "functions": ["add"]}])
        wait_until(lambda: shop.is_running("counter", "3.0.0"), "the counter to go on")
    finally:
        shop.run("source", "remove", str(shop.manifests), "--yes")


def test_a_plan_against_an_exported_state_finds_the_same_callers(shop: Stage):
    shop.write("console", "hello-1.0.0", uses=USES_RESET)
    shop.write("counter", "typed-1.0.0")
    shop.apply("--allow-breaking")
    state = str(shop.folder / "shop.airs-state")
    shop.run("state", "export", "--out", state)
    shop.write("counter", "typed-2.0.0")
    (here,), (there,) = plan(shop)["actions"], plan(shop, "--against", state)["actions"]
    assert [each["kind"] for each in there["findings"] if each.get("blocks")] == ["breaks-caller"]
    assert there == here
    comment = shop.run("plan", str(shop.manifests), "--against", state, "-o", "markdown").out
    assert "⛔ <code>default/counter</code> <b>blocked</b>" in comment
