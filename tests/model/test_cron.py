"""Schedules → moments, also where clocks change; a line that is none is refused with a reason."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cron import BadSchedule, check_schedule, last_due, next_due

NOW = "2026-01-01T00:00:00"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def coming(line: str, zone: str, after: str, count: int) -> list[str]:
    """Return so many moments in UTC."""
    found, at = [], ms(after)
    for _ in range(count):
        due = next_due(line, zone, at)
        assert due is not None
        assert due > at
        assert last_due(line, zone, due) == due, "what comes is the last that was, once it has come"
        assert last_due(line, zone, due - 1) != due
        found.append(datetime.fromtimestamp(due / 1000, UTC).strftime("%m-%d %H:%M:%S"))
        at = due
    return found


ROWS = {
    "each minute": ("* * * * *", "UTC", NOW, ["01-01 00:01:00", "01-01 00:02:00"]),
    "each second": ("* * * * * *", "UTC", NOW, ["01-01 00:00:01", "01-01 00:00:02"]),
    "daily": ("@daily", "UTC", NOW, ["01-02 00:00:00", "01-03 00:00:00"]),
    "weekdays": ("0 9 * * MON-FRI", "UTC", "2026-01-02T10:00:00", ["01-05 09:00:00", "01-06 09:00:00"]),
    "the last day of a month": ("0 0 L * *", "UTC", NOW, ["01-31 00:00:00", "02-28 00:00:00"]),
    "local time": ("30 3 * * *", "Europe/Berlin", NOW, ["01-01 02:30:00", "01-02 02:30:00"]),
    "a time that is skipped in spring": (
        "30 2 * * *", "Europe/Berlin", "2026-03-28T03:00:00", ["03-29 01:00:00", "03-30 00:30:00"],
    ),
    "a time that comes twice in autumn": (
        "30 2 * * *", "Europe/Berlin", "2026-10-24T03:00:00", ["10-25 00:30:00", "10-26 01:30:00"],
    ),
    "each half hour goes on through both": (
        "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00", ["10-25 00:30:00", "10-25 01:00:00", "10-25 01:30:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "zone", "after", "moments"), ROWS.values(), ids=ROWS)
def test_what_comes(line: str, zone: str, after: str, moments: list[str]):
    assert coming(line, zone, after, len(moments)) == moments


@pytest.mark.parametrize(
    ("line", "zone", "why"),
    [
        ("* * * *", "UTC", "wrong number of fields"),
        ("60 * * * *", "UTC", "bad minute"),
        ("0 0 30 2 *", "UTC", "bad day-of-month"),
        ("@often", "UTC", "wrong number of fields"),
        ("", "UTC", "wrong number of fields"),
        ("* * * * *", "Europe/Berln", "no time zone 'Europe/Berln' is known here"),
        ("* * * * *", "../../etc/passwd", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
    ],
)
def test_what_is_none(line: str, zone: str, why: str):
    with pytest.raises(BadSchedule, match=why):
        check_schedule(line, zone, ms(NOW))


@given(st.text(max_size=40), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_any_line_is_a_schedule_or_refused(line: str, zone: str):
    try:
        check_schedule(line, zone, ms(NOW))
    except BadSchedule:
        return
    assert next_due(line, zone, ms(NOW)) is not None
