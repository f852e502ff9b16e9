"""Which deployments are planned again: those that changed, or everything where a part will not do."""

import pytest
from msgspec.structs import replace

from orchestrator.controller.planned import PlannedSource, to_plan
from orchestrator.model.desired import DesiredState, Permissions
from orchestrator.model.observed import Record
from tests.plan.build import deployment, key

A, B, C = (deployment(name) for name in "abc")
WISH = DesiredState(source="s", deployments=(A, B, C))
NOTHING = Permissions()


def record(wanted, source="s"):
    return Record(key=wanted.key, source=source, generation=1, wanted=wanted)


RECORDS = {one.key: record(one) for one in (A, B, C)}


def planned(wish=WISH, permissions=NOTHING, names=0):
    return PlannedSource(wish, permissions, names)


def again(now, looked_at=(), before=None, records=RECORDS):
    return to_plan(before or planned(), now, looked_at, records)


def test_nothing_is_planned_again_while_nothing_happens():
    assert again(planned()) == frozenset()


def test_what_was_looked_at_and_is_wanted_is_planned_again():
    assert again(planned(), [A.key, key("anothers")]) == {A.key}


def test_a_changed_manifest_is_planned_again_alone():
    changed = replace(B, replicas=B.replicas + 1)
    assert again(planned(replace(WISH, deployments=(A, changed, C)))) == {B.key}


def test_of_another_commit_what_it_changes_is_planned_again_alone():
    assert again(planned(replace(WISH, revision="abc"))) == frozenset()
    changed = replace(B, replicas=B.replicas + 1)
    assert again(planned(replace(WISH, revision="abc", deployments=(A, changed, C)))) == {B.key}


def test_an_equal_wish_of_other_objects_is_no_change():
    assert again(planned(replace(WISH, deployments=(A, replace(B), C)))) == frozenset()


def test_what_depends_on_others_is_planned_again_when_a_record_comes_or_goes():
    wish = replace(WISH, deployments=(A, replace(B, depends_on=(A.key,)), C))
    assert again(planned(wish, names=1), before=planned(wish)) == {B.key}


@pytest.mark.parametrize(
    "now",
    [
        planned(replace(WISH, deployments=(A, B))),
        planned(replace(WISH, deployments=(A, B, C, deployment("d")))),
        planned(replace(WISH, deployments=(A, B), invalid=(C.key,))),
        planned(replace(WISH, unreadable_files=("x.yaml",))),
        planned(permissions=Permissions(adopt=True)),
    ],
)
def test_everything_is_planned_again_when_more_than_single_deployments_differ(now):
    assert again(now) is None


def test_everything_is_planned_again_when_a_record_that_is_not_wanted_was_looked_at():
    stray = deployment("stray")
    records = RECORDS | {stray.key: record(stray)}
    assert again(planned(), [stray.key], records=records) is None
    assert again(planned(), [stray.key], records=RECORDS | {stray.key: record(stray, "another")}) == frozenset()


def test_everything_is_planned_again_while_something_is_removed():
    before = planned()
    before.has_removals = True
    assert again(planned(), before=before) is None
