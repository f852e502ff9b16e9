"""Rollout → Shape: what the world should look like now, to be applied as often as one likes."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.rollout.course import Course, course


class NewSet(Enum):
    """The wanted state of the target's instances."""

    ABSENT = "absent"
    RUNNING = "running"


class OldSet(Enum):
    """The wanted state of the stable revision's instances; meaningless where there is no stable revision."""

    SERVING = "serving"  # running, and taking what the new does not get
    WARM = "warm"  # running and taking nothing
    DRAINED = "drained"  # taking nothing, finishing what was begun; never started when missing
    STOPPED = "stopped"  # finishes what was begun, then goes


class Shape(Value, frozen=True):
    """`weight` is the percentage of conversations for the new set; with `hold` messages wait in the mailbox."""

    new: NewSet
    old: OldSet
    weight: int
    hold: bool


def shape(rollout: Rollout) -> Shape:
    """Say what the world should look like in this phase.

    Apply it in this order: hold and weights, then stop, then start. Where it says `absent` or `stopped`, a set still
    finishes the messages it has begun.
    """
    way, phase = course(rollout), rollout.phase
    if phase is RolloutPhase.PENDING:
        return Shape(new=NewSet.ABSENT, old=_serving(way), weight=0, hold=False)
    if phase in (RolloutPhase.STARTING, RolloutPhase.GATING):
        return _starting(rollout, way)
    if phase is RolloutPhase.ROLLING_BACK and way.holds:
        # Only one version works at a time: the old takes again, or is started, once the new has gone.
        return Shape(new=NewSet.ABSENT, old=OldSet.DRAINED, weight=0, hold=True)
    if phase in (RolloutPhase.ROLLING_BACK, RolloutPhase.FAILED):
        return Shape(new=NewSet.ABSENT, old=_serving(way), weight=0, hold=False)
    return Shape(new=NewSet.RUNNING, old=_relieved(way, phase), weight=rollout.weight, hold=False)


def _serving(way: Course) -> OldSet:
    return OldSet.STOPPED if way is Course.FIRST else OldSet.SERVING


def _starting(rollout: Rollout, way: Course) -> Shape:
    if not way.holds:
        return Shape(new=NewSet.RUNNING, old=_serving(way), weight=0, hold=False)
    new = NewSet.RUNNING if rollout.handed_over else NewSet.ABSENT
    old = OldSet.STOPPED if way is Course.REPLACE else OldSet.DRAINED
    return Shape(new=new, old=old, weight=0, hold=True)


def _relieved(way: Course, phase: RolloutPhase) -> OldSet:
    if phase in (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED):
        return OldSet.SERVING
    if phase is RolloutPhase.SUCCEEDED or way.holds or way is Course.FIRST:
        return OldSet.STOPPED
    return OldSet.WARM
