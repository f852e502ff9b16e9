"""Topics and the patterns over them: what is well formed, what a pattern matches, and which pattern covers which. Pure.

A topic is names with dots between them, `orders.eu.new`. In a pattern, `*` stands for one name, and `**`, at its end,
for one or more. `manifest` compares what is written, `security` what is asked, and `messaging` finds who subscribes.
"""

import re
from collections.abc import Iterable, Sequence

ONE, REST = "*", "**"
TOPIC_MAX = 255  # characters
SEGMENTS_MAX = 16
_SEGMENT = "[A-Za-z0-9_-]{1,64}"  # ASCII: no two topics look alike, and none has to be normalised
TOPIC_PATTERN = rf"^{_SEGMENT}(\.{_SEGMENT}){{0,{SEGMENTS_MAX - 1}}}$"
_PART = rf"({_SEGMENT}|\*)"
PATTERN_PATTERN = rf"^({_PART}(\.{_PART}){{0,{SEGMENTS_MAX - 1}}}|({_PART}\.){{0,{SEGMENTS_MAX - 1}}}\*\*)$"
TOPIC_SAYS = (
    f"a topic like `orders.eu.new`: at most {SEGMENTS_MAX} names of letters, digits, `_` and `-`, dots between them"
)
PATTERN_SAYS = "a topic like `orders.new`, or a pattern: `*` stands for one name, `**` at the end for one or more"
_topic, _pattern = re.compile(TOPIC_PATTERN, re.ASCII), re.compile(PATTERN_PATTERN, re.ASCII)


def is_topic(text: str) -> bool:
    """Decide whether something may be published under this."""
    return len(text) <= TOPIC_MAX and _topic.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Decide whether this may be subscribed to, or granted; every topic is a pattern."""
    return len(text) <= TOPIC_MAX and _pattern.fullmatch(text) is not None


def matches(pattern: str, topic: str) -> bool:
    """Decide whether a pattern stands for a topic; both are well formed."""
    return covers(pattern, topic)


def covers(wide: str, narrow: str) -> bool:
    """Decide whether one pattern stands for every topic that another does; both are well formed."""
    return _covers(wide.split("."), narrow.split("."))


def covers_any(wide: Iterable[str], narrow: str) -> bool:
    """Decide whether one of some patterns covers another."""
    return any(covers(pattern, narrow) for pattern in wide)


def _covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    *fixed, last = wide
    if last != REST:
        return len(wide) == len(narrow) and all(map(_covers_one, wide, narrow))
    return len(narrow) > len(fixed) and all(map(_covers_one, fixed, narrow))


def _covers_one(wide: str, narrow: str) -> bool:
    return narrow != REST and wide in (ONE, narrow)  # the rest is more than any one name
