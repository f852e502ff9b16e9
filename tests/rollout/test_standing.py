"""Which commits were attempted and applied of a deployment, where a later one wants it as it was."""

import pytest
from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.observed import Record
from orchestrator.rollout.standing import revisions_of
from tests.plan.build import deployment

A, B = deployment("a"), deployment("b")
SERVES = Record(key=B.key, source="s", generation=1, wanted=B, stable=B, attempted="1", applied="1")
ON_ITS_WAY = replace(SERVES, attempted="2")
NEVER_SERVED = replace(SERVES, stable=None, applied=None)
LATER = DesiredState(source="s", deployments=(A, B), revision="3")


@pytest.mark.parametrize(
    ("record", "desired", "attempted", "applied"),
    [
        (SERVES, LATER, "3", "3"),
        (SERVES, replace(LATER, deployments=(A, replace(B))), "3", "3"),
        (ON_ITS_WAY, LATER, "3", "1"),
        (replace(ON_ITS_WAY, applied="2"), LATER, "3", "3"),
        (NEVER_SERVED, LATER, "3", None),
        (SERVES, replace(LATER, deployments=(A, replace(B, replicas=7))), "1", "1"),
        (SERVES, replace(LATER, deployments=(A,)), "1", "1"),
        (SERVES, replace(LATER, revision=None), "1", "1"),
        (SERVES, None, "1", "1"),
    ],
    ids=[
        "it serves", "an equal one serves", "it is on its way", "its way was gone", "it never served", "it is another",
        "it is not wanted", "no commit", "no source",
    ],
)  # fmt: skip
def test_a_later_commit_that_wants_the_same_is_attempted_and_applied_as_the_earlier_was(
    record, desired, attempted, applied
):
    assert revisions_of(record, desired) == (attempted, applied)
