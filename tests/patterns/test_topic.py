"""Topics and patterns: what is well formed, what matches, and that one pattern covers another exactly when it matches
all that the other does."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.patterns.topic import (
    PATTERN_PATTERN,
    PATTERN_SAYS,
    SEGMENTS_MAX,
    TOPIC_MAX,
    covers,
    covers_any,
    is_pattern,
    is_topic,
    matches,
)

NAMES = st.sampled_from(["a", "b", "ab"])
TOPICS = st.lists(NAMES, min_size=1, max_size=5).map(".".join)
PATTERNS = st.tuples(st.lists(st.sampled_from(["a", "b", "ab", "*"]), max_size=4), st.booleans()).map(
    lambda parts: ".".join([*parts[0], *(["**"] if parts[1] or not parts[0] else [])])
)


def naive(pattern: str, topic: str) -> bool:
    """Match as a regular expression made of the pattern does."""
    parts = {"*": r"[^.]+", "**": r"[^.]+(\.[^.]+)*"}
    return re.fullmatch(r"\.".join(parts.get(part, part) for part in pattern.split(".")), topic) is not None


@pytest.mark.parametrize(
    "topic", ["a", "orders.new", "orders.eu-west.new_2", "A.b", ".".join(["x"] * SEGMENTS_MAX), "x" * 64]
)
def test_a_topic_is_names_with_dots_between(topic):
    assert is_topic(topic)
    assert is_pattern(topic)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "..", "../a", "a/b", "a b", "a\n", "a\nb", "a\0", "ä", "a.\u202eb", "x" * 65, "a.***",
     ".".join(["x"] * (SEGMENTS_MAX + 1)), ".".join(["x" * 60] * 5), "a*", "*a", "a.b*"],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_no_topic_and_no_pattern(text):
    assert not is_topic(text)
    assert not is_pattern(text)


@pytest.mark.parametrize("pattern", ["*", "**", "a.*", "a.*.b", "*.*", "a.**", "*.**", ".".join(["x"] * 15) + ".**"])
def test_a_pattern_is_no_topic(pattern):
    assert is_pattern(pattern)
    assert not is_topic(pattern)


@pytest.mark.parametrize("text", ["**.a", "a.**.b", "**.**", "a.**.*", ".".join(["x"] * SEGMENTS_MAX) + ".**"])
def test_the_rest_stands_only_at_the_end(text):
    assert not is_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("orders.new", "orders.new", True),
        ("orders.new", "orders.newer", False),
        ("orders.new", "orders", False),
        ("orders.*", "orders.new", True),
        ("orders.*", "orders", False),
        ("orders.*", "orders.new.eu", False),
        ("orders.*", "ordersx.new", False),
        ("*.new", "orders.new", True),
        ("orders.**", "orders.new.eu", True),
        ("orders.**", "orders.new", True),
        ("orders.**", "orders", False),
        ("order.**", "orders.new", False),
        ("**", "orders", True),
        ("**", "orders.new.eu", True),
        ("Orders", "orders", False),
    ],
)
def test_a_pattern_matches_whole_names(pattern, topic, expected):
    assert matches(pattern, topic) is expected
    assert naive(pattern, topic) is expected


@given(PATTERNS, TOPICS)
def test_matching_agrees_with_a_naive_reference(pattern, topic):
    assert matches(pattern, topic) is naive(pattern, topic)


@given(PATTERNS, PATTERNS, st.lists(TOPICS, max_size=30))
def test_what_is_covered_matches_nothing_that_its_cover_does_not(wide, narrow, topics):
    if covers(wide, narrow):
        assert not any(matches(narrow, topic) and not matches(wide, topic) for topic in topics)


@given(PATTERNS, PATTERNS)
def test_what_is_not_covered_matches_something_that_the_other_does_not(wide, narrow):
    """The witnesses are the narrow pattern with names for its stars that no pattern here has."""
    ends = [["z"], ["z", "z"], ["z"] * 5]
    stems = [part if part != "*" else "z" for part in narrow.split(".") if part != "**"]
    witnesses = [".".join([*stems, *end]) for end in ends] if narrow.endswith("**") else [".".join(stems)]
    assert all(matches(narrow, witness) for witness in witnesses)
    assert covers(wide, narrow) is all(matches(wide, witness) for witness in witnesses)


@given(PATTERNS, PATTERNS, PATTERNS)
def test_covering_is_an_order(a, b, c):
    assert covers(a, a)
    assert not (covers(a, b) and covers(b, c)) or covers(a, c)
    assert not (covers(a, b) and covers(b, a)) or a == b


@given(st.text(max_size=TOPIC_MAX + 2))
def test_any_text_is_judged_and_a_topic_stands_for_itself_alone(text):
    assert not is_topic(text) or (is_pattern(text) and matches(text, text) and covers_any(["**"], text))


def test_the_schemas_of_manifests_say_the_same():
    folder = Path(__file__).parents[2] / "schemas"
    for name in ("component", "deployment"):
        topics = json.loads((folder / f"{name}.schema.json").read_text())["$defs"]["topics"]["items"]
        assert (topics["pattern"], topics["maxLength"], topics["x-says"]) == (PATTERN_PATTERN, TOPIC_MAX, PATTERN_SAYS)
