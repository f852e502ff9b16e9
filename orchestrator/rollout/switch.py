"""A rollout that arrives → how long it took, and for how long messages were held back for it. Kept in the history."""

from orchestrator.model.facts import Switch
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.rollout.course import Course, course


def switch_of(promoting: Rollout) -> Switch | None:
    """Return the switch of a rollout that was promoting until now; None for a first version, and for a job.

    Messages are held from the beginning of a rollout to its promotion, where only one version may work at a time.
    """
    way = course(promoting)
    if promoting.phase is not RolloutPhase.PROMOTING or way is Course.FIRST:
        return None
    took_ms = max(0, promoting.phase_since_ms - promoting.started_ms)
    return Switch(took_ms=took_ms, held_ms=took_ms if way.holds else 0)
