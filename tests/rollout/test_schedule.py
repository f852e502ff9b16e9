"""What a schedule comes to: run, skipped, made up for or waited for; and how far it counts as attended to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.job import Attended, RunCause, Schedule, WhenAtWork, WhenMissed
from orchestrator.rollout.schedule import AHEAD_MS, LATE_MS, Next, attended_from, schedule_step

NOW = 10_000_000
DAILY = "0 0 * * *"


def schedule(**fields: Any) -> Schedule:
    return Schedule(cron=DAILY, **fields)


FORBID, REPLACE, ALLOW = (schedule(concurrency=way) for way in WhenAtWork)
SKIP = schedule(missed=WhenMissed.SKIP)
LONG_AGO = NOW - LATE_MS - 1

STEPS = {
    "nothing was ever due": (FORBID, 0, None, False, Next.WAIT, None),
    "what was due is attended to": (FORBID, NOW - 5, NOW - 5, False, Next.WAIT, None),
    "it is due": (FORBID, 0, NOW - 5, False, Next.BEGIN, RunCause.SCHEDULE),
    "it is due while one is at work": (FORBID, 0, NOW - 5, True, Next.SKIP, RunCause.SCHEDULE),
    "and may replace it": (REPLACE, 0, NOW - 5, True, Next.REPLACE, RunCause.SCHEDULE),
    "which is gone": (REPLACE, 0, NOW - 5, False, Next.BEGIN, RunCause.SCHEDULE),
    "and may run beside it": (ALLOW, 0, NOW - 5, True, Next.BEGIN, RunCause.SCHEDULE),
    "it was missed": (FORBID, 0, LONG_AGO, False, Next.BEGIN, RunCause.MISSED),
    "it was missed and is not made up for": (SKIP, 0, LONG_AGO, False, Next.SKIP, RunCause.MISSED),
    "it is a little late": (SKIP, 0, NOW - LATE_MS, False, Next.BEGIN, RunCause.SCHEDULE),
}


@pytest.mark.parametrize(("wish", "attended", "due", "is_at_work", "verb", "cause"), STEPS.values(), ids=STEPS)
def test_what_is_done(
    wish: Schedule, attended: int, due: int | None, is_at_work: bool, verb: Next, cause: RunCause | None
):
    step = schedule_step(wish, attended, due, NOW, is_at_work=is_at_work)
    assert step.verb is verb
    if cause is not None:
        assert (step.cause, step.due_ms) == (cause, due)
        assert bool(step.why) is (verb is Next.SKIP)


@given(st.integers(0, NOW), st.integers(0, NOW), st.booleans(), st.sampled_from([FORBID, REPLACE, ALLOW, SKIP]))
def test_what_was_attended_to_is_never_run_again(attended: int, due: int, is_at_work: bool, wish: Schedule):
    step = schedule_step(wish, attended, due, NOW, is_at_work=is_at_work)
    assert (step.verb is Next.WAIT) is (due <= attended)


def attended(at_ms: int, cron: str = DAILY, zone: str = "UTC") -> Attended:
    return Attended(cron=cron, time_zone=zone, at_ms=at_ms)


@pytest.mark.parametrize(
    ("before", "from_ms"),
    [
        (None, NOW),  # it is new: what was due before is nobody's
        (attended(5), 5),
        (attended(5, cron="0 1 * * *"), NOW),
        (attended(5, zone="Europe/Berlin"), NOW),
        (attended(NOW + AHEAD_MS), NOW + AHEAD_MS),  # the clock was set back a little: nothing is run twice
        (attended(NOW + AHEAD_MS + 1), NOW),  # it was far ahead, and would keep the job from running for years
    ],
)
def test_how_far_it_is_attended_to(before: Attended | None, from_ms: int):
    assert attended_from(schedule(), before, NOW) == attended(from_ms)
