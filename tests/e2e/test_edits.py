"""Fields that change in place, edited while a canary waits: they act on both versions, and steps are found anew."""

from typing import Any

import pytest

from .stage import Stage, wait_until

PATIENT = {"interval": "1h"}


def canary(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"strategy": "canary", "steps": list(steps), "analysis": PATIENT}


STEPS = canary({"weight": 30}, {"pause": {}}, {"weight": 60}, {"pause": {}})


@pytest.fixture
def paused(stage: Stage) -> Stage:
    """A canary with 30 % that waits at the second of four steps."""
    stage.have("hello", "hello-1.0.0", replicas=3, rollout=STEPS)
    stage.have("hello", "hello-1.1.0", replicas=3, rollout=STEPS)
    stage.wait_for_rollout("hello", "paused")
    return stage


def edit(stage: Stage, replicas: int, *steps: dict[str, Any]) -> None:
    """Edit the canary and wait for nothing, for one that progresses does so for an hour."""
    stage.write("hello", "hello-1.1.0", replicas=replicas, rollout=canary(*steps))
    stage.apply("--no-wait")


def ready(stage: Stage) -> list[int]:
    """Count the ready instances of each version."""
    seen = stage.view("hello")
    ids = {i.revision for i in seen.instances}
    return sorted(sum(i.ready for i in seen.instances if i.revision == one) for one in ids)


def test_replicas_act_on_both_versions_and_none_lets_the_rollout_wait(paused: Stage):
    for replicas in (0, 2):
        paused.have("hello", "hello-1.1.0", replicas=replicas, rollout=STEPS)
        wait_until(lambda n=replicas: ready(paused) == ([n, n] if n else []))
        view = paused.view("hello")
        assert (view.replicas, view.rollout.phase, view.rollout.weight) == (replicas, "paused", 30)
        assert "No changes" in paused.run("plan", str(paused.manifests), "--detailed-exitcode").out
    edit(paused, 0, {"weight": 30}, {"pause": "1h"}, {"weight": 60})
    wait_until(lambda: "replicas is 0" in paused.view("hello").message)
    edit(paused, 1, {"weight": 30}, {"pause": "1h"}, {"weight": 60})
    paused.wait_for_rollout("hello", "progressing")
    assert paused.view("hello").version == "1.0.0"


def test_without_instances_a_rollout_at_a_step_says_so_and_is_not_promoted(paused: Stage):
    paused.have("hello", "hello-1.1.0", replicas=0, rollout=STEPS)
    wait_until(lambda: "replicas is 0" in paused.view("hello").message)
    for command in (["promote"], ["promote", "--full"], ["resume"]):
        assert "replicas is 0" in paused.run("rollout", *command, "hello", code=1).err
    paused.have("hello", "hello-1.1.0", replicas=2, rollout=STEPS, suspend=True)
    for command in (["promote"], ["promote", "--full"], ["resume"]):
        assert "it is suspended" in paused.run("rollout", *command, "hello", code=1).err
    paused.have("hello", "hello-1.1.0", replicas=2, rollout=STEPS)
    wait_until(lambda: "waits for `airs rollout promote" in paused.view("hello").message)
    paused.run("rollout", "promote", "hello")
    assert paused.wait_for_rollout("hello", "paused").rollout.weight == 60


def test_an_apply_to_a_paused_canary_waits_for_the_instances_of_both_versions(paused: Stage):
    for replicas in (6, 0, 2):
        said = paused.have("hello", "hello-1.1.0", replicas=replicas, rollout=STEPS).err
        assert f"{replicas}/{replicas} ready, new {replicas}/{replicas} ready" in said


def test_what_is_edited_meanwhile_stays_with_the_old_version_when_the_new_one_goes(paused: Stage):
    paused.have("hello", "hello-1.1.0", replicas=3, rollout=STEPS, mailbox={"capacity": 7})
    assert paused.view("hello").mailbox_capacity == 7
    assert "No changes" in paused.run("plan", str(paused.manifests), "--detailed-exitcode").out
    paused.run("rollout", "abort", "hello")
    paused.wait_for_rollout("hello", "failed")
    (held,) = paused.json("plan", str(paused.manifests))["actions"]
    assert held["kind"] == "held"
    assert (paused.view("hello").version, paused.view("hello").mailbox_capacity) == ("1.0.0", 7)


def test_steps_edited_at_a_pause_are_found_anew_and_promote_goes_one_by_one(paused: Stage):
    edit(paused, 3, {"weight": 30}, {"pause": "1h"}, {"weight": 60})
    view = paused.wait_for_rollout("hello", "progressing")
    assert (view.rollout.step, view.rollout.weight, view.message) == (1, 30, "")
    steps = canary({"weight": 10}, {"pause": {}}, {"weight": 20}, {"pause": {}}, {"weight": 90}, {"pause": {}})
    paused.have("hello", "hello-1.1.0", replicas=3, rollout=steps)
    view = paused.wait_for_rollout("hello", "paused")
    assert (view.rollout.step, view.rollout.weight) == (3, 20)
    assert "step 4 of 6 waits for" in paused.run("rollout", "status", "hello").out
    assert "step 5 of 6, with 90 %" in paused.run("rollout", "promote", "hello").err
    view = paused.wait_for_rollout("hello", "paused")
    assert (view.rollout.step, view.version) == (5, "1.0.0")


def test_a_pause_by_request_stands_until_it_is_resumed(paused: Stage):
    assert "paused already" in paused.run("rollout", "pause", "hello", code=1).err
    edit(paused, 3, {"weight": 30}, {"pause": "1h"}, {"weight": 60})
    paused.wait_for_rollout("hello", "progressing")
    assert "1.1.0 stands at step 2 of 3, with 30 %" in paused.run("rollout", "pause", "hello").err
    assert "airs rollout resume default/hello" in paused.view("hello").message
    assert "1.1.0 goes on" in paused.run("rollout", "resume", "hello", "--no-wait").err
    assert paused.rollout_phase("hello") == "progressing"
    assert "not paused" in paused.run("rollout", "resume", "hello", code=1).err


def test_a_full_promotion_passes_every_step(paused: Stage):
    assert "1.1.0 gets everything" in paused.run("rollout", "promote", "hello", "--full").err
    wait_until(lambda: paused.is_running("hello", "1.1.0"))


def test_another_strategy_at_a_pause_lets_what_passed_its_gates_take_over(paused: Stage):
    paused.have("hello", "hello-1.1.0", replicas=3, rollout={"strategy": "blue-green"})
    wait_until(lambda: paused.is_running("hello", "1.1.0"))
