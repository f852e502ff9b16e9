"""How long a rollout took to take over, and for how long of that messages were held."""

import pytest
from msgspec.structs import replace

from orchestrator.model.facts import Switch
from orchestrator.model.rollout import Cause, RolloutPhase
from orchestrator.model.spec import Strategy
from orchestrator.rollout.advance import begin
from orchestrator.rollout.switch import switch_of
from tests.plan.build import by, deployment, revision

PLAIN = deployment(version="2.0.0")
HOLDING = deployment(version="2.0.0", revision=revision("2.0.0", stateful=True))


def promoting(target, stable="old", at_ms=1_250):
    return replace(begin(target, stable, Cause.APPLY, 1_000), phase=RolloutPhase.PROMOTING, phase_since_ms=at_ms)


@pytest.mark.parametrize(("rollout", "switch"), [
    (promoting(PLAIN), Switch(took_ms=250)),
    (promoting(HOLDING), Switch(took_ms=250, held_ms=250)),
    (promoting(replace(PLAIN, rollout=by(Strategy.RECREATE))), Switch(took_ms=250, held_ms=250)),
    (promoting(HOLDING, at_ms=900), Switch(took_ms=0)),  # a clock that was set back
    (promoting(PLAIN, stable=None), None),
    (replace(promoting(PLAIN), phase=RolloutPhase.STARTING), None),  # a job ends where it started
])  # fmt: skip
def test_a_switch_is_from_the_beginning_to_the_promotion(rollout, switch):
    assert switch_of(rollout) == switch
