"""A source's record, notes and wishes → what people and tools are told of it, and how a deployment stands to it.

Asked by the API, and by the command line where no agent runs. Pure: it reads values.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from msgspec import UNSET

from orchestrator.contract.documents import SourceView
from orchestrator.model.desired import AwaitedComponent, DesiredState, Permissions
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.source import (
    INTERVAL_MS,
    NOBODY,
    Follow,
    GitSpec,
    SourceNote,
    SourceRecord,
    SourceStatus,
    overlap,
    place_of,
)
from orchestrator.rollout.standing import is_held, is_serving


class Sync(Enum):
    """The agreement of the serving revision with the source's wish, as far as anybody looks, in the word of status."""

    HELD = "held"  # the revision that the source wants was rejected, or rolled back from
    INVALID = "invalid"  # its manifest or component turned wrong: the revision before still serves
    FETCHING = "fetching"  # its component is being fetched, or cannot be: the revision before still serves
    OUT_OF_SYNC = "out-of-sync"  # something else serves, yet
    SYNCED = "synced"  # the source is watched, was read, and the revision that it wants serves
    STALE = "stale"  # the source cannot be read now; it serves what was wanted when it last could
    SUSPENDED = "suspended"  # the source is: nobody looks until it is resumed
    APPLIED = "applied"  # it serves what was applied once; nobody looks
    NOT_WATCHED = "not-watched"  # the `airs up` that looked has ended, or no agent runs
    UNOWNED = "unowned"  # its source was removed; no manifest says what it should be


_NOTHING_LEFT: Mapping[DeploymentKey, ActionOutcome] = {}


class SourceSeen(NamedTuple):
    """All that is known of one source; each part may be missing but its name.

    `left` are the actions of its last plan that were not done, by deployment.
    """

    name: str
    record: SourceRecord | None = None
    note: SourceNote | None = None
    desired: DesiredState | None = None
    is_agent_running: bool = True
    left: Mapping[DeploymentKey, ActionOutcome] = _NOTHING_LEFT

    @property
    def follow(self) -> Follow:
        """How it is followed; one that nothing is recorded of was applied."""
        return self.record.follow if self.record is not None else Follow.APPLIED

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at it now."""
        return self.follow.is_watched and self.is_agent_running

    @property
    def status(self) -> SourceStatus:
        """The findings of the last looks; empty where there were none."""
        return self.note.status if self.note is not None else SourceStatus(source=self.name)


def seen_source(sources: Mapping[str, SourceSeen], name: str) -> SourceSeen:
    """Return what is known of a source; of nobody, nothing."""
    return sources.get(name) or SourceSeen(name)


def sync_of(record: Record, source: SourceSeen) -> Sync:
    """Say how a deployment stands to its source; the first that is so."""
    if is_held(record):
        return Sync.HELD
    if record.source == NOBODY:
        return Sync.UNOWNED
    if is_invalid(record, source.desired):
        return Sync.FETCHING if _is_unfetched(record, source) else Sync.INVALID
    if not is_serving(record, record.wanted.revision.id):
        return Sync.OUT_OF_SYNC
    if source.is_watched:
        return Sync.STALE if source.status.stale_since_ms is not None else Sync.SYNCED
    return _UNWATCHED.get(source.follow, Sync.NOT_WATCHED)


_UNWATCHED = {Follow.SUSPENDED: Sync.SUSPENDED, Follow.APPLIED: Sync.APPLIED}


def is_invalid(record: Record, desired: DesiredState | None) -> bool:
    """Whether what its source says of a deployment is wrong, or cannot be read."""
    if desired is None:
        return False
    return record.key in desired.invalid or record.wanted.file in desired.unreadable_files


def why_invalid(record: Record, source: SourceSeen) -> str:
    """Say where the manifest of a deployment is wrong and what is; empty where it is not."""
    if not is_invalid(record, source.desired):
        return ""
    if _is_unfetched(record, source):
        told = _first_of(_own(record, source))
        return f"its component is not here yet: {told}; the revision before stays in force, and it is tried again"
    errors = [each for each in source.status.diagnostics if each.is_error]
    own = [each for each in errors if _is_about(each, record)]
    return f"its manifest is invalid: {_first_of(own or errors)}; the last valid one stays in force"


class AwaitedDeployment(NamedTuple):
    """A deployment that never ran, as its component is not here yet: why, and whether fetching it failed."""

    key: DeploymentKey
    source: str
    why: str
    has_failed: bool


class BlockedDeployment(NamedTuple):
    """A deployment that never ran, as its creation is blocked: by which words, and what is wanted of it."""

    key: DeploymentKey
    source: str
    why: str
    version: str
    revision: str


def awaited_in(sources: Mapping[str, SourceSeen], records: Mapping[DeploymentKey, Record]) -> list[AwaitedDeployment]:
    """Return the deployments of watched sources that never ran, as their components are being fetched, by key."""
    found = [
        _awaited(each, source)
        for source in sources.values()
        if source.is_watched and source.desired is not None
        for each in source.desired.awaited or ()
        if each.key not in records
    ]
    return sorted(found)


def blocked_in(sources: Mapping[str, SourceSeen], records: Mapping[DeploymentKey, Record]) -> list[BlockedDeployment]:
    """Return the deployments that never ran, as the last plan of their source blocks them, by key."""
    return sorted(
        _blocked(left, source)
        for source in sources.values()
        for left in source.left.values()
        if left.status is Status.BLOCKED and left.key not in records
    )


def _blocked(left: ActionOutcome, source: SourceSeen) -> BlockedDeployment:
    wanted = source.desired.deployments if source.desired is not None else ()
    revision = next((each.revision for each in wanted if each.key == left.key), None)
    version, id_ = (revision.version, revision.id) if revision is not None else ("", "")
    return BlockedDeployment(left.key, source.name, left.detail, version, id_)


def _awaited(awaited: AwaitedComponent, source: SourceSeen) -> AwaitedDeployment:
    own = [
        each
        for each in source.status.diagnostics
        if (each.location.file, each.location.line) == (awaited.file, awaited.line)
    ]
    has_failed = any(each.is_failure for each in own)
    more = f": {own[0].detail}" if own and own[0].detail else ""
    told = f"{own[0].location}: {own[0].summary}{more}" if own else f"{awaited.file}:{awaited.line}"
    return AwaitedDeployment(awaited.key, source.name, f"its component is not here yet: {told}", has_failed)


def _is_unfetched(record: Record, source: SourceSeen) -> bool:
    """Whether nothing is wrong with what cannot be used: all that is told of its file is no error of the manifests."""
    own = _own(record, source)
    return bool(own) and all(each.is_failure or not each.is_error for each in own)


def _own(record: Record, source: SourceSeen) -> list[Diagnostic]:
    """Return the diagnostics of a deployment's file, those first that keep it from being used."""
    own = [each for each in source.status.diagnostics if _is_about(each, record)]
    return sorted(own, key=lambda each: not each.is_error)


def _is_about(diagnostic: Diagnostic, record: Record) -> bool:
    """Whether a diagnostic is of the file of a deployment, or of what an overlay in that file is made of."""
    file = record.wanted.file
    return diagnostic.location.file == file or (diagnostic.overlay is not UNSET and diagnostic.overlay.file == file)


def _first_of(errors: Sequence[Diagnostic]) -> str:
    if not errors:
        return "`airs validate` says what is wrong"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].location}: {errors[0].summary}{more}"


def overlaps_of(record: SourceRecord, others: Mapping[str, SourceRecord]) -> tuple[str, ...]:
    """Name the sources that are followed, or will be again, and read some of the same files."""
    return tuple(name for name, other in sorted(others.items()) if name != record.name and _overlapping(record, other))


def _overlapping(first: SourceRecord, second: SourceRecord) -> bool:
    if first.spec is None or second.spec is None or Follow.UNWATCHED in (first.follow, second.follow):
        return False
    return overlap(first.spec, second.spec)


def not_watched_since_ms(source: SourceSeen) -> int | None:
    """Return since when nobody has looked that looked before; None where somebody does, or nobody ever did."""
    if source.follow is Follow.APPLIED or source.is_watched:
        return None
    if source.follow.is_watched:  # no agent runs: all that is known of its end is what was noted
        return (source.note.watched_ms or None) if source.note is not None else None
    return source.record.since_ms if source.record is not None else None


def seen_sources(
    records: Mapping[str, SourceRecord], notes: Mapping[str, SourceNote], desired: Mapping[str, DesiredState],
    owners: Iterable[str], *, is_agent_running: bool,
) -> dict[str, SourceSeen]:  # fmt: skip
    """Put together what is known of each source that is followed, or that is one of `owners`, sorted by name."""
    followed = {name for name, record in records.items() if record.follow.is_watched or record.follow.is_added}
    names = sorted({*followed, *owners} - {NOBODY})
    return {
        name: SourceSeen(name, records.get(name), notes.get(name), desired.get(name), is_agent_running)
        for name in names
    }


def source_views(seen: Mapping[str, SourceSeen], not_done: Mapping[str, tuple[ActionOutcome, ...]]) -> list[SourceView]:
    """Describe sources; `not_done` is what each could not do in the last pass."""
    records = {name: each.record for name, each in seen.items() if each.record is not None}
    return [_view(each, records, not_done.get(name, ())) for name, each in seen.items()]


def _view(seen: SourceSeen, others: Mapping[str, SourceRecord], not_done: tuple[ActionOutcome, ...]) -> SourceView:
    record, status = seen.record, seen.status
    spec = record.spec if record is not None else None
    failure = status.failure
    return SourceView(
        kind="Source",
        name=seen.name,
        reads=place_of(spec) if spec is not None else "",
        follow=seen.follow.value,
        watched=seen.is_watched,
        since=record.since_ms if record is not None else None,
        not_watched_since=not_watched_since_ms(seen),
        revision=status.revision or (seen.desired.revision if seen.desired is not None else None),
        commit=status.commit or (seen.desired.commit if seen.desired is not None else None),
        read_at=(seen.note.read_ms or None) if seen.note is not None else None,
        looked_at=(seen.note.looked_ms or None) if seen.note is not None else None,
        deployments=len(seen.desired.deployments) if seen.desired is not None else 0,
        stale_since=status.stale_since_ms,
        failure=f"{failure.summary}: {failure.detail}" if failure is not None else "",
        refused=failure.refused if failure is not None else None,
        verify=spec.verify if isinstance(spec, GitSpec) else None,
        diagnostics=status.diagnostics,
        not_done=not_done,
        interval_ms=record.interval_ms if record is not None else INTERVAL_MS,
        permissions=record.permissions if record is not None else Permissions(),
        namespaces=spec.namespaces if spec is not None else (),
        declared=record is not None and record.declared is not None,
        overlaps=overlaps_of(record, others) if record is not None else (),
    )
