"""Whether the actions of a plan can concern callers at all: asked first, since most plans break nobody."""

from collections.abc import Iterable

from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.finding import FindingKind
from orchestrator.plan.findings.known import Deployments

CHANGING = (ActionKind.CREATE, ActionKind.ROLL_OUT, ActionKind.UPDATE, ActionKind.REMOVE)
BREAKING = (ActionKind.ROLL_OUT, ActionKind.REMOVE)
REASONS = {FindingKind.BREAKS_CALLER: Reason.BREAKS_CALLERS, FindingKind.UNMET_USE: Reason.UNMET_USE}


def may_concern_callers(actions: Iterable[Action], wanted: Deployments) -> bool:
    """Whether any action could break a caller, or uses another deployment: only then is all that stands looked at."""
    return any(a.kind in BREAKING or (a.kind in CHANGING and a.key in wanted and wanted[a.key].uses) for a in actions)


def is_blocked_by_others(action: Action) -> bool:
    """Whether an action waits for another deployment than its own to change."""
    return any(reason in action.reasons for reason in REASONS.values())
