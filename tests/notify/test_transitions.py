"""What is news, what takes the place of what, and that each state is told once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.snapshot import SourceFailure
from orchestrator.model.source import SourceStatus
from orchestrator.notify.transitions import (
    CommitState,
    MemberState,
    Notice,
    RestingState,
    Transition,
    commit_in,
    commit_notice,
    commit_subject,
    deployment_notice,
    next_told,
    source_notice,
    verdict_of,
)

A, B = DeploymentKey("default", "a"), DeploymentKey("default", "b")
WELL, OPEN, BAD = MemberState(True), MemberState(None), MemberState(False, "it trapped")
WRONG = Diagnostic(severity=Severity.ERROR, summary="unknown key", location=Location(file="x.yaml", line=3, column=1))
UNFETCHED = Diagnostic(severity=Severity.FAILURE, summary="no registry", location=Location(file="y.yaml"))


def commit(state: CommitState) -> Notice:
    return commit_notice("shop", "c1", state, "", 0)


PENDING, SUCCESS, FAILURE, SUPERSEDED = map(commit, CommitState)
READY, FAILED = (
    deployment_notice(A, RestingState(word, "r1", "1.0.0", ""), "shop", "", 0)
    for word in (Transition.READY, Transition.FAILED)
)
STALE = source_notice(
    SourceStatus(source="shop", failure=SourceFailure(source="shop", summary="cannot fetch", detail="timeout")), 0
)
FINE = source_notice(SourceStatus(source="shop"), 0)


@pytest.mark.parametrize(
    ("notice", "told", "queued", "then"),
    [
        (PENDING, None, None, PENDING),
        (PENDING, "success", None, None),  # an instance that starts again is no news
        (PENDING, "failure", None, None),
        (PENDING, None, SUCCESS, SUCCESS),  # which could not be told yet
        (PENDING, "pending", FAILURE, FAILURE),
        (SUCCESS, "pending", PENDING, SUCCESS),
        (SUCCESS, "success", FAILURE, None),  # it is as it was told to be
        (FAILURE, "success", SUCCESS, FAILURE),
        (SUPERSEDED, None, PENDING, None),
        (SUPERSEDED, "pending", None, SUPERSEDED),
        (SUPERSEDED, "success", None, None),
        (READY, None, None, READY),
        (READY, READY.state, None, None),
        (READY, READY.state, FAILED, None),
        (FAILED, READY.state, None, FAILED),
        (STALE, None, None, STALE),
        (FINE, None, None, None),
        (FINE, None, STALE, None),
        (FINE, STALE.state, None, FINE),
    ],
)
def test_the_newest_state_is_told_if_it_is_news(notice, told, queued, then):
    assert next_told(notice, told, queued) == then


def test_what_waits_already_keeps_the_time_at_which_it_happened():
    later = commit_notice("shop", "c1", CommitState.SUCCESS, "", 99)
    assert next_told(later, "pending", SUCCESS) is SUCCESS


@given(st.lists(st.tuples(st.sampled_from([PENDING, SUCCESS, FAILURE]), st.booleans()), max_size=30))
def test_however_often_it_can_be_told_no_state_is_told_twice_running_and_the_last_one_arrives(steps):
    told, queued, heard = None, None, []
    for notice, arrives in [*steps, (steps[-1][0], True)] if steps else []:
        queued = next_told(notice, told, queued)
        if queued is not None and arrives:
            told, queued = queued.state, None
            heard.append(told)
    assert all(one != other for one, other in pairwise(heard))
    assert heard.count("pending") <= 1
    settled = [notice.state for notice, _ in steps if notice is not PENDING]
    if settled:
        assert told == settled[-1]


@pytest.mark.parametrize(
    ("errors", "members", "not_done", "state", "sentence"),
    [
        ([], {}, [], CommitState.SUCCESS, "it holds no deployment"),
        ([], {A: WELL}, [], CommitState.SUCCESS, "1 deployment in force"),
        ([], {A: WELL, B: WELL}, [], CommitState.SUCCESS, "2 deployments in force"),
        ([], {A: WELL, B: OPEN}, [], CommitState.PENDING, "1 of 2 deployments in force so far"),
        ([], {A: BAD, B: OPEN}, [], CommitState.FAILURE, "default/a: it trapped"),
        ([], {A: BAD, B: BAD}, [], CommitState.FAILURE, "default/a: it trapped (and 1 more)"),
        ([], {A: OPEN}, [(B, Status.WAITING)], CommitState.PENDING, "0 of 1 deployment in force so far"),
        ([], {A: OPEN}, [(A, Status.BLOCKED)], CommitState.FAILURE, "default/a: why"),
        ([], {A: BAD}, [(A, Status.HELD)], CommitState.FAILURE, "default/a: why"),
        ([WRONG], {A: WELL}, [], CommitState.FAILURE, "x.yaml:3:1: unknown key"),
        ([WRONG, WRONG], {A: WELL}, [], CommitState.FAILURE, "x.yaml:3:1: unknown key (and 1 more)"),
    ],
)
def test_a_commit_is_as_its_worst_deployment(errors, members, not_done, state, sentence):
    outcomes = [ActionOutcome(key=key, status=status, detail="why") for key, status in not_done]
    assert verdict_of(errors, members, outcomes) == (state, sentence)


def test_a_source_fails_for_its_manifests_and_not_for_a_registry_that_is_down():
    invalid = source_notice(SourceStatus(source="shop", revision="c2", diagnostics=(WRONG,)), 0)
    assert (invalid.word, invalid.state) == ("source-failed", "source-failed invalid c2")
    assert source_notice(SourceStatus(source="shop", diagnostics=(UNFETCHED,)), 0).word == "source-recovered"
    assert STALE.sentence == "cannot fetch: timeout"


def test_a_subject_names_its_commit_whatever_its_source_is_called():
    name = "/srv/git/x y.git#main:a b"
    assert commit_in(commit_subject(name, "c1"), name) == "c1"
    assert commit_in(commit_subject(name, "c1"), "other") == ""
    assert commit_in("deployment default/a", name) == ""
