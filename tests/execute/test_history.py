"""What is written to a deployment's history when rollouts begin and end."""

import pytest
from msgspec.structs import replace

from orchestrator.execute.history import (
    ACTS_KEPT,
    ENTRIES_MAX,
    RolloutOrigin,
    acted,
    begun,
    beyond,
    next_number,
    one_further_back,
    promoted,
    rejected,
)
from orchestrator.model.commit import Commit
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Number
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Deployment, Limits, Revision
from orchestrator.model.who import By, Peer, Verb

ADA = By(peer=Peer(uid=1000, user="ada"), why="it is slow")
ORIGIN = RolloutOrigin("c0ffee", Commit(id="c0ffee", author="Bob"), ADA)


def revision(version: str) -> Revision:
    limits = Limits(memory_bytes=1, fuel=1, timeout_ms=1)
    return Revision(
        id=version, component="c", version=version, artifact="sha256:0", stateful=False, config="", grants=(),
        limits=limits,
    )  # fmt: skip


def rollout_to(version: str, number: int) -> Rollout:
    key = DeploymentKey(namespace="default", name="c")
    return Rollout(
        target=Deployment(key=key, revision=revision(version)), stable=None, cause=Cause.APPLY, number=number
    )


def entry(number: int, outcome: str) -> Number:
    return Number(
        number=number, revision=revision(str(number)), cause=Cause.APPLY, reason="", started_ms=number, outcome=outcome
    )


def outcomes(numbers):
    return [(n.number, n.outcome) for n in numbers]


def test_the_first_rollout_is_number_one_and_unfinished():
    assert outcomes(begun([], rollout_to("1", next_number([])), "created", ORIGIN, 5)) == [(1, "")]


def test_numbers_go_on_where_they_were_even_after_the_oldest_were_dropped():
    past = [entry(7, "running")]
    assert outcomes(begun(past, rollout_to("8", next_number(past)), "", ORIGIN, 5)) == [(8, "")]


def test_a_rollout_that_replaces_an_unfinished_one_ends_it():
    written = begun([entry(1, "running"), entry(2, "")], rollout_to("3", 3), "", ORIGIN, 5)
    assert outcomes(written) == [(2, "replaced"), (3, "")]


def test_promotion_ends_what_ran_and_begins_the_newest():
    assert outcomes(promoted([entry(1, "running"), entry(2, "")], 9)) == [(1, "superseded"), (2, "running")]


def test_a_rejection_keeps_its_reason_and_touches_nothing_else():
    (written,) = rejected([entry(1, "running"), entry(2, "")], "too many errors", 9)
    assert (written.number, written.outcome, written.reason, written.ended_ms) == (2, "rejected", "too many errors", 9)


def test_entries_older_than_the_retained_good_revisions_are_dropped():
    kept = [entry(1, "superseded"), entry(2, "rejected"), entry(3, "superseded"), entry(4, "running")]
    assert outcomes(beyond(kept, 2)) == [(1, "superseded"), (2, "rejected")]
    assert outcomes(beyond(kept, 1)) == [(1, "superseded"), (2, "rejected"), (3, "superseded")]
    assert beyond(kept, 3) == []
    again = [*kept[:3], replace(entry(4, "running"), revision=revision("1"), of=1)]
    assert beyond(again, 3) == [], "there are only two revisions that served"


def test_what_failed_and_what_was_repeated_take_no_place_of_a_good_revision():
    first, second = entry(1, "superseded"), entry(2, "superseded")
    again = [replace(entry(n, "superseded"), revision=revision(str(1 + n % 2))) for n in range(3, 9)]
    failed = [entry(n, "rejected") for n in range(9, 15)]
    history = [first, second, *again, *failed, entry(15, "running")]
    dropped = [n for n, _ in outcomes(beyond(history, 3))]
    assert dropped == [1, 2, 3, 4, 5, 6], "7 and 8 hold the two good ones before the running one"


def test_a_history_of_failures_has_a_limit():
    history = [entry(1, "running"), *(entry(n, "rejected") for n in range(2, ENTRIES_MAX + 11))]
    assert [n for n, _ in outcomes(beyond(history, 5))] == [*range(2, 12)]


def test_each_rollback_goes_one_further_back_and_never_forth():
    history = [entry(1, "superseded"), entry(2, "superseded"), entry(3, "running")]
    trail = []
    while (found := one_further_back(history, history[-1].revision.id, ())) is not None:
        trail.append(found.number)
        history[-1] = replace(history[-1], outcome="superseded")
        history.append(
            replace(entry(len(history) + 1, "running"), revision=found.revision, of=found.of or found.number)
        )
    assert trail == [2, 1]


@pytest.mark.parametrize(
    ("outcomes", "bad", "expected"),
    [
        (["superseded", "rejected", "running"], (), 1),
        (["superseded", "replaced", "running"], (), 1),
        (["superseded", "superseded", "running"], ("2",), 1),
        (["rejected", "running"], (), None),
        (["superseded", "rejected"], (), 1),
    ],
)
def test_a_rollback_goes_to_what_served_and_is_not_bad(outcomes, bad, expected):
    history = [entry(number, outcome) for number, outcome in enumerate(outcomes, 1)]
    found = one_further_back(history, "3" if len(history) == 3 else None, bad)
    assert (found and found.number) == expected


def test_an_entry_says_where_it_comes_from():
    (own,) = begun([], rollout_to("1", 1), "created", ORIGIN, 5)
    assert (own.source_revision, own.commit, own.by) == ("c0ffee", Commit(id="c0ffee", author="Bob"), ADA)


def test_acts_are_numbered_on_and_the_oldest_make_room():
    acts = []
    for count in range(ACTS_KEPT + 3):
        own, over = acted(acts, Verb.RESTART, ADA, "", count)
        acts = [*(act for act in acts if act not in over), own]
    assert [act.number for act in acts] == list(range(4, ACTS_KEPT + 4))
    assert acts[-1].by.why == "it is slow"
