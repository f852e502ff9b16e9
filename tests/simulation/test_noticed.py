"""A change is noticed by what made it: here no time passes, so that no look on the controller's own account helps."""

from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.source import NOBODY
from orchestrator.store.decisions import DeleteDesired, PutRecord
from tests.plan.build import deployment, revision
from tests.simulation.source import SOURCE
from tests.simulation.world import World

OLD, NEW = (deployment("one", revision=revision(v, artifact=f"sha256:{v}")) for v in ("1.0.0", "2.0.0"))
OTHERS = "/srv/others"
PASSES = 50


def until_quiet(world: World) -> None:
    for _ in range(PASSES):
        world.control()
        world.workers.run_all()


def wanting(world: World, *files) -> None:
    world.source.files = {d.key: d for d in files}
    world.look()
    until_quiet(world)


def serving(world: World) -> tuple[str, str]:
    record = world.ledger.records[OLD.key]
    return record.source, record.stable.revision.version if record.stable else ""


def test_what_is_taken_over_is_compared_at_once():
    world = World(seed=0)
    world.controller.want(DesiredState(source=OTHERS, deployments=(OLD,)))
    until_quiet(world)
    nobodys = replace(world.ledger.records[OLD.key], source=NOBODY)
    world.ledger.decide([PutRecord(record=nobodys), DeleteDesired(source=OTHERS)])
    world.controller.forget(OTHERS)
    wanting(world, NEW)
    assert serving(world) == (SOURCE, "2.0.0")


def test_what_one_source_gives_up_another_that_waits_for_it_has_at_once():
    world = World(seed=0)
    stays = deployment("stays")
    world.controller.want(DesiredState(source=OTHERS, deployments=(OLD, stays)))
    until_quiet(world)
    wanting(world, NEW, deployment("two"))
    assert serving(world) == (OTHERS, "1.0.0")  # planned before the others, and told that it belongs to them
    world.source.dropped.add(OLD.key)  # by the others
    world.controller.want(DesiredState(source=OTHERS, deployments=(stays,)))
    until_quiet(world)
    assert serving(world) == (SOURCE, "2.0.0")


def test_an_edit_in_place_of_a_commit_is_known_to_be_in_force_at_once():
    world = World(seed=0)
    world.source.commit = "a" * 40
    wanting(world, OLD)
    world.source.commit = "b" * 40
    wanting(world, replace(OLD, labels=(("team", "a"),)))
    record = world.ledger.records[OLD.key]
    assert record.applied == record.attempted


def test_one_that_is_looked_at_alone_looks_as_it_does_among_all():
    world = World(seed=0)
    depending = deployment("depending", needs=("one",))
    wanting(world, OLD, deployment("other"))
    serves = replace(world.ledger.records[OLD.key], key=depending.key, wanted=depending, stable=depending, rollout=None)
    world.ledger.decide([PutRecord(record=serves)])
    observe_one = world.controller.observe_one

    def told(seen):
        return seen.record, seen.instances, seen.missing, seen.traffic

    def alone_and_among_all():
        among = {seen.record.key: seen for seen in world.controller.observe_each()}
        assert {key: told(observe_one(key)) for key in among} == {key: told(seen) for key, seen in among.items()}

    alone_and_among_all()
    assert observe_one(depending.key).missing == ()
    world.ledger.decide([PutRecord(record=replace(world.ledger.records[OLD.key], deleted=True))])
    alone_and_among_all()
    assert observe_one(depending.key).missing == (OLD.key,)
    assert observe_one(deployment("nobody").key) is None
