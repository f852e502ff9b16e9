"""Which events and log lines are chosen: a table, and that everything that is asked for holds together."""

import pytest

from orchestrator.model.event import Event, EventReason, EventType, LogLine
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.selection import Selection

HELLO, OTHER = (DeploymentKey(namespace="default", name=name) for name in ("hello", "other"))


def line(at_ms=1_000, key=HELLO, instance="7679bb-0", level="info", text="said", context=()):
    return LogLine(at_ms=at_ms, key=key, instance=instance, level=level, text=text, context=context)


def event(at_ms=1_000, reason="exited", message="7679bb-0 trapped", key=HELLO, type=EventType.WARNING, **more):
    return Event(at_ms=at_ms, reason=EventReason(reason), message=message, key=key, type=type, **more)


TABLE = [
    ({}, line(), True),
    ({"key": HELLO}, line(), True),
    ({"key": HELLO}, line(key=OTHER), False),
    ({"key": HELLO}, event(key=None), False),
    ({"since_ms": 1_000}, line(), True),
    ({"since_ms": 1_001}, line(), False),
    ({"until_ms": 1_001}, line(), True),
    ({"until_ms": 1_000}, line(), False),
    ({"level": "info"}, line(level="debug"), False),
    ({"level": "info"}, line(level="info"), True),
    ({"level": "info"}, line(level="error"), True),
    ({"level": "warning"}, event(type=EventType.NORMAL), False),
    ({"level": "warning"}, event(), True),
    ({"level": "normal"}, event(type=EventType.NORMAL), True),
    ({"revision": "7679bb7825"}, line(), True),
    ({"revision": "7679"}, line(), True),
    ({"revision": "7679bc"}, line(), False),
    ({"revision": "7679bb"}, line(instance="run-1"), False),
    ({"revision": "7679bb"}, event(revision="7679bb7825aa"), True),
    ({"revision": "7679bb7826"}, event(revision="7679bb7825aa"), False),
    ({"revision": "7679bb"}, event(instance="7679bb-3"), True),
    ({"revision": "7679bb"}, event(), False),
    ({"grep": "ai"}, line(), True),
    ({"grep": "AI"}, line(), False),
    ({"grep": "user=7"}, line(context=(("user", "7"),)), True),
    ({"grep": ".*"}, line(), False),
    ({"grep": "exit"}, event(), True),
    ({"key": HELLO, "level": "warn", "grep": "x"}, line(level="error", text="x"), True),
    ({"key": HELLO, "level": "warn", "grep": "x"}, line(level="info", text="x"), False),
]


@pytest.mark.parametrize(("asked", "entry", "expected"), TABLE)
def test_an_entry_is_chosen_by_all_that_is_asked_for(asked, entry, expected):
    assert Selection(**asked).admits(entry) is expected


@pytest.mark.parametrize(("tail", "expected"), [(None, [1, 3, 5]), (0, []), (2, [3, 5]), (9, [1, 3, 5])])
def test_the_tail_is_of_what_is_chosen(tail, expected):
    entries = [(number, line(at_ms=number, level="warn" if number % 2 else "info")) for number in range(6)]
    assert [entry.at_ms for entry in Selection(level="warn", tail=tail).of(entries)] == expected
