"""An agent and its state directory: who holds it, who may touch what, and what is said when it is gone."""

import fcntl
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from .conftest import Airs, wait_until

FAILED, NO_AGENT = 1, 69


def running(airs: Airs) -> int:
    """Have an agent run hello in the background, and return its process."""
    airs.run("apply", airs.copy_example("01-hello") / "manifests")
    return airs.client().about().pid


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_second_agent_that_is_refused_leaves_the_first_ones_socket_though_the_lock_is_gone(airs: Airs):
    pid = running(airs)
    os.kill(pid, signal.SIGSTOP)  # or it would notice, and end
    for name in ("lock", "db/LOCK"):
        (airs.state_dir / name).unlink()
        refused = airs.run("agent", "run", check=False)
        assert (refused.returncode, refused.stdout) == (FAILED, "")
        assert f"process {pid} " in refused.stderr
        assert "Traceback" not in refused.stderr
    assert (airs.state_dir / "agent.sock").is_socket()
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: has_ended(pid))


@pytest.mark.parametrize(
    "command",
    [("agent", "status"), ("agent", "stop"), ("agent", "start"), ("status",), ("request", "hello", "x"),
     ("apply", "01-hello/manifests"), ("plan", "01-hello/manifests")],
)  # fmt: skip
def test_an_agent_that_stands_still_is_named_soon_by_every_command(airs: Airs, command: tuple[str, ...]):
    pid = running(airs)
    os.kill(pid, signal.SIGSTOP)
    told = airs.run(*command, check=False)  # which waits for a minute at most
    os.kill(pid, signal.SIGCONT)
    assert (told.returncode, told.stdout) == (NO_AGENT, "")
    assert f"process {pid} holds {airs.state_dir} and does not answer" in told.stderr
    assert "kill -CONT" in told.stderr
    assert airs.run("agent", "status").returncode == 0


def test_a_process_that_holds_the_directory_and_does_not_listen_is_named(airs: Airs):
    running(airs)
    airs.run("agent", "stop")
    with (airs.state_dir / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(json.dumps({"pid": os.getpid(), "startedAt": "now", "command": "airs up", "socket": "/x"}))
        lock.flush()
        told = airs.run("status", check=False)
    assert told.returncode == NO_AGENT
    assert f"process {os.getpid()} holds {airs.state_dir} and does not answer" in told.stderr


def test_an_agent_whose_lock_was_removed_says_so_and_ends_in_order(airs: Airs):
    hello = airs.copy_example("01-hello")
    watching = airs.background("up", hello / "manifests")
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    (airs.state_dir / "lock").unlink()
    watching.says("this agent ends in order")
    assert watching.process.wait(30) == 0
    assert not (airs.state_dir / "agent.sock").exists()
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")


def test_an_agent_whose_directory_was_replaced_ends_without_touching_the_new_agents_socket(airs: Airs):
    hello = airs.copy_example("01-hello")
    first = airs.background("up", hello / "manifests")
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    first.process.send_signal(signal.SIGSTOP)  # so that it notices only after the other one is there
    airs.state_dir.rename(airs.state_dir.with_name("away"))
    airs.run("agent", "start")
    first.process.send_signal(signal.SIGCONT)
    first.says("this agent ends in order")
    assert first.process.wait(30) == 0
    assert airs.run("agent", "status").stdout.startswith("running")


def test_an_agent_whose_directory_was_removed_ends(airs: Airs):
    pid = running(airs)
    shutil.rmtree(airs.state_dir)
    wait_until(lambda: has_ended(pid))
    assert not Path(airs.state_dir).exists()


def test_an_agent_whose_directory_was_moved_says_so_where_it_went(airs: Airs):
    pid = running(airs)
    away = airs.state_dir.rename(airs.state_dir.with_name("away"))
    wait_until(lambda: has_ended(pid))
    log = (away / "agent.log").read_text()
    assert "state-dir-gone" in log
    assert "the agent has ended in order" in log
    assert "--repair" not in log  # there is nothing to repair
    away.rename(airs.state_dir)
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")
