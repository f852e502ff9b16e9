"""What became of plans is told once, and kept for status as long as it is so."""

import logging
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.controller.outcomes import PlanOutcomes
from orchestrator.execute.faults import Faults
from orchestrator.model.commit import Commit
from orchestrator.model.event import NOTHING_MORE, About
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.who import By, Peer
from orchestrator.plan.document import Plan
from orchestrator.plan.make import make_plan
from tests.plan.build import deployment, desired, observed

ONE, TWO = DeploymentKey.parse("one"), DeploymentKey.parse("two")
COMMIT = Commit(id="c" * 40)


class Standing:
    """A clock that stands still."""

    def wall_ms(self) -> int:
        return 0

    monotonic_ms = wall_ms


class Telling:
    """Outcomes, and the events that they made."""

    def __init__(self) -> None:
        self.events: list[tuple[DeploymentKey | None, str, str]] = []
        self.faults = Faults(Standing(), self.announce)  # type: ignore[arg-type]
        self.outcomes = PlanOutcomes(self.announce, self.faults)

    def announce(
        self, key: DeploymentKey | None, reason: str, message: str, _about: About = NOTHING_MORE, /
    ) -> None:  # fmt: skip
        self.events.append((key, reason, message))

    def tell(self, plan: Plan, *statuses: Status, only: Any = None) -> None:
        told = zip(plan.actions, statuses, strict=True)
        self.outcomes.tell(plan, tuple(ActionOutcome(key=a.key, status=s, detail="why") for a, s in told), only)

    def left(self) -> list[tuple[str, DeploymentKey, Status]]:
        return [(name, o.key, o.status) for name, left in self.outcomes.not_done.items() for o in left]


@pytest.fixture
def telling() -> Telling:
    return Telling()


def plan_of(*names: str) -> Plan:
    return make_plan(desired(*(deployment(name) for name in names)), observed())


@pytest.mark.parametrize("status", Status)
def test_what_was_not_done_is_kept_and_told_once(telling: Telling, status: Status):
    plan = plan_of("one")
    for _ in range(3):
        telling.tell(plan, status)
    is_left = status in (Status.BLOCKED, Status.HELD, Status.WAITING, Status.FAILED)
    assert telling.left() == [(plan.source, ONE, status)] * is_left
    assert telling.events == [(ONE, status.value, "why")] * is_left


def test_what_is_done_at_last_is_no_longer_left_and_told_again_if_it_comes_back(telling: Telling):
    plan = plan_of("one")
    for status in (Status.WAITING, Status.DONE, Status.WAITING):
        telling.tell(plan, status)
    assert telling.left() == [(plan.source, ONE, Status.WAITING)]
    assert len(telling.events) == 2


def test_a_plan_for_some_says_nothing_of_the_rest(telling: Telling):
    whole = plan_of("one", "two")
    telling.tell(whole, Status.WAITING, Status.BLOCKED)
    some = plan_of("two")
    telling.tell(some, Status.IN_HAND, only={TWO})
    assert telling.left() == [(whole.source, ONE, Status.WAITING)]


def test_a_failure_that_was_noted_where_it_happened_is_not_told_twice(telling: Telling):
    def fail() -> ActionOutcome:
        raise RuntimeError("no")

    telling.faults.guard(ONE, "do it", "it", fail, lambda _: ActionOutcome(key=ONE, status=Status.FAILED))
    before = len(telling.events)
    telling.tell(plan_of("one"), Status.FAILED)
    assert len(telling.events) == before
    assert len(telling.left()) == 1


def test_nothing_is_left_of_a_source_that_is_forgotten(telling: Telling):
    plan = plan_of("one")
    telling.tell(plan, Status.HELD)
    telling.outcomes.forget(plan.source)
    assert telling.left() == []


def test_each_action_is_logged_once_with_who_wanted_it(telling: Telling, caplog: pytest.LogCaptureFixture):
    plan = replace(plan_of("one"), commit=COMMIT)
    plan = replace(plan, desired=replace(plan.desired, by=By(peer=Peer(uid=7, user="ada"))))
    with caplog.at_level(logging.INFO, logger="controller"):
        for status in (Status.IN_HAND, Status.IN_HAND, Status.DONE):
            telling.tell(plan, status)
    assert [record.getMessage().rpartition(": ")[0].rpartition(": ")[2] for record in caplog.records] == [
        "in-hand", "done",
    ]  # fmt: skip
    assert "by ada" in caplog.records[0].getMessage()


def test_a_commit_is_told_once_and_not_where_somebody_applied_it(telling: Telling):
    plan = replace(plan_of("one"), commit=COMMIT)
    applied = replace(plan, desired=replace(plan.desired, by=By(peer=Peer(uid=7, user="ada"))))
    for each in (plan_of("one"), applied, plan, plan):
        telling.outcomes.tell_commit(each)
    assert [reason for _, reason, _ in telling.events] == ["commit"]
