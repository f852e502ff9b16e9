"""Those who follow logs and events and never read: nobody waits for them, and they are hung up on in the end."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.contract.codes import FAILED

from .stage import LIMIT_S, ROOT, Stage, wait_until

STUCK = 200
LINES = 6_000  # of a hundred characters: more than a connection holds, and than is kept of one deployment
AT_ONCE = 500


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """A stage with a guest that may log a lot."""
    stage.write("talker", "faulty")
    component = stage.folder / "components" / "faulty" / "Component.toml"
    component.write_text(component.read_text().replace('timeout = "2s"', 'timeout = "60s"\nlog = 10000'))
    stage.apply()
    return stage


def talk(stage: Stage, lines: int = LINES) -> None:
    for _ in range(lines // AT_ONCE):
        assert stage.ask("talker", f"repeat {AT_ONCE} log {'x' * 100}") == "logged"


def socket_of(stage: Stage) -> str:
    return str(stage.json("agent", "status")["socket"])


def follower(path: str, what: str) -> socket.socket:
    """Ask to follow, and read nothing."""
    raw = socket.socket(socket.AF_UNIX)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(path)
    raw.sendall(f"GET /v1/{what}?follow=true HTTP/1.1\r\nHost: airs\r\n\r\n".encode())
    return raw


def dropped(stage: Stage) -> list[str]:
    lines = stage.run("-o", "json", "events").out.splitlines()
    return [event["message"] for line in lines if (event := json.loads(line))["reason"] == "follower-dropped"]


def count_dropped(stage: Stage) -> int:
    words = [message.removeprefix("hung up on ").split()[0] for message in dropped(stage)]
    return sum(1 if word == "one" else int(word) for word in words)


def following(stage: Stage) -> list[str]:
    airs = [sys.executable, "-m", "orchestrator"]
    return [*airs, "--state-dir", str(stage.state_dir), "logs", "-f", "talker"]


def test_followers_who_never_read_keep_nobody_waiting_and_are_hung_up_on(stage: Stage):
    path = socket_of(stage)
    with ExitStack() as open_until_here:
        stuck = [open_until_here.enter_context(follower(path, "logs")) for _ in range(STUCK)]
        talk(stage)
        wait_until(lambda: count_dropped(stage) == STUCK)
        for raw in stuck:
            raw.settimeout(LIMIT_S)
            while raw.recv(1 << 16):  # what was on its way, and then the end
                continue
    assert stage.ask("talker", "echo well") == "well"


def test_a_reader_beside_them_misses_nothing(stage: Stage, tmp_path: Path):
    with (tmp_path / "read").open("wb") as to, ExitStack() as open_until_here:
        for _ in range(20):
            open_until_here.enter_context(follower(socket_of(stage), "logs"))
        reader = subprocess.Popen(following(stage), stdout=to, stderr=subprocess.DEVNULL, cwd=ROOT)
        try:
            stage.ask("talker", "log first")
            wait_until(lambda: "first" in (tmp_path / "read").read_text())
            for number in range(10):
                stage.ask("talker", f"repeat {AT_ONCE} log number-{number}")
                wait_until(lambda: (tmp_path / "read").read_text().count("number-") == (number + 1) * AT_ONCE)  # noqa: B023
        finally:
            reader.kill()
            reader.wait()


def test_a_command_that_does_not_read_says_that_it_was_hung_up_on(stage: Stage):
    read_end, write_end = os.pipe()  # which stays full
    talk(stage)
    follows = subprocess.Popen(following(stage), stdout=write_end, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(write_end)
    try:
        assert os.read(read_end, 1)
        wait_until(lambda: (talk(stage, AT_ONCE * 4), dropped(stage))[1], limit_s=2 * LIMIT_S)
        while os.read(read_end, 1 << 16):
            continue
        _, said = follows.communicate(timeout=LIMIT_S)
        assert follows.returncode == FAILED
        assert b"the agent hung up on a follower that did not read" in said
    finally:
        os.close(read_end)
        follows.kill()
        follows.communicate()


def test_more_than_so_many_are_refused_with_a_reason(stage: Stage):
    path = socket_of(stage)
    with ExitStack() as open_until_here:
        many = [open_until_here.enter_context(follower(path, "events")) for _ in range(257)]
        many[-1].settimeout(LIMIT_S)
        assert many[-1].recv(1_000).startswith(b"HTTP/1.1 503")
        refused = stage.run("events", "-f", code=FAILED)
        assert "256 follow already" in refused.err
