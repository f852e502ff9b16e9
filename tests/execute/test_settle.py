"""Named moments of a deployment's life that random histories seldom meet, in the same world as theirs."""

import pytest
from msgspec.structs import replace

from orchestrator.execute.commands import Rollback
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Message, Replied, Undelivered
from orchestrator.model.observed import Phase
from orchestrator.model.rollout import RolloutPhase
from orchestrator.model.spec import (
    Analysis,
    Deployment,
    PauseStep,
    RestartPolicy,
    RestartType,
    RolloutPolicy,
    Strategy,
    WeightStep,
)
from tests.plan.build import deployment, grant, revision
from tests.simulation.guest import FakeGuest, Script
from tests.simulation.promises import Promises
from tests.simulation.world import SOMEBODY, World

ONE = DeploymentKey.parse("one")
HALF_FOR_EVER = (WeightStep(weight=50), PauseStep())
LONG = 600_000


def one(version: str = "1.0.0", strategy: Strategy = Strategy.BLUE_GREEN, **fields: object) -> Deployment:
    stateful = bool(fields.pop("stateful", False))
    policy = RolloutPolicy(
        strategy=strategy,
        steps=HALF_FOR_EVER if strategy is Strategy.CANARY else (),
        analysis=Analysis(minimum_messages=1, inconclusive_limit=1_000),
        keep_previous_ms=LONG,
    )
    made = revision(version, stateful=stateful, artifact=f"sha256:{version}", **fields.pop("of", {}))
    return deployment("one", revision=made, **{"rollout": policy, **fields})


@pytest.fixture
def world() -> World:
    return World(seed=0)


def save(world: World, *files: Deployment) -> None:
    world.source.files = {d.key: d for d in files}
    world.look()
    world.run_until_quiet()


def ask(world: World, conversation: str | None = None) -> object:
    sent = world.send(ONE, conversation)
    world.workers.run_all()
    return sent.outcomes[0] if sent.outcomes else None


def who_answered(world: World) -> list[str]:
    """Return the versions that had messages since the last time this was asked."""
    versions = [guest.revision.version for guest in world.runtime.guests for _ in range(guest.handled)]
    for guest in world.runtime.guests:
        guest.handled = 0
    return versions


def starts(world: World, version: str) -> int:
    return world.runtime.starts.get(f"sha256:{version}", 0)


def phase(world: World) -> RolloutPhase | None:
    rollout = world.ledger.records[ONE].rollout
    return rollout and rollout.phase


def test_a_rollback_goes_to_the_very_instances_that_were_kept_warm(world):
    save(world, one(replicas=2))
    save(world, one("2.0.0", replicas=2))
    assert phase(world) is RolloutPhase.KEEPING
    world.command("rollback", ONE)
    world.run_until_quiet()
    assert isinstance(ask(world), Replied)
    assert who_answered(world) == ["1.0.0"]
    assert starts(world, "1.0.0") == 2


def test_while_the_old_version_is_kept_it_answers_for_a_new_one_that_died(world):
    world.script("sha256:2.0.0", Script(traps_every=1))
    save(world, one())
    save(world, one("2.0.0", restart=RestartPolicy(intensity=0)))
    world.clock.pass_time(1)
    assert not isinstance(ask(world), Replied)
    world.run_until_quiet()
    assert phase(world) is RolloutPhase.KEEPING
    assert isinstance(ask(world), Replied)


def test_messages_for_a_version_without_instances_go_to_the_one_that_has_some(world):
    save(world, one(strategy=Strategy.CANARY, replicas=0))
    save(world, one("2.0.0", strategy=Strategy.CANARY, replicas=1))
    assert phase(world) is RolloutPhase.PAUSED
    assert all(isinstance(ask(world, f"c{n}"), Replied) for n in range(20))


def test_messages_that_nobody_will_ever_take_go_back_to_their_senders(world):
    save(world, one(replicas=0))
    assert isinstance(ask(world), Undelivered)
    save(world, one(replicas=1))
    assert isinstance(ask(world), Replied)
    save(world, one(replicas=1, restart=RestartPolicy(type=RestartType.TEMPORARY)))
    world.runtime.open[0].trap_next = True
    ask(world)
    world.run_until_quiet()
    assert isinstance(ask(world), Undelivered)


def test_a_deployment_that_is_resumed_with_another_version_runs_that_one(world):
    save(world, one(suspend=True))
    assert isinstance(ask(world), Undelivered)
    save(world, one("2.0.0"))
    assert isinstance(ask(world), Replied)
    assert who_answered(world) == ["2.0.0"]


def test_a_deployment_that_is_suspended_with_another_version_stops_at_once(world):
    save(world, one())
    save(world, one("2.0.0", suspend=True))
    assert not world.runtime.open
    assert isinstance(ask(world), Undelivered)


def test_a_rollout_suspended_on_its_way_back_still_gets_there(world):
    save(world, one(strategy=Strategy.CANARY))
    save(world, one("2.0.0", strategy=Strategy.CANARY))
    world.command("abort", ONE)
    save(world, one(strategy=Strategy.CANARY, suspend=True))
    assert phase(world) is RolloutPhase.FAILED
    assert not world.runtime.open


def test_rolling_back_to_what_still_serves_aborts_the_rollout_in_progress(world):
    save(world, one(strategy=Strategy.CANARY))
    save(world, one("2.0.0", strategy=Strategy.CANARY))
    world.operations.obey(Rollback(ONE, to=1), SOMEBODY)
    world.run_until_quiet()
    assert phase(world) is RolloutPhase.FAILED
    assert starts(world, "1.0.0") == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_stateful_component_works_on_one_message_at_a_time_however_often_it_is_replaced(seed):
    world = World(seed)
    save(world, one(stateful=True))
    world.interruptions = 0.7
    for number, version in enumerate(["2.0.0", "3.0.0", "1.0.0", "2.0.0"] * 3):
        world.source.files = {ONE: one(version, stateful=True, replicas=int(number % 4 != 3))}
        world.look()
        for _ in range(12):
            world.send(ONE)
            world.workers.run_one()
            world.control_if_due()
            world.pass_time(world.random.choice((0, 5, 50)))
    world.interruptions = 0
    world.run_until_quiet()  # the world itself looks at who is at work, at every message
    Promises(world).check_at_rest()


class Surprising(World):
    """A world in which something happens while version 2 is at work for the first time."""

    def _heard(self, guest: FakeGuest, message: Message) -> None:
        super()._heard(guest, message)
        if guest.revision.version == "2.0.0" and guest.handled == 0:
            self.surprise()

    def surprise(self) -> None:
        """Save a third version just before the second has wholly taken over: the first is to serve until then."""
        assert phase(self) is RolloutPhase.PROMOTING
        self.source.files = {ONE: one("3.0.0", stateful=True)}
        self.look()
        self.control()
        self.workers.run_all()  # the first version says goodbye
        self.answers = [self.send(ONE) for _ in range(3)]
        for _ in range(10):
            self.control()
            self.workers.run_all()
            self.pass_time(5)


def test_a_stateful_version_that_is_replaced_in_the_middle_of_a_message_ends_that_first():
    world = Surprising(seed=0)
    save(world, one(stateful=True))
    first = world.runtime.open[0]
    world.source.files = {ONE: one("2.0.0", stateful=True)}
    world.look()
    while not world.ledger.records[ONE].rollout or phase(world) is not RolloutPhase.PROMOTING:
        world.control()
        if phase(world) is not RolloutPhase.PROMOTING:
            world.workers.run_all()
    goodbye = world.workers.jobs[:]
    world.workers.jobs.clear()
    world.send(ONE)
    (work,) = world.workers.jobs
    world.workers.jobs = goodbye
    assert not first.is_closed
    work.send(None)
    world.workers.jobs.append(work)
    world.run_until_quiet()  # the world itself looks at who is at work, at every message
    assert all(isinstance(sent.outcomes[0], Replied) for sent in world.answers)
    assert {guest.revision.version for guest in world.runtime.open} == {"3.0.0"}


def test_a_commit_counts_as_applied_only_once_what_it_asks_for_serves(world):
    world.source.commit = "c1"
    save(world, one())
    record = world.ledger.records[ONE]
    assert (record.attempted, record.applied) == ("c1", "c1")
    world.script("sha256:2.0.0", Script(never_starts=True))
    world.source.commit = "c2"
    save(world, one("2.0.0"))
    record = world.ledger.records[ONE]
    assert (record.attempted, record.applied) == ("c2", "c1")
    world.source.commit = "c3"
    save(world, one("3.0.0"))
    record = world.ledger.records[ONE]
    assert (record.attempted, record.applied) == ("c3", "c3")


def test_a_replaced_rollout_leaves_nothing_of_its_version(world):
    save(world, one(strategy=Strategy.CANARY))
    save(world, one("2.0.0", strategy=Strategy.CANARY))
    save(world, one("3.0.0", strategy=Strategy.CANARY))
    assert {guest.revision.version for guest in world.runtime.open} == {"1.0.0", "3.0.0"}


def test_a_version_that_never_starts_is_rejected_once_and_not_tried_again(world):
    world.script("sha256:2.0.0", Script(never_starts=True))
    save(world, one())
    save(world, one("2.0.0"))
    assert phase(world) is RolloutPhase.FAILED
    tried = starts(world, "2.0.0")
    save(world, one("2.0.0"))
    assert starts(world, "2.0.0") == tried
    save(world, one("2.0.0", restart=RestartPolicy(intensity=1), labels=(("team", "core"),)))
    assert starts(world, "2.0.0") == tried
    assert world.ledger.records[ONE].stable.labels == (("team", "core"),)
    assert world.ledger.records[ONE].stable.restart.intensity == 1


def test_a_retry_tries_again_what_was_rejected(world):
    world.script("sha256:2.0.0", Script(failing_starts=6))
    save(world, one())
    save(world, one("2.0.0"))
    assert phase(world) is RolloutPhase.FAILED
    world.command("retry", ONE)
    world.run_until_quiet()
    assert ask(world)
    assert who_answered(world) == ["2.0.0"]


def test_a_grant_that_is_taken_away_is_not_in_force_before_any_rollout(world):
    save(world, one(of={"grants": (grant("messaging.send", "ledger"),)}))
    assert world.fleet.grants_in_force(ONE) == (grant("messaging.send", "ledger"),)
    world.source.files = {ONE: one()}
    world.look()
    world.control()
    world.control()
    assert world.fleet.grants_in_force(ONE) == ()


def test_what_depends_on_something_starts_once_that_is_ready(world):
    world.script("sha256:1.0.0", Script(failing_starts=2))
    needy = deployment("two", revision=revision(artifact="sha256:two"), needs=["one"])
    world.source.files = {ONE: one(), needy.key: needy}
    world.look()
    while needy.key not in world.ledger.records:
        world.control_if_due()
        world.workers.run_all()
        assert "sha256:two" not in world.runtime.starts or starts(world, "1.0.0") == 3
        world.pass_time(100)
    assert starts(world, "1.0.0") == 3


def test_what_comes_back_while_it_is_being_removed_starts_anew(world):
    other = deployment("other")
    save(world, one(), other)
    world.send(ONE)
    world.source.files = {other.key: other}
    for _ in range(2):
        world.look()
        world.control()
    assert [i.phase for i in world.fleet.services[ONE].observe()] == [Phase.STOPPING]
    save(world, one(), other)
    assert isinstance(ask(world), Replied)
    assert world.ledger.records[ONE].stable == one()


def test_a_hold_outlives_a_mass_removal_that_waited_and_was_taken_back(world):
    save(world, one())
    save(world, one("2.0.0"))
    others = [deployment(name, revision=revision(artifact=f"sha256:{name}")) for name in "abcd"]
    save(world, one("2.0.0"), *others)
    world.command("rollback", ONE)
    world.run_until_quiet()
    held = world.ledger.records[ONE].held
    assert held is not None
    save(world, deployment("new"))
    assert len(world.ledger.records) == 6
    save(world, one("2.0.0"), *others, deployment("new"))
    assert world.ledger.records[ONE].held == held
    assert world.ledger.records[others[0].key].held is None
    assert world.ledger.records[ONE].stable.revision.version == "1.0.0"


def test_what_needs_no_new_instance_is_changed_in_place(world):
    save(world, one())
    (guest,) = world.runtime.open
    save(world, replace(one(), replicas=2, labels=(("team", "core"),)))
    assert guest in world.runtime.open
    assert len(world.runtime.open) == 2
    assert world.ledger.records[ONE].generation == 2
