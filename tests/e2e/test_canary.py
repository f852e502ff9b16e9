"""A canary under load: conversations stay where they are, good ones are promoted, bad ones go back, silence waits."""

from collections import defaultdict
from typing import Any

import pytest

from .stage import Load, Stage, each_its_own, greeting, versions_of, wait_until

GOOD, BAD = "hello-1.1.0", "hello-1.2.0"
QUICK = {"interval": "50ms", "minimumMessages": 10, "failureLimit": 0, "inconclusiveLimit": 1000}
UNHURRIED = {"interval": "1h", "minimumMessages": 1}


def canary(*steps: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {"strategy": "canary", "steps": list(steps), "analysis": {**QUICK, **analysis}}


def own_conversation(client: int, number: int) -> str:
    return f"{client}/{number % 25}"


def waiting_at(stage: Stage, weight: int, component: str = GOOD, **more: Any) -> None:
    """Have a canary that waits for a person with so many percent."""
    stage.have("hello", "hello-1.0.0", **more)
    rollout = canary({"weight": weight}, {"pause": {}}, {"weight": 90}, **UNHURRIED)
    stage.have("hello", component, rollout=rollout, **more)
    view = stage.wait_for_rollout("hello", "paused")
    assert view.rollout.weight == weight


def assert_back_and_held(stage: Stage, *reasons: str) -> None:
    view = stage.view("hello")
    assert (view.version, view.phase, view.sync) == ("1.0.0", "running", "held")
    shown = stage.run("rollout", "status", "hello").out
    assert all(reason in shown for reason in reasons), shown
    assert "! default/hello" in stage.apply(code=1).out
    assert {i.revision for i in view.instances} == {view.revision}
    assert stage.history("hello")[-1][3] == "rejected"


def assert_each_conversation_kept_its_version(load: Load) -> None:
    seen = defaultdict(list)
    for client, replies in enumerate(load.replies):
        for number, answer in enumerate(replies):
            seen[own_conversation(client, number)].append(answer)
    for conversation, answers in seen.items():
        assert len(versions_of(answers)) == 1, conversation


def test_a_good_canary_is_promoted_step_by_step_and_loses_nothing(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    steps = canary({"weight": 20}, {"pause": "150ms"}, {"weight": 60}, {"pause": "150ms"})
    with stage.load("hello") as load:
        stage.have("hello", GOOD, replicas=2, rollout=steps)
        load.more()
    load.assert_all_answered()
    assert stage.is_running("hello", "1.1.0")
    events = stage.run("events", "hello").out
    assert events.index("20 %") < events.index("60 %") < events.index("keeping")
    everything = [answer for replies in load.replies for answer in replies]
    assert all(reply in (greeting("1.0.0", p), greeting("1.1.0", p)) for p, reply in everything)
    assert all(versions_of(replies[-3:]) == ["1.1.0"] for replies in load.replies)
    assert stage.history("hello")[-1] == (2, "1.1.0", "apply", "running")


def test_a_bad_canary_goes_back_by_itself_and_is_held(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    with stage.load("hello", may_fail=True) as load:
        stage.write("hello", BAD, rollout=canary({"weight": 50}, {"pause": "1h"}))
        said = stage.apply(code=1).said
        failed = len(load.failures)
        load.more()
        assert len(load.failures) == failed
    assert "over the 1 % allowed" in said
    assert load.answered + len(load.failures) == sum(load.sent)
    assert load.failures
    assert all("cannot greet" in why for _, why in load.failures)
    assert all(versions_of(replies[-3:]) == ["1.0.0"] for replies in load.replies)
    assert_back_and_held(stage, "over the 1 % allowed", "failed")


def test_conversations_stay_on_their_version_while_weights_grow(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    steps = canary({"weight": 30}, {"pause": {}}, {"weight": 60}, {"pause": {}})
    with stage.load("hello", conversation=own_conversation) as load:
        stage.write("hello", GOOD, replicas=2, rollout=steps)
        stage.apply()
        begun = [len(replies) for replies in load.replies]
        load.more(150)
        stage.run("rollout", "promote", "hello")
        wait_until(lambda: stage.view("hello").rollout.weight == 60)
        load.more(150)
    load.assert_all_answered()
    # Those that had begun on the old version before there was a new one are still there.
    assert min(begun) > 0
    assert_each_conversation_kept_its_version(load)


def test_conversations_are_shared_out_by_weight(stage: Stage):
    waiting_at(stage, 30)
    client = stage.client
    new = set()
    for number in range(400):
        name = f"conversation-{number}"
        replies = {client.request(stage.key("hello"), b"x", name, 30.0) for _ in range(2)}
        assert len(replies) == 1
        if replies == {greeting("1.1.0", "x").encode()}:
            new.add(name)
    assert 80 <= len(new) <= 160
    # The command line goes the same way.
    name = min(new)
    assert stage.run("request", "hello", "Ada", "--conversation", name).out == greeting("1.1.0", "Ada") + "\n"


def test_rollout_status_names_both_sides_by_version_and_revision(stage: Stage):
    waiting_at(stage, 30)
    rollout = stage.view("hello").rollout
    old, new = (f"({revision[:10]})" for revision in (rollout.stable_revision, rollout.target_revision))
    shown = stage.run("rollout", "status", "hello").out
    assert f"default/hello  1.0.0 {old} → 1.1.0 {new}  paused" in shown
    assert rollout.stable_version == "1.0.0"
    stage.have("first", "hello-1.0.0")
    assert "default/first  nothing → 1.0.0 (" in stage.run("rollout", "status", "first").out


def test_messages_without_a_conversation_are_shared_out_exactly(stage: Stage):
    waiting_at(stage, 30)
    replies = [stage.client.request(stage.key("hello"), b"x", None, 30.0) for _ in range(200)]
    assert replies.count(greeting("1.1.0", "x").encode()) == 60


def test_silence_pauses_a_canary_and_never_promotes_it(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", GOOD, rollout=canary({"weight": 50}, {"pause": "10ms"}, inconclusiveLimit=2))
    stage.apply()
    view = stage.wait_for_rollout("hello", "paused", "promoting", "keeping", "succeeded")
    assert view.rollout.phase == "paused"
    assert view.version == "1.0.0"
    assert "2 checks in a row saw no message" in view.message
    assert "airs rollout promote default/hello" in stage.run("status", "hello").out
    stage.run("rollout", "promote", "hello")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))


def test_messages_that_come_slowly_add_up_until_a_check_can_conclude(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    steps = canary({"weight": 100}, interval="20ms", inconclusiveLimit=1000)
    stage.write("hello", GOOD, rollout=steps)
    stage.apply("--no-wait")
    wait_until(lambda: stage.view("hello").rollout.weight == 100)
    for sent in range(1, 10):
        stage.ask("hello", "Ada")
        rollout = wait_until(lambda sent=sent: (r := stage.view("hello").rollout).evidence_messages == sent and r)
        assert (rollout.messages, rollout.passed_checks, rollout.phase) == (sent, 0, "progressing")
        wait_until(lambda: stage.view("hello").rollout.inconclusive_checks)
    assert "9 of the 10 messages of the next check" in stage.run("rollout", "status", "hello").out
    stage.ask("hello", "Ada")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))


def test_rollout_status_counts_nothing_of_an_earlier_life_of_the_revision(stage: Stage):
    stage.have("one", "faulty", config={"life": 1})
    for _ in range(20):
        stage.run("request", "one", "err", code=1)
    stage.have("one", "faulty", config={"life": 2})
    rollout = canary({"weight": 100}, {"pause": {}}, interval="20ms", failureLimit=100, minimumMessages=1)
    stage.have("one", "faulty", config={"life": 1}, rollout=rollout)  # which was still warm, with its counters
    assert stage.wait_for_rollout("one", "paused").rollout.messages == 0
    for _ in range(4):
        stage.ask("one", "calls")
    wait_until(lambda: stage.view("one").rollout.messages == 4)
    assert "messages   4, errors 0 (0.0%)" in stage.run("rollout", "status", "one").out


def test_a_plan_warns_of_an_analysis_that_the_recorded_rate_cannot_conclude(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", GOOD, rollout=canary({"weight": 50}, {"pause": "1s"}, minimumMessages=100_000))
    assert "likely to wait for a person" not in stage.run("plan", str(stage.manifests)).said  # no rate is known yet
    stage.ask("hello", "Ada")
    wait_until(lambda: stage.client.state().deployments[0].messages_per_s)
    said = stage.run("plan", str(stage.manifests)).said
    assert "the analysis of default/hello is likely to wait for a person: too few messages come" in said
    assert "a check judges 100000" in said
    many = [d["summary"] for d in stage.json("plan", str(stage.manifests))["diagnostics"]]
    assert len(many) == 1
    slow = canary({"weight": 50}, {"pause": "1s"}, minimumMessages=1, interval="1h")
    stage.write("hello", GOOD, rollout=slow)
    assert stage.json("plan", str(stage.manifests))["diagnostics"] == []


def test_a_pause_without_an_end_waits_for_promote_and_promote_goes_step_by_step(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    steps = canary({"weight": 10}, {"pause": {}}, {"weight": 50}, {"pause": {}}, **UNHURRIED)
    stage.have("hello", GOOD, rollout=steps)
    view = stage.wait_for_rollout("hello", "paused")
    assert (view.rollout.weight, view.version) == (10, "1.0.0")
    assert "waits for `airs rollout promote default/hello`" in stage.run("rollout", "status", "hello").out
    stage.run("rollout", "promote", "hello")
    wait_until(lambda: stage.view("hello").rollout.weight == 50)
    assert stage.wait_for_rollout("hello", "paused").version == "1.0.0"
    stage.run("rollout", "promote", "hello")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))
    assert "already serves" in stage.run("rollout", "promote", "hello", code=1).err


def test_an_aborted_canary_goes_back_loses_nothing_and_is_held(stage: Stage):
    waiting_at(stage, 50)
    with stage.load("hello") as load:
        stage.run("rollout", "abort", "hello")
        stage.wait_for_rollout("hello", "failed")
        load.more()
    load.assert_all_answered()
    assert_back_and_held(stage, "aborted by request")
    assert "already failed" in stage.run("rollout", "abort", "hello", code=1).err
    stage.run("rollout", "retry", "hello")
    stage.wait_for_rollout("hello", "paused")


def test_rollback_during_a_canary_ends_it(stage: Stage):
    waiting_at(stage, 50)
    stage.run("rollback", "hello")
    assert_back_and_held(stage, "failed")


def test_a_canary_that_turns_unhealthy_goes_back(stage: Stage):
    health = {"interval": "20ms", "failureThreshold": 100}
    stage.have("one", "faulty", health=health, config={"old": 1})
    stage.write("one", "faulty", health=health, config={"new": 1}, rollout=canary({"weight": 100}, {"pause": {}}))
    stage.apply()
    stage.wait_for_rollout("one", "paused")
    assert stage.ask("one", "health unhealthy") == "unhealthy"
    view = stage.wait_for_rollout("one", "failed")
    assert "unhealthy" in view.rollout.conclusion
    assert stage.ask("one", "config") == '{"old":1}'


def test_a_canary_that_turns_unhealthy_under_load_goes_back_too(stage: Stage):
    health = {"interval": "20ms", "failureThreshold": 100}
    stage.have("one", "faulty", health=health)
    stage.write("one", "faulty", health=health, config={"new": 1}, rollout=canary({"weight": 100}, {"pause": {}}))
    stage.apply()
    stage.wait_for_rollout("one", "paused")
    with stage.load("one", payload=lambda c, n: f"echo {each_its_own(c, n)}") as load:
        stage.ask("one", "health unhealthy")
        stage.wait_for_rollout("one", "failed")
        load.more()
    load.assert_all_answered()


def test_a_canary_that_never_gets_healthy_gets_no_traffic(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    with stage.load("hello", clients=2) as load:
        stage.write(
            "hello", "faulty-trap-init", rollout=canary({"weight": 50}),
            restart={"intensity": 1, "backoff": {"initial": "1ms"}},
        )  # fmt: skip
        stage.apply(code=1)
    load.assert_all_answered()
    assert all(versions_of(replies) == ["1.0.0"] for replies in load.replies)


def test_a_third_version_replaces_the_second_and_begins_anew(stage: Stage):
    waiting_at(stage, 50, BAD)
    with stage.load("hello", may_fail=True) as load:
        load.more()
        stage.write("hello", GOOD, rollout=canary({"weight": 10}, {"pause": {}}))
        assert "replaces the rollout of 1.2.0 in progress" in stage.apply().out
        view = stage.wait_for_rollout("hello", "paused")
        assert (view.rollout.target_version, view.rollout.weight, view.rollout.step) == ("1.1.0", 10, 1)
        wait_until(lambda: len({i.revision for i in stage.view("hello").instances}) == 2)
        failed = len(load.failures)
        load.more(40)
        assert len(load.failures) == failed
    assert load.answered + len(load.failures) == sum(load.sent)
    assert [row[3] for row in stage.history("hello")] == ["running", "replaced", ""]
    assert stage.view("hello").version == "1.0.0"


def test_the_stable_spec_again_ends_the_canary_without_holding_anything(stage: Stage):
    waiting_at(stage, 50)
    with stage.load("hello") as load:
        stage.have("hello", "hello-1.0.0")
        view = stage.wait_for_rollout("hello", "failed")
        load.more()
    load.assert_all_answered()
    assert view.sync == "applied"
    assert all(versions_of(replies)[-1] == "1.0.0" for replies in load.replies)
    assert "No changes" in stage.run("plan", str(stage.manifests), "--detailed-exitcode").out


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_agent_that_ends_during_a_canary_goes_on_where_it_was(stage: Stage, end: str):
    waiting_at(stage, 30)
    getattr(stage, end)()
    stage.start()
    view = stage.wait_for_rollout("hello", "paused")
    assert (view.rollout.weight, view.rollout.step, view.version) == (30, 1, "1.0.0")
    wait_until(lambda: sum(i.ready for i in stage.view("hello").instances) == 2)
    replies = [stage.client.request(stage.key("hello"), b"x", None, 30.0) for _ in range(100)]
    assert replies.count(greeting("1.1.0", "x").encode()) == 30
    stage.run("rollout", "promote", "hello")
    wait_until(lambda: stage.view("hello").rollout.weight == 90)


def test_replicas_may_change_during_a_canary(stage: Stage):
    waiting_at(stage, 50)
    rollout = canary({"weight": 50}, {"pause": {}}, {"weight": 90}, **UNHURRIED)
    stage.write("hello", GOOD, replicas=3, rollout=rollout)
    stage.apply()
    wait_until(lambda: sum(i.ready for i in stage.view("hello").instances) >= 4)
    assert stage.rollout_phase("hello") == "paused"


def test_a_canary_that_is_suspended_says_what_has_it_go_on_and_then_does(stage: Stage):
    waiting_at(stage, 20)
    rollout = canary({"weight": 20}, {"pause": {}}, {"weight": 90}, **UNHURRIED)
    stage.have("hello", GOOD, rollout=rollout, suspend=True)
    shown = stage.run("status").out
    assert "the rollout of 1.1.0 stands still at 20 %, and goes on once its manifest says `suspend: false`" in shown
    assert "airs rollout promote" not in shown
    stage.write("hello", GOOD, rollout=rollout)
    stage.apply("--no-wait")
    wait_until(lambda: stage.view("hello").ready == 1 and stage.rollout_phase("hello") == "paused")
    assert "step 2 of 3 waits for `airs rollout promote default/hello`" in stage.run("status").out
