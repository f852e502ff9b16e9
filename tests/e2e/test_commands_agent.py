"""The agent's own life, and the commands that change what runs."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from orchestrator.store.state_dir import holder
from tests.e2e.conftest import AIRS, Airs, deployment, wait_until

FAILED, NO_AGENT = 1, 69


@pytest.fixture
def manifests(airs: Airs) -> Path:
    return airs.copy_example("01-hello") / "manifests"


def pid_of(airs: Airs) -> int:
    return airs.json("agent", "status")["pid"]


def is_gone(pid: int) -> bool:
    """Whether a process ended; one that nobody waited for counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_start_stop_and_start_again(airs: Airs):
    assert airs.run("agent", "start").stdout == ""
    first = pid_of(airs)
    assert airs.quick("agent", "stop").stdout == ""
    wait_until(lambda: is_gone(first))
    assert airs.quick("agent", "stop", check=False).returncode == NO_AGENT
    assert not (airs.state_dir / "agent.sock").exists()
    airs.run("agent", "start")
    assert pid_of(airs) != first


def test_a_native_crash_leaves_the_stacks_in_the_log(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    pid = pid_of(airs)
    os.kill(pid, signal.SIGSEGV)
    wait_until(lambda: is_gone(pid))
    log = (airs.state_dir / "agent.log").read_text()
    assert "Fatal Python error: Segmentation fault" in log
    assert "in run_agent" in log
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_cleanly_and_it_resumes_what_ran(airs: Airs, manifests: Path, number: int):
    airs.run("apply", manifests)
    pid = pid_of(airs)
    os.kill(pid, number)
    wait_until(lambda: is_gone(pid))
    assert not (airs.state_dir / "agent.sock").exists()
    assert holder(airs.state_dir) is None
    assert "Traceback" not in (airs.state_dir / "agent.log").read_text()
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    assert airs.json("history", "hello")[-1]["number"] == 1


def test_callers_that_never_finish_do_not_keep_it_from_stopping(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    pid = pid_of(airs)
    half = b"POST /v1/deployments/default/hello/send HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
    follow = b"GET /v1/logs?follow=true HTTP/1.1\r\nHost: a\r\n\r\n"
    callers = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    try:
        for caller, said in zip(callers, (half, follow, b""), strict=True):
            caller.connect(str(airs.state_dir / "agent.sock"))
            caller.sendall(said)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: is_gone(pid))
    finally:
        for caller in callers:
            caller.close()
    assert "Traceback" not in (airs.state_dir / "agent.log").read_text()


def test_whoever_follows_ends_with_the_agent(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    airs.quick("request", "hello", "Ada")  # which it logs
    following = airs.background("logs", "-f"), airs.background("events", "-f")
    following[0].says("greeting Ada")
    following[1].says("1.0.0 serves")
    airs.quick("agent", "stop")
    assert [one.process.wait(20) for one in following] == [NO_AGENT, NO_AGENT]


def test_an_agent_that_was_killed_leaves_nothing_in_the_way(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    pid = pid_of(airs)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid))
    assert airs.quick("status", check=False).returncode == NO_AGENT
    assert "No changes." in airs.quick("plan", manifests).stdout  # from what is recorded
    assert "Started an agent" in airs.run("apply", manifests).stderr
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"


def test_a_long_path_gets_a_short_socket(airs: Airs, manifests: Path):
    airs.state_dir = airs.folder / ("long-" * 20) / ("path-" * 20)
    airs.env["AIRS_STATE_DIR"] = str(airs.state_dir)
    airs.run("apply", manifests)
    about = airs.json("agent", "status")
    assert len(about["socket"]) < 104
    assert oct(os.stat(about["socket"]).st_mode)[-3:] == "600"
    assert oct(os.stat(os.path.dirname(about["socket"])).st_mode)[-3:] == "700"
    assert airs.run("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    airs.run("agent", "stop")
    assert not os.path.exists(about["socket"])


def test_apply_says_that_it_started_an_agent_and_keeps_it_off_stdout(airs: Airs, manifests: Path):
    done = airs.run("apply", manifests)
    assert f"Started an agent in the background on {airs.state_dir}" in done.stderr
    assert "Started" not in done.stdout
    assert "Started" not in airs.quick("apply", manifests).stderr


def test_what_nobody_watches_can_be_deleted_and_its_data_stay(airs: Airs):
    manifests = airs.copy_example("02-counter") / "manifests"
    airs.run("apply", manifests)
    assert airs.quick("request", "counter", "add 5").stdout == "5\n"
    assert "data are kept" in airs.quick("delete", "counter").stderr
    wait_until(lambda: airs.json("get", "deployments") == [])
    assert airs.quick("request", "counter", "get", check=False).returncode == FAILED
    airs.quick("apply", manifests)
    assert airs.quick("request", "counter", "get").stdout == "5\n"


def test_what_was_deleted_does_not_come_back_from_a_source_that_was_refused_it(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    for other in ("other", "third"):
        assert airs.quick("apply", manifests, "--source", other, check=False).returncode == FAILED
    airs.quick("delete", "hello")
    wait_until(lambda: airs.json("get", "deployments") == [])
    airs.quick("agent", "stop")
    airs.run("agent", "start")  # which begins with a pass over everything that is wanted
    assert airs.json("get", "deployments") == []
    assert [source["deployments"] for source in airs.json("get", "sources")] == []


def test_restart_replaces_every_instance_and_keeps_answering(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    assert "restarting 2 instances" in airs.quick("restart", "hello").stderr
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    wait_until(lambda: airs.phase() == "running")


def test_several_names_at_once(airs: Airs, manifests: Path):
    other = manifests / "other.yaml"
    other.write_text((manifests / "hello.yaml").read_text().replace("name: hello", "name: other"))
    airs.run("apply", manifests)
    assert len(airs.quick("restart", "hello", "other").stderr.splitlines()) == 4
    partly = airs.quick("delete", "hello", "nobody", "other", check=False)
    assert partly.returncode == FAILED
    assert "no deployment default/nobody" in partly.stderr
    wait_until(lambda: airs.json("get", "deployments") == [])


def test_an_update_and_the_way_back(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    manifest = manifests / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
    assert "± default/hello   1.0.0 → 1.1.0" in airs.quick("apply", manifests).stdout
    done = airs.quick("rollback", "hello")
    assert done.stdout == ""
    assert "runs 1.0.0" in done.stderr
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    held = airs.quick("plan", manifests, "--detailed-exitcode", check=False)
    assert (held.returncode, "! default/hello" in held.stdout) == (2, True)
    left = airs.quick("apply", manifests, check=False)
    assert left.returncode == FAILED
    assert "rolled-back" in left.stderr
    airs.quick("rollout", "retry", "hello")
    wait_until(lambda: airs.version() == "1.1.0")
    airs.quick("rollback", "hello", "--to", "1")
    assert airs.version() == "1.0.0"
    revisions = [entry for entry in airs.json("history", "hello") if entry["kind"] == "Revision"]
    assert [entry["version"] for entry in revisions][:2] == ["1.0.0", "1.1.0"]


def test_a_suspended_deployment_is_there_and_does_not_run(airs: Airs, manifests: Path):
    manifest = manifests / "hello.yaml"
    manifest.write_text(manifest.read_text() + "  suspend: true\n")
    airs.run("apply", manifests)
    assert airs.phase() == "suspended"
    refused = airs.quick("restart", "hello", check=False)
    assert refused.returncode == FAILED
    assert "suspend: false" in refused.stderr
    assert airs.quick("request", "hello", "x", "--timeout", "200ms", check=False).returncode in (FAILED, 124)


def test_a_dependency_comes_first(airs: Airs):
    airs.copy_component("faulty")
    folder = airs.folder / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(deployment("first", "../components/faulty", dependsOn=["second"]))
    (folder / "b.yaml").write_text(deployment("second", "../components/faulty"))
    airs.run("apply", folder)
    events = [json.loads(line) for line in airs.quick("events", "-o", "json").stdout.splitlines()]
    order = [event["key"]["name"] for event in events if event["reason"] == "succeeded"]
    assert order == ["second", "first"]


def test_a_dependency_that_is_missing_blocks_and_is_named(airs: Airs):
    airs.copy_component("faulty")
    folder = airs.folder / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(deployment("first", "../components/faulty", dependsOn=["nobody"]))
    blocked = airs.run("apply", folder, check=False)
    assert blocked.returncode in (FAILED, 65)
    assert "nobody" in blocked.stdout + blocked.stderr
    assert airs.json("get", "deployments") == []


def test_the_agent_inherits_no_open_file_of_whoever_started_it(airs: Airs):
    secret = airs.folder / "open-in-the-shell"
    with secret.open("w") as file:
        subprocess.run(
            [*AIRS, "agent", "start"], pass_fds=(file.fileno(),), env=airs.env, check=True, capture_output=True
        )
    descriptors = Path(f"/proc/{pid_of(airs)}/fd")
    assert str(secret) not in {os.readlink(one) for one in descriptors.iterdir() if one.is_symlink()}
