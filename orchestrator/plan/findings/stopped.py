"""A row that is blocked or held → the finding that says why, and what would unblock it.

A row that breaks a rule or a caller has such findings already. Its note, which says the same, is what people are shown.
"""

from collections.abc import Iterator

from orchestrator.plan.action import Action, Reason
from orchestrator.plan.finding import FindingKind, PlanFinding

UNBLOCKS = {
    Reason.MISSING_SECRET: (FindingKind.SECRET, "a value for the secret; `airs secret list` says which lack one"),
    Reason.MISSING_DEPENDENCY: (FindingKind.DEPENDENCY, "a deployment of that name, or `dependsOn` without it"),
    Reason.DEPENDENCY_BLOCKED: (FindingKind.DEPENDENCY, "the same that unblocks what it waits for"),
    Reason.MISSING_COMPONENT: (FindingKind.DEPENDENCY, "a deployment of that component, in a version of the range"),
    Reason.OWNED_BY_OTHER_SOURCE: (FindingKind.OWNER, "`--adopt`, or its removal from the other source"),
    Reason.REJECTED_BEFORE: (FindingKind.HELD, "another revision, or `airs rollout retry {key}`"),
    Reason.ROLLED_BACK: (FindingKind.HELD, "another revision, or `airs rollout retry {key}`"),
    Reason.MASS_PRUNE: (FindingKind.REMOVAL, "`--allow-mass-prune`, or its manifest"),
    Reason.SOURCE_EMPTY: (FindingKind.REMOVAL, "`--allow-empty`, or its manifest"),
    Reason.UNREADABLE_FILE: (FindingKind.REMOVAL, "a file that can be read"),
}


def why_stopped(action: Action) -> Iterator[PlanFinding]:
    """Yield why a row is stopped, unless that has been said."""
    if not action.kind.is_stopped or any(finding.blocks for finding in action.findings):
        return
    for reason in action.reasons:
        if reason in UNBLOCKS:
            kind, unblock = UNBLOCKS[reason]
            yield PlanFinding(kind=kind, text=action.note, blocks=True, unblock=unblock.format(key=action.key))
