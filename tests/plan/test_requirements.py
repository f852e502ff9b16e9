"""A component that needs others is deployed once they are there in a version that it takes, and never in a circle."""

import pytest

from orchestrator.plan.action import Reason
from orchestrator.plan.requirements import unmet_requirements

from .build import deployment, revision


def of(name: str, component: str, version: str = "1.0.0", **requires: str):
    made = revision(version, component=component)
    return deployment(name, revision=made, requires=tuple(sorted(requires.items())))


def notes(*wanted, standing=()):
    found = unmet_requirements(wanted, {one.key: one for one in standing})
    assert {obstacle.reason for obstacle in found.values()} <= {Reason.MISSING_COMPONENT}
    return {key.name: obstacle.note for key, obstacle in found.items()}


@pytest.mark.parametrize(
    ("there", "note"),
    [
        ([], "console needs component ledger ^2.1, which nobody deploys"),
        ([of("a", "ledger", "2.0.9")], "console needs component ledger ^2.1, and deployed is 2.0.9"),
        ([of("a", "ledger", "3.0.0")], "console needs component ledger ^2.1, and deployed is 3.0.0"),
        ([of("a", "ledger", "2.0.0"), of("b", "ledger", "2.4.0")], None),
        ([of("a", "ledger", "2.1.0")], None),
    ],
)
def test_a_need_is_met_by_any_deployment_of_the_component_in_the_range(there, note):
    console = of("console", "console", ledger="^2.1")
    expected = {} if note is None else {"console": note}
    assert notes(console, *there) == expected
    assert notes(console, standing=there) == expected


def test_a_wish_counts_before_what_it_replaces():
    console = of("console", "console", ledger="^2.1")
    assert notes(console, of("a", "ledger", "3.0.0"), standing=[of("a", "ledger", "2.1.0")])
    assert not notes(console, of("a", "ledger", "2.1.0"), standing=[of("a", "ledger", "1.0.0")])


def test_components_that_need_each_other_are_all_told_the_circle():
    first, second = of("a", "a", b="*"), of("b", "b", a="*")
    circle = "components need each other in a circle: a → b → a"
    assert notes(first, second) == {"a": circle, "b": circle}
    assert notes(of("a", "a", a="*")) == {"a": "components need each other in a circle: a → a"}


def test_where_nothing_is_needed_nothing_is_looked_at():
    assert notes(of("a", "a"), of("b", "b")) == {}
