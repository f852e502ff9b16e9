"""A schedule as people write it → the moments at which it is due. The meaning of a line of cron is the library's.

Local times are those of a time zone: a time that a change of clocks skips comes right after, one that it repeats comes
once, as with Debian's cron; a line that names no hour goes on through both.
"""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

TEXT_MAX = 200
MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_REMEMBERED = 4_096  # answers: a schedule is asked for its next moment each time that its job is looked at


class BadSchedule(Exception):
    """A line that is no schedule; the text says why."""


def check_zone(zone: str) -> None:
    """Say whether a time zone is known here.

    Raises:
        BadSchedule: it is not.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # OSError: a name of the database's folder, or one that is too long
        raise BadSchedule(f"no time zone {zone!a} is known here") from None


def check_schedule(line: str, zone: str, now_ms: int) -> None:
    """Say whether a line is a schedule that ever comes.

    Raises:
        BadSchedule: it is not.
    """
    check_zone(zone)
    try:
        coming = next_due(line, zone, now_ms)
    except CronSimError as problem:
        raise BadSchedule(str(problem).lower()) from None
    if coming is None:
        raise BadSchedule("it never comes")


@lru_cache(maxsize=_REMEMBERED)
def next_due(line: str, zone: str, after_ms: int) -> int | None:
    """Return the first moment after another at which a good schedule is due; None where there is none any more."""
    found = next(CronSim(_five(line), _local(after_ms, zone)), None)
    return None if found is None else _ms(found)


def last_due(line: str, zone: str, now_ms: int) -> int | None:
    """Return the last moment, this one included, at which a good schedule was due; None where it never was."""
    return next((at for at in _backwards(line, zone, now_ms) if at <= now_ms), None)


def _backwards(line: str, zone: str, now_ms: int) -> "map[int]":
    return map(_ms, CronSim(_five(line), _local(now_ms + 1_000, zone), reverse=True))


def _five(line: str) -> str:
    return MACROS.get(line.strip().lower(), line)


def _local(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms // 1_000, UTC).astimezone(UTC if zone == "UTC" else ZoneInfo(zone))


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1_000
