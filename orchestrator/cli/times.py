"""How a moment looks to people: local time with its date. The one place that says so; JSON keeps milliseconds."""

from datetime import UTC, datetime

DATE_TIME = "%Y-%m-%d %H:%M:%S"


def clock(at_ms: int) -> str:
    """Write a moment, to the second; empty for none."""
    return _local(at_ms * 1_000).strftime(DATE_TIME) if at_ms else ""


def fine_clock(at_us: int) -> str:
    """Write a moment, to the microsecond."""
    return _local(at_us).strftime(f"{DATE_TIME}.%f")


def _local(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone()
