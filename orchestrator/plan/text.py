"""A Plan → text for people: lines of styled segments, or the same as plain text. Called by the CLI and the agent.

Styles are words; their printer chooses the colours. Everything that was written by others is made printable here.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

import msgspec
from msgspec import UNSET

from orchestrator.plan.action import Action, CapabilityChange, FieldChange
from orchestrator.plan.against import signed_by, told_against
from orchestrator.plan.document import Plan, Summary, has_changes
from orchestrator.plan.finding import NOTED, FindingKind, PlanFinding

DEFAULT_WIDTH = 120
NARROWEST = 40  # below this, nothing is cut any shorter
INDENT = "    "
OVERLAYS_SHOWN = 3  # of those that a source holds
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Style(Enum):
    """The role of a segment, by which its printer chooses how it looks."""

    PLAIN = "plain"
    HEADING = "heading"
    DIM = "dim"
    CREATE = "create"
    UPDATE = "update"
    ROLL_OUT = "roll-out"
    REMOVE = "remove"
    RESTART = "restart"
    ADOPT = "adopt"
    RENAME = "rename"
    BLOCKED = "blocked"
    HELD = "held"
    WARNING = "warning"


class Segment(msgspec.Struct, frozen=True):
    """A run of printable text in one style."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Segment, ...]


def render_text(plan: Plan, width: int = DEFAULT_WIDTH) -> str:
    """Write the plan as plain text, ending in a newline; values are cut so that most lines fit `width` columns."""
    lines = ("".join(segment.text for segment in line).rstrip() for line in styled_lines(plan, width))
    return "\n".join(lines) + "\n"


def styled_lines(
    plan: Plan, width: int = DEFAULT_WIDTH, wanted: int | None = None, now_ms: int = 0
) -> tuple[Line, ...]:  # fmt: skip
    """Write the plan as lines of segments, of which `render_text` is the plain form.

    `wanted` is how many deployments the source wants, for a plan that came without them; at `now_ms`, a state that it
    was compared with is so old, which is left out for 0.
    """
    room = max(width, NARROWEST) - len(INDENT)
    rows = tuple(action_lines(plan.actions, room))
    gap: tuple[Line, ...] = ((),)
    diagnostics = tuple(diagnostic_lines(plan))
    return (
        *header_lines(plan, now_ms),
        *gap,
        *diagnostics,
        *(gap if diagnostics else ()),
        *rows,
        *(gap if rows else ()),
        last_line(plan, len(plan.desired.deployments) if wanted is None else wanted),
    )


def header_lines(plan: Plan, now_ms: int = 0) -> Iterator[Line]:
    """Say which source was compared with what."""
    yield heading("source", plan.source)
    if plan.commit:
        yield heading("commit", str(plan.commit))
    if plan.root:
        yield heading("root", f"{plan.root} ({plan.root_reason})" if plan.root_reason else plan.root)
    yield from overlays_line(plan.desired.overlays or ())
    yield (Segment(printable(f"compared with {compared_with(plan, now_ms)}"), Style.DIM),)
    if plan.against is not UNSET and plan.against.key_id:
        yield (Segment(f"signed by {signed_by(plan.against)}", Style.DIM),)


def compared_with(plan: Plan, now_ms: int = 0) -> str:
    """Say what a plan was compared with."""
    if plan.against is not UNSET:
        return told_against(plan.against, plan.serial, now_ms)
    return "what the agent runs" if plan.agent_running else "the recorded state: no agent is running"


def overlays_line(files: tuple[str, ...]) -> Iterator[Line]:
    """Name the overlays that the plan is made of, as far as there is room for."""
    if files:
        more = f" and {len(files) - OVERLAYS_SHOWN} more" if len(files) > OVERLAYS_SHOWN else ""
        yield heading("overlay", ", ".join(files[:OVERLAYS_SHOWN]) + more)


def heading(name: str, text: str) -> Line:
    """Write one header line."""
    return Segment(f"{name:<8}", Style.DIM), Segment(printable(text), Style.HEADING)


def diagnostic_lines(plan: Plan) -> Iterator[Line]:
    """Write each diagnostic on one line, and a line for each file or deployment that could not be read or resolved."""
    for diagnostic in plan.diagnostics:
        style = Style.BLOCKED if diagnostic.is_error else Style.WARNING
        label = Segment(f"{diagnostic.severity.value}: ", style)
        yield label, Segment(printable(f"{diagnostic.location}: {diagnostic.summary}"))
    for file in plan.desired.unreadable_files:
        yield Segment("unreadable: ", Style.WARNING), Segment(printable(f"{file}: the deployments in it stay"))
    for key in plan.desired.invalid:
        yield (
            Segment("invalid: ", Style.WARNING),
            Segment(printable(f"{key}: its instances, if any, keep running")),
        )


def action_lines(actions: tuple[Action, ...], room: int) -> Iterator[Line]:
    """Write every action: its row, in columns, and below it what it changes."""
    cells = [row_cells(action) for action in actions]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    told = ""
    for action, row in zip(actions, cells, strict=True):
        padded = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        style = Style(action.kind.value)
        reasons = ", ".join(reason.value for reason in action.reasons)
        yield Segment(f"{action.sigil} ", style), Segment(padded), Segment(f"   {because(action)} {reasons}", style)
        yield from detail_lines(action, room, told)
        told = action.note


def row_cells(action: Action) -> tuple[str, str, str]:
    """Return the columns between the sigil and the reason."""
    strategy = f"({action.strategy.value})" if action.strategy else ""
    before = f" formerly {action.formerly}" if action.formerly is not UNSET else ""
    return printable(f"{action.key}{before}"), printable(versions(action)), strategy


def because(action: Action) -> str:
    """Introduce the reasons; a row that does nothing says so."""
    return f"{action.kind.value} because" if action.kind.is_stopped else "because"


def versions(action: Action) -> str:
    """Write the version, or the step from one to the next; a revision that kept its version shows its id."""
    old, new = action.old_version, action.new_version
    if old is None or new is None:
        return old or new or ""
    if old != new:
        return f"{old} → {new}"
    if action.old_revision == action.new_revision or action.new_revision is None:
        return new
    return f"{new} ({(action.old_revision or '')[:10]} → {action.new_revision[:10]})"


def detail_lines(action: Action, room: int, told: str) -> Iterator[Line]:
    """Write what an action changes, grants, takes away and interrupts, and its note unless the row above told it."""
    label = max((len(printable(change.field)) for change in action.changes), default=0)
    kinds = (len(finding.kind.value) for finding in action.findings)
    label = max(min(label, room // 2), len("capabilities"), *kinds)
    yield from changed_lines(action.changes, action.capabilities, label, room)
    if action.interrupts and not any(finding.kind is FindingKind.INTERRUPTION for finding in action.findings):
        yield labelled("interrupts", label, Segment(printable(action.interrupts), Style.WARNING))
    news = [finding for finding in action.findings if finding.kind not in NOTED]
    if action.note and action.note != told and not any(finding.blocks for finding in news):
        yield labelled("note", label, Segment(printable(action.note)))
    for finding in sorted(news, key=lambda each: not each.blocks):
        yield from finding_lines(finding, label)


def changed_lines(
    changes: Sequence[FieldChange], capabilities: Sequence[CapabilityChange], label: int, room: int
) -> Iterator[Line]:
    """Write each field and each capability that changes."""
    for change in changes:
        yield change_line(change, label, room)
    patterns = max((len(granted(capability)) for capability in capabilities), default=0)
    for index, capability in enumerate(capabilities):
        name = "" if index else "capabilities"
        yield capability_line(capability, name, label, min(patterns, room // 2), room)


def difference_lines(
    changes: Sequence[FieldChange], capabilities: Sequence[CapabilityChange], width: int
) -> Iterator[Line]:
    """Write the same without an action."""
    room = max(width, NARROWEST) - len(INDENT)
    label = max((len(printable(change.field)) for change in changes), default=0)
    yield from changed_lines(changes, capabilities, max(min(label, room // 2), len("capabilities")), room)


def finding_lines(finding: PlanFinding, label: int) -> Iterator[Line]:
    """Write a finding, its place, and what would unblock the action."""
    style = Style.BLOCKED if finding.blocks else Style.PLAIN
    place = f" ({finding.place})" if finding.place else ""
    name = "interrupts" if finding.kind is FindingKind.INTERRUPTION else finding.kind.value
    yield labelled(name, label, Segment(printable(f"{finding.text}{place}"), style))
    if finding.unblock:
        yield labelled("unblock", label, Segment(printable(finding.unblock)))


def labelled(name: str, width: int, *segments: Segment) -> Line:
    """Indent and label a second-level line."""
    return Segment(f"{INDENT}{printable(name).ljust(width)}  ", Style.DIM), *segments


def change_line(change: FieldChange, label: int, room: int) -> Line:
    """Write one field before and after, each cut to half of what is left of the line."""
    half = max((room - label - len("   → ")) // 2, 8)
    old, new = (clip(printable(text) or "(none)", half) for text in (change.old, change.new))
    return labelled(change.field, label, Segment(f"{old} → {new}"))


def capability_line(change: CapabilityChange, name: str, label: int, width: int, room: int) -> Line:
    """Write one pattern of one capability: new with its author's rationale, or gone."""
    sign, style = ("+", Style.CREATE) if change.added else ("-", Style.REMOVE)
    rationale = f': "{clip(printable(change.rationale), room // 2)}"' if change.rationale else ""
    said = f"new{rationale}" if change.added else "taken away"
    remark = Segment(f"   ← {said}", Style.DIM)
    return labelled(name, label, Segment(f"{sign} {granted(change).ljust(width)}", style), remark)


def granted(change: CapabilityChange) -> str:
    """Write a capability and its pattern."""
    return printable(f"{change.capability} {change.pattern}")


NO_DEPLOYMENTS = "There is no deployment: no `.yaml` or `.yml` file there has one."  # a wrong path looks like this


def last_line(plan: Plan, wanted: int) -> Line:
    """Sum the plan up, of a source that wants so many deployments."""
    if not has_changes(plan):
        return (Segment(unchanged(wanted, len(plan.desired.invalid)), Style.HEADING),)
    return (Segment(f"Plan: {', '.join(counts(plan.summary))}.", Style.HEADING),)


def unchanged(matching: int, invalid: int) -> str:
    """Say that nothing is to be done, and of how many deployments that is known."""
    if not matching and not invalid:
        return f"No changes. {NO_DEPLOYMENTS}"
    matches = "1 deployment matches" if matching == 1 else f"{matching} deployments match"
    return f"No changes. {matches}" + (f"; {invalid} invalid, left as it is." if invalid else ".")


def counts(summary: Summary) -> Iterable[str]:
    """Count each kind; those that are rarely there are named only when they are."""
    yield f"{summary.create} to create"
    yield f"{summary.update} to update"
    yield f"{summary.roll_out} to roll out"
    yield f"{summary.remove} to remove"
    if summary.restart:
        yield f"{summary.restart} to restart"
    if summary.rename:
        yield f"{summary.rename} to rename"
    if summary.adopt:
        yield f"{summary.adopt} to adopt"
    yield f"{summary.blocked} blocked"
    if summary.held:
        yield f"{summary.held} held"


NAMED_MAX = 5  # actions that are named where a plan is told in a line


def in_short(plan: Plan) -> str:
    """Say in a line what a plan does."""
    told = [f"{action.sigil} {printable(f'{action.key} {versions(action)}')}".rstrip() for action in plan.actions]
    more = f" and {len(told) - NAMED_MAX} more" if len(told) > NAMED_MAX else ""
    return ", ".join(told[:NAMED_MAX]) + more if told else "nothing to do"


def in_place(action: Action) -> str:
    """Say in a line which fields an action changes."""
    return ", ".join(
        printable(f"{change.field} {change.old or '(none)'} → {change.new or '(none)'}") for change in action.changes
    )


def clip(text: str, length: int) -> str:
    """Cut text to at most `length` characters, showing that it was."""
    return text if len(text) <= length else text[: length - 1] + "…"


def printable(text: str) -> str:
    """Replace whatever a terminal would act upon: control, format and separator characters."""
    return text if text.isprintable() else "".join(c if c.isprintable() else REPLACEMENT for c in text)
