"""Durations on the command line, written as in the manifests."""

import re
from typing import Any

import click

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_PATTERN = re.compile(r"(\d{1,9})(ms|s|m|h)", re.ASCII)


class Duration(click.ParamType[int]):
    """`100ms`, `5s`, `2m`, `1h` → milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one."""
        if isinstance(value, int):
            return value
        found = _PATTERN.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a duration: write 100ms, 5s, 2m or 1h", param, ctx)
        return int(found[1]) * UNITS_MS[found[2]]


DURATION = Duration()
