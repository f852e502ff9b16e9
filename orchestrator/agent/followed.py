"""Sources that are followed: each by a thread that notices when to look, and one that reads, however long that takes.

`sources.py` decides which sources are followed, and what for. A folder is read until it holds still;
`controller/watched.py` takes what the threads read.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.controller.loop import Controller
from orchestrator.controller.watched import Watched
from orchestrator.execute.ledger import Ledger
from orchestrator.fetch.files import own_part
from orchestrator.fetch.lookout import Lookout
from orchestrator.manifest import references
from orchestrator.model.commit import Commit
from orchestrator.model.desired import Permissions
from orchestrator.model.event import Announce
from orchestrator.model.snapshot import Snapshot, SourceAnswer
from orchestrator.model.source import Follow, SourceNote, SourceRecord, SourceSpec
from orchestrator.source.access import Access, no_access
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.changes import Changed
from orchestrator.source.folder import FolderSource
from orchestrator.source.open import Source, open_source
from orchestrator.source.reader import Read, SourceReader
from orchestrator.source.settled import SettledSource
from orchestrator.source.watch import Watch, watch
from orchestrator.store.database import DatabaseFault
from orchestrator.store.decisions import PutSource
from orchestrator.store.notes import Notes


class FollowedSource(NamedTuple):
    """A source that is followed, and what ends its two threads."""

    watched: Watched
    stop: threading.Event
    reader: SourceReader

    def end(self) -> None:
        """End both threads, without waiting for a read that is going on."""
        self.stop.set()
        self.reader.close()


class Reading:
    """The means of reading sources: an inspector of components, a place for mirrors, what git may see, and a lookout
    for the components that are fetched.
    """

    def __init__(
        self, artifacts: ArtifactCache, work_dir: Path, passed_on: Mapping[str, str], lookout: Lookout,
        now_ms: Callable[[], int], access: Access = no_access,
    ) -> None:  # fmt: skip
        self._access = access
        self._artifacts, self._work_dir, self._passed_on, self._now_ms = artifacts, work_dir, passed_on, now_ms
        self.lookout = lookout

    def follow(
        self, record: SourceRecord, note: SourceNote | None, accepted: Commit | None, answered: Callable[[], None]
    ) -> FollowedSource:
        """Start the threads of one source, whose `accepted` was believed last; `answered` is called after each look."""
        assert record.spec is not None
        source = open_source(
            record.spec, references=references, artifacts=self._artifacts, work_dir=self._work_dir,
            passed_on=self._passed_on, accepted=accepted, access=self._access,
        )  # fmt: skip
        stop = threading.Event()
        read = SettledSource(source.glance, stop.wait).read if isinstance(source, FolderSource) else _whole(source)
        read = self.lookout.wrapped(record.name, read, lambda: reader.ask(()))
        reader = SourceReader(record.name, _told_to(lambda: watching, read), answered, self._now_ms)
        watching = watch(record.spec, stop, reader.ask, interval_s=record.interval_ms / 1000)

        def seen(snapshot: Snapshot) -> None:
            watching.update(own_part(snapshot))

        watched = Watched(record.name, reader, seen, record.permissions, note=note)
        return FollowedSource(watched, stop, reader)


def _told_to(watching: Callable[[], Watch], read: Read) -> Read:
    """Let the thread that watches a source know what each look found."""

    def told(changed: Changed, more: Callable[[], Changed]) -> SourceAnswer:
        answer = read(changed, more)
        watching().looked(answer)
        return answer

    return told


def _whole(source: Source) -> Read:
    return lambda _changed, _more: source.read()


class FollowedSources:
    """Follows sources, and has the ledger say so. On the controller's thread, or while that does not run."""

    def __init__(
        self, controller: Controller, ledger: Ledger, notes: Notes, reading: Reading, clock: Clock, announce: Announce
    ) -> None:
        self._controller, self._ledger, self._notes, self._reading = controller, ledger, notes, reading
        self._clock, self._announce = clock, announce
        self._following: dict[str, FollowedSource] = {}

    def specs(self) -> dict[str, SourceSpec]:
        """Return what is read of each source that is looked at now, by name; from any thread."""
        records = [*self._ledger.sources.values()]
        return {each.name: each.spec for each in records if each.follow.is_watched and each.spec is not None}

    def begin(self, elsewhere: Collection[str] = ()) -> None:
        """Follow what is to be followed, before the controller starts; an `up` that was killed has ended.

        Of those that read `elsewhere` than before, nothing counts as accepted yet.
        """
        notes = self._notes.all()
        for record in self._ledger.sources.values():
            if record.follow is Follow.UP:
                note = notes.get(record.name)
                self.put_unwatched(record, max(note.watched_ms if note else 0, record.since_ms))
            elif record.follow is Follow.WATCHED and record.spec is not None:
                accepted = None if record.name in elsewhere else self.accepted(record.name)
                self.follow(record, notes.get(record.name), accepted)

    def close(self) -> None:
        """Follow nothing any more, once the controller has ended; an `up` in this process or another ends, too."""
        for name in [*self._following]:
            record = self._ledger.sources[name]
            try:
                self.unfollow(name)
                if record.follow is Follow.UP:
                    self.put_unwatched(record, self._clock.wall_ms())
            except DatabaseFault as fault:  # the next agent finds that the `up` was cut off
                self._announce(None, "host-fault", f"the end of watching {name} cannot be recorded: {fault}")

    def note(self, note: SourceNote) -> None:
        """Keep what is known of a source; a disk that has no room for that keeps nobody from anything else."""
        try:
            self._notes.keep(note)
        except DatabaseFault as fault:
            self._announce(None, "host-fault", f"what is known of {note.status.source} cannot be noted: {fault}")

    def put(self, record: SourceRecord) -> None:
        """Record how a source is followed."""
        self._ledger.decide([PutSource(source=record)])

    def put_unwatched(self, record: SourceRecord, since_ms: int) -> None:
        """Record that nobody looks at a source any more, and what its operator allowed with that."""
        self.put(replace(record, follow=Follow.UNWATCHED, since_ms=since_ms, permissions=Permissions()))

    def accepted(self, name: str) -> Commit | None:
        """Return the commit of a source that was believed last; a range of versions does not go back behind it."""
        desired = self._ledger.desired.get(name)
        return desired.commit if desired is not None else None

    def follow(self, record: SourceRecord, note: SourceNote | None, accepted: Commit | None) -> None:
        """Follow a source from now on, as its record says and no longer as before."""
        self.unfollow(record.name)
        following = self._reading.follow(record, note, accepted, self._controller.wake)
        self._following[record.name] = following
        self._controller.sources.add(following.watched)

    def unfollow(self, name: str) -> None:
        """Follow a source no more."""
        following = self._following.pop(name, None)
        if following is not None:
            following.end()
            self._reading.lookout.unwanted(name)
            self._controller.sources.drop(name)
