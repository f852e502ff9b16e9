"""Ctrl-C at any moment: exit code 130, no traceback, and a word on what goes on."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.contract.codes import INTERRUPTED
from orchestrator.model.ids import DeploymentKey

from .conftest import AIRS, REPOSITORY, Airs, deployment, wait_until
from .test_top import LIMIT_S, terminal

SCRIPT = REPOSITORY / "bin/airs"
POINTS = 24  # at which a command is interrupted, from before its first line until after its last
FAULTY = DeploymentKey(namespace="default", name="faulty")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory):
    user = Airs(tmp_path_factory.mktemp("interrupted"))
    try:
        user.copy_component("unhealthy")
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
    (folder / "slow.yaml").write_text(deployment("slow", "../components/unhealthy"))
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


@pytest.fixture
def path() -> str:
    """Return a PATH on which `python3` is the one that runs the tests, as beside an installed `airs`."""
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("command", ["--version", "status"])
def test_ctrl_c_before_a_command_has_begun_ends_it_without_a_word(airs: Airs, path: str, command: str):
    if subprocess.run(["env", "--block-signal=INT", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine's env cannot block signals")
    env, began_s = airs.env | {"PATH": path}, time.monotonic()
    usual = subprocess.run([SCRIPT, command], env=env, capture_output=True, check=False).returncode
    took_s = time.monotonic() - began_s
    for point in range(POINTS):
        process = subprocess.Popen([SCRIPT, command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(took_s * point / POINTS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode in (INTERRUPTED, -signal.SIGINT, usual), err
        assert b"Traceback" not in out + err


def test_the_command_starts_where_no_signal_can_be_blocked(airs: Airs, path: str, tmp_path: Path):
    stand_in = tmp_path / "env"
    stand_in.write_text("#!/bin/sh\nexit 125\n")
    stand_in.chmod(0o755)
    ran = subprocess.run(
        [SCRIPT, "--version"], env=airs.env | {"PATH": f"{tmp_path}:{path}"}, capture_output=True, check=True
    )
    assert ran.stdout.startswith(b"airs, version")


def test_who_ignores_ctrl_c_leaves_it_blocked_for_no_process_of_theirs(airs: Airs, path: str):
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", SCRIPT, "agent", "run"]
    agent = subprocess.Popen(
        command, env=airs.env | {"PATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: airs.quick("agent", "status", check=False).returncode == 0)
        status = Path(f"/proc/{agent.pid}/status").read_text()
        blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
        assert int(blocked.split()[1], 16) & 1 << signal.SIGINT - 1 == 0
    finally:
        agent.terminate()
        agent.wait(LIMIT_S)


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
