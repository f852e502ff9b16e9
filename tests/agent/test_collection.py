"""When artifacts are collected; the store and its folder are real, the clock stands where a test puts it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent.collection import CLAIM_MS, Collector, rest_after
from orchestrator.model.desired import DesiredState
from orchestrator.model.event import NOTHING_MORE, About
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Number, Record
from orchestrator.model.rollout import Cause
from orchestrator.model.spec import Deployment, Limits, Revision
from orchestrator.store.decisions import AppendHistory, Change, DeleteRecord, PutDesired, PutRecord
from orchestrator.store.lock import Owner
from orchestrator.store.packages import Packages
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store

ONE, OTHER = DeploymentKey("default", "one"), DeploymentKey("default", "other")
OWNER = Owner(pid=1, started_at="2025-01-01T00:00:00Z", command="airs", socket="")
START_MS = 1_000_000_000_000


class Standing:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def wall_ms(self) -> int:
        return self.now_ms

    monotonic_ms = wall_ms


class World:
    """A state directory with what collects in it."""

    def __init__(self, path: Path) -> None:
        self.state = StateDir(path)
        self.lock = self.state.lock(OWNER)
        self.store = Store.open(self.state)
        self.clock = Standing()
        self.told: list[tuple[str, str]] = []
        self.collector = Collector(
            self.state.artifacts, Packages(path, self.state.artifacts), self.store, self.clock, self.announce, 0
        )  # type: ignore[arg-type]

    def announce(
        self, key: DeploymentKey | None, reason: str, message: str, about: About = NOTHING_MORE, /
    ) -> None:  # fmt: skip
        self.told.append((reason, message))

    def decide(self, *changes: Change) -> None:
        self.store.decide(changes)
        self.collector.decided(changes)

    def put(self, data: bytes) -> str:
        """Put an artifact into the store now."""
        digest = self.state.artifacts.put(data)
        os.utime(self.state.artifacts.path(digest), (self.clock.now_ms / 1000,) * 2)
        return digest

    def later(self, ms: int) -> None:
        self.clock.now_ms += ms

    def left(self) -> set[str]:
        """Collect, and return what is there after that."""
        self.collector.look()
        return set(self.state.artifacts.digests())

    def close(self) -> None:
        self.collector.close()
        self.store.close()
        self.lock.__exit__(None, None, None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "state")
    yield made
    made.close()


def deployment(artifact: str, key: DeploymentKey = ONE) -> Deployment:
    revision = Revision(
        id=artifact, component="one", version="1.0.0", artifact=artifact, stateful=False, config="{}", grants=(),
        limits=Limits(memory_bytes=1, fuel=1, timeout_ms=1),
    )  # fmt: skip
    return Deployment(key=key, revision=revision)


def record(artifact: str, key: DeploymentKey = ONE) -> PutRecord:
    return PutRecord(record=Record(key=key, source="/srv", generation=1, wanted=deployment(artifact, key)))


def entry(artifact: str, number: int = 1) -> AppendHistory:
    revision = deployment(artifact).revision
    made = Number(number=number, revision=revision, cause=Cause.APPLY, reason="", started_ms=0)
    return AppendHistory(key=ONE, number=made)


def test_nothing_is_collected_before_this_agent_has_decided_anything(world: World):
    digest = world.put(b"left by another agent")
    world.later(10 * CLAIM_MS)
    assert world.left() == {digest}


def test_what_nothing_names_goes_once_its_claim_is_old_and_is_told_of(world: World):
    kept, gone = world.put(b"kept"), world.put(b"gone")
    world.later(1)
    world.decide(record(kept))
    world.later(CLAIM_MS - 1)
    assert world.left() == {kept, gone}
    world.later(2)
    assert world.left() == {kept}
    assert world.told == [("artifacts-removed", "1 artifact that nothing names any more: 1 KiB freed")]


NAMES = {
    "a record": lambda digest: [record(digest)],
    "the history of a record": lambda digest: [record("sha256:" + "0" * 64), entry(digest)],
    "the desired state of a source": lambda digest: [
        PutDesired(desired=DesiredState(source="/srv", deployments=(deployment(digest),)))
    ],
}


@pytest.mark.parametrize("changes", NAMES.values(), ids=NAMES)
def test_an_artifact_stays_that_is_named_by(world: World, changes):
    digest = world.put(b"named")
    world.later(1)
    world.decide(*changes(digest))
    world.later(2 * CLAIM_MS)
    assert world.left() == {digest}


def test_the_history_of_what_is_gone_keeps_nothing_and_that_of_others_does(world: World):
    digest, other = world.put(b"one"), world.put(b"other")
    world.later(1)
    world.decide(record(digest), entry(digest), record(other, OTHER))
    world.decide(DeleteRecord(key=ONE))
    world.later(2 * CLAIM_MS)
    assert world.left() == {other}


def test_what_was_claimed_after_the_last_decision_stays_for_a_saved_plan(world: World):
    world.decide(record("sha256:" + "0" * 64))
    world.later(1)
    planned = world.put(b"planned")
    world.later(CLAIM_MS // 2)
    assert world.left() == {planned}
    world.later(100 * CLAIM_MS)
    assert world.left() == {planned}
    world.decide(record("sha256:" + "1" * 64))  # from here on that plan is stale
    assert world.left() == set()


def test_what_keeps_it_from_collecting_is_told_once_until_it_works_again(world: World):
    broken = world.state.artifacts.path(world.put(b"x"))
    broken.unlink()
    broken.mkdir()
    (broken / "in the way").touch()
    os.utime(broken, (0, 0))
    world.later(1)
    world.decide(record("sha256:" + "0" * 64))
    world.later(CLAIM_MS + 1)
    for _ in range(3):
        world.collector.look()
    assert [reason for reason, _ in world.told] == ["host-fault"]


@pytest.mark.parametrize(("read_s", "rest_s"), [(0.0, 1.0), (0.001, 1.0), (0.1, 5.0), (1.0, 50.0), (30.0, 60.0)])
def test_what_costs_much_is_done_seldom(read_s: float, rest_s: float):
    assert rest_after(read_s) == pytest.approx(rest_s)
