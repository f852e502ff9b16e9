"""A rollout in progress: durable, so that a restart of the agent continues it. Times are wall-clock milliseconds."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.spec import Deployment


class RolloutPhase(Enum):
    """Where a rollout is; `rollout/` holds the table of phase × event."""

    PENDING = "pending"
    STARTING = "starting"
    GATING = "gating"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    PROMOTING = "promoting"
    KEEPING = "keeping"
    SUCCEEDED = "succeeded"
    ROLLING_BACK = "rolling-back"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (RolloutPhase.SUCCEEDED, RolloutPhase.FAILED)


class Cause(Enum):
    """The cause of a rollout; it is written to the history."""

    APPLY = "apply"
    ROLLBACK = "rollback"  # someone asked
    RETRY = "retry"


class WaitsFor(Enum):
    """The reason why a rollout is paused: it says what ends the pause."""

    STEP = "step"  # a pause that somebody ends
    MESSAGES = "messages"  # too few to judge by: somebody decides
    INSTANCES = "instances"  # there are to be none now
    PERSON = "person"  # somebody paused it, and resumes it


class MessageCounts(Value, frozen=True):
    """How many messages and calls a revision was done with, and how many of them ended in an error."""

    handled: int = 0
    errors: int = 0


class Rollout(Value, frozen=True):
    """The way from `stable` (a revision id; None for a first deployment) to `target`.

    `number` is its entry in the history. `old` is the deployment it leads from, with its in-place fields.
    `step` is the index into `target.rollout.steps` that is being carried out; -1 before the first. `weight` is the
    percentage of conversations the new revision gets. `messages` and `errors` are what it handled in this rollout as of
    the last check, `evidence` how many of those no check has judged yet, and `counted` where its counters stood then.
    `passed_checks` counts those since the last failed one, `inconclusive_checks` and `silent_checks` (which saw no
    message at all) those in a row. `handed_over` says that the old set is out of the way where only one may work at a
    time. `conclusion` says why it ended or waits.
    """

    target: Deployment
    stable: str | None
    cause: Cause
    phase: RolloutPhase = RolloutPhase.PENDING
    started_ms: int = 0
    phase_since_ms: int = 0
    deadline_ms: int = 0
    step: int = -1
    step_since_ms: int = 0
    weight: int = 0
    last_check_ms: int = 0
    messages: int = 0
    errors: int = 0
    evidence: MessageCounts = MessageCounts()
    evidence_since_ms: int = 0
    counted: MessageCounts = MessageCounts()
    passed_checks: int = 0
    failed_checks: int = 0
    inconclusive_checks: int = 0
    silent_checks: int = 0
    healthy_instances: int = 0
    handed_over: bool = False
    keep_until_ms: int = 0
    conclusion: str = ""
    waits_for: WaitsFor | None = None
    number: int = 0
    old: Deployment | None = None
