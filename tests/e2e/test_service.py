"""An agent whose service is managed: handed a listener, telling when it is ready, going on as a newer process."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.contract.problem import Failure

from .stage import LIMIT_S, Stage, greeting, wait_until

RUN = [sys.executable, "-m", "orchestrator", "agent", "run", "--state-dir"]
HAND_OVER = """
import os, sys
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[1])
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage on which no agent runs yet."""
    made = Stage(tmp_path)
    yield made
    made.close()


@contextmanager
def managed(stage: Stage, *command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an agent as a manager of services does, and end it as that does."""
    stage.state_dir.mkdir(mode=0o700, exist_ok=True)
    process = subprocess.Popen([*command], env=os.environ | variables, close_fds=False)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(LIMIT_S) == 0


def test_it_tells_when_it_is_ready_and_when_it_stops(stage: Stage):
    address = stage.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(LIMIT_S)
        with managed(stage, *RUN, str(stage.state_dir), NOTIFY_SOCKET=str(address)):
            assert manager.recv(100) == b"READY=1"
            stage.run("agent", "status")
        assert manager.recv(100) == b"STOPPING=1"


def test_it_takes_the_listener_that_it_is_handed_and_leaves_it_there(stage: Stage):
    stage.state_dir.mkdir(mode=0o700)
    path = stage.state_dir / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        saved = os.dup(3) if is_open(3) else None
        os.dup2(listener.fileno(), 3)
        try:
            with managed(stage, sys.executable, "-c", HAND_OVER, "1", *RUN[1:], str(stage.state_dir)):
                stage.run("agent", "status")
        finally:
            os.close(3) if saved is None else os.dup2(saved, 3)
        assert path.exists(), "who listens for it goes on listening"


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("count", "why"), [("2", "2 sockets were handed over"), ("1", "is no socket")])
def test_what_is_no_listener_is_refused(stage: Stage, count: str, why: str):
    stage.state_dir.mkdir(mode=0o700)
    with (stage.folder / "file").open("w") as file:
        code = HAND_OVER.replace("os.set", f"os.dup2({file.fileno()}, 3); os.set")
        ran = subprocess.run(
            [sys.executable, "-c", code, count, *RUN[1:], str(stage.state_dir)],
            capture_output=True, text=True, timeout=LIMIT_S, pass_fds=[file.fileno()],
        )  # fmt: skip
    assert ran.returncode == 1
    assert why in ran.stderr


def test_it_goes_on_as_a_newer_process_while_everybody_who_asks_is_answered(stage: Stage):
    with managed(stage, *RUN, str(stage.state_dir)) as process:
        wait_until((stage.state_dir / "agent.sock").exists)
        stage.have("hello", "hello-1.0.0")
        stage.have("counter", "counter-1.0.0", grants={"storage.read": ["self"], "storage.write": ["self"]})
        stop = threading.Event()
        answers: list[bytes | None] = []
        failures: list[Failure] = []

        def ask() -> None:
            with stage.new_client() as client:
                while not stop.is_set():
                    try:
                        answers.append(client.request(stage.key("hello"), b"Ada", None, LIMIT_S))
                    except Failure as failure:
                        failures.append(failure)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: answers)
        said = stage.run("agent", "restart").err
        assert f"process {process.pid}" in said, "a manager of services sees the same process"
        count = len(answers)
        wait_until(lambda: len(answers) > count or failures)
        assert failures == []
        stop.set()
        asking.join(LIMIT_S)
        assert stage.ask("hello", "Ada") == greeting("1.0.0", "Ada")
        assert stage.run("agent", "restart").code == 0, "again"
    assert not (stage.state_dir / "agent.sock").exists()


def test_an_agent_that_belongs_to_a_terminal_is_not_restarted(stage: Stage):
    stage.write("hello", "hello-1.0.0")
    command = [sys.executable, "-m", "orchestrator", "up", str(stage.manifests), "--state-dir", str(stage.state_dir)]
    with managed(stage, *command):
        wait_until(lambda: stage.run("agent", "status", code=None).code == 0)
        refused = stage.run("agent", "restart", code=1)
    assert "ends with its terminal" in refused.err
