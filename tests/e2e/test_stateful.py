"""02-counter: a count that outlives its instance, its version and its agent, and that no switch loses or doubles."""

import json

import pytest

from orchestrator.agent.assembly import Agent
from orchestrator.store.state_dir import StateDir

from .stage import COUNTER_GRANTS, Load, Stage, wait_until

HAVE = {"grants": COUNTER_GRANTS}


def numbers(load: Load) -> list[int]:
    return sorted(int(reply.removeprefix("count=")) for replies in load.replies for _, reply in replies)


def assert_counted_exactly(load: Load) -> None:
    """Every increment was answered, and with a number of its own: none lost, none twice."""
    load.assert_all_answered()
    assert numbers(load) == list(range(1, sum(load.sent) + 1))


def increment(_client: int, _number: int) -> str:
    return "increment"


@pytest.mark.parametrize("strategy", ["blue-green", "recreate"])
def test_increments_during_an_update_are_counted_exactly_once(stage: Stage, strategy: str):
    stage.have("counter", "counter-1.0.0", **HAVE)
    with stage.load("counter", payload=increment) as load:
        stage.have("counter", "counter-1.1.0", rollout={"strategy": strategy}, **HAVE)
        load.more()
    assert_counted_exactly(load)
    assert stage.ask("counter") == f"count={sum(load.sent)}"
    for replies in load.replies:
        news = [reply.startswith("count=") for _, reply in replies]
        assert news == sorted(news)
        assert news[-1]


def test_increments_during_a_rollback_are_counted_exactly_once(stage: Stage):
    stage.have("counter", "counter-1.0.0", **HAVE)
    stage.have("counter", "counter-1.1.0", **HAVE)
    with stage.load("counter", payload=increment) as load:
        stage.run("rollback", "counter")
        load.more()
    assert_counted_exactly(load)
    assert stage.ask("counter") == str(sum(load.sent))
    assert {i.revision for i in stage.view("counter").instances} == {stage.view("counter").revision}


def test_a_stateful_update_that_fails_brings_the_old_version_back_and_counts_on(stage: Stage):
    stage.have("counter", "counter-1.0.0", **HAVE)
    with stage.load("counter", payload=increment) as load:
        stage.write("counter", "counter-1.1.0", limits={"fuel": 1}, **HAVE)
        assert "out-of-fuel" in stage.apply(code=1).said
        load.more()
    assert_counted_exactly(load)
    assert stage.ask("counter") == str(sum(load.sent))
    assert stage.view("counter").sync == "held"


def test_two_instances_of_something_stateful_are_refused_with_the_reason(stage: Stage):
    stage.write("counter", "counter-1.0.0", replicas=2, **HAVE)
    err = stage.apply(code=65).err
    assert "stateful: `spec.replicas` must be 0 or 1, not 2" in err
    assert "lose each other's updates" in err
    stage.write("counter", "counter-1.0.0", rollout={"strategy": "canary", "steps": [{"weight": 10}]}, **HAVE)
    assert "stateful: it cannot be rolled out as a canary" in stage.apply(code=65).err


def test_the_count_outlives_a_restart_and_a_crash_of_the_instance(stage: Stage):
    stage.have("counter", "counter-1.0.0", restart={"backoff": {"initial": "1ms"}}, **HAVE)
    assert stage.ask("counter", "add 40") == "40"
    failed = stage.run("request", "counter", "crash", code=1).err
    assert "trapped" in failed
    assert stage.ask("counter", "increment") == "41"
    assert wait_until(lambda: stage.view("counter").instances[0].restarts) == 1
    stage.run("restart", "counter")
    assert stage.ask("counter", "increment") == "42"


def test_the_count_outlives_the_agent_stopped_or_killed(stage: Stage):
    stage.have("counter", "counter-1.0.0", **HAVE)
    assert stage.ask("counter", "add 40") == "40"
    stage.run("agent", "stop")
    stage.wait_for_end()
    stage.start()
    assert stage.ask("counter", "increment") == "41"
    stage.kill()
    stage.start()
    assert stage.ask("counter", "increment") == "42"


def test_an_agent_has_the_mailboxes_of_all_that_is_recorded_before_its_first_look(stage: Stage):
    stage.have("counter", "counter-1.0.0", **HAVE)
    stage.have("asleep", "counter-1.0.0", suspend=True, **HAVE)
    stage.run("agent", "stop")
    stage.wait_for_end()
    agent = Agent(StateDir(stage.state_dir), stage.state_dir / "agent.sock", lambda _: None, lambda _: None)
    try:
        counter, asleep = (agent.exchange.router.find(stage.key(name)) for name in ("counter", "asleep"))
        assert counter is not None
        assert counter.is_open
        assert asleep is not None
        assert not asleep.is_open
    finally:
        agent.close()


def test_the_count_outlives_its_deployment(stage: Stage):
    stage.have("counter", "counter-1.0.0", **HAVE)
    stage.ask("counter", "add 7")
    assert "its stored data are kept" in stage.run("delete", "counter").err
    wait_until(lambda: stage.json("get", "deployments") == [])
    stage.apply()
    assert stage.ask("counter") == "7"


def test_storage_that_is_full_is_an_error_the_guest_gets(stage: Stage):
    stage.have("hoard", "faulty", limits={"storage": "1KiB"}, grants=COUNTER_GRANTS)
    assert stage.ask("hoard", f"store a {'x' * 900}") == "stored"
    assert stage.ask("hoard", f"store b {'x' * 900}").startswith("error: quota-exceeded")
    assert stage.ask("hoard", "exists b") == "no"
    assert stage.ask("hoard", "store a small") == "stored"
    assert stage.ask("hoard", f"store b {'x' * 900}") == "stored"


def test_storage_without_a_grant_is_refused_and_a_grant_taken_away_acts_on_what_runs(stage: Stage):
    stage.have("counter", "counter-1.0.0", **HAVE)
    stage.ask("counter", "add 3")
    stage.have("counter", "counter-1.0.0", grants={"storage.read": ["self"]})
    assert stage.ask("counter") == "3"
    refused = stage.run("request", "counter", "add 1", code=1).err
    assert "capability denied: default/counter was not granted storage.write" in refused


def test_two_deployments_of_one_component_do_not_share_what_they_store(stage: Stage):
    stage.write("one", "counter-1.0.0", **HAVE)
    stage.write("other", "counter-1.0.0", **HAVE)
    stage.apply()
    stage.ask("one", "add 5")
    assert (stage.ask("one"), stage.ask("other")) == ("5", "0")


def test_the_old_version_has_its_answers_before_the_new_one_begins(stage: Stage):
    grants = {"messaging.send": ["other"]}
    stage.write("other", "faulty")
    stage.have("one", "faulty-stateful", grants=grants)
    stage.ask("one", "request other sleep 700")
    stage.have("one", "faulty-stateful", grants=grants, config={"initialize": "log begun"})
    stage.write("other", "faulty")
    logged = [json.loads(line)["text"] for line in stage.run("-o", "json", "logs", "one").out.splitlines()]
    assert [line for line in logged if line != "shutdown"] == ["callback slept", "begun"]
