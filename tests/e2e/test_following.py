"""`airs logs` and `airs events` choose what is printed, with dates; whatever follows an agent says when it has gone."""

import json
import os
import re
import signal
from typing import Any

import pytest

from .conftest import Airs, wait_until
from .stage import Stage

USAGE, NO_AGENT = 64, 69
DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def entries(stage: Stage, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stage.run("-o", "json", *arguments).out.splitlines()]


@pytest.fixture
def updated(stage: Stage) -> Stage:
    """`hello`, from 1.0.0 to 1.1.0."""
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0")
    stage.wait_for_rollout("hello", "keeping", "succeeded")
    return stage


def test_events_are_chosen_by_time_level_revision_and_text(updated: Stage):
    stage = updated
    every = entries(stage, "events", "hello")
    first, second = (each["revision"] for each in stage.json("history", "hello"))
    assert entries(stage, "events", "hello", "--tail", "2") == every[-2:]
    assert entries(stage, "events", "hello", "--since", "1h", "--until", "2100-01-01") == every
    assert entries(stage, "events", "hello", "--until", "2020-01-01T00:00+02:00") == []
    assert entries(stage, "events", "--level", "warning") == []
    begun = [each for each in every if each["reason"] == "rollout-started"]
    assert [each["revision"] for each in begun] == [first, second]
    for given in ("2", second, second[:8]):
        chosen = entries(stage, "events", "hello", "--revision", given, "--grep", "→")
        assert chosen == begun[1:], given
    assert [each["message"] for each in entries(stage, "events", "--grep", "1.1.0", "--tail", "1")] == [
        [each for each in every if "1.1.0" in each["message"]][-1]["message"]
    ]
    assert all(DATED.match(line) for line in stage.run("events").out.splitlines())


def test_log_lines_are_chosen_too_and_have_dates(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.ask("hello", "Ada")
    every = entries(stage, "logs", "hello")
    assert every
    assert entries(stage, "logs", "hello", "--level", "trace", "--revision", "1", "--since", "1h") == every
    assert entries(stage, "logs", "hello", "--until", "2020-01-01") == []
    assert entries(stage, "logs", "--grep", "nobody says this") == []
    assert all(DATED.match(line) for line in stage.run("logs", "hello").out.splitlines())


WRONG = [
    ("--since", "yesterday"), ("--since", "10"), ("--until", "2026-13-01"), ("--tail", "-1"), ("--tail", "some"),
    ("--level", "loud"), ("--revision", "9"), ("--revision", "xyz"), ("--grep", ""),
    ("--since", "1m", "--until", "2m"),
]  # fmt: skip


def test_wrong_choices_are_told(updated: Stage):
    for command in ("logs", "events"):
        for options in WRONG:
            ran = updated.run(command, "hello", *options, code=USAGE)
            assert "Traceback" not in ran.err, options


@pytest.mark.parametrize("command", [("events", "-f"), ("logs", "-f"), ("status", "-w"), ("top",)])
@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_what_follows_an_agent_says_when_it_has_gone(airs: Airs, command: tuple[str, ...], ending: str):
    airs.run("agent", "start")
    pid = airs.client().about().pid
    following = airs.background(*command, *(("-o", "json") if command == ("top",) else ()))
    if command[0] in ("status", "top"):
        wait_until(lambda: following.stdout)
    else:
        airs.run("apply", airs.copy_example("01-hello") / "manifests")
        if command[0] == "events":
            following.says("rollout-started")
    if ending == "stop":
        airs.run("agent", "stop")
    else:
        os.kill(pid, signal.SIGKILL)
    assert following.process.wait(30) == NO_AGENT
    assert "error: the agent has gone" in following.stderr
