"""When a watched source is kept although it cannot be read, told of and noted down. Its reader waits for its whole."""

from collections.abc import Collection

import msgspec
import pytest

from orchestrator.controller.watched import NOTE_MS, Watched, WatchedSources
from orchestrator.model.commit import Commit
from orchestrator.model.desired import DesiredState, Permissions, Resolution
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Content, Known, KnownEmpty, Snapshot, SourceAnswer, SourceFailure, Unknown
from orchestrator.model.source import SourceNote, SourceStatus

SOURCE = "/srv/manifests"
GONE = Unknown(SourceFailure(source=SOURCE, summary="it is not there"))


def snapshot(text: str) -> Snapshot:
    return Snapshot(
        source=SOURCE, root="/srv", root_reason="", folder="manifests", manifests=("a.yaml",),
        files={"a.yaml": Content(text.encode())},
    )  # fmt: skip


def known(text: str) -> Known:
    return Known(snapshot(text))


class Scripted:
    """A reader that gives its next answer whenever it is asked."""

    def __init__(self) -> None:
        self.answers: list[SourceAnswer] = []
        self.asked = self.taken = 0

    looked_ms = 0

    def ask(self) -> int:
        self.asked += 1
        return self.asked

    def take(self) -> SourceAnswer | None:
        if not self.answers:
            return None
        self.taken = self.asked
        return self.answers.pop(0)


class Stage:
    """One watched source, and everything that was said of it."""

    def __init__(self, *, note: SourceNote | None = None) -> None:
        self.now_ms = 1_000
        self.names = 0
        self.reader = Scripted()
        self.resolved = 0
        self.kept: list[Snapshot] = []
        self.seen: list[Snapshot] = []
        self.reported: list[SourceStatus] = []
        self.noted: list[SourceNote] = []
        self.sources = WatchedSources(
            lambda: self._resolve, self.kept.append, lambda: self.now_ms, self.reported.append, self.noted.append
        )
        self.sources.add(Watched(SOURCE, self.reader, self.seen.append, Permissions(), note=note))

    def _resolve(
        self, found: Snapshot, _known: Collection[DeploymentKey], permissions: Permissions
    ) -> Resolution:  # fmt: skip
        self.resolved += 1
        text = found.files["a.yaml"].data.decode()  # type: ignore[union-attr]
        return Resolution(desired=DesiredState(source=SOURCE, revision=text, permissions=permissions), diagnostics=())

    def look(self, answer: SourceAnswer | None = None) -> list[str | None]:
        """Go round once, with an answer if there is one; returns what is wanted then."""
        self.reader.answers += [answer] if answer is not None else []
        self.sources.read()
        wanted = [desired.revision for desired in self.sources.resolved((), self.names)]
        self.sources.tell()
        return wanted


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_is_answered_is_believed_at_once(stage: Stage):
    assert stage.reader.asked == 1
    assert stage.look(known("1")) == ["1"]
    assert stage.look() == ["1"]
    assert stage.reader.asked == 1  # nothing is read that nobody asked for
    assert stage.sources.has_read(SOURCE)


def test_what_is_as_it_was_is_not_resolved_anew(stage: Stage):
    for _ in range(4):
        assert stage.look(known("1")) == ["1"]
    assert (stage.resolved, len(stage.kept)) == (1, 1)


def test_what_cannot_be_read_stays_as_it_was_and_is_told_of_once(stage: Stage):
    stage.look(known("1"))
    told = len(stage.reported)
    stage.now_ms = 5_000
    assert stage.look(GONE) == ["1"]
    stage.now_ms = 6_000
    assert stage.look(GONE) == ["1"]
    (stale,) = stage.reported[told:]
    assert (stale.failure, stale.stale_since_ms) == (GONE.failure, 5_000)
    stage.look(known("1"))
    assert stage.reported[-1].stale_since_ms is None


def test_an_empty_folder_is_believed_like_any_other(stage: Stage):
    empty = KnownEmpty(snapshot("none"))
    assert stage.look(empty) == ["none"]


def test_a_source_that_was_never_read_wants_nothing_and_removes_nothing(stage: Stage):
    assert stage.look() == []
    assert stage.look(GONE) == []
    assert not stage.sources.has_read(SOURCE)


def test_the_thread_that_watches_is_told_of_all_that_was_read(stage: Stage):
    for text in ("1", "2"):
        stage.look(known(text))
    assert [found.files["a.yaml"] for found in stage.seen] == [Content(b"1"), Content(b"2")]


def test_that_it_is_watched_is_noted_now_and_then(stage: Stage):
    stage.look(known("1"))
    noted = len(stage.noted)
    stage.now_ms += NOTE_MS - 1
    stage.look()
    assert len(stage.noted) == noted
    stage.now_ms += NOTE_MS
    stage.look()
    assert [note.watched_ms for note in stage.noted[noted:]] == [stage.now_ms]


def test_it_goes_on_from_what_an_earlier_agent_noted_and_notes_its_end():
    note = SourceNote(status=SourceStatus(source=SOURCE, revision="old"), read_ms=7, watched_ms=8)
    stage = Stage(note=note)
    assert stage.sources.notes() == {SOURCE: note}
    stage.sources.drop(SOURCE)
    assert stage.noted == [msgspec.structs.replace(note, watched_ms=stage.now_ms)]
    assert stage.sources.notes() == {}


def test_what_its_operator_allows_is_part_of_what_it_wants(stage: Stage):
    stage.look(known("1"))
    stage.sources.allow(SOURCE, Permissions(adopt=True))
    stage.look()
    assert stage.resolved == 2
    assert stage.sources.permissions(SOURCE) == Permissions(adopt=True)
    assert stage.sources.permissions("another") == Permissions()


def test_it_is_resolved_anew_when_deployments_came_or_went(stage: Stage):
    stage.look(known("1"))
    stage.look()
    assert stage.resolved == 1
    stage.names += 1  # what it depends on may be there now
    stage.look()
    assert stage.resolved == 2


def test_a_commit_is_shown_once_it_was_decided_what_follows_from_it(stage: Stage):
    def shown() -> str | None:
        return stage.sources.notes_in_force()[SOURCE].status.revision

    stage.look(Known(msgspec.structs.replace(snapshot("1"), commit=Commit(id="first"))))
    assert shown() is None
    stage.sources.carried_out()
    assert shown() == "first"
    stage.look(Known(msgspec.structs.replace(snapshot("2"), commit=Commit(id="next"))))
    assert (shown(), stage.sources.notes()[SOURCE].status.revision) == ("first", "next")
    stage.sources.carried_out()
    assert shown() == "next"
