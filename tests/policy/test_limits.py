"""What a namespace may have together: those with the first names get the room, and nobody loses what it has."""

import pytest
from msgspec.structs import replace

from orchestrator.model.policy import MachineLimits, NamespaceLimits, PolicySet
from orchestrator.policy.limits import has_limits, over_limits, usage_of
from tests.policy.values import deployment, document, rules


def limits(**of):
    return rules(document(namespaces=["default"], limits=of))


def over(policies, wanted, standing=()):
    return {
        str(key): findings[0].text
        for key, findings in over_limits(wanted, {d.key: d for d in standing}, policies).items()
    }


def test_a_deployment_takes_what_its_limits_allow_each_of_its_instances():
    used = usage_of(deployment(replicas=3))
    assert (used.deployments, used.instances, used.memory_bytes, used.storage_bytes) == (1, 3, 3 << 20, 1 << 10)
    assert used.fuel_per_s == 3 * 10_000


def test_one_that_is_suspended_takes_no_instance_and_so_no_memory():
    used = usage_of(replace(deployment(replicas=3), suspend=True))
    assert (used.deployments, used.instances, used.memory_bytes, used.fuel_per_s) == (1, 0, 0, 0)
    assert used.storage_bytes == 1 << 10, "its data stays"


@pytest.mark.parametrize(("limit", "words"), [
    ({"deployments": 1}, "1 deployments; with this, it would have 2"),
    ({"instances": 1}, "1 instances"),
    ({"memory": "1MiB"}, "1048576 bytes of memory"),
    ({"storage": "1KiB"}, "1024 bytes of storage"),
    ({"fuelPerSecond": 10_000}, "10000 fuel a second"),
])  # fmt: skip
def test_each_limit_holds(limit, words):
    found = over(limits(**limit), [deployment("a"), deployment("b")])
    assert list(found) == ["default/b"]
    assert words in found["default/b"]


def test_room_that_others_have_is_taken():
    assert list(over(limits(instances=2), [deployment("a")], [deployment("z", replicas=2)])) == ["default/a"]


def test_a_deployment_that_takes_no_more_than_it_has_keeps_it():
    has = deployment("a", replicas=5)
    assert over(limits(instances=2), [has], [has]) == {}
    assert over(limits(instances=2), [deployment("a", replicas=4)], [has]) == {}
    assert list(over(limits(instances=2), [deployment("a", replicas=6)], [has])) == ["default/a"]


def test_one_that_is_refused_leaves_room_to_the_next():
    found = over(limits(instances=3), [deployment("a", replicas=2), deployment("b", replicas=2), deployment("c")])
    assert list(found) == ["default/b"]


def test_namespaces_are_counted_apart():
    assert over(limits(instances=1), [deployment("a"), deployment("b", namespace="other")]) == {}


def test_a_machine_is_limited_over_all_namespaces_and_without_any_policy():
    machine = MachineLimits(limits=NamespaceLimits(instances=3, line=7), file="/airs.toml")
    policies = PolicySet(machine=machine)
    wanted = [deployment("a", replicas=2), deployment("b", namespace="other", replicas=2), deployment("c")]
    found = over_limits(wanted, {}, policies)
    assert [(str(key), finding.text, finding.file, finding.line) for key, (finding,) in found.items()] == [
        ("other/b", "the settings allow this machine 3 instances; with this, it would have 5", "/airs.toml", 7)
    ]
    assert has_limits(policies)
    assert over_limits(wanted, {one.key: one for one in wanted}, policies) == {}, "nobody loses what it has"


def test_policies_without_limits_are_not_counted_for():
    assert not has_limits(rules(document()))
    assert has_limits(limits(instances=0))
