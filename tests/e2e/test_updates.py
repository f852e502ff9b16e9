"""Blue-green and recreate while clients keep asking; rollback and what the history says of it."""

import json
from collections import Counter

import pytest

from .stage import Stage, greeting, versions_of, wait_until


def assert_each_reply_is_right(load):
    for replies in load.replies:
        for payload, reply in replies:
            assert reply in {greeting(version, payload) for version in ("1.0.0", "1.1.0")}


def handled(stage: Stage, name: str = "hello") -> Counter[str]:
    """Count how often a guest has greeted each name, by what it logged."""
    lines = stage.run("-o", "json", "logs", name).out.splitlines()
    return Counter(json.loads(line)["text"].removeprefix("greeting ") for line in lines)


def test_a_blue_green_update_under_load_loses_nothing_and_doubles_nothing(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    with stage.load("hello") as load:
        stage.have("hello", "hello-1.1.0", replicas=2)
        load.more()
    load.assert_all_answered()
    assert_each_reply_is_right(load)
    for replies in load.replies:
        assert versions_of(replies) == ["1.0.0", "1.1.0"]
    assert handled(stage) == Counter(payload for replies in load.replies for payload, _ in replies)


def test_there_and_back_several_times_under_load_loses_nothing(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    stage.have("hello", "hello-1.1.0", replicas=2)
    with stage.load("hello") as load:
        for version, command in (("1.0.0", ["rollback"]), ("1.1.0", ["rollout", "retry"]), ("1.0.0", ["rollback"])):
            stage.run(*command, "hello")
            assert stage.is_running("hello", version)
            load.more()
    load.assert_all_answered()
    assert_each_reply_is_right(load)
    for replies in load.replies:
        assert versions_of(replies) == ["1.1.0", "1.0.0", "1.1.0", "1.0.0"]
    assert max(handled(stage).values()) == 1


def test_the_old_version_stays_warm_until_its_time_is_over(stage: Stage):
    stage.have("hello", "hello-1.0.0", rollout={"keepPrevious": "1s"})
    stage.write("hello", "hello-1.1.0", rollout={"keepPrevious": "1h"})
    stage.apply()
    view = stage.view("hello")
    assert view.rollout.phase == "keeping"
    assert "keeping 1.1.0" in stage.run("status").out
    old = [i for i in view.instances if i.revision != view.revision]
    assert [(i.phase, i.ready) for i in old] == [("running", True)]
    stage.have("hello", "hello-1.1.0", rollout={"keepPrevious": "50ms"}, config={"again": 1})
    view = stage.wait_for_rollout("hello", "succeeded")
    wait_until(lambda: {i.revision for i in stage.view("hello").instances} == {view.revision})
    assert stage.ask("hello", "Ada") == greeting("1.1.0", "Ada")


def test_rollback_goes_to_the_warm_set_and_holds_what_the_source_wants(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0")
    warm = {i.name for i in stage.view("hello").instances}
    ran = stage.run("rollback", "hello")
    assert "going back to revision 1 (1.0.0)" in ran.said
    assert {i.name for i in stage.view("hello").instances} == warm
    assert [i.restarts for i in stage.view("hello").instances] == [0, 0]
    assert stage.ask("hello", "Ada") == greeting("1.0.0", "Ada")
    assert "running 1.0.0, the source wants 1.1.0, held because" in stage.run("status").out
    assert stage.run("plan", str(stage.manifests), "--detailed-exitcode", code=2).out.count("! default/hello") == 1
    assert "held" in stage.apply(code=1).said
    assert stage.ask("hello", "Ada") == greeting("1.0.0", "Ada")
    stage.run("rollout", "retry", "hello")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))
    assert stage.run("plan", str(stage.manifests), "--detailed-exitcode").out.count("default/hello") == 0


def test_history_numbers_every_revision_with_its_cause_and_how_it_ended(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0")
    stage.run("rollback", "hello")
    assert stage.history("hello") == [
        (1, "1.0.0", "apply", "superseded"),
        (2, "1.1.0", "apply", "superseded"),
        (3, "1.0.0", "rollback", "running"),
    ]
    stage.run("rollout", "retry", "hello")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))
    assert stage.history("hello")[2:] == [(3, "1.0.0", "rollback", "superseded"), (4, "1.1.0", "retry", "running")]
    shown = stage.run("history", "hello").out
    assert "rolled back to revision 1 (1.0.0) on request" in shown
    assert "artifact-changed" in shown


def test_rollback_to_a_number_and_its_refusals(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    assert "no earlier revision" in stage.run("rollback", "hello", code=1).err
    stage.have("hello", "hello-1.1.0")
    stage.have("hello", "hello-1.1.0", config={"third": 3})
    stage.run("rollback", "hello", "--to", "1")
    assert stage.is_running("hello", "1.0.0")
    ran = stage.run("rollback", "hello", "--to", "1")
    assert "already runs 1.0.0; nothing to do" in ran.err
    refused = stage.run("rollback", "hello", "--to", "9", code=1).err
    assert "no revision 9" in refused
    assert "1, 2, 3, 4" in refused
    assert "no deployment default/nobody" in stage.run("rollback", "nobody", code=1).err
    assert len(stage.history("hello")) == 4


def test_history_keeps_what_retain_says_and_numbers_go_on(stage: Stage):
    for number in range(5):
        stage.have("hello", "hello-1.0.0", config={"n": number}, rollout={"retain": 3, "keepPrevious": "0s"})
    assert [n for n, *_ in stage.history("hello")] == [3, 4, 5]
    assert "no revision 1" in stage.run("rollback", "hello", "--to", "1", code=1).err
    stage.run("rollback", "hello")
    assert stage.history("hello")[-1] == (6, "1.0.0", "rollback", "running")


def test_recreate_lets_messages_wait_and_loses_none(stage: Stage):
    rollout = {"strategy": "recreate"}
    stage.have("hello", "hello-1.0.0", replicas=2, rollout=rollout)
    with stage.load("hello") as load:
        stage.have("hello", "hello-1.1.0", replicas=2, rollout=rollout)
        load.more()
    load.assert_all_answered()
    for replies in load.replies:
        assert versions_of(replies) == ["1.0.0", "1.1.0"]
    assert max(handled(stage).values()) == 1
    assert {i.revision for i in stage.view("hello").instances} == {stage.view("hello").revision}


def test_a_recreate_that_fails_brings_the_old_version_back_and_loses_none(stage: Stage):
    rollout = {"strategy": "recreate", "progressDeadline": "1s"}
    stage.have("hello", "hello-1.0.0", rollout=rollout)
    with stage.load("hello") as load:
        stage.write("hello", "faulty-init", rollout=rollout)
        assert "told to fail when built" in stage.apply(code=1).said
        load.more()
    load.assert_all_answered()
    assert all(versions_of(replies) == ["1.0.0"] for replies in load.replies)


@pytest.mark.parametrize("replicas", [0, 1, 3])
def test_an_update_may_change_the_number_of_instances_too(stage: Stage, replicas: int):
    stage.have("hello", "hello-1.0.0", replicas=2, rollout={"keepPrevious": "0s"})
    stage.have("hello", "hello-1.1.0", replicas=replicas, rollout={"keepPrevious": "0s"})
    wait_until(lambda: len(stage.view("hello").instances) == replicas)
    assert stage.view("hello").ready == replicas


def test_apply_tells_how_what_it_changed_came_to_rest_and_of_nothing_else(stage: Stage):
    stage.write("one", "hello-1.0.0", replicas=2)
    stage.write("other", "hello-1.0.0")
    told = stage.apply().err
    assert "default/one runs 1.0.0, 2/2 ready" in told
    assert "default/other runs 1.0.0, 1/1 ready" in told
    assert "ready" not in stage.apply().err
    stage.write("one", "hello-1.0.0", suspend=True)
    assert stage.apply().err.splitlines() == ["default/one is suspended"]


def test_an_apply_of_many_names_only_what_needs_a_look(stage: Stage):
    for number in range(22):
        stage.write(f"d{number}", "hello-1.0.0", suspend=number == 7)
    assert stage.apply().err.splitlines() == ["default/d7 is suspended", "21 deployments run as wanted"]
    for manifest in stage.manifests.iterdir():
        manifest.unlink()
    told = stage.apply(code=1).err
    assert "default/d0, default/d1, default/d10, default/d11, default/d12, and 17 more: source-empty" in told
    assert "and 17 more" in told
    assert told.count("--allow-empty") == 1


def test_apply_waits_for_what_is_too_many_to_go(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=300)
    assert "default/hello runs 1.0.0, 1/1 ready" in stage.have("hello", "hello-1.0.0", replicas=1).err
    assert len(stage.view("hello").instances) == 1
    assert "default/hello runs 1.0.0, 0/0 ready" in stage.have("hello", "hello-1.0.0", replicas=0).err
