"""The agent is killed with SIGKILL at random moments under load: what it had acknowledged is still there afterwards."""

import gc
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.contract.problem import Failure

from .stage import COUNTER_GRANTS, LIMIT_S, Stage, key, wait_until

KILLS = 25  # by each seed: one here, eight in a soak
START_S, WORK_S = 0.6, 0.4  # a kill falls into the agent's start, or into what it does after it
Versions = tuple[str, str]  # of counter and hello
AT_REST = ("keeping", "succeeded", "failed")
CANARY = {
    "strategy": "canary", "steps": [{"weight": 50}, {"pause": "50ms"}],
    "analysis": {"interval": "20ms", "minimumMessages": 1, "failureLimit": 0},
}  # fmt: skip


class Increments:
    """Clients that add one at a time for as long as there is an agent, and keep what they were told."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.agent_is_up = threading.Event()
        self.sent = 0
        self.acknowledged: list[int] = []
        self._threads = [threading.Thread(target=self._add) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        self.agent_is_up.set()
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()

    def _add(self) -> None:
        client = self._stage.new_client()
        while not self._ended.is_set():
            self.agent_is_up.wait()
            with self._lock:
                self.sent += 1
            try:
                client.send(key("hello"), b"x", None, LIMIT_S)
                reply = client.request(key("counter"), b"increment", None, LIMIT_S)
            except Failure:
                continue
            assert reply is not None
            with self._lock:
                self.acknowledged.append(int(reply.removeprefix(b"count=")))
        client.close()


def applied(stage: Stage, counter: str, hello: str) -> bool:
    """Apply a pair of versions without waiting; whether that was acknowledged (what is held is not)."""
    stage.write("counter", counter, grants=COUNTER_GRANTS)
    stage.write("hello", hello, rollout=CANARY)
    return stage.run("apply", str(stage.manifests), "--yes", "--no-wait", "--no-start", code=None).code == 0


def is_at_rest(stage: Stage, name: str) -> bool:
    view = stage.view(name)
    if view.rollout is not None and view.rollout.phase == "paused":  # so few messages came that a person has to decide
        return True
    return view.phase == "running" and (view.rollout is None or view.rollout.phase in AT_REST)


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect garbage once nothing of the test refers to it any more, while its filter of warnings is in force."""
    yield
    gc.collect()


# httpcore leaves the socket to the garbage collector where nobody listens.
@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore:.*<socket.socket fd=.* family=1:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(1, 9) if "AIRS_SOAK_S" in os.environ else [1])
def test_nothing_acknowledged_is_lost_when_the_agent_is_killed_again_and_again(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    stage = Stage(tmp_path)
    increments = Increments(stage)
    try:
        possible = {begin(stage, increments)}
        for _ in range(KILLS):
            possible = live_and_die(stage, increments, chance, possible)
        stage.start()
        increments.agent_is_up.set()
        for name in ("counter", "hello"):
            wait_until(lambda name=name: is_at_rest(stage, name), f"{name} to be at rest")
        increments.end()
        assert wanted_now(stage) in possible
        assert_nothing_is_lost(stage, increments)
        stage.stop()
    finally:
        increments.end()
        stage.close()


def begin(stage: Stage, increments: Increments) -> Versions:
    stage.start()
    first = ("counter-1.0.0", "hello-1.0.0")
    assert applied(stage, *first)
    increments.agent_is_up.set()
    wait_until(lambda: len(increments.acknowledged) > 10)
    kill(stage, increments)
    return first


def live_and_die(stage: Stage, increments: Increments, chance: random.Random, possible: set[Versions]) -> set[Versions]:
    """Start the agent, ask for other versions, and kill it at some moment; returns what may be wanted after that."""
    if chance.random() < 0.2:
        death = threading.Timer(chance.uniform(0, START_S), stage.kill)
        stage.spawn()
        death.start()
        death.join()
        return possible
    stage.start()
    wanted = wanted_now(stage)
    assert wanted in possible
    increments.agent_is_up.set()
    death = threading.Timer(chance.uniform(0, WORK_S), kill, (stage, increments))
    death.start()
    another = (f"counter-1.{chance.randrange(2)}.0", f"hello-1.{chance.randrange(3)}.0")
    acknowledged = applied(stage, *another)
    death.join()
    return {another} if acknowledged else {wanted, another}


def kill(stage: Stage, increments: Increments) -> None:
    increments.agent_is_up.clear()
    stage.kill()


def wanted_now(stage: Stage) -> Versions:
    counter, hello = (f"{name}-{stage.view(name).wanted_version}" for name in ("counter", "hello"))
    return counter, hello


def assert_nothing_is_lost(stage: Stage, increments: Increments) -> None:
    count = int(stage.ask("counter").removeprefix("count="))
    assert len(set(increments.acknowledged)) == len(increments.acknowledged)
    assert max(increments.acknowledged) <= count <= increments.sent
    assert stage.view("counter").sync == "applied"
    assert stage.ask("hello", "Grace")
    assert "Traceback" not in stage.agent_log
    assert [path.name for path in stage.state_dir.glob("*.sock")] == ["agent.sock"]
