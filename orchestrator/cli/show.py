"""How things look on a terminal: diagnostics, plans, tables. Text from outside loses its control characters."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.times import clock as clock
from orchestrator.contract.problem import Failure
from orchestrator.model.commit import short as short
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.observe.events import printable

if TYPE_CHECKING:
    from orchestrator.cli.excerpts import Find

GAP = "  "  # between two columns
COLUMN_LEAST = 20  # columns of the terminal for what goes on below itself
NARROW_HANG = 4

PHASE_STYLES = {
    "running": "green", "ready": "green", "synced": "green", "succeeded": "green", "normal": "dim",
    "scheduled": "green",
    "progressing": "cyan", "starting": "cyan", "keeping": "cyan", "suspended": "dim", "stopped": "dim",
    "degraded": "yellow", "restarting": "yellow", "group-restart": "yellow",
    "backing-off": "yellow", "held": "yellow", "out-of-sync": "yellow", "fetching": "yellow", "warning": "yellow",
    "failed": "red", "blocked": "red", "waiting": "yellow", "gave-up": "red", "rejected": "red",
}  # fmt: skip


def show_diagnostics(console: Console, diagnostics: Iterable[Diagnostic], find: "Find | None" = None) -> None:
    """Print each as `file:line:column: error: what`, the line itself where it is found, then why, then what to do."""
    for diagnostic in diagnostics:
        style = "bold red" if diagnostic.is_error else "bold yellow"
        line = Text(f"{printable(str(diagnostic.location))}: ", style="bold")
        line.append(f"{diagnostic.severity.value}: ", style=style)
        line.append(printable(diagnostic.summary))
        console.print(line)
        if find is not None:
            from orchestrator.cli.excerpts import excerpt  # `status` has none to show

            for shown in excerpt(find, diagnostic.location, console.width):
                console.print(Text(shown, style="dim"))
        for why in diagnostic.detail.splitlines():
            console.print(Text("    " + printable(why)))
        if diagnostic.suggestion:
            console.print(Text("    → " + printable(diagnostic.suggestion), style="cyan"))


def show_failure(console: Console, failure: Failure) -> None:
    """Print why a command could not do what was asked."""
    console.print(Text.assemble(("error: ", "bold red"), printable(failure.summary)))
    for line in failure.detail.splitlines():
        console.print(Text("    " + printable(line)))
    if failure.suggestion:
        console.print(Text("    → " + printable(failure.suggestion), style="cyan"))


def table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], spare: Collection[str] = ()) -> None:
    """Print rows under columns; a cell that names a state is coloured like it.

    Where a terminal is too narrow, the `spare` columns are left out in their order, and then the last column, which is
    the longest, goes on below itself. No cell is ever shortened.
    """
    lines = [[Text(name, style="bold") for name in columns]]
    lines += [[Text(printable(cell), style=PHASE_STYLES.get(cell, "")) for cell in row] for row in rows]
    kept = _kept(columns, lines, console.width, spare)
    lines = [[line[index] for index in kept] for line in lines]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    hang = sum(width + len(GAP) for width in widths[:-1])
    if console.width is not None and hang + COLUMN_LEAST > console.width:
        hang = NARROW_HANG
    for line in lines:
        padded = [cell + Text(" " * (width - cell.cell_len)) for cell, width in zip(line[:-1], widths, strict=False)]
        console.print(Text(GAP).join([*padded, line[-1]]), hang=hang)


def _kept(
    columns: Sequence[str], lines: Sequence[Sequence[Text]], width: int | None, spare: Collection[str]
) -> list[int]:
    """Say which columns there is room for; on a terminal, those that say nothing in any row are not missed."""
    kept = [*range(len(columns))]
    if width is None:
        return kept
    widths = [max(cell.cell_len for cell in column) + len(GAP) for column in zip(*lines, strict=True)]
    empty = [index for index in kept if len(lines) > 1 and not any(line[index].parts for line in lines[1:])]
    for index in [*empty, *(columns.index(name) for name in spare)]:
        if sum(widths[each] for each in kept) - len(GAP) <= width:
            break
        if index in kept and len(kept) > 1:
            kept.remove(index)
    return kept
