"""The sources that are watched: kept when unreadable, each read on a thread of its own.

The controller's pass asks for looks and takes the answers there are; it waits for none, however slow a source is.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Protocol

import msgspec

from orchestrator.model.desired import DesiredState, Permissions, Resolution
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Known, KnownEmpty, Snapshot, SourceAnswer, Unknown
from orchestrator.model.source import SourceNote, SourceStatus

NOTE_MS = 60_000  # how old the noted time of being watched may become while nothing else changes

Resolve = Callable[[Snapshot, Collection[DeploymentKey], Permissions], Resolution]
Keep = Callable[[Snapshot], None]


class WatchedReader(Protocol):
    """Reads one source, elsewhere than on the thread that asks."""

    looked_ms: int  # when the reading of the answer began that was taken last
    taken: int  # the number of the last question that the answers taken so far have answered

    def ask(self) -> int:
        """Ask for a reading of the source, one more if it is being read; from any thread. Returns its number."""

    def take(self) -> SourceAnswer | None:
        """Return the newest answer, once; None while there is no new one."""


class Watched:
    """One watched source: all that is known of it, in one place, for `WatchedSources` alone to change.

    `permissions` hold as long as it is watched, `adopt` until it was used. Its reader's answers are whole.
    `seen` tells the watching thread what was read, `note` is what an earlier life knew.

    Larger than most, as one thread changes all of it together, and a part apart would say nothing by itself.
    """

    def __init__(
        self,
        source: str,
        reader: WatchedReader,
        seen: Callable[[Snapshot], None],
        permissions: Permissions,
        *,
        note: SourceNote | None = None,
    ) -> None:
        self.source = source
        self.reader = reader
        self.seen = seen
        self.permissions = permissions
        self.resolution: tuple[Snapshot, int, Permissions, Resolution] | None = None
        self.resolve: Resolve | None = None  # remembers what it resolved last
        self.snapshot: Snapshot | None = None
        self.status = note.status if note is not None else SourceStatus(source=source)
        self.read_ms = note.read_ms if note is not None else 0
        self.looked_ms = 0  # when the newest look began whose answer was taken
        self.carried_ms = note.looked_ms if note is not None else 0  # and of which a pass has carried all out
        self.told: SourceStatus | None = None  # the last report; None before the first answer
        self.has_answered = False  # with something to be believed, or with why there is nothing
        self.noted_ms = 0
        self.shown = note or self.note(0)  # as of the last reading that was resolved
        self.in_force = self.shown  # and of the last that a pass has carried out

    @property
    def unknown(self) -> str:
        """Say why it cannot be read now; empty where it can."""
        return self.status.failure.summary if self.status.failure is not None else ""

    def note(self, now_ms: int) -> SourceNote:
        """Return what is to be known of it later."""
        return SourceNote(status=self.status, read_ms=self.read_ms, watched_ms=now_ms, looked_ms=self.carried_ms)


class WatchedSources:
    """Resolves what every watched source answers. Used by the controller's thread, but for `wake` and what only looks.

    `report` is told of each change of a status, `note` what is worth noting down.
    """

    def __init__(
        self, resolver: Callable[[], Resolve], keep: Keep, now_ms: Callable[[], int],
        report: Callable[[SourceStatus], None], note: Callable[[SourceNote], None],
    ) -> None:  # fmt: skip
        self._resolver, self._keep, self._now_ms = resolver, keep, now_ms
        self._report, self._note_down = report, note
        self._watched: dict[str, Watched] = {}

    def add(self, watched: Watched) -> None:
        """Watch one more source, and ask for a reading of it."""
        self._watched = {**self._watched, watched.source: watched}
        watched.reader.ask()

    def drop(self, source: str) -> None:
        """Watch a source no more, and note down what was last known of it."""
        dropped = self._watched.get(source)
        if dropped is not None:
            self._watched = {name: watched for name, watched in self._watched.items() if name != source}
            self._note_down(dropped.note(self._now_ms()))

    def wake(self) -> None:
        """Look at every source again."""
        for watched in self._watched.values():
            watched.reader.ask()

    def ask(self, source: str) -> None:
        """Look at one source again, if it is watched; from any thread."""
        watched = self._watched.get(source)
        if watched is not None:
            watched.reader.ask()

    def find(self, source: str) -> Watched | None:
        """Return a source if it is watched; from any thread, to look at."""
        return self._watched.get(source)

    def resolve_again(self) -> None:
        """Resolve every snapshot anew in the next pass."""
        for watched in self._watched.values():
            watched.resolution = None

    def wants(self, key: DeploymentKey, desired: DesiredState | None) -> bool:
        """Whether a watched source still wants a deployment."""
        if desired is None or desired.source not in self._watched:
            return False
        return key in desired.invalid or any(d.key == key for d in desired.deployments)

    def permissions(self, source: str) -> Permissions:
        """Return what the operator allowed a watched source; nothing beyond the ordinary for any other."""
        watched = self._watched.get(source)
        return watched.permissions if watched is not None else Permissions()

    def allow(self, source: str, permissions: Permissions) -> None:
        """Allow a watched source other things from now on."""
        watched = self._watched.get(source)
        if watched is not None:
            watched.permissions = permissions

    def has_read(self, source: str) -> bool:
        """Whether something that was read of a watched source is believed, in this process."""
        watched = self._watched.get(source)
        return watched is not None and watched.snapshot is not None

    def notes(self) -> dict[str, SourceNote]:
        """Describe the watched sources, by name."""
        return {name: watched.shown for name, watched in self._watched.items()}

    def notes_in_force(self) -> dict[str, SourceNote]:
        """Describe the watched sources, by name; of a commit, only once it was decided what follows from it."""
        return {name: watched.in_force for name, watched in self._watched.items()}

    def read(self) -> None:
        """Take what was read."""
        for watched in self._watched.values():
            answer = watched.reader.take()
            if answer is not None:
                watched.looked_ms = watched.reader.looked_ms
                self._take(watched, answer)

    def resolved(self, known: Collection[DeploymentKey], names: int) -> Iterator[DesiredState]:
        """Resolve every source that has a snapshot; one that was never read says nothing.

        `known` are the deployments that there are; while `names` is the same, so are they.
        """
        for watched in self._watched.values():
            if watched.snapshot is None:
                continue
            yield self._resolution(watched, watched.snapshot, known, names).desired

    def _resolution(
        self, watched: Watched, snapshot: Snapshot, known: Collection[DeploymentKey], names: int
    ) -> Resolution:
        cached, allowed = watched.resolution, watched.permissions
        if cached is not None and cached[0] is snapshot and cached[1] == names and cached[2] == allowed:
            return cached[3]
        if watched.resolve is None:
            watched.resolve = self._resolver()
        resolution = watched.resolve(snapshot, known, allowed)
        self._keep(snapshot)
        watched.resolution = (snapshot, names, allowed, resolution)
        changes = {
            "diagnostics": resolution.diagnostics, "revision": snapshot.revision, "commit": snapshot.commit,
        }  # fmt: skip
        watched.status = msgspec.structs.replace(watched.status, **changes)
        return resolution

    def tell(self) -> None:
        """Report and note down what changed since the last pass, of what was looked at."""
        now = self._now_ms()
        for watched in self._watched.values():
            watched.shown = watched.note(now)
            if watched.shown.status.revision == watched.in_force.status.revision:
                watched.in_force = watched.shown
            is_news = watched.has_answered and watched.status != watched.told
            if is_news:
                watched.told = watched.status
                self._report(watched.status)
            if is_news or (watched.has_answered and now - watched.noted_ms >= NOTE_MS):
                watched.noted_ms = now
                self._note_down(watched.shown)

    def carried_out(self) -> None:
        """Say of each look whose answer was taken that a pass has decided what follows from it."""
        for watched in self._watched.values():
            if watched.looked_ms > watched.carried_ms:
                watched.carried_ms = watched.looked_ms
                watched.shown = msgspec.structs.replace(watched.shown, looked_ms=watched.looked_ms)
            watched.in_force = watched.shown

    def _take(self, watched: Watched, answer: SourceAnswer) -> None:
        watched.has_answered = True
        if isinstance(answer, Unknown):
            since = watched.status.stale_since_ms or self._now_ms()
            watched.status = msgspec.structs.replace(watched.status, failure=answer.failure, stale_since_ms=since)
            return
        watched.seen(answer.snapshot)
        if not _is(answer, watched.snapshot):
            watched.snapshot = answer.snapshot
        watched.read_ms = self._now_ms()
        watched.status = msgspec.structs.replace(watched.status, failure=None, stale_since_ms=None)


def _is(answer: Known | KnownEmpty, snapshot: Snapshot | None) -> bool:
    return snapshot is not None and (answer.snapshot is snapshot or answer.snapshot == snapshot)
