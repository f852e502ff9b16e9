"""Durations on the command line, written as in the manifests."""

import re
from datetime import datetime
from typing import Any

import click

from orchestrator.time_of_day import wall_ms

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


class Moment(click.ParamType[int]):
    """`10m` (so long ago), `2026-11-28`, `2026-11-28T18:00`, with or without a zone → wall-clock milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one; local time where no zone is given."""
        if isinstance(value, int):
            return value
        ago = _AGO.fullmatch(value)
        if ago is not None:
            return wall_ms() - int(ago[1]) * AGO_MS[ago[2]]
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value[:80]!a} is no time: write 10m, 2h or 3d ago, or 2026-11-28T18:00", param, ctx)


class Expiry(click.ParamType[int]):
    """`90d`, `12h` from now, or a moment as `2027-01-31` → wall-clock milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one; local time where no zone is given."""
        ahead = None if isinstance(value, int) else _AGO.fullmatch(value)
        if ahead is not None:
            return wall_ms() + int(ahead[1]) * AGO_MS[ahead[2]]
        try:
            return value if isinstance(value, int) else int(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value[:80]!a} is no time: write 90d or 12h from now, or 2027-01-31", param, ctx)


AGO_MS = {**UNITS_MS, "d": 86_400_000}
_AGO = re.compile(r"(\d{1,6})(ms|s|m|h|d)", re.ASCII)
DURATION = Duration()
MOMENT = Moment()
EXPIRY = Expiry()
