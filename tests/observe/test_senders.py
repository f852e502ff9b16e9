"""Who was seen sending to whom: written when that is new, at most once an hour, and forgotten after a while."""

import pytest

from orchestrator.model.facts import SeenSender
from orchestrator.model.hop import Hop, HopKind
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.observe.senders import FORGOTTEN_MS, SENDERS_MAX, TOLD_EVERY_MS, SendersSeen
from orchestrator.store.database import DatabaseFault

TARGET = DeploymentKey(namespace="default", name="target")


class Kept:
    """The rows, and how often any was written."""

    def __init__(self, *, fails: bool = False) -> None:
        self.rows: dict[DeploymentKey, tuple[SeenSender, ...]] = {}
        self.writes, self.fails = 0, fails

    def of(self, target):
        if self.fails:
            raise DatabaseFault("the disk is gone")
        return self.rows.get(target, ())

    def keep(self, target, seen):
        if self.fails:
            raise DatabaseFault("the disk is gone")
        self.rows[target], self.writes = seen, self.writes + 1


class Hours:
    """A clock that stands still."""

    now_ms = 10 * FORGOTTEN_MS

    def __call__(self) -> int:
        return self.now_ms


def hop(sender="one", kind=HopKind.SEND, namespace="default", target="target"):
    return Hop(
        conversation="c", kind=kind, sender=ComponentId(namespace, sender, "x"),
        target=ComponentId("default", target), at_us=1, took_us=1, outcome="handled",
    )  # fmt: skip


def names(seen):
    return [key.name for key in seen.of(TARGET)]


def test_a_sender_is_written_once_an_hour_and_known_after_a_restart():
    kept, clock = Kept(), Hours()
    seen = SendersSeen(kept, clock)
    for sender in ("two", "one", "one"):
        seen.heard(hop(sender))
    assert (names(seen), kept.writes) == (["one", "two"], 2)
    clock.now_ms += TOLD_EVERY_MS
    seen.heard(hop())
    assert kept.writes == 3
    assert names(SendersSeen(kept, clock)) == ["one", "two"]


def test_a_sender_that_sends_no_more_is_forgotten():
    kept, clock = Kept(), Hours()
    seen = SendersSeen(kept, clock)
    seen.heard(hop("one"))
    clock.now_ms += FORGOTTEN_MS
    seen.heard(hop("two"))
    assert names(seen) == ["one", "two"]
    clock.now_ms += 1
    assert names(seen) == ["two"]


@pytest.mark.parametrize("each", [
    hop("client", namespace="airs"), hop("target"), hop(kind=HopKind.ANSWER), hop(kind=HopKind.TIMEOUT),
])  # fmt: skip
def test_others_are_no_senders(each):
    seen = SendersSeen(Kept(), Hours())
    seen.heard(each)
    assert names(seen) == []


def test_of_too_many_the_latest_are_kept():
    kept, clock = Kept(), Hours()
    seen = SendersSeen(kept, clock)
    for number in range(SENDERS_MAX + 5):
        clock.now_ms += 1
        seen.heard(hop(f"s{number:03}"))
    assert names(seen) == [f"s{number:03}" for number in range(5, SENDERS_MAX + 5)]


def test_a_store_that_fails_takes_nothing_from_a_message():
    seen = SendersSeen(Kept(fails=True), Hours())
    seen.heard(hop())
    assert names(seen) == ["one"], "it is known as long as the agent runs"
