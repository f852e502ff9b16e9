"""An operator's commands to a rollout: every phase answers every command with a rollout or a reason why not.

Called by `execute`, whose `commands.py` decides about whole deployments.
"""

import msgspec
from msgspec.structs import replace

from orchestrator.model.rollout import Rollout, RolloutPhase, WaitsFor
from orchestrator.rollout import steps
from orchestrator.rollout.advance import NO_INSTANCES
from orchestrator.rollout.analysis import vouched_for
from orchestrator.rollout.course import course
from orchestrator.rollout.phases import promoting, rolling_back

P = RolloutPhase


class Refusal(msgspec.Struct, frozen=True):
    """The reason why a command does nothing, and what would; `is_unknown` where there is no such deployment."""

    reason: str
    suggestion: str = ""
    is_unknown: bool = False


def promote(rollout: Rollout, now_ms: int, *, full: bool = False) -> Rollout | Refusal:
    """Advance one step, whatever this one waits for; after the last, or with `full`, give the new version all."""
    if rollout.phase not in (P.PROGRESSING, P.PAUSED):
        return Refusal(_CANNOT_PROMOTE[rollout.phase])
    if why := _nothing_runs(rollout):
        return Refusal(why)
    vouched = vouched_for(rollout)
    more = rollout.step + 1 < len(rollout.target.rollout.steps)
    if more and not full:
        return steps.next_step(vouched, now_ms)
    return promoting(vouched, now_ms)


def pause(rollout: Rollout, now_ms: int) -> Rollout | Refusal:
    """Stand at the present step until somebody resumes it; checks go on meanwhile."""
    if rollout.phase is P.PROGRESSING:
        why = f"paused by request; `airs rollout resume {rollout.target.key}` goes on"
        return steps.paused(rollout, WaitsFor.PERSON, why, now_ms)
    if rollout.phase is P.PAUSED:
        return Refusal(f"the rollout is paused already: {rollout.conclusion}")
    if rollout.phase in (P.PENDING, P.STARTING, P.GATING):
        return Refusal("the new version has no traffic yet; a rollout is paused between its steps")
    return Refusal(_CANNOT_PROMOTE[rollout.phase])


def resume(rollout: Rollout, now_ms: int) -> Rollout | Refusal:
    """Go on with what somebody paused, for as long as its step still had; or wait for messages anew."""
    if rollout.phase is P.PAUSED and (why := _nothing_runs(rollout)):
        return Refusal(why)
    if rollout.waits_for is WaitsFor.PERSON:
        began = replace(rollout, step_since_ms=rollout.step_since_ms + now_ms - rollout.phase_since_ms)
        return steps.waiting(began, now_ms) if steps.is_endless(steps.current(began)) else steps.going_on(began, now_ms)
    if rollout.waits_for is WaitsFor.MESSAGES:
        return steps.going_on(vouched_for(rollout), now_ms)
    if rollout.phase is P.PAUSED:
        return Refusal(f"nobody paused the rollout: {rollout.conclusion}")
    if rollout.phase in (P.ROLLING_BACK, P.FAILED, P.KEEPING, P.SUCCEEDED):
        return Refusal(_CANNOT_PROMOTE[rollout.phase])
    return Refusal("the rollout is not paused")


def abort(rollout: Rollout, now_ms: int) -> Rollout | Refusal:
    """Take everything from the new version."""
    if rollout.phase in _CANNOT_ABORT:
        return Refusal(_CANNOT_ABORT[rollout.phase])
    if rollout.phase is P.PROMOTING and course(rollout).holds:
        return Refusal(_CANNOT_ABORT[P.KEEPING])
    return rolling_back(rollout, "aborted by request", now_ms)


def _nothing_runs(rollout: Rollout) -> str:
    """Say why there is no instance to go on with; empty where there is to be one."""
    if rollout.target.suspend:
        return "it is suspended; the rollout goes on once `suspend: true` is gone from its manifest"
    return NO_INSTANCES if rollout.target.replicas == 0 else ""


_NOT_READY = "the new version is not ready yet; it is promoted only after its gates"
_CANNOT_PROMOTE = {
    P.PENDING: _NOT_READY,
    P.STARTING: _NOT_READY,
    P.GATING: _NOT_READY,
    P.PROMOTING: "the new version is already being promoted",
    P.KEEPING: "the new version already serves",
    P.SUCCEEDED: "the rollout succeeded; the new version already serves",
    P.ROLLING_BACK: "the rollout is going back; retry once it has failed",
    P.FAILED: "the rollout failed; retry begins it again",
}
_CANNOT_ABORT = {
    P.KEEPING: "the new version already serves; `airs rollback` returns to the previous one",
    P.SUCCEEDED: "the rollout succeeded; `airs rollback` returns to the previous version",
    P.ROLLING_BACK: "the rollout is already going back",
    P.FAILED: "the rollout has already failed",
}
