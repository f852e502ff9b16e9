"""The course of a rollout: the strategy that was asked for, and what overrides it."""

from enum import Enum

from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Strategy


class Course(Enum):
    """The ways a revision takes over."""

    FIRST = "first"  # nothing to protect: no strategy, nothing kept
    SIDE_BY_SIDE = "side-by-side"  # blue-green
    CANARY = "canary"
    HAND_OVER = "hand-over"  # stateful: hold, drain the old, the new starts, release
    REPLACE = "replace"  # recreate: hold, stop the old, the new starts, release

    @property
    def holds(self) -> bool:
        """Whether messages wait in the mailbox while the one set makes way for the other."""
        return self in (Course.HAND_OVER, Course.REPLACE)


def course(rollout: Rollout) -> Course:
    """Say which way `rollout` goes."""
    strategy = rollout.target.rollout.strategy
    if rollout.stable is None:
        return Course.FIRST
    if strategy is Strategy.RECREATE:
        return Course.REPLACE
    if rollout.target.revision.stateful and not rollout.target.routing.is_keyed:
        return Course.HAND_OVER
    # A rollback goes to what has proved itself: the fast path, never the steps.
    if strategy is Strategy.CANARY and rollout.cause is not Cause.ROLLBACK:
        return Course.CANARY
    return Course.SIDE_BY_SIDE
