"""The nouns of a plan's rows: one deployment's action, and the reasons. Made by `rules.py` and `removals.py`."""

from collections.abc import Iterable
from enum import Enum

from msgspec import UNSET, UnsetType, field
from msgspec.structs import replace

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Strategy
from orchestrator.plan.finding import PlanFinding


class ActionKind(Enum):
    """The kind of an action; `blocked` and `held` do nothing, and say what would be done but for their reason."""

    CREATE = "create"
    UPDATE = "update"
    ROLL_OUT = "roll-out"
    REMOVE = "remove"
    RESTART = "restart"
    ADOPT = "adopt"
    RENAME = "rename"
    BLOCKED = "blocked"
    HELD = "held"

    @property
    def sigil(self) -> str:
        """The one character people see."""
        return SIGILS[self]

    @property
    def is_stopped(self) -> bool:
        """Whether applying leaves this alone, and says so."""
        return self in (ActionKind.BLOCKED, ActionKind.HELD)


SIGILS = {
    ActionKind.CREATE: "+",
    ActionKind.UPDATE: "~",
    ActionKind.ROLL_OUT: "±",
    ActionKind.REMOVE: "-",
    ActionKind.RESTART: "↺",
    ActionKind.ADOPT: "=",
    ActionKind.RENAME: "→",
    ActionKind.BLOCKED: "!",
    ActionKind.HELD: "!",
}


class Reason(Enum):
    """Why an action is in the plan; the values are the words shown."""

    NEW = "new"
    ARTIFACT_CHANGED = "artifact-changed"
    VERSION_CHANGED = "version-changed"
    CONFIG_CHANGED = "config-changed"
    GRANTS_CHANGED = "grants-changed"
    LIMITS_CHANGED = "limits-changed"
    JOB_CHANGED = "job-changed"
    SCHEDULE_CHANGED = "schedule-changed"
    MOUNTS_CHANGED = "mounts-changed"
    CODEC_CHANGED = "codec-changed"
    MANIFEST_CHANGED = "manifest-changed"  # of a signed component
    SECRETS_CHANGED = "secrets-changed"
    REPLICAS_CHANGED = "replicas-changed"
    MAILBOX_CHANGED = "mailbox-changed"
    SUBSCRIBE_CHANGED = "subscribe-changed"
    RATE_LIMIT_CHANGED = "rate-limit-changed"
    PRIORITY_CHANGED = "priority-changed"
    ROUTING_CHANGED = "routing-changed"
    RESTART_CHANGED = "restart-changed"
    GROUP_CHANGED = "group-changed"
    HEALTH_CHANGED = "health-changed"
    ROLLOUT_CHANGED = "rollout-changed"
    LABELS_CHANGED = "labels-changed"
    DEPENDS_ON_CHANGED = "depends-on-changed"
    USES_CHANGED = "uses-changed"
    ORIGIN_CHANGED = "origin-changed"  # the component was fetched elsewhere, or its tag or branch has moved
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    REMOVED_FROM_SOURCE = "removed-from-source"
    NOT_RUNNING = "not-running"
    ADOPTED = "adopted"
    RENAMED = "renamed"  # from a name that its manifest says it had
    MOVED = "moved"  # here from a source of the same repository or work tree, which no longer names it
    REJECTED_BEFORE = "rejected-before"
    ROLLED_BACK = "rolled-back"
    HOLD_RELEASED = "hold-released"  # another revision is wanted than the one that was held
    OWNED_BY_OTHER_SOURCE = "owned-by-other-source"
    MISSING_SECRET = "missing-secret"  # noqa: S105 — a reason
    MISSING_DEPENDENCY = "missing-dependency"
    MASS_PRUNE = "mass-prune"
    SOURCE_EMPTY = "source-empty"
    UNREADABLE_FILE = "unreadable-file"
    SIBLING_UNREAD = "sibling-unread"  # a source of the same repository or work tree, which may want it
    DEPENDENCY_BLOCKED = "dependency-blocked"
    BREAKS_CALLERS = "breaks-callers"  # deployed ones, which use of it what it will not have
    UNMET_USE = "unmet-use"  # of another deployment, which does not have it
    MISSING_COMPONENT = "missing-component"  # that its component needs, in a version that it takes
    POLICY_REFUSED = "policy-refused"
    NEEDS_APPROVAL = "needs-approval"
    POLICY_ALLOWS = "policy-allows"  # what a policy had stopped
    REVERTED = "reverted"  # back to stable while a rollout to another was in progress


class FieldChange(Value, frozen=True):
    """One field, named as in the manifest, and its value before and after as people write it; "" is absent."""

    field: str
    old: str
    new: str


class CapabilityChange(Value, frozen=True, order=True):
    """One pattern of a capability that is granted or taken away; `rationale` is the author's word for wanting it."""

    capability: str
    pattern: str
    added: bool
    rationale: str = ""


class Action(Value, frozen=True):
    """One row of a plan. Versions and revision ids are None where there is none; `interrupts` is "" for nothing.

    `changes` are the differences from the spec in force; `note` is a sentence for people. `found` is written as
    `findings`, and left out where nothing was found, so that such an action has the bytes that it always had.
    """

    kind: ActionKind
    sigil: str
    key: DeploymentKey
    reasons: tuple[Reason, ...]
    old_version: str | None = None
    new_version: str | None = None
    old_revision: str | None = None
    new_revision: str | None = None
    strategy: Strategy | None = None
    interrupts: str = ""
    changes: tuple[FieldChange, ...] = ()
    capabilities: tuple[CapabilityChange, ...] = ()
    note: str = ""
    found: tuple[PlanFinding, ...] | UnsetType = field(default=UNSET, name="findings")
    formerly: DeploymentKey | UnsetType = UNSET  # the name that a renamed one had

    @property
    def findings(self) -> tuple[PlanFinding, ...]:
        """The facts that were found out about it."""
        return () if self.found is UNSET else self.found

    @property
    def is_ruled_out(self) -> bool:
        """Whether a policy alone keeps it from being done."""
        reasons = (Reason.POLICY_REFUSED, Reason.NEEDS_APPROVAL)
        return self.kind is ActionKind.BLOCKED and any(reason in reasons for reason in self.reasons)


def decided(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Return actions without the facts about them: a key more that is stored makes no other plan."""
    return tuple(replace(action, found=UNSET) for action in actions)
