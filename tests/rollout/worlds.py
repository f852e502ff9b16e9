"""Values that the rollout tests are made of; nothing of ours is replaced here."""

from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import (
    Analysis,
    Deployment,
    Limits,
    PauseStep,
    Revision,
    RolloutPolicy,
    Strategy,
    WeightStep,
)
from orchestrator.rollout.advance import advance, begin
from orchestrator.rollout.facts import Facts

T0 = 1_700_000_000_000
LIMITS = Limits(memory_bytes=1 << 24, fuel=1_000_000, timeout_ms=1_000)
ANALYSIS = Analysis(interval_ms=5_000, minimum_messages=50, failure_limit=1, inconclusive_limit=3, error_rate_max=0.01)
STEPS = (WeightStep(weight=10), PauseStep(duration_ms=30_000), WeightStep(weight=50), PauseStep(duration_ms=30_000))

CALM = Facts(
    wanted=2,
    ready=2,
    old_ready=2,
    gave_up=False,
    unhealthy=False,
    failed_start="",
    old_drained=False,
    old_asks=False,
    old_gone=False,
    new_gone=False,
    new_messages=0,
    new_errors=0,
)
NOT_YET = replace(CALM, ready=0)


def target(strategy=Strategy.BLUE_GREEN, *, stateful=False, steps=(), analysis=ANALYSIS):
    revision = Revision(
        id="b" * 64,
        component="hello",
        version="1.1.0",
        artifact="sha256:" + "b" * 64,
        stateful=stateful,
        config="{}",
        grants=(),
        limits=LIMITS,
    )
    policy = RolloutPolicy(
        strategy=strategy, steps=steps, analysis=analysis, progress_deadline_ms=60_000, keep_previous_ms=600_000
    )
    key = DeploymentKey(namespace="default", name="hello")
    return Deployment(key=key, revision=revision, replicas=2, rollout=policy)


def rollout(strategy=Strategy.BLUE_GREEN, *, stable="a" * 64, cause=Cause.APPLY, **more) -> Rollout:
    return begin(target(strategy, **more), stable, cause, T0)


def settle(value: Rollout, facts: Facts, now_ms: int) -> Rollout:
    for _ in range(50):
        after = advance(value, facts, now_ms)
        if after == value:
            return value
        value = after
    raise AssertionError("a rollout that never settles")


def phases(value: Rollout, facts: Facts, now_ms: int) -> list[str]:
    """The phases passed through until nothing changes any more, the present one first."""
    passed = [value.phase.value]
    while (after := advance(value, facts, now_ms)) != value:
        if after.phase != value.phase:
            passed.append(after.phase.value)
        value = after
    return passed
