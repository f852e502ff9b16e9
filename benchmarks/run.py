"""Runs every benchmark, prints one table, and writes RESULTS.md beside this file; `make bench` calls it.

    python -m benchmarks                         all
    python -m benchmarks calls load              some of them, printed only

It measures nothing itself.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from benchmarks import (
    actors,
    calls,
    hostcalls,
    instances,
    load,
    machine,
    many,
    plan,
    reconcile,
    signing,
    starting,
    store,
)
from benchmarks.goals import Goal, judged
from benchmarks.measure import Effort, Row, Table

RESULTS = Path(__file__).with_name("RESULTS.md")
VALUES = Path(__file__).with_name("results.json")  # the same for programs: docs/draw_calls.py draws from it
SUBJECTS: Mapping[str, Callable[[Effort], Table]] = {
    "calls": calls.measure,
    "hostcalls": hostcalls.measure,
    "load": load.measure,
    "instances": instances.measure,
    "many": many.measure,
    "actors": actors.measure,
    "reconcile": reconcile.measure,
    "plan": plan.measure,
    "store": store.measure,
    "signing": signing.measure,
    "starting": starting.measure,
}
HEAD = ("", "airs", "beside it", "takes", "ratio")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line names, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure airs beside stock wasmtime-py.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--date", default=date.today().isoformat(), help="what RESULTS.md says it was measured on")
    asked = parser.parse_args(arguments)
    unknown = set(asked.subjects) - SUBJECTS.keys()
    if unknown:
        parser.error(f"no subject {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    print(machine.announced(), file=sys.stderr)
    load_before = os.getloadavg()[0]
    names = asked.subjects or [*SUBJECTS]
    tables = list(measured(names, Effort()))
    print("\n\n".join(as_text(table) for table in tables))
    if not asked.subjects:
        ours = machine.described()
        RESULTS.write_text(as_markdown(tables, asked.date, ours, load_before), encoding="utf-8")
        by_name = dict(zip(names, tables, strict=True))
        VALUES.write_text(as_json(by_name, asked.date, ours, load_before), encoding="utf-8")
        print(f"\nWrote {RESULTS} and {VALUES.name}; docs/draw_calls.py draws from them.", file=sys.stderr)


def measured(subjects: Sequence[str] | Mapping[str, object], effort: Effort) -> Iterator[Table]:
    """Measure one subject after the other, and say on stderr which, and what others did meanwhile."""
    for name in subjects:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        before = machine.used()
        table = SUBJECTS[name](effort)
        meanwhile = machine.others(before, machine.used())
        print(f"{name}: others meanwhile had {meanwhile}", file=sys.stderr, flush=True)
        yield table._replace(meanwhile=meanwhile)


def as_text(table: Table) -> str:
    """Lay a table out for a terminal."""
    lines = [HEAD, *map(_cells, table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    shown = (_aligned(line, widths) for line in lines)
    return "\n".join((table.subject, *shown, *(f"  {note}" for note in table.notes)))


def as_markdown(tables: Sequence[Table], day: str, described: Sequence[str], load_before: float) -> str:
    """Write the results as a document."""
    parts = [
        "# Measured\n",
        f"On {day}, by `make bench`:\n",
        *(f"- {line}" for line in described),
        f"- load average when it began: {load_before:.2f}\n",
        "Medians of rounds in which the contenders take turns. The ratio is how many times as long the other side",
        "takes: above 1, airs is faster. Ratios are what to compare; absolute figures belong to this machine at that",
        "moment, and are noisy where other work ran beside.\n",
    ]
    goals = [goal for table in tables for goal in judged(table.figures)]
    if goals:
        parts += ["## Goals\n", *_goal_lines(goals), ""]
        parts += [f"- {name}: not measured, {why}" for table in tables for name, why in table.skipped.items()]
        parts += ["- The last column says where a target comes from. Only ratios (×) decide `--check`."]
        parts += ["- [docs/speed.md](../docs/speed.md) says why goals are missed.", ""]
    for table in tables:
        parts += [f"## {table.subject}\n", _markdown_line(HEAD), "|---|--:|---|--:|--:|"]
        parts += [_markdown_line(_cells(row)) for row in table.rows]
        notes = (*table.notes, *([f"Others meanwhile had {table.meanwhile}."] if table.meanwhile else []))
        parts += ["", *(f"- {note}" for note in notes), ""]
    return "\n".join(parts).rstrip() + "\n"


def as_json(tables: Mapping[str, Table], day: str, described: Sequence[str], load_before: float) -> str:
    """Write the results for programs."""
    shown = [
        {
            "name": name,
            "subject": table.subject,
            "rows": [row._asdict() for row in table.rows],
            "figures": dict(table.figures),
            "skipped": dict(table.skipped),
            "meanwhile": table.meanwhile,
        }
        for name, table in tables.items()
    ]
    whole = {"date": day, "machine": list(described), "load": load_before, "tables": shown}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _goal_lines(goals: Sequence[Goal]) -> Iterator[str]:
    yield from (_markdown_line(("goal", "measured", "wanted", "", "")), "|---|--:|--:|---|---|")
    for name, value, target in goals:
        bound = f"{'≥' if target.at_least else '≤'} {target.limit:,g} {target.unit}".replace(",", " ")
        reached = "ok" if target.is_reached(value) else "missed"
        measured = f"{value:,.3g} {target.unit}" if value < 1000 else f"{value:,.0f} {target.unit}".replace(",", " ")
        yield _markdown_line((f"`{name}`", measured, bound, reached, target.why))


def _cells(row: Row) -> tuple[str, ...]:
    other = "" if row.other is None else amount(row.other, row.unit)
    return (row.what, amount(row.airs, row.unit), row.beside, other, "" if row.ratio is None else f"{row.ratio:.3g}×")


def amount(value: float, unit: str) -> str:
    """Write a value with three digits and its unit."""
    return duration(value) if unit == "s" else f"{value:#.3g} {unit}".replace(". ", " ")


def duration(seconds: float) -> str:
    """Write a duration with three digits and the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:#.3g} {unit}".replace(". ", " ")
    return f"{seconds / 1e-6:#.3g} µs".replace(". ", " ")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    words = (0, 2)
    shown = [c.ljust(w) if n in words else c.rjust(w) for n, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return ("  " + "  ".join(shown)).rstrip()


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
