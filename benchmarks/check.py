"""Measures everything there is a goal for, prints a line for each, and says by its exit code whether a ratio is missed.

`python -m benchmarks.calls` calls it. It measures nothing itself. With `--check` it looks at ratios alone, of what took
turns: a time says more of a machine and its load than of airs.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence

from benchmarks import machine, run
from benchmarks.goals import is_missed, judged
from benchmarks.measure import Effort, Table

SUBJECTS = ("calls", "hostcalls", "load", "instances", "many", "actors", "starting")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; with `--check`, only what decides, and exit 1 when a goal of that is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description="Print goals and what is reached.")
    parser.add_argument("--check", action="store_true", help="ratios alone; exit 1 when one is missed")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; default: all")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.subjects) - set(SUBJECTS):
        parser.error(f"no goals for {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    print(machine.announced(), file=sys.stderr)
    missed = report(run.measured(asked.subjects or SUBJECTS, Effort()), deciding=asked.check)
    sys.exit(missed and asked.check)


def report(tables: Iterable[Table], *, deciding: bool = False) -> bool:
    """Print goals, or only those that decide, as soon as their subject is measured, and what was not.

    Returns whether one is missed that decides.
    """
    missed = False
    for table in tables:
        goals = tuple(goal for goal in judged(table.figures) if goal.target.decides or not deciding)
        lines = [*map(str, goals), *(f"skipped {name}: {why}" for name, why in table.skipped.items())]
        print("\n".join(lines), flush=True)
        missed = missed or is_missed(goals)
    return missed
