"""Ctrl-C at any moment: exit code 130, no traceback, and a word on what goes on."""

import os
import select
import signal
import subprocess
import time

import pytest

from orchestrator.contract.codes import INTERRUPTED
from orchestrator.model.ids import DeploymentKey

from .conftest import AIRS, Airs, deployment, wait_until
from .test_top import LIMIT_S, terminal

FAULTY = DeploymentKey(namespace="default", name="faulty")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory):
    user = Airs(tmp_path_factory.mktemp("interrupted"))
    try:
        user.copy_component("slow-init")
        user.copy_component("faulty")
        folder = user.folder / "manifests"
        folder.mkdir()
        (folder / "faulty.yaml").write_text(deployment("faulty", "../components/faulty"))
        user.run("apply", folder)
        yield user
    finally:
        user.close()


def read_until(ours: int, wanted: bytes) -> bytes:
    """Read what a terminal is told until it holds `wanted`, or the other end has gone."""
    said, deadline = b"", time.monotonic() + LIMIT_S
    while wanted not in said and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 1 << 16)
            except OSError:  # the command has ended
                return said
    return said


@pytest.mark.parametrize(
    ("command", "when", "told"),
    [
        (["status", "-w"], b"DEPLOYMENT", b""),
        (["top"], b"looking", b""),
        (["logs", "-f"], b"/v1/logs", b""),
        (["request", "faulty", "sleep 20000"], b"/v1/agent", b"taken back"),
        (["apply", "slow"], b"ready", b"airs rollout abort default/slow"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_ctrl_c_on_a_terminal_ends_with_130_and_says_what_goes_on(user: Airs, command, when, told):
    folder = user.folder / "slow"
    folder.mkdir(exist_ok=True)
    (folder / "slow.yaml").write_text(deployment("slow", "../components/slow-init"))
    arguments = [str(folder) if part == "slow" else part for part in command]
    with terminal(user, 100, 24, *AIRS, "-v", *arguments) as (ours, process):
        said = read_until(ours, when)
        assert when in said, said
        if command[0] == "request":
            wait_until(lambda: user.client().deployment(FAULTY).traffic.received)
        os.write(ours, b"\x03")
        said += read_until(ours, b"never said")
        assert process.wait(LIMIT_S) == INTERRUPTED
    assert told in said.replace(b"\r\n", b" ")
    assert b"Traceback" not in said


def test_a_plan_that_is_interrupted_says_nothing(user: Airs):
    process = subprocess.Popen(
        [*AIRS, "-v", "plan", str(user.folder / "manifests")], env=user.env, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=user.folder,
    )  # fmt: skip
    assert process.stderr is not None
    first = process.stderr.readline()  # it has asked the agent
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)
    assert b"/v1/" in first
    assert process.returncode in (INTERRUPTED, 0)  # it may have been done already
    assert b"Traceback" not in out + err
