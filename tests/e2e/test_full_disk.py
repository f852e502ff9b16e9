"""What is said, and what goes on, while the agent's disk takes nothing more, and once it does again.

Where a file system can be mounted, a small one is filled. Elsewhere the agent process is forbidden to make files
longer, which the store sees as the same thing.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.audit.book import Book, Told
from orchestrator.model.audit import AuditKind, Note
from orchestrator.store.state_dir import StateDir
from tests.e2e.conftest import AIRS, Airs, wait_until

FAILED = 1


def fill_disk(airs: Airs) -> None:
    """Let no file grow beyond what the store's log has reached; agent.log is shorter."""
    reached = max(log.stat().st_size for log in (airs.state_dir / "db").glob("0*.log"))
    resource.prlimit(airs.json("agent", "status")["pid"], resource.RLIMIT_FSIZE, (reached, resource.RLIM_INFINITY))


@pytest.fixture
def small(airs: Airs) -> Iterator[Path]:
    """Have the state directory on a file system of its own, of 64 MiB."""
    airs.state_dir.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", airs.state_dir], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield airs.state_dir
    finally:
        airs.close()
        subprocess.run(["umount", "--lazy", airs.state_dir], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte on a file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


def condition(airs: Airs) -> str:
    return str(airs.json("agent", "status")["condition"])


def test_an_agent_writes_again_once_its_disk_has_room(airs: Airs, small: Path) -> None:
    counter, hello = airs.copy_example("02-counter"), airs.copy_example("01-hello")
    airs.run("apply", counter / "manifests")
    acknowledged = sum(airs.quick("request", "counter", "increment").returncode == 0 for _ in range(20))
    filler = fill(small)
    refused = airs.quick("apply", hello / "manifests", check=False)
    assert refused.returncode == FAILED
    assert "No space left" in refused.stderr
    wait_until(lambda: airs.quick("request", "counter", "increment", check=False).returncode != 0)
    wait_until(lambda: "No space left" in condition(airs))
    for command in (("status",), ("status", "counter"), ("agent", "status"), ("doctor",)):
        assert "No space left" in airs.run(*command, check=False).stdout, command
    assert airs.run("doctor", check=False).returncode == FAILED
    before = int(airs.quick("request", "counter", "get").stdout)  # what is there can be read
    assert before >= acknowledged

    filler.unlink()
    wait_until(lambda: condition(airs) == "")
    assert "as they were written" in airs.quick("audit", "verify").stdout
    assert int(airs.quick("request", "counter", "get").stdout) == before
    assert airs.quick("request", "counter", "increment").stdout == f"{before + 1}\n"
    airs.run("apply", hello / "manifests")
    assert "No space left" not in airs.run("status").stdout
    reasons = [json.loads(line)["reason"] for line in airs.quick("events", "-o", "json").stdout.splitlines()]
    assert reasons.count("store-failing") >= 1
    assert "store-works" in reasons
    assert "as they were written" in airs.quick("audit", "verify").stdout
    os.kill(airs.json("agent", "status")["pid"], signal.SIGKILL)
    wait_until(lambda: "none runs" in airs.run("doctor").stdout)
    airs.run("agent", "start")
    wait_until(lambda: airs.phase("counter") == "running" and airs.phase("hello") == "running")
    assert airs.quick("request", "counter", "get").stdout == f"{before + 1}\n"


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


def test_an_audit_book_that_cannot_be_written_is_told_in_words_and_catches_up(airs: Airs) -> None:
    """The book alone: its segment is longer than the agent may write any file, the store's log is not."""
    airs.run("apply", airs.copy_example("02-counter") / "manifests")
    airs.run("agent", "stop")
    state = StateDir(airs.state_dir)
    note = Note(kind=AuditKind.ACT, subject="default/counter", facts={"verb": "x" * 900})
    with contextlib.closing(Book(state.path, state.lineage)) as book:
        book.append([Told(note)] * 600)
    airs.run("agent", "start")
    wait_until(lambda: airs.quick("request", "counter", "get", check=False).returncode == 0)
    pid = airs.json("agent", "status")["pid"]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    refused = airs.quick("restart", "counter", check=False)
    assert refused.returncode == FAILED
    assert "the audit book cannot be written: File too large" in refused.stderr
    for command in (("status",), ("agent", "status"), ("doctor",)):
        said = airs.quick(*command, check=False).stdout
        assert f"the audit book cannot be written: File too large ({airs.state_dir}/audit/0" in said, command
        assert "Errno" not in said
    assert airs.quick("request", "counter", "increment").returncode == 0  # guests go on

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: condition(airs) == "")
    airs.quick("restart", "counter")
    events = [json.loads(line)["reason"] for line in airs.quick("events", "-o", "json").stdout.splitlines()]
    assert (events.count("audit-failing"), events.count("audit-works")) == (1, 1)
    assert "as they were written" in airs.quick("audit", "verify").stdout
