"""Groups of deployments whose failures are answered together, with real components, through `airs`."""

import json

import pytest

from orchestrator.contract.codes import FAILED, INVALID

from .stage import Stage, wait_until

QUICK = {"backoff": {"initial": "1ms", "max": "5ms"}, "intensity": 100}
NAMES = ("base", "middle", "top")


def logged(stage: Stage) -> list[str]:
    """Return what all guests logged, in order."""
    return [json.loads(line)["text"] for line in stage.run("-o", "json", "logs").out.splitlines()]


def have_group(stage: Stage, strategy: str, **fields: object) -> None:
    """Deploy three members, each needing the one before: base, middle, top."""
    for name, needs in zip(NAMES, ((), ("base",), ("middle",)), strict=True):
        group = {"name": "stack", "strategy": strategy, **fields}
        stage.write(name, "faulty", group=group, dependsOn=list(needs), restart=QUICK)
    stage.apply()


def crash(stage: Stage, name: str) -> None:
    assert "trapped" in stage.run("request", name, "trap", code=FAILED).err


def restarts(stage: Stage) -> tuple[int, ...]:
    return tuple(stage.view(name).restarts for name in NAMES)


def is_whole(stage: Stage) -> bool:
    return all(stage.view(name).ready == 1 and stage.view(name).group.phase == "running" for name in NAMES)


@pytest.mark.parametrize(
    ("strategy", "failed", "expected"),
    [
        ("one-for-one", "base", (1, 0, 0)),
        ("one-for-all", "middle", (1, 1, 1)),
        ("rest-for-one", "base", (1, 1, 1)),
        ("rest-for-one", "middle", (0, 1, 1)),
        ("rest-for-one", "top", (0, 0, 1)),
    ],
)
def test_a_failure_starts_those_again_that_the_strategy_says(
    stage: Stage, strategy: str, failed: str, expected: tuple[int, ...]
):
    have_group(stage, strategy)
    for name in NAMES:
        assert stage.ask(name, "calls") == "1"
    crash(stage, failed)
    wait_until(lambda: restarts(stage) == expected and is_whole(stage), f"restarts {expected}")
    fresh = [stage.ask(name, "calls") == "1" for name in NAMES]
    assert fresh == [bool(count) for count in expected]
    with_it = [name for name, count in zip(NAMES, expected, strict=True) if count and name != failed]
    assert [name for name in NAMES if "group-restart" in stage.events(name)] == with_it


def test_a_group_stops_from_the_last_to_the_first_and_starts_the_other_way_round(stage: Stage):
    for name, needs in zip(NAMES, ((), ("base",), ("middle",)), strict=True):
        group = {"name": "stack", "strategy": "one-for-all"}
        stage.write(name, "faulty", group=group, dependsOn=list(needs), restart=QUICK, config={
            "initialize": f"log {name} starts", "shutdown": f"log {name} stops",
        })  # fmt: skip
    stage.apply()
    crash(stage, "base")
    wait_until(lambda: restarts(stage) == (1, 1, 1) and is_whole(stage))
    said = [text for text in logged(stage) if text.endswith((" starts", " stops"))]
    first = [f"{name} starts" for name in NAMES]
    assert said == [*first, "top stops", "middle stops", *first]  # base crashed: it said nothing


def test_messages_to_members_that_are_started_again_wait_and_are_answered(stage: Stage):
    have_group(stage, "one-for-all", intensity=1000)
    with stage.load("top", payload=lambda c, n: f"echo {c}-{n}") as load:
        for number, _ in enumerate(range(5), 1):
            crash(stage, "base")
            wait_until(lambda number=number: stage.view("top").restarts == number and is_whole(stage))
        load.more()
    load.assert_all_answered()
    assert all(reply == payload.removeprefix("echo ") for replies in load.replies for payload, reply in replies)


@pytest.mark.parametrize("strategy", ["one-for-one", "one-for-all", "rest-for-one"])
def test_too_many_failures_and_the_whole_group_gives_up_says_why_and_comes_back_on_request(stage: Stage, strategy: str):
    have_group(stage, strategy, intensity=2, period="1h")
    for name in ("base", "top", "base"):
        wait_until(lambda: is_whole(stage))
        crash(stage, name)
    wait_until(lambda: all(i.phase == "gave-up" for name in NAMES for i in stage.view(name).instances))
    shown = stage.run("status").out
    why = "group stack gave up: 2 failures within 3600s; the last was default/base: trapped"
    assert shown.count(why) == 3
    assert "`airs restart default/middle` starts all of it again" in shown
    for name in NAMES:
        view = stage.view(name)
        assert (view.phase, view.ready, view.group.phase) == ("failed", 0, "gave-up")
        assert "gave-up" in stage.events(name)
    (group,) = stage.json("get", "groups")
    assert (group["phase"], group["strategy"], group["members"]) == (
        "gave-up",
        strategy,
        [f"default/{n}" for n in NAMES],
    )
    assert "trapped" in group["gaveUp"]
    assert "gave-up" in stage.run("get", "groups").out
    assert "airs restart" in stage.run("request", "middle", "calls", code=FAILED).err
    said = stage.run("restart", "middle").said
    assert "starting group stack again: default/base, default/middle, default/top" in said
    wait_until(lambda: is_whole(stage))
    assert [stage.ask(name, "calls") for name in NAMES] == ["1", "1", "1"]
    assert stage.view("top").group.failures == 0


def test_a_member_past_its_own_limit_takes_its_group_with_it(stage: Stage):
    for name, intensity in (("calm", 5), ("wild", 0)):
        stage.write(name, "faulty", group={"name": "pair"}, restart={"intensity": intensity})
    stage.apply()
    crash(stage, "wild")
    wait_until(lambda: stage.view("calm").phase == "failed")
    why = "group pair gave up: default/wild gave up: 0 restarts within 60s; the last exit was trapped"
    assert why in stage.run("status", "calm").out


def test_a_changed_manifest_of_one_member_brings_the_group_back(stage: Stage):
    have_group(stage, "one-for-all", intensity=0)
    crash(stage, "top")
    wait_until(lambda: all(stage.view(name).phase == "failed" for name in NAMES))
    stage.write("middle", "faulty", dependsOn=["base"], restart=QUICK, config={"another": "revision"},
                group={"name": "stack", "strategy": "one-for-all", "intensity": 0})  # fmt: skip
    stage.apply()
    wait_until(lambda: is_whole(stage))


def test_a_group_is_changed_in_place(stage: Stage):
    have_group(stage, "one-for-one")
    before = [stage.view(name).instances for name in NAMES]
    for name in NAMES:
        stage.write(name, "faulty", group={"name": "stack", "strategy": "one-for-all"}, restart=QUICK)
    assert "one-for-one → one-for-all" in stage.run("plan", str(stage.manifests), code=None).out
    stage.apply()
    assert [stage.view(name).instances for name in NAMES] == before
    crash(stage, "base")
    wait_until(lambda: restarts(stage) == (1, 1, 1))


def test_members_that_disagree_are_refused_with_both_places(stage: Stage):
    stage.write("one", "faulty", group={"name": "pair", "strategy": "one-for-all"})
    stage.write("two", "faulty", group={"name": "pair"})
    refused = stage.apply(code=INVALID).err
    assert "members of group pair disagree about it, here and default/two in" in refused
    assert "members of group pair disagree about it, here and default/one in" in refused


def test_waits_are_shortened_by_the_jitter_and_never_longer(stage: Stage):
    stage.have("one", "faulty", restart={"backoff": {"initial": "40ms", "factor": 1, "jitter": 1}, "intensity": 100})
    for _ in range(8):
        stage.run("request", "one", "trap", code=1)
    said = stage.run("events", "one").out
    waits = [int(line.split("starts again in ")[1].split(" ms")[0]) for line in said.splitlines() if "again in" in line]
    assert len(waits) == 8
    assert all(0 <= wait <= 40 for wait in waits)
    assert len(set(waits)) > 1
