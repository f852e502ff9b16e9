"""The packages that a snapshot's manifests want → the files by which they stand in it.

`component_uses` says which; here they become entries that `manifest.resolve` reads like any others.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.manifest import OverlayRoom, component_uses, may_hold_overlays, overlay_uses, references
from orchestrator.model.component_source import (
    BARE_ARTIFACT,
    SIGNATURES_FILE,
    ComponentUse,
    Fetched,
    OciComponent,
    RemoteComponent,
    is_virtual,
)
from orchestrator.model.package import PackageReference
from orchestrator.model.snapshot import Content, FileEntry, Snapshot, Unreadable
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing, Artifacts
from orchestrator.store.packages import PackageDamaged, Packages, StoredPackage

_MISSING = Unreadable("missing", "")


class _Known(NamedTuple):
    """The components that a manifest wants fetched, and all the files that say so."""

    files: Mapping[str, FileEntry]
    uses: tuple[ComponentUse, ...]


class Wanted:
    """The components that a source's manifests want fetched; a manifest is read once for each content."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def uses(self, snapshot: Snapshot) -> tuple[ComponentUse, ...]:
        """Return them, each once; of one that is wanted with several times between looks, the shortest counts."""
        before, self._known = self._known, {}
        found: dict[str, ComponentUse] = {}
        room = OverlayRoom()
        for path in snapshot.manifests:
            for use in self._of(path, snapshot, before.get(path), room):
                other = found.get(use.folder)
                if other is None or _is_sooner(use, other):
                    found[use.folder] = use
        return tuple(found.values())

    def _of(self, path: str, snapshot: Snapshot, known: _Known | None, room: OverlayRoom) -> tuple[ComponentUse, ...]:
        entry = snapshot.files.get(path)
        if not isinstance(entry, Content):
            return ()
        if known is None or not _holds(known.files, snapshot.files):
            known = _found(path, entry, snapshot.files, room)
        self._known[path] = known
        return known.uses


def _holds(before: Mapping[str, FileEntry], now: Mapping[str, FileEntry]) -> bool:
    return all((entry := now.get(path, _MISSING)) is was or entry == was for path, was in before.items())


def _found(path: str, entry: Content, files: Mapping[str, FileEntry], room: OverlayRoom) -> _Known:
    uses = component_uses(path, entry.data)
    if not may_hold_overlays(entry.data):
        return _Known({path: entry}, uses)
    more = overlay_uses(path, files, room)
    return _Known({path: entry, **more.needs}, tuple(dict.fromkeys((*uses, *more.components))))


def _is_sooner(use: ComponentUse, other: ComponentUse) -> bool:
    return use.refresh_ms > 0 and (other.refresh_ms == 0 or use.refresh_ms < other.refresh_ms)


class PackageFiles:
    """Makes entries of packages; an artifact is read and inspected once."""

    def __init__(self, packages: Packages, artifacts: Artifacts, cache: ArtifactCache) -> None:
        self._packages, self._artifacts, self._cache = packages, artifacts, cache

    def of(self, use: ComponentUse, note: PackageReference | None, snapshot: Snapshot) -> dict[str, FileEntry]:
        """Return the entries of one component, as far as it is there."""
        if note is None or not note.package:
            return {use.file: _absent(note)}
        try:
            stored = self._packages.read(note.package)
            manifest = _manifest(use, stored, snapshot)
            if isinstance(manifest, Unreadable):
                return {use.file: manifest}
            shown = snapshot.shown(use.manifest) if use.manifest else use.file
            fetched = Fetched(origin=note.origin, shown=shown, warning=_warning(note))
            return dict(self._entries(use, stored, Content(manifest, fetched), snapshot))
        except (FileNotFoundError, PackageDamaged, ArtifactMissing, ArtifactDamaged) as fault:
            return {use.file: Unreadable("fetching", f"It was here, and is fetched again: {fault}.")}

    def is_here(self, note: PackageReference | None) -> bool:
        """Whether the package that a reference stood for last can be used, as far as a look at its files tells."""
        try:
            return bool(note and note.package) and self._artifacts.path(self._artifact(note)).exists()
        except (FileNotFoundError, PackageDamaged):
            return False

    def is_settled(self, remote: RemoteComponent, note: PackageReference | None) -> bool:
        """Whether another look at a component that is here would find the same: signatures may come to it later."""
        if not remote.is_fixed or note is None:
            return False
        package = self._packages.read(note.package).package
        return not isinstance(remote, OciComponent) or package.has_signatures or not package.has_manifest

    def _artifact(self, note: PackageReference | None) -> str:
        assert note is not None
        return self._packages.read(note.package).package.artifact

    def _entries(
        self, use: ComponentUse, stored: StoredPackage, content: Content, snapshot: Snapshot
    ) -> Iterator[tuple[str, FileEntry]]:
        digest = stored.package.artifact
        named: Sequence[str] = [one.path for one in references({use.file: content}, ()) if one.is_artifact]
        artifact = self._cache.artifact(("package", digest), lambda: self._artifacts.read(digest), use.folder)
        yield use.file, content
        yield (named[0] if named else f"{use.folder}/{BARE_ARTIFACT}"), artifact
        signatures = stored.signatures or _beside(use, snapshot)
        if signatures:
            yield f"{use.folder}/{SIGNATURES_FILE}", Content(signatures)


def own_part(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without what was fetched: the files that its source itself holds."""
    own = {path: entry for path, entry in snapshot.files.items() if not is_virtual(path)}
    return snapshot if len(own) == len(snapshot.files) else replace(snapshot, files=own)


def with_files(snapshot: Snapshot, uses: Sequence[ComponentUse], packages: Packages, files: PackageFiles) -> Snapshot:
    """Return the snapshot with what there is of the components that it uses."""
    if not uses:
        return snapshot
    found: dict[str, FileEntry] = {}
    for use in uses:
        found |= files.of(use, packages.reference(use.remote.reference), snapshot)
    return replace(snapshot, files={**snapshot.files, **found})


def _absent(note: PackageReference | None) -> Unreadable:
    if note is None or not note.failure:
        return Unreadable("fetching", "")
    return Unreadable("unfetched", note.failure)


def _warning(note: PackageReference) -> str:
    if not note.failure:
        return ""
    return f"{note.reference} could not be looked up, and is used as it was fetched before: {note.failure}"


def _manifest(use: ComponentUse, stored: StoredPackage, snapshot: Snapshot) -> bytes | Unreadable:
    """Return the Component.toml that a component comes with, or that the source has for it."""
    if stored.manifest and use.manifest:
        return Unreadable("unusable", "It brings a Component.toml of its own: remove `manifest`.")
    if stored.manifest:
        return stored.manifest
    if not use.manifest:
        hint = f"`airs init {use.remote.reference}` writes one."
        return Unreadable("unusable", f"It brings no Component.toml: name one in the source with `manifest`. {hint}")
    entry = snapshot.files.get(use.manifest)
    if isinstance(entry, Content):
        return entry.data
    kind, detail = (entry.kind, entry.detail) if isinstance(entry, Unreadable) else ("missing", "")
    return Unreadable(kind, f"It is about {snapshot.shown(use.manifest)}. {detail}".rstrip())


def _beside(use: ComponentUse, snapshot: Snapshot) -> bytes:
    entry = snapshot.files.get(f"{use.manifest.rpartition('/')[0]}/{SIGNATURES_FILE}".lstrip("/"))
    return entry.data if use.manifest and isinstance(entry, Content) else b""
