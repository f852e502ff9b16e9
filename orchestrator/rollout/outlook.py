"""A canary's policy and a rate of messages → whether its analysis can come to a conclusion. Asked by plans."""

from typing import assert_never

from orchestrator.model.spec import PauseStep, RolloutPolicy, WeightStep
from orchestrator.rollout.analysis import interval_ms, patience_ms, silence_limit, wanted_messages


def why_inconclusive(policy: RolloutPolicy, per_s: float) -> str:
    """Say why a canary of a deployment with so many messages a second will wait for a person; empty if it need not."""
    weight = next((step.weight for step in policy.steps if isinstance(step, WeightStep)), 0)
    silence_ms = silence_limit(policy) * interval_ms(policy)
    if per_s * weight / 100 * silence_ms / 1000 < 1:
        checks = f"{silence_limit(policy)} check{'s' * (silence_limit(policy) != 1)}"
        return f"with {weight} % of them, {checks} in a row ({silence_ms / 1000:g}s) would see no message"
    expected, wanted = expected_messages(policy, per_s), wanted_messages(policy)
    if expected is None or expected >= wanted:
        return ""
    within = f"within {patience_ms(policy) / 1000:g}s"
    return f"by its steps it would get about {expected:.0f} of them {within}, and a check judges {wanted}"


def expected_messages(policy: RolloutPolicy, per_s: float) -> float | None:
    """Return how many messages the new version gets until patience ends; None where a person is waited for before."""
    left_ms, weight, expected = patience_ms(policy), 0, 0.0
    for step in policy.steps:
        match step:
            case WeightStep(weight=weight):
                continue
            case PauseStep(duration_ms=None):
                return None
            case PauseStep(duration_ms=pause_ms):
                span_ms = min(left_ms, pause_ms or 0)
            case _:
                assert_never(step)
        expected += per_s * weight / 100 * span_ms / 1000
        left_ms -= span_ms
        if not left_ms:
            return expected
    return expected + per_s * weight / 100 * left_ms / 1000
