"""How things look on a terminal: diagnostics, plans, tables. Text from outside loses its control characters."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from orchestrator.cli.times import clock as clock
from orchestrator.contract.problem import Failure
from orchestrator.model.commit import short as short
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.observe.events import printable
from orchestrator.plan.document import Plan
from orchestrator.plan.text import Style, styled_lines

PHASE_STYLES = {
    "running": "green", "ready": "green", "synced": "green", "succeeded": "green", "normal": "dim",
    "progressing": "cyan", "starting": "cyan", "keeping": "cyan", "suspended": "dim", "stopped": "dim",
    "degraded": "yellow", "restarting": "yellow", "group-restart": "yellow",
    "backing-off": "yellow", "held": "yellow", "out-of-sync": "yellow", "warning": "yellow",
    "failed": "red", "blocked": "red", "waiting": "yellow", "gave-up": "red", "rejected": "red",
}  # fmt: skip

PLAN_STYLES = {
    Style.PLAIN: "", Style.HEADING: "bold", Style.DIM: "dim", Style.CREATE: "green", Style.UPDATE: "yellow",
    Style.ROLL_OUT: "bold cyan", Style.REMOVE: "red", Style.RESTART: "cyan", Style.ADOPT: "cyan",
    Style.BLOCKED: "bold red", Style.HELD: "bold yellow", Style.WARNING: "yellow",
}  # fmt: skip


def show_diagnostics(console: Console, diagnostics: Iterable[Diagnostic]) -> None:
    """Print each as `file:line:column: error: what`, then why, then what to do."""
    for diagnostic in diagnostics:
        style = "bold red" if diagnostic.is_error else "bold yellow"
        line = Text(f"{printable(str(diagnostic.location))}: ", style="bold")
        line.append(f"{diagnostic.severity.value}: ", style=style)
        line.append(printable(diagnostic.summary))
        console.print(line)
        if diagnostic.detail:
            console.print(Text("    " + printable(diagnostic.detail)))
        if diagnostic.suggestion:
            console.print(Text("    → " + printable(diagnostic.suggestion), style="cyan"))


def show_failure(console: Console, failure: Failure) -> None:
    """Print why a command could not do what was asked."""
    console.print(Text.assemble(("error: ", "bold red"), printable(failure.summary)))
    for line in failure.detail.splitlines():
        console.print(Text("    " + printable(line)))
    if failure.suggestion:
        console.print(Text("    → " + printable(failure.suggestion), style="cyan"))


def show_plan(console: Console, plan: Plan) -> None:
    """Print a plan as people read it; its diagnostics are for stderr, with what to do about them."""
    for line in styled_lines(replace(plan, diagnostics=())):
        console.print(Text.assemble(*((segment.text, PLAN_STYLES[segment.style]) for segment in line)))


def table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under columns; a cell that names a state is coloured like it.

    No cell is ever shortened: where a terminal is too narrow, it wraps the last column, which is the longest.
    """
    lines = [[Text(name, style="bold") for name in columns]]
    lines += [[Text(printable(cell), style=PHASE_STYLES.get(cell, "")) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        for cell, width in zip(line[:-1], widths, strict=False):
            cell.append(" " * (width - cell.cell_len))
        console.print(Text("  ").join(line))
