"""A plan → one comment of a merge or pull request: a line for each deployment, worst first, with details to open.

Everything foreign stands in HTML's `code` or `pre` with its markup escaped, in blocks of HTML that Markdown leaves
alone: there it is no link, no image, no mention of anybody, and no row of a table. The same plan at the same time is
the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from msgspec import UNSET

from orchestrator.model.base import digest_of
from orchestrator.plan.action import Action, ActionKind
from orchestrator.plan.against import signed_by
from orchestrator.plan.document import Plan, has_changes
from orchestrator.plan.finding import FindingKind
from orchestrator.plan.text import (
    Line,
    clip,
    compared_with,
    counts,
    detail_lines,
    diagnostic_lines,
    printable,
    unchanged,
    versions,
)

COMMENT_MAX_BYTES = 60_000  # GitHub takes 65 536 characters
DETAILS_MAX_BYTES = 6_000  # of one deployment
DIAGNOSTICS_MAX_BYTES = 12_000
RESERVED_BYTES = 1_500  # for the lines that say what was left out
NAME_MAX, VERSIONS_MAX = 130, 90  # characters
WIDTH = 110  # of a line of details
_RANKS = (
    ActionKind.BLOCKED, ActionKind.HELD, ActionKind.REMOVE, ActionKind.ROLL_OUT, ActionKind.UPDATE, ActionKind.RESTART,
    ActionKind.RENAME, ActionKind.ADOPT, ActionKind.CREATE,
)  # fmt: skip
_MARKS = {ActionKind.BLOCKED: "⛔", ActionKind.HELD: "⏸️", ActionKind.REMOVE: "🗑️"}
_WORDS = {
    ActionKind.CREATE: "create", ActionKind.UPDATE: "update in place", ActionKind.ROLL_OUT: "roll out",
    ActionKind.REMOVE: "remove", ActionKind.RESTART: "restart", ActionKind.ADOPT: "adopt",
    ActionKind.RENAME: "rename",
    ActionKind.BLOCKED: "blocked", ActionKind.HELD: "held",
}  # fmt: skip


class _Row(NamedTuple):
    """One deployment: its line, and whether there is more to tell."""

    action: Action
    line: str
    has_details: bool

    @property
    def short(self) -> str:
        left = " <i>(details left out)</i>" if self.has_details else ""
        return f"<p>{self.line}{left}</p>\n\n"

    @property
    def whole(self) -> str:
        """The line with the details below it, which are worked out for each that there may be room for."""
        if not self.has_details:
            return self.short
        details = _pre(_texts(detail_lines(self.action, WIDTH, "")), DETAILS_MAX_BYTES)
        return f"<details><summary>{self.line}</summary>\n\n{details}\n</details>\n\n"


def render_markdown(plan: Plan, now_ms: int = 0, max_bytes: int = COMMENT_MAX_BYTES) -> str:
    """Write the comment, of at most `max_bytes` as UTF-8; a state that it was compared with is so old at `now_ms`."""
    head = _head(plan, now_ms)
    rows = [_row(action) for action in sorted(plan.actions, key=_rank)]
    room = max_bytes - _size(head) - RESERVED_BYTES
    shown = _fitting(rows, room)
    room -= sum(_size(row.short) for row in shown)
    parts = [head]
    for row in shown:
        whole = row.whole if room > 0 else row.short
        more = _size(whole) - _size(row.short)
        has_room = more <= room
        room -= more * has_room
        parts.append(whole if has_room else row.short)
    parts.append(_left_out(rows[len(shown) :]))
    return "".join(parts).rstrip("\n") + "\n"


def is_breaking(action: Action) -> bool:
    """Whether an action breaks those that call the deployment."""
    return any(finding.kind is FindingKind.BREAKS_CALLER for finding in action.findings)


def _rank(action: Action) -> tuple[int, str, str, int]:
    """Sort worst first: left alone, then what breaks callers, then what ends or replaces instances, then the rest."""
    rank = _RANKS.index(action.kind)
    is_worse = is_breaking(action) and not action.kind.is_stopped
    return (2 if is_worse else rank + (rank >= 2)), action.key.namespace, action.key.name, rank


def _fitting(rows: Sequence[_Row], room: int) -> list[_Row]:
    """Return as many rows as have room without their details."""
    shown = []
    for row in rows:
        room -= _size(row.short)
        if room < 0:
            break
        shown.append(row)
    return shown


def _left_out(rows: Sequence[_Row]) -> str:
    if not rows:
        return ""
    kinds = Counter(row.action.kind for row in rows)
    told = ", ".join(f"{kinds[kind]} to {_WORDS[kind]}" if not kind.is_stopped else f"{kinds[kind]} {_WORDS[kind]}"
                     for kind in _RANKS if kinds[kind])  # fmt: skip
    count = f"{len(rows)} more deployment{'s' * (len(rows) != 1)}"
    return f"<p><b>{count} did not fit into this comment</b>: {told}. The whole plan is in the job's output.</p>\n"


def _head(plan: Plan, now_ms: int) -> str:
    title = _title(plan)
    lines = [*_header(plan, now_ms)]
    marker = f"<!-- airs plan {digest_of(plan.source)[:12]} -->\n"  # by which a job finds its comment again
    told = "<br>\n".join(lines)
    parts = [marker, f"### airs plan: {title}\n\n", f"<p>{told}</p>\n\n", _diagnostics(plan)]
    if not has_changes(plan):
        parts.append(f"<p>{escape(unchanged(len(plan.desired.deployments), len(plan.desired.invalid)))}</p>\n")
    return "".join(parts)


def _title(plan: Plan) -> str:
    """Sum the plan up, of what there is any of."""
    errors = sum(one.is_error for one in plan.diagnostics)
    told = [f"⛔ {errors} error{'s' * (errors != 1)}"] if errors else []
    told += [count for count in counts(plan.summary) if not count.startswith("0 ")]
    return ", ".join(told) or "no changes"


def _header(plan: Plan, now_ms: int) -> Iterator[str]:
    yield f"source {_code(plan.source)}"
    if plan.commit:
        yield f"commit {_code(str(plan.commit))}"
    yield f"compared with {_code(compared_with(plan, now_ms))}"
    if plan.against is not UNSET and plan.against.key_id:
        yield f"signed by {_code(signed_by(plan.against))}"


def _diagnostics(plan: Plan) -> str:
    lines = _texts(diagnostic_lines(plan))
    if not lines:
        return ""
    errors = sum(one.is_error for one in plan.diagnostics)
    told = f"{errors} error{'s' * (errors != 1)}, " if errors else ""
    others = len(lines) - errors
    told += f"{others} warning{'s' * (others != 1)}" if others or not errors else ""
    opened = " open" if errors else ""
    summary = f"<summary>{told.removesuffix(', ')}</summary>"
    return f"<details{opened}>{summary}\n\n{_pre(lines, DIAGNOSTICS_MAX_BYTES)}\n</details>\n\n"


def _row(action: Action) -> _Row:
    mark = "⚠️" if is_breaking(action) and not action.kind.is_stopped else _MARKS.get(action.kind, "")
    version, strategy = clip(versions(action), VERSIONS_MAX), f" ({action.strategy.value})" if action.strategy else ""
    reasons = ", ".join(reason.value for reason in action.reasons)
    line = " ".join(filter(None, (
        mark, _code(clip(str(action.key), NAME_MAX)), f"<b>{_WORDS[action.kind]}</b>{strategy}",
        _code(version) if version else "", f"because {reasons}" if reasons else "", _counted(action),
    )))  # fmt: skip
    has_details = bool(action.changes or action.capabilities or action.interrupts or action.note or action.findings)
    return _Row(action, line, has_details)


def _counted(action: Action) -> str:
    """Say on the line itself what a reviewer looks for first."""
    added = sum(change.added for change in action.capabilities)
    told = [f"{added} new capabilit{'ies' if added > 1 else 'y'}"] if added else []
    told += ["breaks callers"] if is_breaking(action) else []
    told += ["interrupts"] if action.interrupts else []
    return f"· {', '.join(told)}" if told else ""


def _texts(lines: Iterator[Line]) -> list[str]:
    return ["".join(segment.text for segment in line).strip() for line in lines]


def _pre(lines: Sequence[str], max_bytes: int) -> str:
    """Write lines as a block in which nothing is markup, with as many as have room."""
    shown: list[str] = []
    for line in map(escape, lines):
        max_bytes -= _size(line) + 1
        if max_bytes < 0:
            break
        shown.append(line)
    rest = len(lines) - len(shown)
    more = [f"… {rest} more line{'s' * (rest != 1)}"] if rest else []
    return "<pre>" + "\n".join([*shown, *more]) + "</pre>\n"


def _code(text: str) -> str:
    return f"<code>{escape(printable(text))}</code>"


def _size(text: str) -> int:
    return len(text.encode())
