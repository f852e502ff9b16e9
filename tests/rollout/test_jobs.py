"""A job's rollout: begun, run once, and ended as the run ended."""

import pytest
from msgspec.structs import replace

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.job import COULD_NOT_START, JobOutcome
from orchestrator.model.rollout import RolloutPhase
from orchestrator.rollout.jobs import RunFacts, advance_job
from tests.rollout.worlds import T0, rollout

P = RolloutPhase
DONE, FAILED = JobOutcome(code=0), JobOutcome(code=3)
DEADLINE = JobOutcome(reason=ExitReason(kind=ExitKind.DEADLINE, detail="the call took longer than its timeout"))

TICKS = {
    "begins": (P.PENDING, None, True, P.STARTING, ""),
    "runs": (P.STARTING, None, False, P.STARTING, "why"),
    "succeeds": (P.STARTING, DONE, True, P.SUCCEEDED, ""),
    "fails": (P.STARTING, FAILED, True, P.FAILED, "exit code 3"),
    "is ended": (P.STARTING, DEADLINE, True, P.FAILED, "deadline: the call took longer than its timeout"),
    "is being aborted": (P.ROLLING_BACK, None, False, P.ROLLING_BACK, "why"),
    "was aborted": (P.ROLLING_BACK, None, True, P.FAILED, "why"),
    "is over": (P.SUCCEEDED, FAILED, True, P.SUCCEEDED, "why"),
}


@pytest.mark.parametrize(("phase", "outcome", "none", "after", "why"), TICKS.values(), ids=TICKS.keys())
def test_each_tick_follows_the_run(phase, outcome, none, after, why):
    before = replace(rollout(), phase=phase, conclusion="why")
    ticked = advance_job(before, RunFacts(outcome=outcome, none_at_work=none), T0 + 1)
    assert (ticked.phase, ticked.conclusion) == (after, why)


@pytest.mark.parametrize("kind", ExitKind)
def test_every_way_to_be_ended_has_an_exit_code_that_is_none_of_success(kind):
    outcome = JobOutcome(reason=ExitReason(kind=kind))
    assert 124 <= outcome.exit_code <= 137
    assert not outcome.succeeded
    assert str(outcome) == kind.value
    assert (outcome.exit_code == COULD_NOT_START) == (
        kind
        in (
            ExitKind.INITIALIZE_FAILED, ExitKind.HOST_FAULT, ExitKind.STUCK_CALLS, ExitKind.NORMAL, ExitKind.UNHEALTHY,
        )
    )  # fmt: skip
