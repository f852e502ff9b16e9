"""Turns a snapshot into the desired state and every diagnostic met on the way. The controller and `airs plan` call it.

One bad document makes only its own deployment invalid. A file of which not every name could be told is listed as
unreadable, so that nobody takes what it used to say for removed.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.manifest.component import ComponentFile, Unusable, read_component
from orchestrator.manifest.entries import ManifestFile, read_manifest
from orchestrator.manifest.entry import Components, DocumentEntry
from orchestrator.manifest.graph import cycle_through, knots, written
from orchestrator.manifest.node import Unplaced
from orchestrator.manifest.overlay.environment import ManifestReading
from orchestrator.manifest.overlay.layers import Around, OverlayRoom
from orchestrator.manifest.overlay.outlines import Outlines
from orchestrator.manifest.parsed import Parsed
from orchestrator.manifest.paths import collisions
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.manifest.references import Reference, references, signatures_path
from orchestrator.manifest.renaming import kept_by_invalid, refuse_names_before
from orchestrator.manifest.sealed import written_twice
from orchestrator.model.desired import AwaitedComponent, DesiredState, Permissions, Resolution
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Artifact, FileEntry, Snapshot, Unreadable
from orchestrator.model.spec import Deployment, Group
from orchestrator.signing.trust import Trust

DIAGNOSTICS_MAX = 100  # of one file; the rest is counted
MANIFEST_SUFFIXES = (".yaml", ".yml")
_ABSENT = Unreadable("missing", "")

Keyed = dict[DeploymentKey, list[DocumentEntry]]
Found = defaultdict[DocumentEntry, list[Unplaced]]  # what comparing entries brought up


class _Read(msgspec.Struct, frozen=True):
    """A manifest that was read, and what of it the reading depends on besides its components."""

    file: str
    content: FileEntry
    collided_with: str | None
    result: ManifestFile


class _Component(msgspec.Struct, frozen=True):
    """A component that was read, and all it depends on: its own files, by path."""

    needs: dict[str, tuple[object, str | None]]  # what stands for the content, and what the path collides with
    result: ComponentFile


class _Resolved(msgspec.Struct):
    """A snapshot as it was resolved, with all that one manifest more or less depends on.

    `known` are the deployments that existed elsewhere; None where nothing depends on any. `users` are the manifests
    whose overlays have a file among their bases, by its path.
    """

    snapshot: Snapshot
    manifests: dict[str, _Read]
    components: dict[str, ComponentFile]
    collided: dict[str, str]
    trust: Trust
    known: frozenset[DeploymentKey] | None
    resolution: Resolution
    users: dict[str, set[str]]


class Resolver:
    """Resolves the snapshots of one source, one after another; of each only what changed since the last is read anew.

    Unchanged deployments keep their very objects, so that comparing one with itself costs nothing. `trust` is asked
    each time for the keys that signers are known by.
    """

    def __init__(self, trust: Callable[[], Trust] = Trust) -> None:
        self._trust = trust
        self._manifests: dict[str, _Read] = {}
        self._components: dict[str, _Component] = {}
        self._parsed = Parsed()
        self._outlines = Outlines(self._parsed.documents)
        self._last: _Resolved | None = None

    def references(self, files: Mapping[str, FileEntry], manifests: Sequence[str]) -> tuple[Reference, ...]:
        """Return what the given files refer to, as `references` does; files that were parsed for it are parsed."""
        return references(files, manifests, self._parsed.documents)

    def resolve(
        self, snapshot: Snapshot, known: Collection[DeploymentKey] = (), permissions: Permissions | None = None
    ) -> Resolution:
        """Resolve everything the snapshot's manifests ask for; `known` are deployments that exist elsewhere.

        Never raises, whatever the files hold.
        """
        permissions, trust, last = permissions or Permissions(), self._trust(), self._last
        patched = None if last is None else self._patched(last, snapshot, known, trust)
        if patched is None:
            self._last = patched = self._resolved(snapshot, known, trust)
        self._parsed.forget()
        self._outlines.keep(snapshot.files)
        desired, diagnostics = patched.resolution.desired, patched.resolution.diagnostics
        return Resolution(desired=replace(desired, permissions=permissions), diagnostics=diagnostics)

    def _resolved(self, snapshot: Snapshot, known: Collection[DeploymentKey], trust: Trust) -> "_Resolved":
        """Resolve everything; of files that are the same since the last time, what they held is known."""
        collided = collisions(snapshot.files)
        components: dict[str, ComponentFile] = {}
        read = self._read(snapshot, collided, components)
        entries = [entry for one in read for entry in one.result.entries]
        keyed = _by_key(entries)
        found: Found = defaultdict(list)
        _refuse_namespaces(entries, snapshot.namespaces, found)
        _refuse_duplicates(keyed, found)
        _refuse_dependencies(keyed, set(known), found)
        refuse_names_before(keyed, found)
        _refuse_groups(entries, found)
        _warn_of_twins(entries, found)
        _refuse_twice_sealed(entries, found)
        diagnostics = [*_diagnostics(read, found)]
        diagnostics += (diagnostic for component in components.values() for diagnostic in component.diagnostics)
        diagnostics += _revoked(snapshot, components, trust)
        unreadable = tuple(sorted({one.file for one in read if one.result.is_unreadable}))
        desired = _desired(snapshot, keyed, found, unreadable)
        overlays = tuple(one.file for one in read if one.result.environments)
        desired = replace(desired, overlays=overlays or UNSET)
        before = self._last.resolution.desired.deployments if self._last is not None else ()
        desired = replace(desired, deployments=_all_recognised(desired.deployments, trust, before))
        sealed = (entry.sealed for entry in entries if entry.sealed is not None and entry not in found)
        desired = replace(desired, sealed=tuple(sorted(sealed)))
        return _Resolved(
            snapshot, self._manifests, components, collided, trust,
            frozenset(known) if any(entry.depends_on for entry in entries) else None,
            Resolution(desired=desired, diagnostics=tuple(_limited(diagnostics))), _users(self._manifests),
        )  # fmt: skip

    def _patched(
        self, last: _Resolved, snapshot: Snapshot, known: Collection[DeploymentKey], trust: Trust
    ) -> _Resolved | None:
        def component(name: str) -> ComponentFile:
            found = last.components.get(name)
            if found is None:
                raise _NamedAnew
            return found

        return _patched(last, snapshot, known, trust, self._reading(snapshot, component))

    def _reading(self, snapshot: Snapshot, components: Components) -> ManifestReading:
        def shown(path: str) -> str:
            return _shown(snapshot, path)

        around = Around(snapshot.files, shown, self._outlines, frozenset(snapshot.manifests))
        return ManifestReading(components, self._parsed.documents, around)

    def _read(self, snapshot: Snapshot, collided: dict[str, str], components: dict[str, ComponentFile]) -> list[_Read]:
        """Read the manifests, in the order of their paths; fills in the `components` that they name."""

        def component(path: str) -> ComponentFile:
            found = components.get(path)
            if found is None:
                found = components[path] = self._component(path, snapshot, collided)
            return found

        before, self._manifests = self._manifests, {}
        reading = self._reading(snapshot, component)
        for path in sorted(snapshot.manifests):
            self._manifests[path] = _manifest(path, snapshot, collided.get(path), before.get(path), reading)
        self._components = {path: one for path, one in self._components.items() if path in components}
        return [*self._manifests.values()]

    def _component(self, path: str, snapshot: Snapshot, collided: dict[str, str]) -> ComponentFile:
        known = self._components.get(path)
        if known is not None and known.needs == _standing(known.needs, snapshot, collided):
            return known.result
        result = read_component(path, _shown(snapshot, path), snapshot.files, collided)
        if isinstance(result.outcome, Unusable):  # it may speak of any file of the snapshot
            self._components.pop(path, None)
        else:
            used = (one.path for one in references({path: snapshot.files[path]}, ()))
            self._components[path] = _Component(_standing((path, *used), snapshot, collided), result)
        return result


def resolve(
    snapshot: Snapshot, known: Collection[DeploymentKey] = (), permissions: Permissions | None = None
) -> Resolution:
    """Resolve one snapshot by itself, with no key trusted; see `Resolver.resolve`."""
    return Resolver().resolve(snapshot, known, permissions)


def _all_recognised(
    deployments: Sequence[Deployment], trust: Trust, before: Sequence[Deployment]
) -> tuple[Deployment, ...]:
    """Return the deployments with their signers as they are known here; the very objects of `before` where equal."""
    known = [_recognised(one, trust) for one in deployments]
    if all(one is other for one, other in zip(known, deployments, strict=True)):
        return tuple(known)
    last = {one.key: one for one in before}
    return tuple(was if (was := last.get(one.key)) is not None and was == one else one for one in known)


def _recognised(deployment: Deployment, trust: Trust) -> Deployment:
    """Return the deployment with its signers as they are known here."""
    if not deployment.signers:
        return deployment
    known = trust.recognised(deployment.signers)
    return deployment if known == deployment.signers else replace(deployment, signers=known)


def _revoked(snapshot: Snapshot, components: dict[str, ComponentFile], trust: Trust) -> Iterator[Diagnostic]:
    """Warn of signatures whose key was revoked: they count for nothing, and a policy may require one that does."""
    for path, one in components.items():
        for signer in () if isinstance(one.outcome, Unusable) else trust.recognised(one.outcome.signers):
            if signer.revoked:
                summary = f"signed with a revoked key: {signer.shown}"
                hint = "sign it with another key, or remove the signature"
                problem = Unplaced(0, 0, summary, _REVOKED, hint, is_error=False)
                yield problem.within(signatures_path(_shown(snapshot, path)))


_REVOKED = "The signature counts for nothing here; `airs trust list` says when the key was revoked, and why."


def _manifest(
    path: str, snapshot: Snapshot, collided_with: str | None, before: _Read | None, reading: ManifestReading
) -> _Read:
    """Read a manifest, or return what it was `before` where it, and all that it names, is the same."""
    file, content = _shown(snapshot, path), snapshot.files.get(path, _ABSENT)
    is_alike = (
        before is not None
        and (before.file, before.collided_with) == (file, collided_with)
        and before.content == content
    )
    if before is None or not is_alike:
        return _Read(file, content, collided_with, read_manifest(path, file, content, collided_with, reading))
    if _has_same(before.result, snapshot, reading) and _fits(before.result, reading.around.room):
        return before
    result = read_manifest(path, file, content, collided_with, reading, before.result)
    return _Read(file, content, collided_with, result)


def _has_same(before: ManifestFile, snapshot: Snapshot, reading: ManifestReading) -> bool:
    """Whether the bases of a manifest's overlays, and the components that it names, are what they were."""
    files = snapshot.files
    return all((now := files.get(path, _ABSENT)) is entry or now == entry for path, entry in before.needs) and all(
        reading.components(name) is component for name, component in before.used
    )


def _fits(before: ManifestFile, room: OverlayRoom) -> bool:
    """Whether overlays that were read before have the room that they had; takes it."""
    overlays = before.environments.values()
    size = sum(one.size for one in overlays)
    if size > room.left or any(one.is_cut for one in overlays):
        return False
    room.left -= size
    return True


def _users(manifests: Mapping[str, _Read]) -> dict[str, set[str]]:
    users: dict[str, set[str]] = {}
    for path, one in manifests.items():
        for name, _ in one.result.needs:
            users.setdefault(name, set()).add(path)
    return users


class _NamedAnew(Exception):
    """A manifest names a component that no manifest has named before."""


def _patched(
    last: _Resolved, snapshot: Snapshot, known: Collection[DeploymentKey], trust: Trust, reading: ManifestReading
) -> _Resolved | None:
    """Return a snapshot as resolved, made of the last one; None where more differs than what manifests say of theirs.

    That is where another file differs, or something that a file says and others have to agree with.
    """
    changed = _changed(last.snapshot.files, snapshot.files)
    if not (all(_is_manifest(path, last) for path in changed) and _is_alike(last, snapshot, known, trust)):
        return None
    read: dict[str, _Read] = {}
    for path in {user for each in changed for user in ({each} & last.manifests.keys()) | last.users.get(each, set())}:
        again = _again(path, snapshot, last, reading)
        if again is None or not _says_the_same(again, last.manifests[path]):
            return None
        read[path] = again
    desired = last.resolution.desired
    others = [one for path, again in read.items() for one in _others(again, last.manifests[path])]
    deployments = _replaced(desired.deployments, others, trust) if others else desired.deployments
    last.manifests.update(read)
    for name, users in _users(read).items():
        last.users.setdefault(name, set()).update(users)
    last.snapshot = snapshot
    desired = replace(desired, deployments=deployments, revision=snapshot.revision, commit=snapshot.commit)
    last.resolution = replace(last.resolution, desired=desired)
    return last


def _changed(before: Mapping[str, FileEntry], now: Mapping[str, FileEntry]) -> set[str]:
    """Return the paths of files that came, went or are others."""
    differing = {path for path, entry in now.items() if (was := before.get(path)) is not entry and was != entry}
    return (
        differing
        if len(before) == len(now) and not differing - before.keys()
        else differing | before.keys() ^ now.keys()
    )


def _is_alike(last: _Resolved, snapshot: Snapshot, known: Collection[DeploymentKey], trust: Trust) -> bool:
    alike = replace(last.snapshot, files=snapshot.files, commit=snapshot.commit) == snapshot
    return alike and trust == last.trust and (last.known is None or last.known == frozenset(known))


def _is_manifest(path: str, last: _Resolved) -> bool:
    """Whether a file deploys something, by itself or through an overlay, and nothing else depends on it."""
    return path in last.manifests or (path in last.users and path.endswith(MANIFEST_SUFFIXES))


def _again(path: str, snapshot: Snapshot, last: _Resolved, reading: ManifestReading) -> _Read | None:
    try:
        return _manifest(path, snapshot, last.collided.get(path), last.manifests[path], reading)
    except _NamedAnew:
        return None


def _says_the_same(read: _Read, before: _Read) -> bool:
    """Whether all of a manifest is the same that the resolution of others depends on, and all that is told of it."""
    now, was = read.result, before.result
    names, known = ([name for name, _ in one.used] for one in (now, was))
    return (
        (now.problems, now.is_unreadable, names, len(now.entries))
        == (was.problems, was.is_unreadable, known, len(was.entries))
        and all(_of_entry(one) == _of_entry(other) for one, other in _differing(now, was))
    )  # fmt: skip


def _differing(now: ManifestFile, was: ManifestFile) -> Iterator[tuple[DocumentEntry, DocumentEntry]]:
    """Yield the entries that were made anew, each with the one before."""
    return ((one, other) for one, other in zip(now.entries, was.entries, strict=True) if one is not other)


def _others(read: _Read, before: _Read) -> list[Deployment]:
    """Return the deployments of a manifest that were made anew."""
    return [made for one, _ in _differing(read.result, before.result) if (made := one.deployment) is not None]


def _of_entry(entry: DocumentEntry) -> tuple[object, ...]:
    one = entry.deployment
    made = one and (one.group, one.revision.component, one.revision.version, one.revision.artifact)
    places = entry.place, entry.group_place, entry.namespace_place
    return (entry.key, places, entry.problems, entry.depends_on, entry.formerly, entry.sealed, entry.files, made)


def _replaced(deployments: Sequence[Deployment], others: Iterable[Deployment], trust: Trust) -> tuple[Deployment, ...]:
    """Return the deployments with some of them as they are now; one that is refused is not among them."""
    made = [*deployments]
    for one in others:
        at = bisect_left(made, one.key, key=lambda each: each.key)
        if at < len(made) and made[at].key == one.key:
            made[at] = _recognised(one, trust)
    return tuple(made)


def _standing(
    paths: Iterable[str], snapshot: Snapshot, collided: dict[str, str]
) -> dict[str, tuple[object, str | None]]:
    return {path: (_identity(snapshot.files.get(path, _ABSENT)), collided.get(path)) for path in paths}


def _identity(entry: FileEntry) -> object:
    return entry.digest if isinstance(entry, Artifact) else entry


def _by_key(entries: Iterable[DocumentEntry]) -> Keyed:
    keyed: Keyed = {}
    for entry in entries:
        if entry.key is not None:
            keyed.setdefault(entry.key, []).append(entry)
    return dict(sorted(keyed.items(), key=lambda item: (item[0].namespace, item[0].name)))


def _refuse_namespaces(entries: Iterable[DocumentEntry], allowed: Collection[str], found: Found) -> None:
    """Refuse what is of another namespace than the operator allows this source."""
    for entry in entries if allowed else ():
        named = entry.key.namespace if entry.key is not None else entry.sealed.namespace if entry.sealed else ""
        if named and named not in allowed:
            names = ", ".join(sorted(allowed))
            what = str(entry.key) if entry.key is not None else "this sealed secret"
            summary = f"{what} is of namespace `{named}`, which this source may not name"
            hint = f"write `namespace: {next(iter(sorted(allowed)))}`, or put it into a source of that namespace"
            found[entry].append(Unplaced(*entry.namespace_place, summary, f"The operator allows it: {names}.", hint))


def _refuse_duplicates(keyed: Keyed, found: Found) -> None:
    for key, entries in keyed.items():
        for index, entry in enumerate(entries if len(entries) > 1 else ()):
            other = entries[1 if index == 0 else 0]
            summary = f"deployment {key} is written down twice, here and in {other.where(other.place)}"
            found[entry].append(Unplaced(*entry.place, summary, suggestion="rename or remove one"))


def _refuse_groups(entries: Iterable[DocumentEntry], found: Found) -> None:
    """Refuse members that say different things of one group: none of them can be known to be right."""
    groups: dict[tuple[str, str], dict[Group, DocumentEntry]] = {}
    members = [(entry, one.key.namespace, one.group) for entry in entries if (one := entry.deployment) and one.group]
    for entry, namespace, group in members:
        groups.setdefault((namespace, group.name), {}).setdefault(group, entry)
    for entry, namespace, group in members:
        said = groups[namespace, group.name]
        other = next((first for different, first in said.items() if different != group), None)
        if other is not None:
            found[entry].append(_disagreement(entry, group, other))


def _disagreement(entry: DocumentEntry, group: Group, other: DocumentEntry) -> Unplaced:
    where = other.where(other.group_place)
    summary = f"members of group {group.name} disagree about it, here and {other.key} in {where}"
    detail = "A group has one strategy, intensity and period, which every member writes down."
    return Unplaced(*entry.group_place, summary, detail, "write the same `group` in both")


def _refuse_twice_sealed(entries: Iterable[DocumentEntry], found: Found) -> None:
    """Refuse two values of one secret: neither can be known to be the newer."""
    sealing = [(entry, entry.sealed) for entry in entries if entry.sealed is not None]
    for index, problem in written_twice([(sealed, entry.file, entry.place) for entry, sealed in sealing]):
        found[sealing[index][0]].append(problem)


def _warn_of_twins(entries: Iterable[DocumentEntry], found: Found) -> None:
    """Warn of one component in one version with several artifacts, once for each: nobody could tell them apart."""
    versions: dict[tuple[str, str], dict[str, DocumentEntry]] = {}
    for entry in entries:
        if entry.deployment is not None:
            revision = entry.deployment.revision
            artifacts = versions.setdefault((revision.component, revision.version), {})
            artifacts.setdefault(revision.artifact, entry)
    for (component, version), artifacts in versions.items():
        first, *others = artifacts.values()
        for entry in others:
            what = f"component {component} {version} has another artifact in {first.where(first.place)}"
            found[entry].append(Unplaced(*entry.place, what, _ONE_VERSION, _NEW_VERSION, is_error=False))


_ONE_VERSION = "History, rollbacks and messages tell artifacts apart by their version."
_NEW_VERSION = "give one of them another `version` in its Component.toml"


def _refuse_dependencies(keyed: Keyed, known: set[DeploymentKey], found: Found) -> None:
    depending = {key: entries for key, entries in keyed.items() if any(entry.depends_on for entry in entries)}
    edges: dict[DeploymentKey, list[DeploymentKey]] = {key: [] for key in depending}
    existing = known | keyed.keys() if depending else known
    for key, entries in depending.items():
        for entry in entries:
            for wanted, place in entry.depends_on:
                if wanted == key:
                    summary = f"{key} depends on itself"
                    found[entry].append(Unplaced(*place, summary, suggestion="remove it"))
                elif wanted not in existing:
                    found[entry].append(_missing(wanted, place, existing - {key}))
                elif wanted in edges:
                    edges[key].append(wanted)
    for group in knots(edges):
        _refuse_cycle(group, edges, keyed, found)


def _missing(wanted: DeploymentKey, place: tuple[int, int], existing: set[DeploymentKey]) -> Unplaced:
    names = [str(key) for key in existing]
    near = did_you_mean(str(wanted), names) if len(names) <= DIAGNOSTICS_MAX else ""
    suggestion = near if near.startswith("did you mean") else "add it, or remove the dependency"
    return Unplaced(*place, f"depends on {excerpt(str(wanted))}, which does not exist", suggestion=suggestion)


def _refuse_cycle(
    group: frozenset[DeploymentKey], edges: dict[DeploymentKey, list[DeploymentKey]], keyed: Keyed, found: Found
) -> None:
    cycle = written(cycle_through(min(group), group, edges))
    for key in group:
        for entry in keyed[key]:
            place = next((at for wanted, at in entry.depends_on if wanted in group), None)
            if place is not None:
                summary = f"dependsOn goes in a circle: {cycle}"
                found[entry].append(Unplaced(*place, summary, suggestion="remove one of these dependencies"))


def _diagnostics(read: Iterable[_Read], found: Found) -> Iterator[Diagnostic]:
    for one in read:
        yield from (problem.within(one.file) for problem in one.result.problems)
        for entry in one.result.entries:
            yield from (entry.within(problem) for problem in entry.problems)
            if entry in found:
                yield from (entry.within(problem) for problem in found[entry])


def _desired(snapshot: Snapshot, keyed: Keyed, found: Found, unreadable: tuple[str, ...]) -> DesiredState:
    deployments: list[Deployment] = []
    invalid: list[DeploymentKey] = []
    awaited: list[AwaitedComponent] = []
    for key, entries in keyed.items():
        first = entries[0]
        refused = first in found and any(problem.is_error for problem in found[first])
        if first.deployment is None or refused:
            invalid.append(key)
            if len(entries) == 1 and not refused and _is_awaited(first):
                last = first.problems[-1]
                at = first.where((last.line, last.column))
                awaited.append(AwaitedComponent(key=key, file=at.file, line=at.line))
        else:
            deployments.append(first.deployment)
    return DesiredState(
        source=snapshot.source,
        root=snapshot.root,
        root_reason=snapshot.root_reason,
        revision=snapshot.revision,
        commit=snapshot.commit,
        deployments=tuple(deployments),
        invalid=tuple(sorted({*invalid, *kept_by_invalid(keyed, invalid)})),
        unreadable_files=unreadable,
        empty=not keyed and not unreadable,
        awaited=tuple(awaited) or UNSET,
    )


def _is_awaited(entry: DocumentEntry) -> bool:
    """Whether all that is wrong with a deployment is that its component is not here yet; that is told last."""
    return bool(entry.problems) and all(one.is_failure or not one.is_error for one in entry.problems)


def _shown(snapshot: Snapshot, path: str) -> str:
    shown = snapshot.shown(path)
    return shown if shown.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in shown)


def _limited(found: list[Diagnostic]) -> Iterator[Diagnostic]:
    ordered = sorted(set(found), key=lambda d: (d.location, d.severity.value, d.summary, d.detail))
    by_file: dict[str, list[Diagnostic]] = {}
    for diagnostic in ordered:
        by_file.setdefault(diagnostic.location.file, []).append(diagnostic)
    for file, diagnostics in by_file.items():
        yield from diagnostics[:DIAGNOSTICS_MAX]
        rest = diagnostics[DIAGNOSTICS_MAX:]
        if rest:
            severity = Severity.ERROR if any(d.is_error for d in rest) else Severity.WARNING
            yield Diagnostic(severity=severity, summary=f"and {len(rest)} more", location=Location(file=file))
