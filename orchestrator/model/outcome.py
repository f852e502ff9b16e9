"""The outcome of one action of a plan."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey


class Status(Enum):
    """How far an action got in this pass."""

    DONE = "done"
    IN_HAND = "in-hand"  # begun; later passes see it through
    WAITING = "waiting"  # for something it depends on
    BLOCKED = "blocked"  # it could only fail
    HELD = "held"  # until someone says so, or the source changes
    FAILED = "failed"


class ActionOutcome(Value, frozen=True):
    """One action's outcome; `detail` says what it waits for or why it failed, `waits_for` names those it waits for."""

    key: DeploymentKey
    status: Status
    detail: str = ""
    waits_for: tuple[DeploymentKey, ...] = ()
