"""What becomes an event, and how often: exits with their backtraces, stale sources once, unheard messages at a rate."""

from collections.abc import Callable

import pytest

from orchestrator.agent.surroundings import UNHEARD_PER_S, Announcer
from orchestrator.model.event import About, Event, EventType
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Outcome, Refused, Replied, Undelivered
from orchestrator.model.snapshot import SourceFailure
from orchestrator.model.source import SourceStatus
from orchestrator.observe.events import Journals

ONE, TWO = ComponentId("default", "one", "0"), ComponentId("default", "two", "0")
STALE = SourceStatus(source="/srv", failure=SourceFailure(source="/srv", summary="not there"), stale_since_ms=1)
READABLE = SourceStatus(source="/srv")
FULL = Undelivered("queue-full", "5 wait")


class Clock:
    """A clock that stands where it is put, and calls what is due when told to."""

    def __init__(self) -> None:
        self.now_ms, self.due = 1_000, []  # type: ignore[var-annotated]

    def wall_ms(self) -> int:
        return self.now_ms

    monotonic_ms = wall_ms

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self.due.append((self.now_ms + delay_ms, call))

    def run(self, until_ms: int) -> None:
        self.now_ms = until_ms
        calls, self.due = [call for _, call in self.due], []
        for call in calls:
            call()


class Stage:
    def __init__(self) -> None:
        self.clock, self.journals, self.said = Clock(), Journals(), []  # type: ignore[var-annotated]
        self.announcer = Announcer(self.journals, self.said.append, self.clock)  # type: ignore[arg-type]

    def events(self) -> list[Event]:
        return [event for _, event in self.journals.events.since(0)]

    def told(self) -> list[tuple[str, str]]:
        return [(event.reason.value, event.message) for event in self.events()]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_event_is_kept_and_said_with_all_that_is_known_of_it(stage: Stage):
    stage.announcer.announce(ONE.deployment, "gave-up", "it\nfailed", About(revision="r", instance="0"))
    (event,) = stage.events()
    assert stage.said == [event]
    assert (event.at_ms, event.key, event.message) == (1_000, ONE.deployment, "it failed")
    assert (event.type, event.revision, event.instance) == (EventType.WARNING, "r", "0")


def test_a_reason_that_nobody_knows_is_a_fault_of_ours(stage: Stage):
    with pytest.raises(ValueError, match="no-such-reason"):
        stage.announcer.announce(None, "no-such-reason", "x")


def test_a_source_turns_stale_once_and_readable_once_though_it_is_looked_at_often(stage: Stage):
    for status in (READABLE, STALE, STALE, READABLE, READABLE, STALE):
        stage.announcer.looked(status)
    assert [reason for reason, _ in stage.told()] == ["source-stale", "source-readable", "source-stale"]
    assert [event.reason.value for event in stage.said] == ["source-readable"]  # what reports on sources says the rest
    assert len(list(stage.journals.looks.since(0))) == 6


def test_an_exit_is_an_event_and_its_backtrace_lines_of_the_log(stage: Stage):
    reason = ExitReason(kind=ExitKind.TRAPPED, backtrace=("main", "start"))
    stage.announcer.exited(ONE, reason, "starts again")
    stage.announcer.exited(ONE, ExitReason(kind=ExitKind.NORMAL), "stays")
    assert [event.reason.value for event in stage.events()] == ["exited", "exited"]
    lines = [line.text for _, line in stage.journals.logs.since(0)]
    assert lines == [str(reason), "  main", "  start"]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (FULL, str(FULL)),
        (Refused("no"), str(Refused("no"))),
        (Exited(ExitReason(kind=ExitKind.DEADLINE)), str(ExitReason(kind=ExitKind.DEADLINE))),
        (Replied(b"well"), None),
    ],
    ids=["undelivered", "refused", "exited", "well"],
)
def test_a_message_that_did_not_end_well_is_told_of_where_nobody_waits(
    stage: Stage, outcome: Outcome, said: str | None
):
    stage.announcer.unheard(ONE, TWO, outcome)
    assert stage.told() == ([("undelivered", f"message from {ONE}: {said}")] if said else [])


def test_who_sends_much_in_vain_is_told_of_at_a_rate_and_the_rest_is_counted(stage: Stage):
    sent = 1_000
    for _ in range(sent):
        stage.announcer.unheard(ONE, TWO, FULL)
    told = len(stage.events())
    assert UNHEARD_PER_S <= told <= sent / 10
    stage.announcer.unheard(TWO, ONE, FULL)  # another sender has a rate of its own
    assert len(stage.events()) == told + 1
    stage.clock.run(60_000)
    assert stage.told()[-1] == ("undelivered", f"{sent - told} more of its messages did not end well")


def test_what_changed_is_looked_at_by_the_controller_once_there_is_one(stage: Stage):
    looked: list[DeploymentKey] = []
    stage.announcer.changed(ONE.deployment)
    stage.announcer.look_at = looked.append
    stage.announcer.changed(TWO.deployment)
    assert looked == [TWO.deployment]
