"""Events, one per transition, never one per tick, with the person behind them; and the log lines of guests."""

from enum import Enum, StrEnum
from typing import Protocol

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.who import By


class EventType(Enum):
    """Whether someone has to look at it."""

    NORMAL = "normal"
    WARNING = "warning"


class EventReason(StrEnum):
    """The kind of an event: it alone, never the words, decides whether the event is worth a look of somebody."""

    # of the agent and its store
    ARTIFACTS_REMOVED = "artifacts-removed"
    COMPILING = "compiling"
    HOST_FAULT = "host-fault"
    STATE_DIR_GONE = "state-dir-gone"
    STORE_DAMAGED = "store-damaged"
    STORE_FAILING = "store-failing"
    STORE_WORKS = "store-works"
    AUDIT_FAILING = "audit-failing"
    AUDIT_WORKS = "audit-works"
    PUBLISH_FAILING = "publish-failing"
    PUBLISH_WORKS = "publish-works"
    FOLLOWER_DROPPED = "follower-dropped"
    # of a source
    SOURCE_ADDED = "source-added"
    SOURCE_WATCHED = "source-watched"
    SOURCE_ENDED = "source-ended"
    SOURCE_SUSPENDED = "source-suspended"
    SOURCE_RESUMED = "source-resumed"
    SOURCE_REMOVED = "source-removed"
    SOURCE_STALE = "source-stale"
    SOURCE_READABLE = "source-readable"
    COMMIT = "commit"
    COMMIT_REFUSED = "commit-refused"
    # of the listener that forges tell of pushes
    WEBHOOKS_LISTEN = "webhooks-listen"
    WEBHOOKS_CLOSED = "webhooks-closed"
    WEBHOOK_REFUSED = "webhook-refused"
    # of a receiver of news
    NOTIFY_FAILING = "notify-failing"
    NOTIFY_WORKS = "notify-works"
    # of a component that is fetched
    COMPONENT_FETCHED = "component-fetched"
    COMPONENT_MOVED = "component-moved"
    COMPONENTS_REMOVED = "components-removed"
    FETCH_FAILED = "fetch-failed"
    # of policies
    POLICY_CHANGED = "policy-changed"
    POLICY_FAULTY = "policy-faulty"
    POLICY_VIOLATED = "policy-violated"
    POLICY_STOPPED = "policy-stopped"
    POLICY_RESUMED = "policy-resumed"
    APPROVED = "approved"
    # of what a plan or a person asked for
    REQUESTED = "requested"
    UPDATED = "updated"
    ADOPTED = "adopted"
    MOVED = "moved"
    RENAMED = "renamed"
    REMOVED = "removed"
    RESUMED = "resumed"
    DONE = "done"
    IN_HAND = "in-hand"
    WAITING = "waiting"
    BLOCKED = "blocked"
    HELD = "held"
    RECOVERED = "recovered"
    METADATA_DIFFERS = "metadata-differs"
    SIGNATURE_FAULTY = "signature-faulty"  # of a signed component that starts all the same
    SECRET_DIFFERS = "secret-differs"  # noqa: S105 — a reason
    JOB_RAN = "job-ran"
    JOB_SKIPPED = "job-skipped"
    # of a rollout: its phases, and what it does in them
    ROLLOUT_STARTED = "rollout-started"
    WEIGHT = "weight"
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
    # of an instance or a group
    EXITED = "exited"
    GAVE_UP = "gave-up"
    GROUP_RESTART = "group-restart"
    RESTART_CHANGED = "restart-changed"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    UNDELIVERED = "undelivered"

    @property
    def severity(self) -> EventType:
        """Whether someone has to look at it."""
        return EventType.WARNING if self in _WARNINGS else EventType.NORMAL


_WARNINGS = frozenset({
    EventReason.HOST_FAULT, EventReason.STATE_DIR_GONE, EventReason.STORE_DAMAGED, EventReason.STORE_FAILING,
    EventReason.AUDIT_FAILING, EventReason.PUBLISH_FAILING, EventReason.POLICY_FAULTY, EventReason.POLICY_VIOLATED,
    EventReason.POLICY_STOPPED,
    EventReason.FOLLOWER_DROPPED, EventReason.WEBHOOKS_CLOSED, EventReason.WEBHOOK_REFUSED,
    EventReason.NOTIFY_FAILING, EventReason.COMMIT_REFUSED,
    EventReason.SOURCE_STALE, EventReason.WAITING, EventReason.BLOCKED, EventReason.HELD,
    EventReason.METADATA_DIFFERS, EventReason.SIGNATURE_FAULTY, EventReason.SECRET_DIFFERS,
    EventReason.ROLLING_BACK, EventReason.FAILED, EventReason.EXITED,
    EventReason.GAVE_UP, EventReason.FETCH_FAILED, EventReason.DEGRADED, EventReason.UNHEALTHY, EventReason.UNDELIVERED,
})  # fmt: skip


class Event(Value, frozen=True):
    """One thing that happened to a deployment (or, with an empty key, to a source or the agent).

    `by` is who asked for it by hand, `commit` what was read that led to it, `revision` the id of the revision it is
    about and `instance` the instance; each where there is one.
    """

    at_ms: int
    reason: EventReason
    message: str
    key: DeploymentKey | None = None
    type: EventType = EventType.NORMAL
    by: By | None = None
    commit: Commit | None = None
    revision: str = ""
    instance: str = ""


class About(Value, frozen=True):
    """The facts of an event beside its words."""

    by: By | None = None
    commit: Commit | None = None
    revision: str = ""
    instance: str = ""


NOTHING_MORE = About()


class Announce(Protocol):
    """The maker of events."""

    def __call__(
        self, key: DeploymentKey | None, reason: str, message: str, about: About = NOTHING_MORE, /
    ) -> None:  # fmt: skip
        """Make an event."""


class LogLine(Value, frozen=True):
    """One line that a guest logged or printed, or that tells of its end; control characters removed."""

    at_ms: int
    key: DeploymentKey
    instance: str
    level: str
    text: str
    context: tuple[tuple[str, str], ...] = ()
