"""A source in memory that can be unknown, empty, half-written, or hold artifacts that are not what they should be."""

from collections.abc import Callable, Collection

import msgspec

from orchestrator.model.commit import Commit
from orchestrator.model.desired import DesiredState, Permissions, Resolution
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Content, Known, KnownEmpty, Snapshot, SourceAnswer, SourceFailure, Unknown
from orchestrator.model.spec import Deployment

SOURCE = "/srv/manifests"


class FlippingSource:
    """Files in memory, one deployment each; `broken` ones have a damaged artifact."""

    def __init__(self) -> None:
        self.files: dict[DeploymentKey, Deployment] = {}
        self.broken: set[DeploymentKey] = set()
        self.is_unknown = False
        self.commit: str | None = None
        self.half: dict[DeploymentKey, Deployment] | None = None  # what the next look finds: a change half made
        self.is_written = False  # the other half, since that look
        self.dropped: set[DeploymentKey] = set()  # no longer held by what two looks agreed upon
        self._held: set[DeploymentKey] = set()
        self._last: Snapshot | None = None

    def begin_again(self) -> None:
        """Forget what the agent that ended had looked at."""
        self._last = None

    def read(self) -> SourceAnswer:
        if self.is_unknown:
            self._last = None
            return Unknown(SourceFailure(source=SOURCE, summary="cannot be read"))
        files = self.files if self.half is None else self.half
        self.is_written, self.half = self.half is not None, None
        snapshot = _snapshot(files, self.broken, self.commit)
        if snapshot == self._last:
            self.dropped |= self._held - files.keys() if files else set()  # an empty source is not believed unasked
            self._held |= files.keys()
        self._last = snapshot
        return Known(snapshot) if files else KnownEmpty(snapshot)


class ReaderAtOnce:
    """Reads when an answer is taken, on the thread that takes it."""

    def __init__(self, read: Callable[[], SourceAnswer]) -> None:
        self._read, self._asks = read, 0
        self.taken = 0

    looked_ms = 0

    def ask(self) -> int:
        self._asks += 1
        return self._asks

    def take(self) -> SourceAnswer | None:
        asked, self.taken = self._asks > self.taken, self._asks
        return self._read() if asked else None


def _snapshot(files: dict[DeploymentKey, Deployment], broken: set[DeploymentKey], commit: str | None) -> Snapshot:
    entries = {
        f"{key.name}.yaml": Content(msgspec.json.encode((key in broken, deployment)))
        for key, deployment in sorted(files.items())
    }
    return Snapshot(
        source=SOURCE,
        root="/srv",
        root_reason="",
        folder="manifests",
        manifests=tuple(entries),
        files=entries,
        commit=Commit(id=commit) if commit else None,
    )


def resolve(snapshot: Snapshot, known: Collection[DeploymentKey], permissions: Permissions) -> Resolution:
    """Do what `manifest.resolve` does, for files that hold a deployment as it is."""
    read = [msgspec.json.decode(entry.data, type=tuple[bool, Deployment]) for entry in snapshot.files.values()]
    desired = DesiredState(
        source=snapshot.source,
        revision=snapshot.revision,
        commit=snapshot.commit,
        deployments=tuple(deployment for broken, deployment in read if not broken),
        invalid=tuple(deployment.key for broken, deployment in read if broken),
        empty=not read,
        permissions=permissions,
    )
    return Resolution(desired=desired, diagnostics=())
