"""Record → whether it is suspended: asked by `execute`, which stops it, and by whoever shows or refuses something."""

from orchestrator.model.observed import Record
from orchestrator.model.rollout import RolloutPhase


def is_suspended(record: Record) -> bool:
    """Whether what is in force says so: what a rollout leads to, else what serves, else what is wanted."""
    rollout = record.rollout
    leads_on = rollout is not None and not rollout.phase.is_over and rollout.phase is not RolloutPhase.ROLLING_BACK
    target = rollout.target if rollout is not None and leads_on else None
    return (target or record.stable or record.wanted).suspend
