"""What waits for something else: dependencies that come first, or never; and deployments that are suspended."""

import json

import pytest

from orchestrator.contract.codes import FAILED, INVALID

from .stage import Stage, wait_until

NEVER = {"restart": {"intensity": 1000, "backoff": {"initial": "50ms", "factor": 1}}}


def order_of(stage: Stage, reason: str) -> list[str]:
    events = [json.loads(line) for line in stage.run("-o", "json", "events").out.splitlines()]
    return [event["key"]["name"] for event in events if event["reason"] == reason]


def test_what_is_depended_on_is_ready_before_its_dependents_begin(stage: Stage):
    stage.write("a-front", "hello-1.0.0", dependsOn=["b-middle"])
    stage.write("b-middle", "hello-1.0.0", dependsOn=["c-back"])
    stage.write("c-back", "slow-init")
    stage.apply()
    order = ["c-back", "b-middle", "a-front"]
    assert order_of(stage, "rollout-started") == order
    assert order_of(stage, "succeeded") == order


def test_a_dependent_begins_only_after_what_it_needs_has_answered(stage: Stage):
    stage.write("a-front", "hello-1.0.0", dependsOn=["c-back"])
    stage.write("c-back", "slow-init")
    stage.apply()
    events = [json.loads(line) for line in stage.run("-o", "json", "events").out.splitlines()]
    happened = [(event["key"]["name"], event["reason"]) for event in events]
    assert happened.index(("c-back", "succeeded")) < happened.index(("a-front", "rollout-started"))


def test_a_dependent_of_something_that_never_gets_ready_waits_and_apply_says_for_what(stage: Stage):
    stage.write("back", "faulty-init", **NEVER)
    stage.write("front", "hello-1.0.0", dependsOn=["back"])
    ran = stage.run("apply", str(stage.manifests), "--yes", "--timeout", "1s", code=124)
    assert "default/front" in ran.err
    assert "waits for default/back" in ran.err
    assert "front" not in order_of(stage, "rollout-started")
    stage.write("back", "hello-1.1.0")
    stage.apply()
    assert stage.ask("front", "Ada") == "Hello, Ada!"


def test_an_apply_ends_when_all_that_is_left_waits_for_what_failed_and_names_each(stage: Stage):
    stage.write("back", "faulty-init", restart={"intensity": 0})
    stage.write("middle", "hello-1.0.0", dependsOn=["back"])
    stage.write("front", "hello-1.0.0", dependsOn=["middle"])
    stage.write("other", "faulty-trap-init", restart={"intensity": 0})
    said = stage.apply(code=FAILED).err
    assert "4 deployments did not become Ready" in said
    assert "default/back: running nothing" in said
    assert "default/other: running nothing" in said
    assert "default/middle: not created: it waits for default/back to be Ready" in said
    assert "default/front: not created: it waits for default/middle to be Ready" in said


def test_an_apply_that_runs_out_of_time_names_what_failed_meanwhile_too(stage: Stage):
    stage.write("back", "faulty-init", **NEVER)
    stage.write("other", "faulty-trap-init", restart={"intensity": 0})
    ran = stage.run("apply", str(stage.manifests), "--yes", "--timeout", "3s", code=124)
    assert "default/back" in ran.err
    assert "default/other: running nothing, the source wants 1.0.0, held because" in ran.err


def test_a_dependent_waits_through_a_restart_of_the_agent(stage: Stage):
    stage.write("back", "faulty-init", **NEVER)
    stage.write("front", "hello-1.0.0", dependsOn=["back"])
    stage.apply("--no-wait")
    stage.kill()
    stage.start()
    stage.write("back", "hello-1.1.0")
    stage.apply()
    assert stage.is_running("front", "1.0.0")


def test_a_dependent_that_runs_already_goes_on_when_what_it_needs_is_updated_or_down(stage: Stage):
    stage.write("back", "hello-1.0.0")
    stage.write("front", "hello-1.0.0", dependsOn=["back"])
    stage.apply()
    with stage.load("front", clients=2) as load:
        stage.have("back", "hello-1.0.0", suspend=True)
        stage.have("back", "hello-1.1.0")
        load.more()
    load.assert_all_answered()


def test_a_dependency_on_nobody_is_blocked_and_holds_up_nobody_else(stage: Stage):
    stage.write("front", "hello-1.0.0", dependsOn=["nobody"])
    stage.write("other", "hello-1.0.0")
    said = stage.apply(code=None)
    assert said.code in (1, 65)
    assert "nobody" in said.said
    assert stage.is_running("other", "1.0.0")


def test_suspending_stops_the_instances_and_refuses_messages_until_resumed(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    assert "stops every instance" in stage.have("hello", "hello-1.0.0", replicas=2, suspend=True).out
    wait_until(lambda: stage.view("hello").instances == ())
    assert stage.view("hello").phase == "suspended"
    assert "default/hello is suspended" in stage.run("request", "hello", "Ada", code=1).err
    assert "suspend: false" in stage.run("restart", "hello", code=1).err
    stage.kill()
    stage.start()
    assert "default/hello is suspended" in stage.run("request", "hello", "Ada", code=1).err
    stage.have("hello", "hello-1.0.0", replicas=2)
    assert stage.view("hello").ready == 2
    assert stage.ask("hello", "Ada") == "Hello, Ada!"
    assert len(stage.history("hello")) == 1


def test_something_may_begin_its_life_suspended(stage: Stage):
    stage.have("hello", "hello-1.0.0", suspend=True)
    assert stage.view("hello").phase == "suspended"
    assert stage.view("hello").instances == ()
    stage.have("hello", "hello-1.0.0")
    assert stage.ask("hello", "Ada") == "Hello, Ada!"


@pytest.mark.parametrize("strategy", ["blue-green", "recreate"])
def test_resuming_with_another_version_runs_that_version(stage: Stage, strategy: str):
    stage.have("hello", "hello-1.0.0", suspend=True)
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.0.0", suspend=True)
    stage.have("hello", "hello-1.1.0", rollout={"strategy": strategy})
    assert stage.is_running("hello", "1.1.0")
    assert stage.ask("hello", "Ada") == "Good day, Ada! (hello 1.1.0)"


def test_suspending_with_another_version_stops_everything_and_resuming_runs_the_new_one(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0", suspend=True)
    wait_until(lambda: stage.view("hello").phase == "suspended" and not stage.view("hello").instances)
    assert "is suspended" in stage.run("request", "hello", "Ada", code=1).err
    stage.have("hello", "hello-1.1.0")
    assert stage.ask("hello", "Ada") == "Good day, Ada! (hello 1.1.0)"


def test_suspending_during_a_canary_stops_it_and_resuming_goes_on_with_it(stage: Stage):
    canary = {"strategy": "canary", "steps": [{"weight": 50}, {"pause": {}}], "analysis": {"interval": "1h"}}
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0", rollout=canary)
    stage.wait_for_rollout("hello", "paused")
    stage.have("hello", "hello-1.1.0", rollout=canary, suspend=True)
    wait_until(lambda: stage.view("hello").instances == ())
    stage.have("hello", "hello-1.1.0", rollout=canary)
    wait_until(lambda: sum(i.ready for i in stage.view("hello").instances) == 2)
    assert stage.rollout_phase("hello") == "paused"
    stage.run("rollout", "promote", "hello")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))


def test_a_plan_made_while_a_canary_is_being_checked_is_not_stale_at_once(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    analysis = {"interval": "10ms", "minimumMessages": 1}
    canary = {"strategy": "canary", "steps": [{"weight": 50}, {"pause": "1h"}], "analysis": analysis}
    stage.have("hello", "hello-1.1.0", rollout=canary)
    with stage.load("hello", clients=2) as load:
        for number in range(5):
            stage.have("other", "hello-1.0.0", config={"n": number})
    load.assert_all_answered()


def have_pair(stage: Stage) -> None:
    stage.write("base", "hello-1.0.0")
    stage.write("top", "hello-1.0.0", dependsOn=["base"])
    stage.apply()


def test_what_others_depend_on_is_deleted_only_by_force_and_then_shows_as_missing(stage: Stage):
    have_pair(stage)
    refused = stage.run("delete", "base", code=FAILED).err
    assert "default/top depends on default/base" in refused
    assert "--force" in refused
    assert stage.is_running("base", "1.0.0")
    said = stage.run("delete", "base", "--force").err
    assert "default/top still depends on it" in said
    wait_until(lambda: [view.name for view in stage.client.deployments()] == ["top"])
    assert stage.view("top").missing_dependencies == ("default/base",)
    assert "default/top  depends on default/base, which is not deployed" in stage.run("status").out
    (stage.manifests / "base.yaml").unlink()
    said = stage.run("plan", str(stage.manifests), code=INVALID).said
    assert "top.yaml" in said
    assert "depends on `default/base`, which does not exist" in said
    stage.write("base", "hello-1.0.0")
    stage.apply()
    assert stage.view("top").missing_dependencies == ()
    assert stage.view("top").message == ""


def test_what_is_deleted_with_all_that_depends_on_it_needs_no_force(stage: Stage):
    have_pair(stage)
    stage.run("delete", "base", "top")
    wait_until(lambda: not stage.client.deployments())


def test_a_plan_that_removes_what_another_source_depends_on_says_so(stage: Stage):
    have_pair(stage)
    other = stage.folder / "other"
    other.mkdir()
    (stage.manifests / "top.yaml").rename(other / "top.yaml")
    stage.run("apply", str(other), "--yes", "--adopt")
    (stage.manifests / "base.yaml").unlink()
    stage.write("third", "hello-1.0.0")
    said = stage.run("plan", str(stage.manifests)).out
    assert "- default/base" in said
    assert "still needed by default/top" in said
