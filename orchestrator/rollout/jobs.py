"""One tick of a job's rollout: it is run once, and how that ended is how the rollout ends. Called like `advance`."""

from orchestrator.model.base import Value
from orchestrator.model.job import JobOutcome
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.rollout.phases import entered

P = RolloutPhase


class RunFacts(Value, frozen=True):
    """The target's run: how it ended, None while it has not; and whether no run of this deployment is at work."""

    outcome: JobOutcome | None
    none_at_work: bool


def advance_job(rollout: Rollout, facts: RunFacts, now_ms: int) -> Rollout:
    """Take one tick. A run that the end of an agent cut off has no outcome, so it is run again."""
    if rollout.phase is P.PENDING:
        return entered(rollout, P.STARTING, now_ms)
    if rollout.phase is P.STARTING and facts.outcome is not None:
        if facts.outcome.succeeded:
            return entered(rollout, P.SUCCEEDED, now_ms)
        return entered(rollout, P.FAILED, now_ms, str(facts.outcome))
    if rollout.phase is P.ROLLING_BACK and facts.none_at_work:
        return entered(rollout, P.FAILED, now_ms, rollout.conclusion)
    return rollout
