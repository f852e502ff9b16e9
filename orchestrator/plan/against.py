"""The state that a plan was compared with where no agent was asked: an exported one, another revision's, or nothing.

`cli/against.py` makes it; text and markdown tell it, with how old it is.
"""

from datetime import UTC, datetime
from enum import Enum

from orchestrator.model.base import Value

MINUTE_MS = 60_000
_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (MINUTE_MS, "minute"))


class AgainstKind(Enum):
    """The kind of a state that a plan is compared with."""

    FILE = "file"
    URL = "url"
    REVISION = "revision"  # of the same repository: the plan is what a change does
    EMPTY = "empty"  # nothing runs


class Against(Value, frozen=True, omit_defaults=True):
    """One such state, and the place it is from, as it was typed.

    Of an exported one: when it was made, by which version of airs, and by whose key it is signed; `is_key_asked` where
    the caller named that key. Of a revision: the commit's id and its first line.
    """

    kind: AgainstKind
    place: str = ""
    made_ms: int = 0
    airs: str = ""
    key_id: str = ""
    is_key_asked: bool = False
    commit: str = ""
    subject: str = ""


def told_against(against: Against, serial: int, now_ms: int = 0) -> str:
    """Say in a line which state it is, and how old it is at `now_ms`; 0 leaves that out."""
    match against.kind:
        case AgainstKind.EMPTY:
            return "nothing: everything is new"
        case AgainstKind.REVISION:
            subject = f" ({against.subject})" if against.subject else ""
            return f"what {against.place} wants, commit {against.commit[:10]}{subject}"
    age = f", {age_of(against.made_ms, now_ms)} old" if now_ms else ""
    return f"the state {against.place} at serial {serial}, made {moment(against.made_ms)}{age}"


def signed_by(against: Against) -> str:
    """Name the key that an exported state is signed by, and what that says where nobody asked for one."""
    return against.key_id + ("" if against.is_key_asked else " (no --state-key was named: it may be anybody's)")


def moment(at_ms: int) -> str:
    """Write a moment as machines in several places read it: in UTC, to the minute."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def age_of(made_ms: int, now_ms: int) -> str:
    """Write an age in its largest whole unit; a state from a clock that runs ahead is not old at all."""
    age_ms = max(now_ms - made_ms, 0)
    for unit_ms, unit in _UNITS:
        count = age_ms // unit_ms
        if count:
            return f"{count} {unit}{'s' * (count != 1)}"
    return "less than a minute"
