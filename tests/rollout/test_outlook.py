"""Whether an analysis can conclude at a rate: policy × messages a second."""

import pytest
from msgspec.structs import replace

from orchestrator.model.spec import PauseStep, RolloutPolicy, Strategy, WeightStep
from orchestrator.rollout.outlook import expected_messages, why_inconclusive
from tests.rollout.worlds import ANALYSIS, STEPS

# Patience is 60 s: 30 s with 10 %, then 30 s with 50 %.
POLICY = RolloutPolicy(strategy=Strategy.CANARY, steps=STEPS, analysis=ANALYSIS, progress_deadline_ms=60_000)


def having(policy: RolloutPolicy = POLICY, **analysis: object) -> RolloutPolicy:
    return replace(policy, analysis=replace(policy.analysis, **analysis))


@pytest.mark.parametrize(
    ("policy", "per_s", "why"),
    [
        (POLICY, 3, ""),
        (POLICY, 2, "by its steps it would get about 36 of them within 60s, and a check judges 50"),
        (having(minimum_messages=36), 2, ""),
        (POLICY, 0.1, "with 10 % of them, 3 checks in a row (15s) would see no message"),
        (POLICY, 0, "with 10 % of them, 3 checks in a row (15s) would see no message"),
        (having(inconclusive_limit=0), 1, "with 10 % of them, 1 check in a row (5s) would see no message"),
        (having(inconclusive_limit=1000, minimum_messages=10), 0.1, ""),  # which is patience for more than an hour
        (replace(POLICY, steps=(WeightStep(weight=10), PauseStep())), 1, ""),  # a person is waited for anyway
        (replace(POLICY, steps=(WeightStep(weight=100),)), 1, ""),
        (replace(POLICY, steps=(WeightStep(weight=20),), progress_deadline_ms=10_000), 10, "about 30 of them"),
    ],
)
def test_an_analysis_that_cannot_conclude_says_why(policy, per_s, why):
    assert why in why_inconclusive(policy, per_s)
    assert bool(why) == bool(why_inconclusive(policy, per_s))


def test_what_is_expected_follows_the_steps_and_ends_with_patience():
    assert expected_messages(POLICY, 10) == pytest.approx(30 + 150)
    assert expected_messages(replace(POLICY, steps=(PauseStep(duration_ms=600_000), *STEPS)), 10) == 0
