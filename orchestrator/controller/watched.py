"""The sources that are watched: read when something woke them, believed once two looks agree, kept when unreadable."""

from collections.abc import Callable, Collection, Iterator

import msgspec

from orchestrator.model.desired import DesiredState, Permissions, Resolution
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Known, KnownEmpty, Snapshot, SourceAnswer, SourceFailure, Unknown

Resolve = Callable[[Snapshot, Collection[DeploymentKey], Permissions], Resolution]
Keep = Callable[[Snapshot], None]


class SourceStatus(msgspec.Struct, frozen=True):
    """What is known of a watched source: its commit, its problems, and since when it could not be read."""

    source: str
    revision: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    failure: SourceFailure | None = None
    stale_since_ms: int | None = None


class Watched:
    """One watched source. `read` may be slow (git); `look` is set from any thread.

    `permissions` hold as long as it is watched. An `is_atomic` source (a commit) is believed at the first look. `seen`
    tells the watching thread what was read.
    """

    def __init__(
        self,
        source: str,
        read: Callable[[], SourceAnswer],
        seen: Callable[[Snapshot], None],
        permissions: Permissions,
        *,
        is_atomic: bool,
    ) -> None:
        self.source = source
        self.read = read
        self.seen = seen
        self.permissions = permissions
        self.is_atomic = is_atomic
        self.resolution: tuple[Snapshot, frozenset[DeploymentKey], Resolution] | None = None
        self.look = True
        self.pending: SourceAnswer | None = None  # seen once, not yet believed
        self.snapshot: Snapshot | None = None
        self.status = SourceStatus(source)


class WatchedSources:
    """Reads, settles and resolves every watched source. Used by the controller's thread, but for `wake`."""

    def __init__(
        self, resolve: Resolve, keep: Keep, now_ms: Callable[[], int], report: Callable[[SourceStatus], None]
    ) -> None:
        self._resolve, self._keep, self._now_ms, self._report = resolve, keep, now_ms, report
        self._watched: dict[str, Watched] = {}

    def add(self, watched: Watched) -> None:
        """Watch one more source."""
        self._watched = {**self._watched, watched.source: watched}

    def wake(self) -> None:
        """Look at every source again in the next pass."""
        for watched in self._watched.values():
            watched.look = True

    def wants(self, key: DeploymentKey, desired: DesiredState | None) -> bool:
        """Whether a watched source still wants a deployment."""
        if desired is None or desired.source not in self._watched:
            return False
        return key in desired.invalid or any(d.key == key for d in desired.deployments)

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Describe the watched sources."""
        return tuple(watched.status for watched in self._watched.values())

    @property
    def are_settling(self) -> bool:
        """Whether a source was seen once in a new state and has to be seen again before it is believed."""
        return any(watched.pending is not None for watched in self._watched.values())

    def read(self) -> None:
        """Read every source that something woke, or that has to be seen a second time."""
        for watched in self._watched.values():
            if watched.look or watched.pending is not None:
                watched.look = False
                self._take(watched, watched.read())

    def resolved(self, known: Collection[DeploymentKey]) -> Iterator[DesiredState]:
        """Resolve every source that has a snapshot; one that was never read says nothing."""
        for watched in self._watched.values():
            if watched.snapshot is None:
                continue
            yield self._resolution(watched, watched.snapshot, frozenset(known)).desired

    def _resolution(self, watched: Watched, snapshot: Snapshot, known: frozenset[DeploymentKey]) -> Resolution:
        cached = watched.resolution
        if cached is not None and cached[0] is snapshot and cached[1] == known:
            return cached[2]
        resolution = self._resolve(snapshot, known, watched.permissions)
        self._keep(snapshot)
        watched.resolution = (snapshot, known, resolution)
        self._note(watched, diagnostics=resolution.diagnostics, revision=snapshot.revision)
        return resolution

    def _take(self, watched: Watched, answer: SourceAnswer) -> None:
        if isinstance(answer, Unknown):
            watched.pending = None
            since = watched.status.stale_since_ms or self._now_ms()
            self._note(watched, failure=answer.failure, stale_since_ms=since)
            return
        watched.seen(answer.snapshot)
        believed = watched.is_atomic or _agree(answer, watched.pending) or _is(answer, watched.snapshot)
        if not believed:
            watched.pending = answer  # it may be half-written: a file at a time, or one file in several writes
            return
        watched.pending = None
        if not _is(answer, watched.snapshot):
            watched.snapshot = answer.snapshot
        self._note(watched, failure=None, stale_since_ms=None)

    def _note(self, watched: Watched, **changes: object) -> None:
        changed = msgspec.structs.replace(watched.status, **changes)
        if changed != watched.status:
            watched.status = changed
            self._report(changed)


def _agree(answer: Known | KnownEmpty, earlier: SourceAnswer | None) -> bool:
    return isinstance(earlier, Known | KnownEmpty) and _is(answer, earlier.snapshot)


def _is(answer: Known | KnownEmpty, snapshot: Snapshot | None) -> bool:
    return snapshot is not None and answer.snapshot == snapshot
