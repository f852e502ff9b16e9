"""Which version a message goes to."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.messaging.mailbox import traffic
from orchestrator.messaging.mailbox.traffic import Conversations, bucket, choose


@given(st.integers(0, 100), st.integers(0, 10**6))
def test_any_hundred_messages_in_a_row_split_exactly_by_weight(weight, first):
    weights = (("new", weight), ("old", 100 - weight))
    split = Counter(choose(weights, bucket(None, first + n)) for n in range(100))
    assert split == Counter({"new": weight, "old": 100 - weight})


def test_conversations_split_about_by_weight():
    lanes = Conversations()
    weights = (("new", 20), ("old", 80))
    split = Counter(lanes.lane(weights, f"conversation-{n}", n) for n in range(2_000))
    assert 300 < split["new"] < 500


@given(st.text(), st.lists(st.integers(1, 99), min_size=1, max_size=8))
def test_a_conversation_stays_on_the_version_it_started_on_whatever_the_weights_become(name, later):
    lanes = Conversations()
    started = lanes.lane((("new", 50), ("old", 50)), name, 1)
    for number, weight in enumerate(later):
        assert lanes.lane((("new", weight), ("old", 100 - weight)), name, number) == started


def test_a_conversation_begun_before_the_canary_stays_with_the_old_version():
    lanes = Conversations()
    assert lanes.lane((("old", 100),), "c", 1) == "old"
    assert lanes.lane((("new", 99), ("old", 1)), "c", 2) == "old"


def test_a_conversation_whose_version_is_no_longer_served_moves_on():
    lanes = Conversations()
    lanes.lane((("new", 100),), "c", 1)
    assert lanes.lane((("old", 100),), "c", 2) == "old"


def test_only_so_many_conversations_are_remembered_and_the_longest_silent_goes_first(monkeypatch):
    monkeypatch.setattr(traffic, "PINS_MAX", 2)
    lanes = Conversations()
    lanes.lane((("old", 100),), "a", 1)
    lanes.lane((("old", 100),), "b", 2)
    lanes.lane((("old", 100),), "a", 3)
    lanes.lane((("old", 100),), "c", 4)  # forgets b
    both = (("new", 100), ("old", 0))
    assert [lanes.lane(both, name, 5) for name in ("a", "c")] == ["old", "old"]
    assert lanes.lane(both, "b", 6) == "new"


@pytest.mark.parametrize("position", [0, 50, 99])
def test_a_single_version_gets_everything(position):
    assert choose((("only", 100),), position) == "only"
