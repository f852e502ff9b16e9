"""How the runs of jobs are written on a terminal: by `airs get runs`."""

from collections.abc import Sequence

from orchestrator.cli.show import clock, table
from orchestrator.cli.terminal import Console, Text
from orchestrator.contract.documents import RunView
from orchestrator.observe.events import printable

COLUMNS = ("DEPLOYMENT", "RUN", "VERSION", "BECAUSE", "DUE", "TOOK", "ENDED")


def show_runs(console: Console, runs: Sequence[RunView]) -> None:
    """Show runs under columns, and below them the last lines of the newest that failed, of each deployment."""
    rows = [
        (
            f"{run.namespace}/{run.deployment}", str(run.number), run.version, _because(run), clock(run.due_at),
            f"{(run.ended_at - run.started_at) / 1000:.1f}s" if run.started_at and run.ended_at else "",
            _ended(run),
        )
        for run in runs
    ]  # fmt: skip
    table(console, COLUMNS, rows, ("VERSION", "TOOK"))
    failed = {(run.namespace, run.deployment): run for run in runs if run.exit_code}
    for run in failed.values():
        if run.output:
            name = f"{run.namespace}/{run.deployment}"
            console.print(Text.assemble((f"\n{name}", "bold"), f"  run {run.number} printed last:"))
            for line in run.output.splitlines():
                console.print(Text(f"    {printable(line)}"))


def _because(run: RunView) -> str:
    return f"{run.cause} by {run.by}" if run.by else run.cause


def _ended(run: RunView) -> str:
    if run.skipped:
        return f"skipped: {run.skipped}"
    return run.message if run.ended_at else "at work"
