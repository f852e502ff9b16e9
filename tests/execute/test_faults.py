"""One record that fails: the others are served, updated and truthful, and it is tried again by itself."""

import pytest

from orchestrator.execute.faults import LONGEST_WAIT_MS
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Replied
from orchestrator.rollout.standing import Conclusion, DeploymentPhase, ending_of, phase_of
from tests.plan.build import deployment, revision
from tests.simulation.world import World

KEYS = [DeploymentKey.parse(f"d{number:02}") for number in range(100)]
BAD = KEYS[41]


def save(world: World, version: str) -> None:
    made = revision(version, artifact=f"sha256:{version}")
    world.source.files = {key: deployment(key.name, revision=made) for key in KEYS}
    world.look()


def turn(world: World, rounds: int = 40) -> None:
    """Let a second pass as often as that."""
    for _ in range(rounds):
        world.control_if_due()
        world.workers.run_all()
        world.pass_time(1_000)


def versions(world: World) -> dict[DeploymentKey, str]:
    return {key: record.stable.revision.version for key, record in world.ledger.records.items() if record.stable}


def seen(world: World, key: DeploymentKey):
    return world.controller.observe_one(key)


@pytest.fixture
def world() -> World:
    made = World(seed=1)
    save(made, "1.0.0")
    turn(made)
    assert set(versions(made).values()) == {"1.0.0"}
    return made


def test_a_plan_that_fails_for_one_is_carried_out_for_99(world):
    world.damaged.add(BAD)
    save(world, "2.0.0")
    turn(world)
    assert versions(world) == dict.fromkeys(KEYS, "2.0.0") | {BAD: "1.0.0"}
    bad = seen(world, BAD)
    assert "a Number cannot be read" in bad.fault
    assert (phase_of(bad), ending_of(bad)) == (DeploymentPhase.DEGRADED, Conclusion.FAILED)
    assert not any(seen(world, key).fault for key in KEYS if key != BAD)
    sent = [world.send(key) for key in KEYS]
    world.workers.run_all()
    assert all(isinstance(one.outcomes[0], Replied) for one in sent), "what ran goes on, and answers"


def test_it_is_tried_again_ever_less_often_and_recovers_by_itself(world):
    world.damaged.add(BAD)
    asked = 0
    history = world.store.history

    def counted(key):
        nonlocal asked
        asked += key == BAD
        return history(key)

    world.store.history = counted
    save(world, "2.0.0")
    turn(world, 120)
    assert 5 <= asked <= 20
    world.damaged.clear()
    turn(world, LONGEST_WAIT_MS // 1_000 + 30)
    assert versions(world)[BAD] == "2.0.0"
    assert seen(world, BAD).fault == ""


def test_another_manifest_is_tried_at_once(world):
    world.damaged.add(BAD)
    save(world, "2.0.0")
    turn(world, 60)
    world.damaged.clear()
    save(world, "3.0.0")
    turn(world, 10)
    assert set(versions(world).values()) == {"3.0.0"}


def test_what_raises_while_one_is_settled_stops_nobody_else(world):
    def broken(*_arguments: object) -> object:
        raise KeyError("surprise")

    service = world.fleet.services[BAD]
    service.ensure = broken
    service.route.direct = broken
    world.damaged.add(BAD)
    save(world, "2.0.0")
    turn(world)
    good = {key: version for key, version in versions(world).items() if key != BAD}
    assert set(good.values()) == {"2.0.0"}
    fault = seen(world, BAD).fault
    assert "cannot bring it to what is recorded: a fault of airs itself, KeyError: 'surprise'" in fault


def test_what_can_no_longer_be_done_for_one_is_forgotten_with_the_wish(world):
    world.damaged.add(BAD)
    save(world, "2.0.0")
    turn(world, 20)
    assert seen(world, BAD).fault
    files = dict(world.source.files)
    files[BAD] = deployment(BAD.name, revision=revision("1.0.0", artifact="sha256:1.0.0"))
    world.source.files = files
    world.look()
    turn(world, 20)
    assert seen(world, BAD).fault == ""
