"""A stage for what happens while an agent runs: one folder of manifests, one agent process, clients that keep asking.

Real here: the agent (its own process), its store, wasmtime, the components, the socket. Commands run in this process,
through the same entry point as `airs`, because starting Python a few hundred times tests nothing and costs minutes.
"""

import io
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from operator import lt
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from orchestrator.cli.context import runtime_dir
from orchestrator.cli.main import run
from orchestrator.client import AgentClient
from orchestrator.contract.documents import DeploymentView
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey

from .forks import FORKS, Forked

ROOT = Path(__file__).parents[2]
LIMIT_S = 30.0  # for anything to happen on a machine that has other things to do
LOOK_S = 0.01
COUNTER_GRANTS = {"storage.read": ["self"], "storage.write": ["self"]}
T = TypeVar("T")


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def wait_until(look: Callable[[], T], what: str = "", limit_s: float = LIMIT_S) -> T:
    """Look until what is seen is true, and return it."""
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what or look} not within {limit_s:g}s; last seen: {seen!r}"
        time.sleep(LOOK_S)
    return seen


class Stage:
    """A folder with `components/` and `manifests/`, a state directory, and the agent on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifests = folder / "manifests"
        self.state_dir = folder / "state"
        self.manifests.mkdir()
        self._agent: Forked | None = None
        self._client: AgentClient | None = None

    # ---- what is wanted ----

    def write(self, name: str, component: str, **spec: Any) -> None:
        """Write one deployment's manifest (JSON is YAML); `component` is a folder's name such as `hello-1.0.0`."""
        there = self.folder / "components" / component
        if not there.exists():
            example = next((ROOT / "examples").glob(f"0*/components/{component}"), None)
            shutil.copytree(example or ROOT / "tests" / "components" / component, there)
        body = {
            "apiVersion": "airs.dev/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"component": {"path": f"../components/{component}"}, **spec},
        }
        (self.manifests / f"{name}.yaml").write_text(json.dumps(body, indent=1))

    def apply(self, *options: str, code: int = 0) -> Ran:
        """Apply the folder; assert the exit code."""
        return self.run("apply", str(self.manifests), "--yes", "--timeout", "60s", *options, code=code)

    def have(self, name: str, component: str, **spec: Any) -> Ran:
        """Write and apply."""
        self.write(name, component, **spec)
        return self.apply()

    # ---- commands ----

    def run(self, *arguments: str, code: int | None = 0) -> Ran:
        """Run one `airs` command; asserts its exit code unless `code` is None."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            returned = exit_code(["--state-dir", str(self.state_dir), *arguments])
        ran = Ran(returned, *(s.buffer.getvalue().decode() for s in (out, err)))
        assert code is None or ran.code == code, (
            f"airs {' '.join(arguments)} → {ran.code}\n{ran.said}\n{self.agent_log}"
        )
        return ran

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run("-o", "json", *arguments).out)

    def ask(self, name: str, payload: str = "get") -> str:
        """Return the reply to a request."""
        return self.run("request", name, payload).out.rstrip("\n")

    def events(self, name: str) -> list[str]:
        """Return the reasons of a deployment's events, in order."""
        lines = self.run("-o", "json", "events", name).out.splitlines()
        return [json.loads(line)["reason"] for line in lines]

    def history(self, name: str) -> list[tuple[int, str, str, str]]:
        numbers = [each for each in self.json("history", name) if each["kind"] == "Revision"]
        return [(n["number"], n["version"], n["cause"], n["outcome"]) for n in numbers]

    # ---- what is ----

    @property
    def client(self) -> AgentClient:
        """The test's own connection; other threads make theirs with `new_client`."""
        if self._client is None:
            self._client = self.new_client()
        return self._client

    def new_client(self) -> AgentClient:
        return AgentClient(self.state_dir, runtime_dir())

    def view(self, name: str) -> DeploymentView:
        return self.client.deployment(key(name))

    def lives(self, name: str) -> list[tuple[str, int]]:
        """Say which instances there are and how often each was started again: the same while nothing ends any."""
        return [(instance.name, instance.restarts) for instance in self.view(name).instances]

    def rollout_phase(self, name: str) -> str:
        rollout = self.view(name).rollout
        return rollout.phase if rollout else ""

    def wait_for_rollout(self, name: str, *phases: str) -> DeploymentView:
        wait_until(lambda: self.rollout_phase(name) in phases, f"{name} {phases}")
        return self.view(name)

    def key(self, name: str) -> DeploymentKey:
        return key(name)

    def is_running(self, name: str, version: str) -> bool:
        view = self.view(name)
        return (view.phase, view.version) == ("running", version)

    # ---- the agent ----

    def start(self) -> None:
        """Start the agent and wait until it answers."""
        self.spawn()
        wait_until(self._is_up, "the agent to answer")

    def spawn(self) -> None:
        """Start the agent and wait for nothing."""
        if not self.state_dir.exists():
            compile_together(self.state_dir)
        with (self.state_dir / "agent.log").open("ab") as log, open(os.devnull, "rb") as nothing:
            command = ["agent", "run", "--state-dir", str(self.state_dir)]
            self._agent = FORKS.start(command, (nothing, log, log), "/", os.environ)

    def forget_compiled(self) -> None:
        """Leave the next agent without what was compiled, so that it compiles by itself."""
        (self.state_dir / "cache").unlink()

    def _is_up(self) -> bool:
        assert self._agent is not None
        assert self._agent.poll() is None, f"the agent ended:\n{self.agent_log}"
        return self.client.answers()

    def kill(self) -> None:
        """End the agent with SIGKILL."""
        assert self._agent is not None
        os.kill(self._agent.pid, signal.SIGKILL)
        self._agent.wait()
        self._agent = None

    def stop(self) -> None:
        """End the agent politely, if there is one; asserts that it did not fail."""
        if self._agent is not None:
            self._agent.terminate()
            self.wait_for_end()

    def wait_for_end(self) -> None:
        """Wait for an agent that was told to stop; asserts that it did not fail."""
        agent, self._agent = self._agent, None
        assert agent is not None
        try:
            assert agent.wait(LIMIT_S) == 0, self.agent_log
        finally:
            agent.kill()
            agent.wait()

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._client is not None:
            self._client.close()
        if self._agent is not None:
            self.kill()

    @property
    def agent_log(self) -> str:
        log = self.state_dir / "agent.log"
        return log.read_text()[-6_000:] if log.exists() else ""

    # ---- clients that keep asking ----

    @contextmanager
    def load(self, name: str, clients: int = 4, **how: Any) -> Iterator["Load"]:
        """Keep asking from several threads while the body runs; then wait for the last answers."""
        load = Load(self.new_client, key(name), clients, **how)
        load.start()
        try:
            load.more(clients)
            yield load
        finally:
            load.stop()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An agent of its own per test; the test fails if it does not end politely."""
    made = Stage(tmp_path)
    made.start()
    try:
        yield made
        made.stop()
    finally:
        made.close()


def exit_code(arguments: Sequence[str]) -> int:
    """Run a command as `airs` does, and return what the process would have ended with."""
    try:
        return run(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


def compile_together(state_dir: Path) -> None:
    """Make a state directory whose agent uses what agents of other tests have compiled."""
    state_dir.mkdir(mode=0o700)
    (state_dir / "cache").symlink_to(os.environ["AIRS_TESTS_COMPILED"])


def key(name: str) -> DeploymentKey:
    return DeploymentKey(namespace="default", name=name)


def each_its_own(client: int, number: int) -> str:
    return f"c{client}-{number}"


class Load:
    """So many clients, each asking one request after another and keeping every answer in order."""

    def __init__(
        self, new_client: Callable[[], AgentClient], name: DeploymentKey, clients: int, *,
        payload: Callable[[int, int], str] = each_its_own, conversation: Callable[[int, int], str] | None = None,
        may_fail: bool = False,
    ) -> None:  # fmt: skip
        self._new_client, self._name, self._payload, self._conversation = new_client, name, payload, conversation
        self._may_fail = may_fail
        self._stopped = threading.Event()
        self.sent = [0] * clients
        self._ended = [0] * clients
        self.replies: list[list[tuple[str, str]]] = [[] for _ in range(clients)]  # (payload, reply) per client
        self.failures: list[tuple[str, str]] = []
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive(), "a request was neither answered nor refused"

    @property
    def answered(self) -> int:
        return sum(map(len, self.replies))

    def more(self, count: int = 20) -> None:
        """Wait until so many more requests have ended, evenly among the clients."""
        enough = [ended + -(-count // len(self._ended)) for ended in self._ended]
        wait_until(lambda: self._has_failed or not any(map(lt, self._ended, enough)), f"{count} more answers")

    @property
    def _has_failed(self) -> bool:
        return bool(self.failures) and not self._may_fail

    def assert_all_answered(self) -> None:
        assert self.failures == []
        assert self.answered == sum(self.sent)

    def _ask(self, number: int) -> None:
        client = self._new_client()
        try:
            self._keep_asking(client, number)
        finally:
            client.close()

    def _keep_asking(self, client: AgentClient, number: int) -> None:
        while not self._stopped.is_set():
            nth = self.sent[number]
            payload = self._payload(number, nth)
            conversation = self._conversation(number, nth) if self._conversation else None
            self.sent[number] += 1
            try:
                reply = client.request(self._name, payload.encode(), conversation, LIMIT_S)
            except Failure as failure:
                self.failures.append((payload, f"{failure.summary} {failure.detail}"))
                if not self._may_fail:
                    return
            else:
                self.replies[number].append((payload, (reply or b"").decode()))
            self._ended[number] += 1


def versions_of(replies: Sequence[tuple[str, str]]) -> list[str]:
    """Return the version of hello that gave each answer, neighbours that are equal taken together."""
    said = ["1.0.0" if reply.startswith("Hello") else reply.rpartition("hello ")[2].rstrip(")") for _, reply in replies]
    return [version for n, version in enumerate(said) if n == 0 or said[n - 1] != version]


def greeting(version: str, name: str) -> str:
    return f"Hello, {name}!" if version == "1.0.0" else f"Good day, {name}! (hello {version})"
