"""A rollout and its target edited meanwhile → the rollout, its position, reason and deadlines computed anew."""

from msgspec.structs import replace

from orchestrator.model.rollout import Rollout, RolloutPhase, WaitsFor
from orchestrator.model.spec import Deployment, PauseStep, WeightStep
from orchestrator.rollout import steps
from orchestrator.rollout.analysis import vouched_for
from orchestrator.rollout.phases import entered
from orchestrator.rollout.steps import Step

P = RolloutPhase


def edited(rollout: Rollout, target: Deployment, now_ms: int) -> Rollout:
    """Go on to `target`, which is the same revision with other fields in place."""
    before, after = rollout.target.rollout, target.rollout
    if rollout.target == target:
        return rollout
    moved = replace(
        rollout,
        target=target,
        deadline_ms=rollout.deadline_ms + after.progress_deadline_ms - before.progress_deadline_ms,
        keep_until_ms=rollout.keep_until_ms + after.keep_previous_ms - before.keep_previous_ms
        if rollout.keep_until_ms
        else 0,
    )
    if moved.phase not in (P.PROGRESSING, P.PAUSED) or before == after:
        return moved
    if before.steps != after.steps:
        moved = _placed(moved, position(before.steps, after.steps, rollout.step), now_ms)
    if before.analysis != after.analysis and moved.waits_for is WaitsFor.MESSAGES:
        moved = vouched_for(entered(moved, P.PROGRESSING, now_ms))
    return _with_its_reason(moved, now_ms)


def position(before: tuple[Step, ...], after: tuple[Step, ...], index: int) -> int:
    """Return which of the new steps a rollout stands at that stands at `index` of the old; -1 before the first.

    The same step stays the same, and so does a pause of another length. Else it is the last weight that does not give
    the new version more than it has: an edit alone never raises it, and no pause that follows is passed over.
    """
    same = before[:index] == after[:index]
    if index < 0 or (same and index >= len(before)):  # the last step was done, and others follow it now
        return min(index, len(before) - 1)
    if same and index < min(len(before), len(after)) and _is_alike(before[index], after[index]):
        return index
    weight, found = steps.weight_at(before, index), -1
    for place, step in enumerate(after):
        if isinstance(step, WeightStep) and step.weight > weight:
            break
        if isinstance(step, WeightStep):
            found = place
    return found


def _is_alike(one: Step, other: Step) -> bool:
    return one == other or (isinstance(one, PauseStep) and isinstance(other, PauseStep))


def _placed(rollout: Rollout, index: int, now_ms: int) -> Rollout:
    since_ms = rollout.step_since_ms if index == rollout.step else now_ms
    weight = steps.weight_at(rollout.target.rollout.steps, index)
    return replace(rollout, step=index, step_since_ms=since_ms, weight=weight)


def _with_its_reason(rollout: Rollout, now_ms: int) -> Rollout:
    is_endless = steps.is_endless(steps.current(rollout))
    if rollout.phase is P.PROGRESSING or rollout.waits_for is WaitsFor.STEP:
        return steps.waiting(rollout, now_ms) if is_endless else steps.going_on(rollout, now_ms)
    return rollout
