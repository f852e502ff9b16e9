"""What is written to a deployment's history when rollouts begin and end."""

from orchestrator.execute.history import ACTS_KEPT, Origin, acted, begun, beyond, promoted, rejected
from orchestrator.model.commit import Commit
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Number
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Deployment, Limits, Revision
from orchestrator.model.who import By, Peer, Verb

ADA = By(peer=Peer(uid=1000, user="ada"), why="it is slow")
ORIGIN = Origin("c0ffee", Commit(id="c0ffee", author="Bob"), ADA)


def revision(version: str) -> Revision:
    limits = Limits(memory_bytes=1, fuel=1, timeout_ms=1)
    return Revision(
        id=version, component="c", version=version, artifact="sha256:0", stateful=False, config="", grants=(),
        limits=limits,
    )  # fmt: skip


def rollout_to(version: str) -> Rollout:
    key = DeploymentKey(namespace="default", name="c")
    return Rollout(target=Deployment(key=key, revision=revision(version)), stable=None, cause=Cause.APPLY)


def entry(number: int, outcome: str) -> Number:
    return Number(
        number=number, revision=revision(str(number)), cause=Cause.APPLY, reason="", started_ms=number, outcome=outcome
    )


def outcomes(numbers):
    return [(n.number, n.outcome) for n in numbers]


def test_the_first_rollout_is_number_one_and_unfinished():
    assert outcomes(begun([], rollout_to("1"), "created", ORIGIN, 5)) == [(1, "")]


def test_numbers_go_on_where_they_were_even_after_the_oldest_were_dropped():
    assert outcomes(begun([entry(7, "running")], rollout_to("8"), "", ORIGIN, 5)) == [(8, "")]


def test_a_rollout_that_replaces_an_unfinished_one_ends_it():
    written = begun([entry(1, "running"), entry(2, "")], rollout_to("3"), "", ORIGIN, 5)
    assert outcomes(written) == [(2, "superseded"), (3, "")]


def test_promotion_ends_what_ran_and_begins_the_newest():
    assert outcomes(promoted([entry(1, "running"), entry(2, "")], 9)) == [(1, "superseded"), (2, "running")]


def test_a_rejection_keeps_its_reason_and_touches_nothing_else():
    (written,) = rejected([entry(1, "running"), entry(2, "")], "too many errors", 9)
    assert (written.number, written.outcome, written.reason, written.ended_ms) == (2, "rejected", "too many errors", 9)


def test_only_finished_entries_beyond_retain_are_dropped_the_oldest_first():
    kept = [entry(1, "superseded"), entry(2, "rejected"), entry(3, "superseded"), entry(4, "running")]
    assert outcomes(beyond(kept, 3)) == [(1, "superseded")]
    assert outcomes(beyond(kept, 1)) == [(1, "superseded"), (2, "rejected"), (3, "superseded")]
    assert beyond(kept, 4) == []


def test_an_entry_says_where_it_comes_from():
    (own,) = begun([], rollout_to("1"), "created", ORIGIN, 5)
    assert (own.source_revision, own.commit, own.by) == ("c0ffee", Commit(id="c0ffee", author="Bob"), ADA)


def test_acts_are_numbered_on_and_the_oldest_make_room():
    acts = []
    for count in range(ACTS_KEPT + 3):
        own, over = acted(acts, Verb.RESTART, ADA, "", count)
        acts = [*(act for act in acts if act not in over), own]
    assert [act.number for act in acts] == list(range(4, ACTS_KEPT + 4))
    assert acts[-1].by.why == "it is slow"
