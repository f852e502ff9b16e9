"""The thread that looks: again and again at the same things, and nobody is told twice."""

import threading
from concurrent.futures import Future

from orchestrator.agent import notifying
from orchestrator.agent.notifying import NewsFacts, Notifying, PassView
from orchestrator.agent.receivers import Interest, Receiver
from orchestrator.model.commit import Commit
from orchestrator.model.desired import DesiredState
from orchestrator.model.snapshot import RefusedCommit, SourceFailure
from orchestrator.model.source import Follow, GitSpec, SourceNote, SourceRecord, SourceStatus
from orchestrator.notify.transitions import Notice, Transition
from orchestrator.store.store import Store
from orchestrator.supervise.timers import SystemClock
from tests.e2e.conftest import wait_until

APPLIED, ATTEMPTED = "a" * 40, "b" * 40
SPEC = GitSpec(identity="shop", repository="/srv/shop.git", ref="main", path="", transport="file")
REFUSED = SourceFailure(
    source="shop", summary="refused", refused=RefusedCommit(commit=Commit(id=ATTEMPTED), why="it is not signed")
)


class Heard:
    """A sender that takes everything."""

    at_once = 20

    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []

    def send(self, notices):
        self.notices += [(each.subject, each.word) for each in notices]


def looked_at(store: Store, clock: SystemClock, status: SourceStatus, times: int) -> tuple[Heard, Heard]:
    """Look at one source so often, as another agent each time would; returns what a forge and a person heard."""
    world = PassView(
        {"shop": DesiredState(source="shop", revision=APPLIED)},
        {"shop": SourceNote(status=status, read_ms=1)},
        {},
        {"shop": SourceRecord(name="shop", follow=Follow.WATCHED, since_ms=0, spec=SPEC)},
        {},
    )
    looks, done = threading.Semaphore(0), Future[PassView]()
    done.set_result(world)

    def look() -> Future[PassView]:
        looks.release()
        return done

    forge, person = Heard(), Heard()
    words = frozenset(each.value for each in Transition)
    interests = {
        ("forge", "github"): (forge, Interest(is_commit)),
        ("ops", "webhook"): (person, Interest(lambda notice: not is_commit(notice), words)),
    }
    receivers = [
        Receiver(named, interest, sender, store.told, 1_000, clock, nothing)
        for named, (sender, interest) in interests.items()
    ]
    made = Notifying(receivers, NewsFacts(look, lambda _: None, lambda *_: None, tuple), clock)
    made.begin()
    try:
        for _ in range(times):
            assert looks.acquire(timeout=20)
        wait_until(lambda: not any(view.waiting for view in made.views()))
    finally:
        made.close()
    return forge, person


def is_commit(notice: Notice) -> bool:
    return notice.subject.startswith("commit ")


def nothing(*_: object) -> None:
    return


def test_the_commit_that_was_attempted_and_the_one_in_force_are_told_once_each(store, clock, monkeypatch):
    monkeypatch.setattr(notifying, "LOOK_S", 0.01)
    monkeypatch.setattr(notifying, "GATHER_S", 0.001)
    status = SourceStatus(source="shop", revision=APPLIED, failure=REFUSED, stale_since_ms=1)
    forge, person = looked_at(store, clock, status, 8)
    assert sorted(forge.notices) == [(f"commit {APPLIED} shop", "success"), (f"commit {ATTEMPTED} shop", "failure")]
    assert person.notices == [("source shop", "source-failed")]
    again = looked_at(store, clock, status, 4)  # after a restart
    assert [each.notices for each in again] == [[], []]
    recovered = looked_at(store, clock, SourceStatus(source="shop", revision=APPLIED), 4)
    assert [each.notices for each in recovered] == [[], [("source shop", "source-recovered")]]
