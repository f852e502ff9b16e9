"""Every reason of an event that the code gives is one of the closed set: written out, or the word of another set."""

import re
from pathlib import Path

import pytest

from orchestrator.model.event import EventReason, EventType
from orchestrator.model.message import Health
from orchestrator.model.outcome import Status
from orchestrator.model.rollout import RolloutPhase

CODE = Path(__file__).parents[2] / "orchestrator"
GIVEN = re.compile(r'(?:_?announce|_told)\(\s*[\w.]+,\s*"([a-z-]+)"|_news.*?\([a-z]+, "([a-z-]+)"', re.DOTALL)


def given() -> set[str]:
    found = set()
    for file in CODE.rglob("*.py"):
        found |= {word for pair in GIVEN.findall(file.read_text()) for word in pair if word}
    return found


def test_every_word_that_is_given_as_a_reason_is_one():
    assert len(given()) > 20
    assert given() <= {reason.value for reason in EventReason}


@pytest.mark.parametrize("words", [RolloutPhase, Status, Health])
def test_every_word_of_a_set_that_becomes_a_reason_is_one(words):
    assert all(EventReason(word.value) for word in words)


def test_each_has_a_severity():
    assert {reason for reason in EventReason if reason.severity is EventType.WARNING} >= {
        EventReason.EXITED, EventReason.FAILED, EventReason.SOURCE_STALE, EventReason.STORE_FAILING
    }  # fmt: skip
    assert EventReason.SUCCEEDED.severity is EventType.NORMAL
