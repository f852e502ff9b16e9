"""What is said, and what goes on, while the agent's disk takes nothing more.

Nothing here fills a disk: the agent process is forbidden to make files longer, which the store sees as the same thing.
"""

import os
import resource
import subprocess

from tests.e2e.conftest import AIRS, Airs, wait_until

FAILED = 1


def fill_disk(airs: Airs) -> None:
    """Let no file grow beyond what the store's log has reached; agent.log is shorter."""
    reached = max(log.stat().st_size for log in (airs.state_dir / "db").glob("0*.log"))
    resource.prlimit(airs.json("agent", "status")["pid"], resource.RLIMIT_FSIZE, (reached, resource.RLIM_INFINITY))


def agent_log(airs: Airs) -> str:
    return (airs.state_dir / "agent.log").read_text()


def test_what_cannot_be_recorded_is_refused_with_the_reason_while_what_runs_keeps_running(airs: Airs) -> None:
    hello = airs.copy_example("01-hello")
    airs.run("apply", hello / "manifests")
    fill_disk(airs)

    manifest = hello / "manifests" / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("replicas: 2", "replicas: 3"))
    for command in (("apply", hello / "manifests"), ("delete", "hello")):
        refused = airs.quick(*command, check=False)
        assert refused.returncode == FAILED
        assert all(words in refused.stderr for words in ("machine refused", "File too large", "is the disk full?"))
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    assert "Traceback" not in agent_log(airs)


def test_an_agent_that_can_write_nothing_more_still_ends_and_says_so(airs: Airs) -> None:
    hello = airs.copy_example("01-hello")
    airs.run("apply", hello / "manifests")
    fill_disk(airs)
    airs.quick("delete", "hello", check=False)

    airs.quick("agent", "stop")
    wait_until(lambda: "cannot be closed" in agent_log(airs))
    assert "Traceback" not in agent_log(airs)
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")


def test_an_agent_whose_words_nobody_can_keep_runs_on(airs: Airs) -> None:
    hello = airs.copy_example("01-hello")
    with open("/dev/full", "w") as full:
        agent = subprocess.Popen([*AIRS, "up", hello / "manifests"], stdout=full, stderr=full, env=airs.env)
    try:
        wait_until(lambda: airs.client().answers() and airs.phase() == "running")
        assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
        airs.quick("agent", "stop")
    finally:
        agent.kill()
        agent.wait()


def test_an_agent_that_was_started_without_any_stream_opens_nothing_in_their_place(airs: Airs) -> None:
    hello = airs.copy_example("01-hello")
    command = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", *AIRS, "up", hello / "manifests"]
    agent = subprocess.Popen(command, env=airs.env)
    try:
        wait_until(lambda: airs.client().answers() and airs.phase() == "running")
        streams = [os.readlink(f"/proc/{agent.pid}/fd/{number}") for number in range(3)]
        assert streams == ["/dev/null"] * 3
    finally:
        agent.kill()
        agent.wait()
