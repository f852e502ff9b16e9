"""Instances that crash, hang, sulk or are too few: what their supervisor does about it, seen from outside."""

import json
import threading

import pytest

from orchestrator.cli.show import clock
from orchestrator.contract.problem import Failure

from .stage import Stage, key, wait_until

FAST = {"backoff": {"initial": "1ms"}, "intensity": 100}


def last_exits(stage: Stage, name: str) -> list[str]:
    return [f"{i.last_exit.kind.value}: {i.last_exit.detail}" for i in stage.view(name).instances if i.last_exit]


def logged(stage: Stage, name: str) -> list[str]:
    return [json.loads(line)["text"] for line in stage.run("-o", "json", "logs", name).out.splitlines()]


def in_background(stage: Stage, name: str, payload: str, replies: list[str]) -> threading.Thread:
    """Send a request that takes a while; what comes of it, good or bad, goes to `replies`."""

    def ask() -> None:
        client = stage.new_client()
        try:
            replies.append((client.request(key(name), payload.encode(), None, 30.0) or b"").decode())
        except Failure as failure:
            replies.append(failure.summary)
        finally:
            client.close()

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_an_instance_that_traps_is_started_again(stage: Stage, restart: str):
    stage.have("one", "faulty", restart={"type": restart, **FAST})
    assert "trapped" in stage.run("request", "one", "trap", code=1).err
    assert stage.ask("one", "calls") == "1"
    assert stage.view("one").restarts == 1
    assert last_exits(stage, "one")[0].startswith("trapped")


def test_a_temporary_instance_that_traps_is_not_started_again_until_asked(stage: Stage):
    stage.have("one", "faulty", restart={"type": "temporary"})
    stage.run("request", "one", "trap", code=1)
    wait_until(lambda: stage.view("one").instances[0].phase == "stopped")
    refused = stage.run("request", "one", "calls", code=1).err
    assert "airs restart" in refused
    stage.run("restart", "one")
    wait_until(lambda: stage.view("one").ready == 1)
    assert stage.ask("one", "calls") == "1"


def test_too_many_crashes_and_the_supervisor_gives_up_says_why_and_tries_again_on_request(stage: Stage):
    stage.have("one", "faulty", restart={"intensity": 2, "period": "1h", "backoff": {"initial": "1ms"}})
    for _ in range(3):
        assert "trapped" in stage.run("request", "one", "trap", code=1).err
    wait_until(lambda: stage.view("one").instances[0].phase == "gave-up")
    view = stage.view("one")
    assert (view.phase, view.ready, view.restarts) == ("failed", 0, 2)
    shown = stage.run("status", "one").out
    assert "gave-up" in shown
    assert "trapped" in shown
    assert "given up, `airs restart default/one` tries again" in shown
    assert "gave up: 2 restarts within 3600s" in stage.run("events", "one").out
    refused = stage.run("request", "one", "calls", code=1).err
    assert "airs restart" in refused
    stage.run("restart", "one")
    wait_until(lambda: stage.view("one").ready == 1)
    assert stage.ask("one", "calls") == "1"


def test_what_was_given_up_is_tried_again_when_the_spec_changes(stage: Stage):
    stage.have("one", "faulty", restart={"intensity": 0})
    stage.run("request", "one", "trap", code=1)
    wait_until(lambda: stage.view("one").instances[0].phase == "gave-up")
    stage.have("one", "faulty", restart={"intensity": 0}, config={"another": "revision"})
    assert stage.ask("one", "calls") == "1"


def test_waits_between_restarts_grow(stage: Stage):
    stage.have("one", "faulty", restart={"backoff": {"initial": "20ms", "factor": 2, "max": "50ms", "jitter": 0}})
    for _ in range(3):
        stage.run("request", "one", "trap", code=1)
    said = stage.run("events", "one").out
    waits = [int(line.split("starts again in ")[1].split(" ms")[0]) for line in said.splitlines() if "again in" in line]
    assert waits == [20, 40, 50]


def test_a_restart_under_load_loses_nothing(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    before = {i.name for i in stage.view("hello").instances}
    with stage.load("hello") as load:
        stage.run("restart", "hello")
        wait_until(
            lambda: [i.last_exit.kind.value for i in stage.view("hello").instances if i.last_exit] == ["normal"] * 2
        )
        wait_until(lambda: stage.view("hello").ready == 2)
        load.more()
    load.assert_all_answered()
    assert {i.name for i in stage.view("hello").instances} == before


def test_a_crash_under_load_costs_the_message_that_made_it_and_no_other(stage: Stage):
    stage.have("one", "faulty", replicas=2, restart=FAST)
    with stage.load("one", payload=lambda c, n: "trap" if n == 5 and c < 2 else f"echo {c}-{n}", may_fail=True) as load:
        wait_until(lambda: len(load.failures) == 2)
        load.more()
    assert load.answered + len(load.failures) == sum(load.sent)
    assert [payload for payload, _ in load.failures] == ["trap", "trap"]
    assert all(reply == payload.removeprefix("echo ") for replies in load.replies for payload, reply in replies)


def test_more_and_fewer_instances_are_had_in_place_without_losing_anything(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=2)
    first = stage.view("hello").instances[0].name
    with stage.load("hello") as load:
        stage.have("hello", "hello-1.0.0", replicas=5)
        assert stage.view("hello").ready == 5
        stage.have("hello", "hello-1.0.0", replicas=1)
        wait_until(lambda: [i.name for i in stage.view("hello").instances] == [first])
        load.more()
    load.assert_all_answered()
    assert stage.view("hello").restarts == 0
    assert len(stage.history("hello")) == 1


def test_where_no_instances_are_wanted_a_message_is_refused_with_the_reason(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=0)
    assert "replicas is 0" in stage.run("request", "hello", "Ada", code=1).err
    stage.have("hello", "hello-1.0.0", replicas=1)
    assert stage.ask("hello", "Ada") == "Hello, Ada!"


def test_a_full_mailbox_refuses_and_says_so_and_what_was_queued_is_answered(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 2})
    for _ in range(3):  # one is worked on, two wait
        stage.client.send(key("one"), b"sleep 500", None, 30.0)
    wait_until(lambda: stage.view("one").mailbox == 2)
    refused = stage.run("send", "one", "x", code=1).err
    assert "queue-full" in refused
    assert "2 messages waiting" in refused
    wait_until(lambda: stage.view("one").mailbox == 0)
    assert stage.ask("one", "calls") == "4"


def test_a_guest_that_sends_to_a_full_mailbox_is_told_so(stage: Stage):
    stage.write("target", "faulty", mailbox={"capacity": 1})
    stage.write("one", "faulty", grants={"messaging.send": ["target"]})
    stage.apply()
    replies = [stage.ask("one", "send target sleep 500") for _ in range(3)]
    assert replies[0] == "sent"
    assert replies[2].startswith("error: queue-full")
    assert stage.ask("one", "send nobody x").startswith("error: ")


def test_an_instance_that_says_it_is_unhealthy_is_replaced(stage: Stage):
    stage.have("one", "faulty", restart=FAST, health={"interval": "10ms", "failureThreshold": 2})
    assert stage.ask("one", "health unhealthy") == "unhealthy"
    wait_until(lambda: stage.view("one").restarts == 1)
    assert "unhealthy: health() failed 2 times in a row" in last_exits(stage, "one")
    assert stage.ask("one", "calls") == "1"


def test_health_is_asked_of_an_instance_that_never_runs_out_of_messages(stage: Stage):
    stage.have("one", "faulty", restart=FAST, health={"interval": "10ms", "failureThreshold": 1})
    for payload in ("health unhealthy", *["sleep 10"] * 400):
        stage.client.send(key("one"), payload.encode(), None, 30.0)
    wait_until(lambda: stage.view("one").restarts == 1)
    assert stage.view("one").mailbox > 0


def test_a_degraded_instance_goes_on_and_is_shown(stage: Stage):
    stage.have("one", "faulty", health={"interval": "10ms"})
    stage.ask("one", "health degraded")
    wait_until(lambda: stage.view("one").instances[0].health == "degraded")
    assert stage.ask("one", "calls") == "2"
    assert stage.view("one").restarts == 0
    assert stage.view("one").phase == "degraded"
    assert "says that it is degraded" in stage.run("status").out
    stage.apply()  # it is there, so that nobody waits for more
    stage.ask("one", "health healthy")
    wait_until(lambda: stage.view("one").phase == "running")
    assert [reason for reason in stage.events("one") if reason in ("degraded", "healthy")] == ["degraded", "healthy"]


def test_an_instance_works_on_one_message_at_a_time(stage: Stage):
    stage.have("counter", "counter-1.0.0", grants={"storage.read": ["self"], "storage.write": ["self"]})
    with stage.load("counter", clients=8, payload=lambda _c, _n: "increment") as load:
        load.more(200)
    assert stage.ask("counter", "get") == str(sum(load.sent))


def test_messages_are_spread_over_all_instances(stage: Stage):
    stage.have("one", "faulty", replicas=3)
    replies = [stage.client.request(key("one"), b"self", None, 30.0) for _ in range(30)]
    shares = [replies.count(reply) for reply in set(replies)]
    assert len(shares) == 3
    assert min(shares) >= 5  # in turn, but who has just answered may not be idle yet when the next one comes


def test_guests_that_compute_at_once_all_finish(stage: Stage):
    stage.have("one", "faulty", replicas=3, limits={"timeout": "500ms"}, restart=FAST)
    failures: list[str] = []
    spinning = [in_background(stage, "one", "loop", failures) for _ in range(2)]
    assert stage.ask("one", "echo meanwhile") == "meanwhile"
    for thread in spinning:
        thread.join()
    assert len(failures) == 2
    assert all("deadline" in failure for failure in failures)


def test_guests_that_sleep_do_not_hold_up_the_others(stage: Stage):
    stage.write("sleeper", "faulty", replicas=12, limits={"timeout": "2s"})
    stage.write("hello", "hello-1.0.0")
    stage.apply()
    replies: list[str] = []
    sleepers = [in_background(stage, "sleeper", "sleep 1500", replies) for _ in range(13)]
    wait_until(lambda: stage.view("sleeper").mailbox == 1)  # the other twelve sleep
    assert stage.ask("hello", "Ada") == "Hello, Ada!"
    assert replies == []
    for thread in sleepers:
        thread.join()
    assert replies == ["slept"] * 13


@pytest.mark.parametrize(
    ("order", "limits", "kind"),
    [
        ("loop", {"timeout": "100ms"}, "deadline"),
        ("sleep 5000", {"timeout": "100ms"}, "deadline"),
        ("loop", {"fuel": 10_000_000}, "out-of-fuel"),
        ("grow", {"memory": "4MiB"}, "memory"),
        ("recurse", {}, "stack"),
        ("div0", {}, "trapped"),
        ("trap", {}, "trapped"),
    ],
)
def test_what_goes_over_a_limit_ends_alone_with_its_reason_and_backtrace(
    stage: Stage, order: str, limits: dict[str, object], kind: str
):
    stage.write("one", "faulty", limits=limits, restart=FAST)
    stage.write("hello", "hello-1.0.0")
    stage.apply()
    with stage.load("hello", clients=2) as load:
        err = stage.run("request", "one", order, code=1).err
        assert f"the guest failed: {kind}" in err
        load.more(10)
    load.assert_all_answered()
    if not order.startswith("sleep"):
        assert "faulty.wasm!" in err
        log = logged(stage, "one")
        assert any("faulty.wasm!" in line for line in log)
        assert log[0].startswith(kind)  # a backtrace without what happened would tell nothing
    assert last_exits(stage, "one")[0].startswith(kind)
    assert stage.ask("one", "calls") == "1"
    assert "exited" in stage.events("one")


def test_an_err_reply_is_the_answer_and_ends_nothing(stage: Stage):
    stage.have("one", "faulty")
    assert "asked to fail" in stage.run("request", "one", "err", code=1).err
    assert stage.ask("one", "calls") == "2"
    assert stage.view("one").restarts == 0


@pytest.mark.parametrize("ends", ["trap", "exit 3"])
def test_a_callables_instance_lives_until_it_ends_and_a_call_that_meets_none_waits_within_its_timeout(
    stage: Stage, ends: str
):
    stage.have("one", "probe-calls", restart={"backoff": {"initial": "1s", "max": "10m", "factor": 100}})
    for _ in range(3):
        stage.run("call", "one", "do", '"env"')
    assert stage.view("one").restarts == 0
    stage.run("call", "one", "do", json.dumps(ends), code=1)
    wait_until(lambda: stage.view("one").instances[0].phase == "backing-off")
    assert stage.run("call", "one", "do", '"args"').out == '"args\\n"\n'  # waited for the second instance
    assert stage.view("one").restarts == 1
    stage.run("call", "one", "do", json.dumps(ends), code=1)
    wait_until(lambda: stage.view("one").instances[0].phase == "backing-off")
    late = stage.run("call", "one", "do", '"env"', "--timeout", "200ms", code=124).err
    assert "no answer from default/one within 0.2s" in late
    assert "no instance had started on it; it was taken back" in late


def test_a_transient_callable_that_exits_well_is_not_started_again(stage: Stage):
    stage.have("one", "probe-calls", restart={"type": "transient", "backoff": {"initial": "1ms"}})
    stage.run("call", "one", "do", '"exit 3"', code=1)
    assert stage.run("call", "one", "do", '"args"').out == '"args\\n"\n'
    assert "normal: exit code 0" in stage.run("call", "one", "do", '"exit 0"', code=1).err
    wait_until(lambda: stage.view("one").phase == "stopped")


SLOW = {"backoff": {"initial": "1h", "max": "1h", "jitter": 0}}


def have_one_that_backs_off(stage: Stage, **spec: object) -> None:
    stage.have("one", "faulty", restart=SLOW, **spec)
    stage.run("request", "one", "trap", code=1)
    wait_until(lambda: stage.view("one").instances[0].phase == "backing-off")


def edit(stage: Stage, name: str, **spec: object) -> None:
    stage.write(name, "faulty", **spec)
    stage.apply("--no-wait")


def test_status_shows_when_the_next_start_is_due(stage: Stage):
    have_one_that_backs_off(stage)
    (instance,) = stage.json("status", "one")["instances"]
    failed_at = next(e["atMs"] for e in events(stage, "one") if e["reason"] == "exited")
    assert abs(instance["nextStartAt"] - failed_at - 3_600_000) < 60_000
    due = clock(instance["nextStartAt"])
    assert f"next start {due}" in stage.run("status").out
    assert "NEXT START" in (shown := stage.run("status", "one").out)
    assert due in shown


@pytest.mark.parametrize(
    ("restart", "phase"),
    [
        ({"type": "temporary"}, "stopped"),
        ({"intensity": 0}, "gave-up"),
        ({"backoff": {"initial": "1ms"}}, "running"),
    ],
)
def test_a_restart_policy_edited_during_a_back_off_is_obeyed_at_once(stage: Stage, restart: object, phase: str):
    have_one_that_backs_off(stage)
    edit(stage, "one", restart=restart)
    wait_until(lambda: stage.view("one").instances[0].phase == phase)
    assert stage.view("one").restarts == (phase == "running")
    assert stage.view("one").instances[0].next_start_at == 0
    assert "restart-changed" in stage.events("one")


def test_a_longer_period_edited_during_a_back_off_counts_what_was_out_of_the_shorter_one(stage: Stage):
    once = {"intensity": 1, "period": "1ms", "backoff": {"initial": "2ms", "jitter": 0}}
    stage.have("one", "faulty", restart=once)
    stage.run("request", "one", "trap", code=1)
    stage.ask("one", "calls")
    edit(stage, "one", restart={**once, **SLOW})
    wait_until(lambda: stage.view("one").sync == "applied")
    stage.run("request", "one", "trap", code=1)
    wait_until(lambda: stage.view("one").instances[0].phase == "backing-off")
    edit(stage, "one", restart={**once, **SLOW, "period": "1h"})
    wait_until(lambda: stage.view("one").instances[0].phase == "gave-up")


@pytest.mark.parametrize(
    ("restart", "phases"),
    [
        ({"type": "temporary"}, ["running", "stopped"]),
        ({"intensity": 0}, ["gave-up", "gave-up"]),
        ({"backoff": {"initial": "1ms"}}, ["running", "running"]),
    ],
)
def test_a_group_obeys_a_members_restart_policy_edited_during_the_back_off(
    stage: Stage, restart: object, phases: list[str]
):
    group = {"name": "pair", "strategy": "one-for-all"}
    stage.write("other", "faulty", group=group)
    have_one_that_backs_off(stage, group=group)
    wait_until(lambda: stage.view("other").instances[0].phase == "backing-off")
    assert stage.view("one").instances[0].next_start_at
    assert stage.view("other").instances[0].next_start_at
    edit(stage, "one", restart=restart, group=group)
    wait_until(lambda: [stage.view(name).instances[0].phase for name in ("other", "one")] == phases)


def test_a_groups_intensity_edited_during_a_back_off_is_obeyed_at_once(stage: Stage):
    have_one_that_backs_off(stage, group={"name": "solo", "strategy": "one-for-all"})
    edit(stage, "one", restart=SLOW, group={"name": "solo", "strategy": "one-for-all", "intensity": 0})
    wait_until(lambda: stage.view("one").group.phase == "gave-up")


def test_an_edited_interval_of_health_checks_is_obeyed_at_once(stage: Stage):
    stage.have("one", "faulty", health={"interval": "1h"})
    assert stage.ask("one", "health unhealthy") == "unhealthy"
    edit(stage, "one", health={"interval": "10ms", "failureThreshold": 100})
    wait_until(lambda: stage.view("one").ready == 0)


def events(stage: Stage, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stage.run("-o", "json", "events", name).out.splitlines()]
