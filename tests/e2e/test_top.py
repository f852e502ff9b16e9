"""`airs top` over a real agent: what it counts, how it ends, and how it looks on a terminal."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema
import pytest

from orchestrator.contract.codes import INTERRUPTED, USAGE

from .conftest import AIRS, LIMIT_S, REPOSITORY, Airs, deployment, wait_until

SCHEMA = json.loads((REPOSITORY / "schemas" / "top.schema.json").read_text())
OFTEN = ("--interval", "20ms")
LONG = "a-deployment-whose-name-is-as-long-as-a-name-may-well-get"


@pytest.fixture
def user(airs: Airs) -> Airs:
    """Have a deployment that does as it is told."""
    airs.copy_component("faulty")
    manifests = airs.folder / "manifests"
    manifests.mkdir()
    for name in ("faulty", "idle", LONG):
        spec = {"restart": {"intensity": 9, "backoff": {"initial": "1ms", "max": "1ms"}}}
        (manifests / f"{name}.yaml").write_text(deployment(name, "../components/faulty", **spec))
    airs.run("apply", manifests)
    return airs


def looks(printed: str) -> list[dict[str, Any]]:
    """Return the documents of complete lines."""
    return [json.loads(line) for line in printed.splitlines(keepends=True) if line.endswith("\n")]


def row(look: dict[str, Any], name: str = "faulty") -> dict[str, Any]:
    return next(found for found in look["deployments"] if found["name"] == name)


def counted(seen: list[dict[str, Any]], rate: str, name: str = "faulty") -> float:
    """Return how many there were in all, by the rates and how long each was for."""
    return round(sum(row(look, name)[rate] * look["intervalMs"] / 1000 for look in seen), 3)


def test_what_is_handled_between_two_looks_becomes_rates_and_fuel(user: Airs):
    watched = user.background("-o", "json", "top", *OFTEN)
    wait_until(lambda: looks(watched.stdout))
    for _ in range(12):
        user.quick("request", "faulty", "echo the same")
    for _ in range(3):
        user.quick("request", "faulty", "err broken", check=False)
    wait_until(lambda: counted(looks(watched.stdout), "handledPerS") == 15)
    assert watched.end(signal.SIGINT) == INTERRUPTED
    seen = looks(watched.stdout)
    assert counted(seen, "receivedPerS") == 15
    assert counted(seen, "errorsPerS") == 3
    assert counted(seen, "receivedPerS", "idle") == 0
    fuel = {row(look)["fuelPerMessage"] for look in seen if row(look)["handledPerS"]}
    assert min(fuel) > 0
    assert {row(look, "idle")["fuelPerMessage"] for look in seen} == {None}
    assert all(row(look)["memoryBytes"] >= 1 << 16 for look in seen)
    assert {row(look)["capacity"] for look in seen} == {1000}
    for look in seen:
        jsonschema.Draft202012Validator(SCHEMA).validate(look)


def test_the_fuel_per_message_is_what_each_of_equal_messages_takes(user: Airs):
    for _ in range(4):
        user.quick("request", "faulty", "echo the same")
    instances = user.json("get", "instances", "faulty")
    assert [one["meteredCalls"] for one in instances] == [4]
    total = instances[0]["meteredFuel"]
    user.quick("request", "faulty", "echo the same")
    (after,) = user.json("get", "instances", "faulty")
    assert after["meteredFuel"] * 4 == total * 5


def test_dead_letters_and_restarts_are_shown_and_memory_is_of_what_runs(user: Airs):
    for number in range(2):
        user.quick("send", "faulty", "trap")
        wait_until(lambda number=number: row(user.json("top", "--once", *OFTEN))["restarts"] == number + 1)
    wait_until(lambda: row(user.json("top", "--once", *OFTEN))["ready"] == 1)
    look = user.json("top", "--once", *OFTEN)
    assert (row(look)["deadLetters"], row(look)["restarts"], row(look)["replicas"]) == (2, 2, 1)
    assert row(look)["memoryBytes"] == row(look, "idle")["memoryBytes"] > 0
    assert [row(look, "idle")[name] for name in ("deadLetters", "restarts", "waiting")] == [0, 0, 0]


@pytest.mark.parametrize("once", [[], ["--once"]], ids=["not a terminal", "once"])
def test_where_nobody_watches_it_prints_one_table_sorted_as_asked(user: Airs, once: list[str]):
    user.quick("send", "idle", "trap")
    wait_until(lambda: row(user.json("top", "--once", *OFTEN), "idle")["deadLetters"])
    by_name = user.quick("top", *once, *OFTEN).stdout.splitlines()
    assert by_name[0].split("  ")[1].startswith("3 deployments")
    assert by_name[1].split()[:4] == ["DEPLOYMENT", "READY", "IN/S", "HANDLED/S"]
    assert [line.split()[0] for line in by_name[2:]] == [f"default/{name}" for name in (LONG, "faulty", "idle")]
    assert by_name[4].split()[-1] == "1"
    by_letters = user.quick("top", *once, *OFTEN, "--sort", "dead-letters").stdout.splitlines()
    assert [line.split()[0] for line in by_letters[2:]] == [f"default/{name}" for name in ("idle", LONG, "faulty")]


def test_without_deployments_it_says_how_to_have_some(airs: Airs):
    airs.run("agent", "start")
    assert "Nothing is deployed" in airs.quick("top", *OFTEN).stdout
    airs.run("agent", "stop")
    refused = airs.quick("top", "--interval", "1ms", check=False)
    assert refused.returncode == USAGE
    assert "1ms is too short: it is at least 10ms" in refused.stderr


@contextmanager
def terminal(
    user: Airs, columns: int, rows: int, *command: str, kind: str = "xterm-256color"
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Run a command on a terminal of its own, and yield the terminal's other end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        list(command), stdin=theirs, stdout=theirs, stderr=theirs, env=user.env | {"TERM": kind},
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    try:
        yield ours, process
    finally:
        process.kill()
        process.wait(LIMIT_S)
        os.close(ours)


@pytest.mark.parametrize(("columns", "rows", "key"), [(80, 24, b"\x03"), (120, 24, b"q"), (160, 4, b"Q")])
def test_on_a_terminal_it_is_drawn_anew_within_the_screen_until_it_is_ended(
    user: Airs, columns: int, rows: int, key: bytes
):
    with terminal(user, columns, rows, *AIRS, "top", *OFTEN) as (ours, process):
        said = b""
        while said.count(b"DEPLOYMENT") < 3:
            said += os.read(ours, 1 << 16)
        os.write(ours, key)
        assert process.wait(LIMIT_S) == (INTERRUPTED if key == b"\x03" else 0)
        assert termios.tcgetattr(ours)[3] & termios.ECHO  # as it was before
    frames = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame) for frame in said.decode("utf-8", "replace").split("\x1b[H")]
    first, second = [frame.splitlines() for frame in frames if "DEPLOYMENT" in frame][:2]
    for lines in (first, second):
        assert len(lines) <= rows
        assert max(map(len, lines)) <= columns
    names = [line.split(" ")[0] for line in second[2:]]
    assert ("… and 2 more" in "\n".join(second)) == (rows == 4)
    if rows == 24:
        assert names[1:] == ["default/faulty", "default/idle"]
        assert len({len(line) for line in second[1:]}) == 1  # each row ends where the heads of columns do
        begin, mark, end = names[0].partition("…")
        assert mark
        assert f"default/{LONG}".startswith(begin)
        assert LONG.endswith(end)


@pytest.mark.parametrize("command", [["top"], ["top", "--once"], ["status"], ["plan", "manifests"]], ids=" ".join)
def test_a_terminal_that_can_only_print_gets_lines_and_no_control_codes(user: Airs, command: list[str]):
    arguments = [str(user.folder / part) if part == "manifests" else part for part in command]
    with terminal(user, 80, 24, *AIRS, *arguments, kind="dumb") as (ours, process):
        said = b""
        with contextlib.suppress(OSError):  # the command has ended
            while part := os.read(ours, 1 << 16):
                said += part
        assert process.wait(LIMIT_S) == 0, said
    assert b"default/faulty" in said or command[0] == "plan"
    assert b"\x1b" not in said


def test_a_status_that_is_watched_ends_by_the_same_key(user: Airs):
    with terminal(user, 100, 24, *AIRS, "status", "--watch") as (ours, process):
        said = b""
        while said.count(b"DEPLOYMENT") < 2:
            said += os.read(ours, 1 << 16)
        os.write(ours, b"xq")
        assert process.wait(LIMIT_S) == 0


def test_a_job_in_the_background_of_a_terminal_is_not_stopped_for_it(user: Airs):
    job = f"{shlex.join([*AIRS, 'top', '--once', *OFTEN])} & wait $!"
    with terminal(user, 100, 24, "bash", "-mc", job) as (ours, process):
        assert process.wait(LIMIT_S) == 0
        assert b"DEPLOYMENT" in os.read(ours, 1 << 16)
