"""Conditions: a row for each way a deployment can be, and since when each answer is so."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from orchestrator.agent.condition_times import ConditionTimes
from orchestrator.agent.conditions import Conditions, conditions_of
from orchestrator.agent.describe import describe, describe_recorded
from orchestrator.agent.describe_sources import SourceSeen
from orchestrator.model.condition import ConditionType, Truth
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Barred, ObservedDeployment
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.snapshot import SourceFailure
from orchestrator.model.source import SourceNote, SourceStatus
from orchestrator.store.stalls import Stall

from .test_describe import HELD_NEW, KEY, OLD, ROWS, SOURCE, WATCHED, both, of, record

ANSWERS = {  # of Ready, Reconciling and Stalled: true or false, and because of what
    "runs": ("T Serving", "F AtRest", "F NothingInTheWay"),
    "has none yet that is ready": ("F Starting", "T Starting", "F NothingInTheWay"),
    "has none at all yet": ("F Starting", "T Starting", "F NothingInTheWay"),
    "has one of two": ("F TooFewReady", "T Recovering", "F NothingInTheWay"),
    "has one too many": ("T Serving", "T Scaling", "F NothingInTheWay"),
    "is degraded by its own word": ("F Degraded", "F AtRest", "F NothingInTheWay"),
    "is unhealthy by a call": ("F TooFewReady", "T Recovering", "F NothingInTheWay"),
    "names three that are not well": ("F Degraded", "T Recovering", "F NothingInTheWay"),
    "gave up": ("F GaveUp", "F AtRest", "T GaveUp"),
    "gave up with its group": ("F GaveUp", "F AtRest", "T GaveUp"),
    "is in a group that is well": ("T Serving", "F AtRest", "F NothingInTheWay"),
    "ended by its restart policy": ("F Stopped", "F AtRest", "F NothingInTheWay"),
    "is restarted by hand": ("T Serving", "T Restarting", "F NothingInTheWay"),
    "lacks what it depends on": ("T Serving", "F AtRest", "T MissingDependency"),
    "lacks several": ("T Serving", "F AtRest", "T MissingDependency"),
    "cannot be looked after and runs": ("T Serving", "F AtRest", "T HostFault"),
    "cannot be looked after nor runs": ("F Starting", "F AtRest", "T HostFault"),
    "is being removed": ("F Removing", "T Removing", "F NothingInTheWay"),
    "is being removed while held": ("F Removing", "T Removing", "F NothingInTheWay"),
    "starts for the first time": ("F FirstRollout", "T RollingOut", "F NothingInTheWay"),
    "never ran": ("F NeverServed", "F AtRest", "T Failed"),
    "never ran, which holds it": ("F NeverServed", "F AtRest", "T Rejected"),
    "rolls out": ("T Serving", "T RollingOut", "F NothingInTheWay"),
    "is paused, all in place": ("T Serving", "F AtRest", "T Paused"),
    "is paused, one still to come": ("T Serving", "F AtRest", "T Paused"),
    "is paused over one that failed": ("T Serving", "F AtRest", "T Paused"),
    "goes back": ("T Serving", "T RollingBack", "F NothingInTheWay"),
    "keeps the old version warm": ("T Serving", "F AtRest", "F NothingInTheWay"),
    "is held after a failure": ("T Serving", "F AtRest", "T Rejected"),
    "is held after a rollback": ("T Serving", "F AtRest", "T RolledBack"),
    "is held at another revision of one version": ("T Serving", "F AtRest", "T RolledBack"),
    "is suspended": ("F Suspended", "F AtRest", "F NothingInTheWay"),
    "is suspended before it ever started": ("F Suspended", "F AtRest", "F NothingInTheWay"),
    "is suspended amid a canary": ("F Suspended", "F AtRest", "F NothingInTheWay"),
    "is suspended amid a rollout that has no traffic yet": ("F Suspended", "F AtRest", "F NothingInTheWay"),
    "is suspended and held": ("F Suspended", "F AtRest", "T Rejected"),
    "a job is to run": ("F Running", "T RunningJob", "F NothingInTheWay"),
    "a job runs": ("F Running", "T RunningJob", "F NothingInTheWay"),
    "a job is suspended before it ran": ("F Suspended", "F AtRest", "F NothingInTheWay"),
    "a job succeeded": ("T Succeeded", "F AtRest", "F NothingInTheWay"),
    "a job ended with a code": ("F Failed", "F AtRest", "T Rejected"),
    "a job's next version took too long": ("F Failed", "F AtRest", "T Rejected"),
    "a job was rolled back": ("T Succeeded", "F AtRest", "T RolledBack"),
    "a job waits for its schedule": ("T Scheduled", "F AtRest", "F NothingInTheWay"),
    "a job by schedule is at work": ("T Scheduled", "F AtRest", "F NothingInTheWay"),
    "a job by schedule failed last": ("F LastRunFailed", "F AtRest", "F NothingInTheWay"),
    "its source wants another that nobody tries yet": ("T Serving", "T OutOfSync", "F NothingInTheWay"),
}


def answers(conditions: Conditions) -> tuple[str, ...]:
    return tuple(f"{each.status.value[0]} {each.reason}" for each in conditions)


def seen_as(seen: ObservedDeployment, source: SourceSeen = WATCHED) -> Conditions:
    return conditions_of(seen, describe(seen, source), source)


@pytest.mark.parametrize("name", ROWS)
def test_what_a_deployment_answers(name: str):
    assert answers(seen_as(ROWS[name].seen)) == ANSWERS[name]


@pytest.mark.parametrize("name", ROWS)
def test_what_is_at_rest_and_not_as_wanted_is_stalled_or_says_why_it_is_not_ready(name: str):
    ready, reconciling, stalled = seen_as(ROWS[name].seen)
    if ROWS[name].ending is None:
        assert reconciling.status is Truth.TRUE or stalled.status is Truth.TRUE
    elif ready.status is not Truth.TRUE:
        assert stalled.status is Truth.TRUE or ready.reason in ("Suspended", "Stopped", "Degraded", "LastRunFailed")


STALE = SourceNote(
    status=SourceStatus(source=SOURCE, failure=SourceFailure(SOURCE, "gone", "no such branch"), stale_since_ms=77),
    read_ms=70,
)


@pytest.mark.parametrize(
    ("source", "reason", "message", "since"),
    [
        (WATCHED._replace(note=STALE), "SourceUnreadable", "gone: no such branch", 77),
        (
            WATCHED._replace(left={KEY: ActionOutcome(key=KEY, status=Status.BLOCKED, detail="a rule")}),
            "Blocked", "a rule", 0,
        ),
        (
            WATCHED._replace(left={KEY: ActionOutcome(key=KEY, status=Status.FAILED, detail="no room")}),
            "Failed", "no room", 0,
        ),
    ],
)  # fmt: skip
def test_what_is_elsewhere_stalls_it_too(source: SourceSeen, reason: str, message: str, since: int):
    ready, _, stalled = seen_as(of(record(), both()), source)
    assert ready.status is Truth.TRUE
    assert (stalled.status, stalled.reason, stalled.message, stalled.since) == (Truth.TRUE, reason, message, since)


def test_an_invalid_manifest_stalls_it_while_it_serves():
    broken = WATCHED._replace(desired=DesiredState(source=SOURCE, invalid=(KEY,)))
    assert answers(seen_as(of(record(), both()), broken)) == ("T Serving", "F AtRest", "T InvalidManifest")


def test_what_a_policy_stopped_says_so():
    barred = record(barred=Barred(revision=OLD.revision.id, reason="policy prod forbids it", at_ms=9))
    ready, _, stalled = seen_as(of(barred))
    assert (ready.reason, stalled.reason, stalled.since) == ("PolicyRefused", "PolicyRefused", 9)


def test_without_an_agent_nobody_can_tell_whether_it_serves():
    source = WATCHED._replace(is_agent_running=False)
    seen = replace(of(HELD_NEW), instances=None)
    ready, _, stalled = conditions_of(seen, describe_recorded(seen, source), source)
    assert (ready.status, ready.reason) == (Truth.UNKNOWN, "NoAgent")
    assert (stalled.status, stalled.reason, stalled.since) == (Truth.TRUE, "Rejected", 5), "which is recorded"


# ---- since when ----


class Noted:
    """What the store would keep."""

    def __init__(self, stalls: Iterable[Stall] = ()) -> None:
        self.kept = {stall.key: stall for stall in stalls}

    def all(self) -> dict[DeploymentKey, Stall]:
        return dict(self.kept)

    def keep(self, note: Stall) -> None:
        self.kept[note.key] = note

    def drop(self, key: DeploymentKey) -> None:
        del self.kept[key]


class Hands:
    """A clock that is set by hand."""

    now = 100

    def wall_ms(self) -> int:
        return self.now


def since(conditions: Conditions) -> list[int]:
    return [each.since for each in conditions]


def times(noted: Noted, clock: Hands) -> ConditionTimes:
    return ConditionTimes(lambda _key: None, dict, noted, clock)  # type: ignore[arg-type]


def test_a_condition_is_so_since_its_answer_or_its_reason_changed():
    clock, noted = Hands(), Noted()
    known = times(noted, clock)
    runs, down = ROWS["runs"].seen, ROWS["has one of two"].seen
    assert since(known.dated(KEY, seen_as(runs))) == [100, 100, 100]
    clock.now = 200
    assert since(known.dated(KEY, seen_as(runs))) == [100, 100, 100]
    assert since(known.dated(KEY, seen_as(down))) == [200, 200, 100]
    clock.now = 300
    assert since(known.dated(KEY, seen_as(runs))) == [300, 300, 100]


def test_what_its_record_says_counts_more():
    assert since(times(Noted(), Hands()).dated(KEY, seen_as(ROWS["is held after a failure"].seen))) == [100, 100, 5]


def test_that_it_waits_for_a_person_outlives_the_agent():
    clock, noted = Hands(), Noted()
    gave_up = seen_as(ROWS["gave up"].seen)
    times(noted, clock).dated(KEY, gave_up)
    clock.now = 900
    after = times(noted, clock)
    assert since(after.dated(KEY, gave_up)) == [900, 900, 100]
    after.dated(KEY, seen_as(ROWS["runs"].seen))
    assert noted.kept == {}
    clock.now = 950
    assert since(after.dated(KEY, gave_up)) == [950, 900, 950]


def test_every_question_is_answered_once():
    assert [each.type for each in seen_as(ROWS["runs"].seen)] == [*ConditionType]
