"""Equal parts of what was decoded are kept once, and nothing else about it changes."""

from msgspec.structs import replace

from orchestrator.decoding import from_msgpack
from orchestrator.execute.sharing import Pool
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.store.keys import FORMAT, pack
from tests.store.values import deployment, record

KEYS = [DeploymentKey(namespace="default", name=f"d{number}") for number in range(3)]


def decoded(value):
    """Encode and decode a value, which leaves it no part in common with any other."""
    return from_msgpack(pack(value).removeprefix(FORMAT), type(value))


def test_the_value_is_the_same_and_its_parts_are_one():
    desired = decoded(DesiredState(source="a", deployments=tuple(deployment(key) for key in KEYS)))
    shared = Pool().desired(desired)
    assert shared == desired
    assert len({id(one.revision) for one in desired.deployments}) == len(KEYS)
    for part in ("revision", "labels", "mailbox", "routing", "restart", "health", "rollout"):
        assert len({id(getattr(one, part)) for one in shared.deployments}) == 1, part


def test_what_is_wanted_recorded_and_rolled_out_is_one_deployment():
    pool, found = Pool(), decoded(record(KEYS[0]))
    desired = decoded(DesiredState(source="a", deployments=(deployment(KEYS[0]),)))
    pool.see(desired)
    shared = pool.record(found)
    assert shared == found
    assert shared.wanted is shared.rollout.target is desired.deployments[0]


def test_what_did_not_change_is_the_same_as_before():
    before = DesiredState(source="a", deployments=tuple(deployment(key) for key in KEYS))
    first, *rest = decoded(before).deployments
    pool = Pool()
    pool.see(before)
    now = pool.desired(DesiredState(source="a", deployments=(replace(first, replicas=7), *rest)))
    assert now.deployments[0].replicas == 7
    assert [one is other for one, other in zip(now.deployments, before.deployments, strict=True)] == [False, True, True]
