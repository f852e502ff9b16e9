"""Everything here is real: the `airs` command as a process, an agent of its own per test, wasmtime, RocksDB, git.

Nothing is mocked. Nobody sleeps for a while and hopes: `wait_until` polls for what is expected.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest

from orchestrator.cli.main import run
from orchestrator.client import AgentClient
from orchestrator.store.state_dir import holder

from .forks import FORKS, Forked
from .stage import stage  # noqa: F401 — the fixture of the tests about what happens while an agent runs

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
COMPONENTS = REPOSITORY / "tests" / "components"
AIRS = [sys.executable, "-m", "orchestrator"]
LIMIT_S = 30.0  # of everything that is waited for; reached only when something is broken
POLL_S = 0.01


def wait_until(predicate: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """Poll until `predicate` returns something true, and return that."""
    deadline = time.monotonic() + limit_s
    while not (found := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {limit_s:g}s: {predicate}")
        time.sleep(POLL_S)
    return found


class Background:
    """A long-running `airs` command; what it prints goes to files, so that no pipe fills."""

    def __init__(self, process: "Forked | subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err

    @property
    def stdout(self) -> str:
        """What it has printed until now."""
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """What it has printed to stderr until now."""
        return self._err.read_text(errors="replace")

    def says(self, text: str) -> None:
        """Wait until it has printed `text`, on stdout or stderr."""

        def said() -> bool:
            if self.process.poll() is not None and text not in self.stdout + self.stderr:
                raise AssertionError(f"ended with {self.process.returncode}: {self.stdout}{self.stderr}")
            return text in self.stdout + self.stderr

        wait_until(said)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


class Airs:
    """One user with a state directory and a working folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.state_dir = folder / "state"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
            "AIRS_STATE_DIR": str(self.state_dir),
        }
        self._usual = dict(self.env)
        self._background: list[Background] = []
        self._clients: list[AgentClient] = []

    def run(
        self, *arguments: str | Path, check: bool = True, input: str | None = None, env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run `airs` with `arguments` to its end."""
        command = [*map(str, arguments)]
        with contextlib.ExitStack() as files:
            streams = [files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write((input or "").encode())
            streams[0].seek(0)
            process = self._started(command, (streams[0], streams[1], streams[2]), self.env | (env or {}))
            try:
                code = process.wait(2 * LIMIT_S)
            finally:
                process.kill()
                process.wait()
            done = subprocess.CompletedProcess(command, code, *map(_printed, streams[1:]))
        if check and done.returncode != 0:
            raise AssertionError(f"airs {arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def _started(
        self, command: list[str], streams: tuple[IO[bytes], IO[bytes], IO[bytes]], env: dict[str, str]
    ) -> "Forked | subprocess.Popen[bytes]":
        if _of_python(env) == _of_python(self._usual):
            return FORKS.start(command, streams, self.folder, env)
        took, printed, told = streams  # Python itself shall begin in another way
        return subprocess.Popen([*AIRS, *command], stdin=took, stdout=printed, stderr=told, cwd=self.folder, env=env)

    def quick(self, *arguments: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `airs` inside this process, where a new one would only cost time; paths must be absolute."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        command = ["--state-dir", str(self.state_dir), *map(str, arguments)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(command)
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
        if check and code != 0:
            raise AssertionError(f"airs {arguments} ended with {code}\n{texts[0]}\n{texts[1]}")
        return subprocess.CompletedProcess(command, code, *texts)

    def json(self, *arguments: str | Path, check: bool = True) -> Any:
        """Run `airs` with `-o json` and return the document."""
        return json.loads(self.quick(*arguments, "-o", "json", check=check).stdout)

    def background(self, *arguments: str | Path) -> Background:
        """Start `airs` and let it run; it is ended after the test."""
        number = len(self._background)
        out, err = self.state_dir.parent / f"{number}.out", self.state_dir.parent / f"{number}.err"
        with out.open("wb") as to, err.open("wb") as errors, open(os.devnull, "rb") as nothing:
            process = self._started([*map(str, arguments)], (nothing, to, errors), self.env)
        self._background.append(Background(process, out, err))
        return self._background[-1]

    def client(self) -> AgentClient:
        """Return a client of this user's agent."""
        if not self._clients:
            self._clients.append(AgentClient(self.state_dir, None))
        return self._clients[0]

    def copy_example(self, name: str) -> Path:
        """Copy an example's components and manifests into the working folder; returns the copy."""
        return self._copied(EXAMPLES / name, name)

    def copy_component(self, name: str) -> Path:
        """Copy a component that tests misbehave with to `components/NAME` in the working folder."""
        return self._copied(COMPONENTS / name, f"components/{name}")

    def _copied(self, origin: Path, name: str) -> Path:
        target = self.folder / name
        shutil.copytree(origin, target, ignore=shutil.ignore_patterns("src", "wit", "README.md"))
        return target

    def phase(self, name: str = "hello") -> str:
        """Return a deployment's phase, empty when there is none."""
        return next((view.phase for view in self.client().deployments() if view.name == name), "")

    def version(self, name: str = "hello") -> str:
        """Return the version that serves, empty when there is none."""
        return next((view.version for view in self.client().deployments() if view.name == name), "")

    def close(self) -> None:
        """End every process of this user."""
        for client in self._clients:
            client.close()
        for running in self._background:
            if running.process.poll() is None:
                running.process.kill()
            running.process.wait(LIMIT_S)
        owner = holder(self.state_dir) if self.state_dir.is_dir() else None
        if owner is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner.pid, signal.SIGKILL)


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[None]:
    yield
    FORKS.close()


@pytest.fixture
def airs(tmp_path: Path) -> Iterator[Airs]:
    user = Airs(tmp_path)
    try:
        yield user
    finally:
        user.close()


def _of_python(env: dict[str, str]) -> dict[str, str]:
    """Return what Python itself heeds when it starts."""
    return {name: value for name, value in env.items() if name.startswith(("PYTHON", "LANG", "LC_"))}


def _printed(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="surrogateescape")


def deployment(name: str, component: str, **spec: Any) -> str:
    """Return a deployment's YAML (JSON is YAML)."""
    body = {"component": {"path": component}, **spec}
    return json.dumps({"apiVersion": "airs.dev/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body})


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` as nobody in particular, and return what it printed."""
    identity: Sequence[str] = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "gc.auto=0")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
