"""The order of phases: the table that every tick and command is tested against, and its picture."""

from msgspec.structs import replace

from orchestrator.model.rollout import Rollout, RolloutPhase

P = RolloutPhase

# A retry after `failed` is a new rollout, so both ends are final.
TRANSITIONS: dict[RolloutPhase, frozenset[RolloutPhase]] = {
    P.PENDING: frozenset({P.STARTING, P.ROLLING_BACK}),
    P.STARTING: frozenset({P.GATING, P.SUCCEEDED, P.FAILED, P.ROLLING_BACK}),  # a job ends where it started
    P.GATING: frozenset({P.STARTING, P.PROGRESSING, P.PROMOTING, P.ROLLING_BACK}),
    P.PROGRESSING: frozenset({P.PAUSED, P.PROMOTING, P.ROLLING_BACK}),
    P.PAUSED: frozenset({P.PROGRESSING, P.PROMOTING, P.ROLLING_BACK}),
    P.PROMOTING: frozenset({P.KEEPING, P.SUCCEEDED, P.ROLLING_BACK}),
    P.KEEPING: frozenset({P.SUCCEEDED}),
    P.ROLLING_BACK: frozenset({P.FAILED}),
    P.SUCCEEDED: frozenset(),
    P.FAILED: frozenset(),
}


def entered(rollout: Rollout, phase: RolloutPhase, now_ms: int, conclusion: str = "") -> Rollout:
    """Move to `phase`, and forget the conclusion of the earlier one."""
    assert phase in TRANSITIONS[rollout.phase], f"{rollout.phase.value} → {phase.value}"
    return replace(rollout, phase=phase, phase_since_ms=now_ms, conclusion=conclusion, waits_for=None)


def promoting(rollout: Rollout, now_ms: int) -> Rollout:
    """Give the new revision everything."""
    return replace(entered(rollout, P.PROMOTING, now_ms), weight=100)


def rolling_back(rollout: Rollout, reason: str, now_ms: int) -> Rollout:
    """Take everything from the new revision, because of `reason`."""
    return replace(entered(rollout, P.ROLLING_BACK, now_ms, reason), weight=0)


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {_id(P.PENDING)}"]
    for phase, following in TRANSITIONS.items():
        lines += [f"    {_id(phase)} --> {_id(after)}" for after in P if after in following]
        lines += [] if following else [f"    {_id(phase)} --> [*]"]
    return "\n".join(lines) + "\n"


def _id(phase: RolloutPhase) -> str:
    return phase.value.replace("-", "_")  # Mermaid reads a dash as part of an arrow
