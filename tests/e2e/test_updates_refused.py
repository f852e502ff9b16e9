"""A new version that never gets healthy: the old one never stops answering, status says why, it is not tried again."""

import pytest

from .stage import Stage, versions_of, wait_until

BAD = {
    "faulty-init": "told to fail when built",
    "faulty-trap-init": "trapped",
    "unhealthy": "unhealthy",
}
QUICK = {"restart": {"intensity": 2, "backoff": {"initial": "1ms"}}, "health": {"interval": "10ms"}}


@pytest.mark.parametrize("component", BAD)
def test_a_version_that_never_gets_healthy_costs_no_request_and_is_held_with_its_reason(stage: Stage, component: str):
    stage.have("hello", "hello-1.0.0")
    with stage.load("hello", clients=2) as load:
        stage.write("hello", component, **QUICK)
        said = stage.apply(code=1).said
        load.more()
    load.assert_all_answered()
    assert all(versions_of(replies) == ["1.0.0"] for replies in load.replies)
    assert BAD[component] in said
    view = stage.view("hello")
    assert (view.phase, view.version, view.sync, view.ready) == ("running", "1.0.0", "held", 1)
    assert BAD[component] in stage.run("status").out
    assert [outcome for *_, outcome in stage.history("hello")] == ["running", "rejected"]


def test_a_version_that_burns_too_much_to_start_is_refused_by_its_fuel(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "slow-init", limits={"fuel": 1_000_000}, **QUICK)
    assert "out-of-fuel" in stage.apply(code=1).said
    assert stage.is_running("hello", "1.0.0")


def test_two_revisions_of_one_version_are_told_apart_by_their_ids(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "hello-1.0.0", limits={"memory": "64KiB"}, **QUICK)
    stage.apply(code=1)
    view = stage.view("hello")
    running, wanted = f"1.0.0 ({view.revision[:10]})", f"1.0.0 ({view.wanted_revision[:10]})"
    assert running != wanted
    assert f"running {running}, the source wants {wanted}, held because" in stage.run("status").out


def test_a_version_that_starts_slowly_but_in_time_takes_over(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    with stage.load("hello", clients=1, payload=lambda _c, n: f"echo {n}") as load:
        stage.have("hello", "slow-init")
        load.more(5)
    load.assert_all_answered()
    replies = load.replies[0]
    assert replies[0][1] == "Hello, echo 0!"
    assert replies[-1][1] == replies[-1][0].removeprefix("echo ")


def test_progress_deadline_ends_a_rollout_whose_supervisor_would_try_for_long(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    patient = {"intensity": 1000, "backoff": {"initial": "10ms", "factor": 1}}
    stage.write("hello", "faulty-init", restart=patient, rollout={"progressDeadline": "300ms"})
    said = stage.apply(code=1).said
    assert "0 of 1 instances were ready when the progress deadline of 0.3s passed" in said
    assert "told to fail when built" in said
    assert {i.revision for i in stage.view("hello").instances} == {stage.view("hello").revision}


def test_what_was_refused_is_left_alone_until_asked_for_or_changed(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "faulty-init", **QUICK)
    stage.apply(code=1)
    tried = stage.events("hello").count("rollout-started")
    assert "! default/hello" in stage.run("plan", str(stage.manifests), "--detailed-exitcode", code=2).out
    held = stage.apply(code=1)
    assert "! default/hello" in held.out
    assert "rejected-before" in held.said
    assert "airs rollout retry default/hello" in held.said
    assert stage.events("hello").count("rollout-started") == tried
    assert "told to fail when built" in stage.run("rollout", "retry", "hello", code=1).err
    assert stage.history("hello")[-1] == (3, "1.0.0", "retry", "rejected")
    assert stage.is_running("hello", "1.0.0")
    stage.write("hello", "faulty-init", config={"another": "revision"}, **QUICK)
    assert "± default/hello" in stage.apply(code=1).out
    assert len(stage.history("hello")) == 4


def test_the_way_back_to_what_runs_needs_nothing(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "faulty-init", **QUICK)
    stage.apply(code=1)
    stage.have("hello", "hello-1.0.0")
    assert stage.view("hello").sync == "applied"
    assert "No changes" in stage.run("plan", str(stage.manifests), "--detailed-exitcode").out


def test_a_rejection_outlives_the_agent(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "faulty-init", **QUICK)
    stage.apply(code=1)
    stage.kill()
    stage.start()
    wait_until(lambda: stage.is_running("hello", "1.0.0"))
    assert stage.view("hello").sync == "held"
    assert "told to fail when built" in stage.run("status").out
    stage.apply(code=1)
    assert "rollout-started" not in stage.events("hello")


def test_a_first_version_that_fails_is_failed_with_the_reason_and_says_so_to_senders(stage: Stage):
    stage.write("hello", "faulty-init", **QUICK)
    said = stage.apply(code=1).said
    assert "told to fail when built" in said
    view = stage.view("hello")
    assert (view.phase, view.ready) == ("failed", 0)
    refused = stage.run("request", "hello", "Ada", code=1).err
    assert "no version that runs" in refused
    assert "told to fail when built" in refused
    assert stage.history("hello") == [(1, "1.0.0", "apply", "rejected")]
    assert "! default/hello" in stage.apply(code=1).out


def test_a_first_version_that_failed_is_replaced_by_a_good_one(stage: Stage):
    stage.write("hello", "faulty-trap-init", **QUICK)
    stage.apply(code=1)
    stage.have("hello", "hello-1.1.0")
    assert stage.ask("hello", "Ada") == "Good day, Ada! (hello 1.1.0)"


def test_one_bad_deployment_never_stops_the_others(stage: Stage):
    stage.write("bad", "faulty-init", **QUICK)
    stage.write("good", "hello-1.0.0")
    said = stage.apply(code=1).said
    assert "default/bad" in said
    assert stage.is_running("good", "1.0.0")
