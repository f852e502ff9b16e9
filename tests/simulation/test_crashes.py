"""A crash of the agent before or after each decision: once another agent has started, the end is the same."""

import pytest

from orchestrator.model.spec import Analysis, Deployment, PauseStep, RolloutPolicy, Strategy, WeightStep
from tests.plan.build import deployment, revision
from tests.simulation.guest import Script
from tests.simulation.promises import Promises
from tests.simulation.world import World

STEPS = (WeightStep(weight=50), PauseStep(duration_ms=3_000))
ANALYSIS = Analysis(interval_ms=1_000, minimum_messages=1, failure_limit=1)
MANY = 1_000_000


def one(version: str, strategy: Strategy, stateful: bool = False) -> Deployment:
    policy = RolloutPolicy(
        strategy=strategy,
        steps=STEPS if strategy is Strategy.CANARY else (),
        analysis=ANALYSIS,
        progress_deadline_ms=5_000,
        keep_previous_ms=3_000,
    )
    made = revision(version, stateful=stateful, artifact=f"sha256:{version}")
    return deployment("one", revision=made, rollout=policy, replicas=1 if stateful else 2)


def saved(world: World, *files: Deployment) -> None:
    world.source.files = {d.key: d for d in files}
    world.look()


def seconds_pass(world: World, seconds: int) -> None:
    for _ in range(4 * seconds):
        world.workers.run_all()
        for key in world.source.files:
            world.send(key)
        world.survive(world.control_if_due)
        world.workers.run_all()
        world.pass_time(250)


def lived(before: Deployment, after: Deployment | None, script: Script, crash_in: int) -> World:
    world = World(seed=0)
    world.script("sha256:2.0.0", script)
    saved(world, before)
    seconds_pass(world, 2)
    world.crash_in = crash_in
    saved(world, *((after,) if after else ()), deployment("two"))
    seconds_pass(world, 20)
    world.used = crash_in - (world.crash_in if world.crash_in is not None else crash_in)
    world.crash_in = None
    world.run_until_quiet()
    Promises(world).check_at_rest()
    return world


def end_of(world: World) -> list[object]:
    return [
        (
            record.key,
            record.wanted,
            record.stable,
            record.rollout and (record.rollout.phase, record.rollout.target, record.rollout.stable),
            [rejection.revision for rejection in record.rejected],
            [(n.number, n.revision.id, n.outcome) for n in world.store.history(record.key)],
            [(i.name, i.ready) for i in world.fleet.services[record.key].observe()],
        )
        for record in world.ledger.records.values()
    ]


GOOD, BAD, NEVER_STARTS = Script(), Script(errs_every=1), Script(never_starts=True)
CHANGES = {
    "blue-green": (one("1.0.0", Strategy.BLUE_GREEN), one("2.0.0", Strategy.BLUE_GREEN), GOOD),
    "blue-green that never starts": (
        one("1.0.0", Strategy.BLUE_GREEN),
        one("2.0.0", Strategy.BLUE_GREEN),
        NEVER_STARTS,
    ),
    "canary": (one("1.0.0", Strategy.CANARY), one("2.0.0", Strategy.CANARY), GOOD),
    "canary of a bad version": (one("1.0.0", Strategy.CANARY), one("2.0.0", Strategy.CANARY), BAD),
    "recreate": (one("1.0.0", Strategy.RECREATE), one("2.0.0", Strategy.RECREATE), GOOD),
    "recreate that never starts": (one("1.0.0", Strategy.RECREATE), one("2.0.0", Strategy.RECREATE), NEVER_STARTS),
    "hand over": (one("1.0.0", Strategy.BLUE_GREEN, True), one("2.0.0", Strategy.BLUE_GREEN, True), GOOD),
    "removal": (one("1.0.0", Strategy.BLUE_GREEN), None, GOOD),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_crash_at_every_step_leads_to_the_same_end(name):
    change = CHANGES[name]
    undisturbed = lived(*change, crash_in=MANY)
    steps = undisturbed.used
    assert steps > 4
    for step in range(steps):
        disturbed = lived(*change, crash_in=step)
        assert any("crashed" in line for line in disturbed.trail)
        assert end_of(disturbed) == end_of(undisturbed), f"a crash at step {step} of {steps}"
