"""Which subscriptions and rate limits are in force while manifests change, and what a pass costs where none did."""

import sys
from collections.abc import Callable
from random import Random

import pytest
from msgspec.structs import replace

from orchestrator.messaging.topics import Subscriber
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.spec import Deployment, RateLimit
from orchestrator.patterns.topic import matches
from orchestrator.rollout.standing import is_suspended
from orchestrator.security.grants import may_subscribe
from tests.plan.build import deployment, grant, revision
from tests.simulation.world import World

ONE, TWO = (DeploymentKey.parse(name) for name in ("one", "two"))
SUBSCRIBE = "messaging.subscribe"
TOPICS = ("a", "a.b", "b.c")
PATTERNS = ((), ("a",), ("a.*", "b.**"), ("**",))


def subscriber(
    name: str, patterns: tuple[str, ...], granted: tuple[str, ...] = ("**",), **fields: object
) -> Deployment:
    grants = (grant(SUBSCRIBE, *granted),) if granted else ()
    return deployment(name, revision=revision(grants=grants), subscribe=patterns, **fields)


def save(world: World, *files: Deployment) -> None:
    world.source.files = {one.key: one for one in files}
    world.look()
    world.run_until_quiet()


def in_force(world: World, key: DeploymentKey) -> set[str]:
    """Return the topics of which a deployment would hear."""
    return {topic for topic in TOPICS if key in world.fleet.topics.matching(topic)}


def expected(world: World, key: DeploymentKey) -> set[str]:
    """Return the same by its record: what serves, its patterns, its grants and those that it is wanted with."""
    record = world.ledger.records.get(key)
    if record is None or is_suspended(record):
        return set()
    serving = record.stable or record.wanted
    grant_lists = (serving.revision.grants, record.wanted.revision.grants)
    allowed = [one for one in serving.subscribe if all(may_subscribe(grants, one) for grants in grant_lists)]
    return {topic for topic in TOPICS if any(matches(pattern, topic) for pattern in allowed)}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_manifests_come_to_who_subscribes_is_who_serves_and_may(seed: int):
    random, world = Random(seed), World(seed)
    for _ in range(12):
        files = [
            subscriber(key.name, random.choice(PATTERNS), random.choice(PATTERNS), suspend=random.random() < 0.2)
            for key in (ONE, TWO)
            if random.random() < 0.8
        ]
        save(world, *files)
        if random.random() < 0.2:
            world.start_agent()
            world.run_until_quiet()
        for key in (ONE, TWO):
            assert in_force(world, key) == expected(world, key), world.trail[-5:]


def test_one_that_is_removed_and_comes_back_subscribes_again():
    world = World(0)
    one, other = subscriber("one", ("a",)), subscriber("two", ("b.*",))
    save(world, one, other)
    save(world, other)
    assert in_force(world, ONE) == set()
    save(world, one, other)
    assert in_force(world, ONE) == {"a"}


def test_what_was_stopped_is_put_in_place_again_by_the_very_same_wish():
    fleet, one = World(0).fleet, subscriber("one", ("a",))
    for _ in range(2):
        fleet.have(one)
        fleet.put_in_place(one, takes_messages=True)
        assert fleet.topics.matching("a") == (ONE,)
        fleet.put_in_place(one, takes_messages=False)
        assert fleet.topics.matching("a") == ()
        fleet.put_in_place(one, takes_messages=True)
        assert fleet.stop(ONE)
        assert fleet.topics.matching("a") == ()


def test_a_grant_that_goes_takes_guests_subscriptions_out_of_force_before_any_rollout():
    world = World(0)
    save(world, subscriber("one", ("a",)))
    grants = world.fleet.grants_in_force
    guest = Subscriber(ComponentId("default", "one", "0"), lambda pattern: may_subscribe(grants(ONE) or (), pattern))
    assert world.fleet.topics.subscribe(guest, "b.*") == ""
    assert in_force(world, ONE) == {"a", "b.c"}
    world.source.files = {ONE: subscriber("one", ("a",), granted=("a",))}
    world.look()
    world.control()
    world.control()
    assert world.ledger.records[ONE].stable == subscriber("one", ("a",))
    assert in_force(world, ONE) == {"a"}


def test_a_rate_limit_changes_in_place_and_goes_with_its_deployment():
    world = World(0)
    save(world, subscriber("one", (), rate_limit=RateLimit(messages=1, per_ms=60_000, burst=1)), deployment("two"))
    rates = world.fleet.rates
    assert [bool(rates.over(ONE)) for _ in range(2)] == [False, True]
    save(world, subscriber("one", ()), deployment("two"))
    assert not rates.over(ONE)
    assert rates.limited(ONE) == 1
    save(world, deployment("two"))
    assert rates.limited(ONE) == 0


def calls_of(function: Callable[..., object], act: Callable[[], object]) -> int:
    """Count how often `act` leads to `function`."""
    count = 0

    def look(frame, event, _argument) -> None:
        nonlocal count
        count += event == "call" and frame.f_code is function.__code__

    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def test_a_pass_asks_no_grant_anew_where_nothing_changed():
    world = World(0)
    one = subscriber("one", ("a", "a.*", "b.**"))
    assert calls_of(may_subscribe, lambda: save(world, one)) > 0

    def look_again() -> None:
        for _ in range(5):
            world.look()
            world.control()

    assert calls_of(may_subscribe, look_again) == 0
    assert calls_of(may_subscribe, lambda: save(world, replace(one, subscribe=("a",)))) > 0
