"""A canary's steps: which one is carried out, whether it is done, and the weight that comes with it."""

from collections.abc import Sequence

from msgspec.structs import replace

from orchestrator.model.rollout import Rollout, RolloutPhase, WaitsFor
from orchestrator.model.spec import PauseStep, WeightStep
from orchestrator.rollout.phases import entered

Step = WeightStep | PauseStep


def weight_at(steps: Sequence[Step], index: int) -> int:
    """Return the last weight at or before step `index`, 0 before the first."""
    weights = [step.weight for step in steps[: index + 1] if isinstance(step, WeightStep)]
    return weights[-1] if weights else 0


def current(rollout: Rollout) -> Step | None:
    """Return the step that is being carried out; None before the first and after the last."""
    steps = rollout.target.rollout.steps
    return steps[rollout.step] if 0 <= rollout.step < len(steps) else None


def are_over(rollout: Rollout) -> bool:
    """Whether the last step is done."""
    return rollout.step >= len(rollout.target.rollout.steps)


def is_endless(step: Step | None) -> bool:
    """Whether the step waits for a person."""
    return isinstance(step, PauseStep) and step.duration_ms is None


def done_ms(rollout: Rollout) -> int:
    """Say when the current step is done; a weight is, at once."""
    step = current(rollout)
    wait_ms = step.duration_ms or 0 if isinstance(step, PauseStep) else 0
    return rollout.step_since_ms + wait_ms


def next_step(rollout: Rollout, now_ms: int) -> Rollout:
    """Begin the next step; one that waits for a person pauses the rollout."""
    steps = rollout.target.rollout.steps
    index = min(rollout.step + 1, len(steps))
    moved = replace(rollout, step=index, step_since_ms=now_ms, weight=weight_at(steps, index))
    return waiting(moved, now_ms) if is_endless(current(moved)) else going_on(moved, now_ms)


def waiting(rollout: Rollout, now_ms: int) -> Rollout:
    """Pause at a step that waits for a person, and say which."""
    count = len(rollout.target.rollout.steps)
    why = f"step {rollout.step + 1} of {count} waits for `airs rollout promote {rollout.target.key}`"
    return paused(rollout, WaitsFor.STEP, why, now_ms)


def paused(rollout: Rollout, waits_for: WaitsFor, why: str, now_ms: int) -> Rollout:
    """Pause, or go on pausing for another reason."""
    since_ms = rollout.phase_since_ms if rollout.phase is RolloutPhase.PAUSED else now_ms
    return replace(
        rollout, phase=RolloutPhase.PAUSED, phase_since_ms=since_ms, conclusion=why, waits_for=waits_for
    )  # fmt: skip


def going_on(rollout: Rollout, now_ms: int) -> Rollout:
    """Carry out the step, paused before or not."""
    return rollout if rollout.phase is RolloutPhase.PROGRESSING else entered(rollout, RolloutPhase.PROGRESSING, now_ms)
