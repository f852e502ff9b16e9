"""Turns a snapshot into the desired state and every diagnostic met on the way. The controller and `airs plan` call it.

One bad document makes only its own deployment invalid. A file of which not every name could be told is listed as
unreadable, so that nobody takes what it used to say for removed.
"""

from collections.abc import Collection, Iterable, Iterator

import msgspec

from orchestrator.manifest.component import (
    ROOT,
    ComponentFile,
    Failure,
    collision_summary,
    read_component,
    unreadable_hint,
    unreadable_summary,
)
from orchestrator.manifest.deployment import Draft, assemble, dependencies, disagreements, draft
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.graph import cycle_through, knots, written
from orchestrator.manifest.node import Problem, nearest, text_at
from orchestrator.manifest.paths import BadPathError, collisions
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.manifest.references import component_path
from orchestrator.model.desired import DesiredState, Permissions, Resolution
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Snapshot, Unreadable
from orchestrator.model.spec import Deployment, Group

DIAGNOSTICS_MAX = 100  # of one file; the rest is counted


class _Entry(msgspec.Struct):
    """One document on its way to a deployment; `problems` grow as more is known about the others."""

    path: str
    file: str
    draft: Draft
    problems: list[Problem]
    deployment: Deployment | None = None

    @property
    def is_sound(self) -> bool:
        return not any(problem.is_error for problem in self.problems)


class _Files(msgspec.Struct):
    """What the manifests held before anything was compared: documents, files not fully read, and their diagnostics."""

    entries: list[_Entry] = []
    unreadable: set[str] = set()
    diagnostics: list[Diagnostic] = []


def resolve(
    snapshot: Snapshot, known: Collection[DeploymentKey] = (), permissions: Permissions | None = None
) -> Resolution:
    """Resolve everything the snapshot's manifests ask for; `known` are deployments that exist elsewhere.

    Never raises, whatever the files hold.
    """
    collided = collisions(snapshot.files)
    read = _read(snapshot, collided)
    components = _components(snapshot, read.entries, collided)
    for entry in read.entries:
        _assemble(entry, components)
    keyed = _by_key(read.entries)
    _refuse_duplicates(keyed)
    _refuse_dependencies(keyed, set(known))
    _refuse_groups(read.entries)
    found = [*read.diagnostics, *(d for component in components.values() for d in component.diagnostics)]
    found += (problem.within(entry.file) for entry in read.entries for problem in entry.problems)
    desired = _desired(snapshot, keyed, read.unreadable, permissions or Permissions())
    return Resolution(desired=desired, diagnostics=tuple(_limited(found)))


def _read(snapshot: Snapshot, collided: dict[str, str]) -> _Files:
    read = _Files()
    for path in sorted(snapshot.manifests):
        file = _shown(snapshot, path)
        content = snapshot.files.get(path, Unreadable("missing", ""))
        if isinstance(content, Unreadable):
            problem = Problem(
                0, 0, unreadable_summary(file, content, ROOT), content.detail, unreadable_hint(content, ROOT)
            )
            read.diagnostics.append(problem.within(file))
            read.unreadable.add(file)
            continue
        documents = read_documents(content.data)
        read.diagnostics += (problem.within(file) for problem in documents.problems)
        if not documents.documents:
            read.unreadable.add(file)
        for document in documents.documents:
            entry = _entry(path, file, draft(document), collided)
            read.entries.append(entry)
            if not entry.draft.is_other and (entry.draft.key is None or not entry.draft.is_whole):
                read.unreadable.add(file)
    return read


def _entry(path: str, file: str, source: Draft, collided: dict[str, str]) -> _Entry:
    problems = list(source.problems)
    if path in collided:
        summary = collision_summary(path, collided[path])
        problems.append(Problem(*source.place, summary, suggestion="rename one of them"))
    return _Entry(path, file, source, problems)


def _components(snapshot: Snapshot, entries: Iterable[_Entry], collided: dict[str, str]) -> dict[str, ComponentFile]:
    paths = {path for entry in entries if (path := _component_of(entry)) is not None}
    return {path: read_component(path, _shown(snapshot, path), snapshot.files, collided) for path in sorted(paths)}


def _component_of(entry: _Entry) -> str | None:
    name = text_at(entry.draft.root, "spec", "component", "path")
    if not name or entry.draft.key is None:
        return None
    try:
        return component_path(entry.path, name)
    except BadPathError:
        return None


def _assemble(entry: _Entry, components: dict[str, ComponentFile]) -> None:
    key, root = entry.draft.key, entry.draft.root
    name = text_at(root, "spec", "component", "path")
    if key is None or not name:
        return
    place = nearest(root, "spec", "component", "path")
    try:
        outcome = components[component_path(entry.path, name)].outcome
    except BadPathError as error:
        summary = f"`spec.component.path` is {excerpt(name)}: {error}"
        entry.problems.append(Problem(*place, summary, suggestion="name a folder inside the source's root"))
        return
    if isinstance(outcome, Failure):
        entry.problems.append(Problem(*place, outcome.summary, outcome.detail, outcome.suggestion))
        return
    told = {(problem.line, problem.column) for problem in entry.problems if problem.is_error}
    found = disagreements(entry.draft, key, outcome)
    entry.problems += (problem for problem in found if (problem.line, problem.column) not in told)
    if entry.is_sound:
        entry.deployment = assemble(entry.draft, key, outcome, entry.file)


def _by_key(entries: Iterable[_Entry]) -> dict[DeploymentKey, list[_Entry]]:
    keyed: dict[DeploymentKey, list[_Entry]] = {}
    for entry in entries:
        if entry.draft.key is not None:
            keyed.setdefault(entry.draft.key, []).append(entry)
    return dict(sorted(keyed.items()))


def _refuse_duplicates(keyed: dict[DeploymentKey, list[_Entry]]) -> None:
    for key, entries in keyed.items():
        for index, entry in enumerate(entries if len(entries) > 1 else ()):
            other = entries[1 if index == 0 else 0]
            where = Location(file=other.file, line=other.draft.line, column=other.draft.column)
            summary = f"deployment {key} is written down twice, here and in {where}"
            entry.problems.append(Problem(*entry.draft.place, summary, suggestion="rename or remove one"))


def _refuse_groups(entries: Iterable[_Entry]) -> None:
    """Refuse members that say different things of one group: none of them can be known to be right."""
    groups: dict[tuple[str, str], dict[Group, _Entry]] = {}
    members = [(entry, deployment) for entry in entries if (deployment := entry.deployment) and deployment.group]
    for entry, deployment in members:
        assert deployment.group is not None
        said = groups.setdefault((deployment.key.namespace, deployment.group.name), {})
        said.setdefault(deployment.group, entry)
    for entry, deployment in members:
        assert deployment.group is not None
        said = groups[deployment.key.namespace, deployment.group.name]
        other = next((first for group, first in said.items() if group != deployment.group), None)
        if other is not None:
            entry.problems.append(_disagreement(entry, deployment.group, other))


def _disagreement(entry: _Entry, group: Group, other: _Entry) -> Problem:
    assert other.deployment is not None
    line, column = nearest(other.draft.root, "spec", "group")
    where = Location(file=other.file, line=line, column=column)
    summary = f"members of group {group.name} disagree about it, here and {other.deployment.key} in {where}"
    place = nearest(entry.draft.root, "spec", "group")
    detail = "A group has one strategy, intensity and period, which every member writes down."
    return Problem(*place, summary, detail, "write the same `group` in both")


def _refuse_dependencies(keyed: dict[DeploymentKey, list[_Entry]], known: set[DeploymentKey]) -> None:
    edges: dict[DeploymentKey, list[DeploymentKey]] = {key: [] for key in keyed}
    existing = known | keyed.keys()
    for key, entries in keyed.items():
        for entry in entries:
            for wanted, place in dependencies(entry.draft, key):
                if wanted == key:
                    summary = f"{key} depends on itself"
                    entry.problems.append(Problem(*place, summary, suggestion="remove it"))
                elif wanted not in existing:
                    entry.problems.append(_missing(wanted, place, existing - {key}))
                elif wanted in edges:
                    edges[key].append(wanted)
    for group in knots(edges):
        _refuse_cycle(group, edges, keyed)


def _missing(wanted: DeploymentKey, place: tuple[int, int], existing: set[DeploymentKey]) -> Problem:
    names = [str(key) for key in existing]
    near = did_you_mean(str(wanted), names) if len(names) <= DIAGNOSTICS_MAX else ""
    suggestion = near if near.startswith("did you mean") else "add it, or remove the dependency"
    return Problem(*place, f"depends on {excerpt(str(wanted))}, which does not exist", suggestion=suggestion)


def _refuse_cycle(
    group: frozenset[DeploymentKey],
    edges: dict[DeploymentKey, list[DeploymentKey]],
    keyed: dict[DeploymentKey, list[_Entry]],
) -> None:
    cycle = written(cycle_through(min(group), group, edges))
    for key in group:
        for entry in keyed[key]:
            place = next((at for wanted, at in dependencies(entry.draft, key) if wanted in group), None)
            if place is not None:
                summary = f"dependsOn goes in a circle: {cycle}"
                entry.problems.append(Problem(*place, summary, suggestion="remove one of these dependencies"))


def _desired(
    snapshot: Snapshot,
    keyed: dict[DeploymentKey, list[_Entry]],
    unreadable: set[str],
    permissions: Permissions,
) -> DesiredState:
    sound = {key: entries[0].deployment for key, entries in keyed.items() if entries[0].is_sound}
    return DesiredState(
        source=snapshot.source,
        root=snapshot.root,
        root_reason=snapshot.root_reason,
        revision=snapshot.revision,
        commit=snapshot.commit,
        deployments=tuple(deployment for deployment in sound.values() if deployment is not None),
        invalid=tuple(key for key in keyed if sound.get(key) is None),
        unreadable_files=tuple(sorted(unreadable)),
        empty=not keyed and not unreadable,
        permissions=permissions,
    )


def _shown(snapshot: Snapshot, path: str) -> str:
    shown = snapshot.shown(path)
    return shown if shown.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in shown)


def _limited(found: list[Diagnostic]) -> Iterator[Diagnostic]:
    ordered = sorted(set(found), key=lambda d: (d.location, d.severity.value, d.summary))
    by_file: dict[str, list[Diagnostic]] = {}
    for diagnostic in ordered:
        by_file.setdefault(diagnostic.location.file, []).append(diagnostic)
    for file, diagnostics in by_file.items():
        yield from diagnostics[:DIAGNOSTICS_MAX]
        rest = diagnostics[DIAGNOSTICS_MAX:]
        if rest:
            severity = Severity.ERROR if any(d.is_error for d in rest) else Severity.WARNING
            yield Diagnostic(severity=severity, summary=f"and {len(rest)} more", location=Location(file=file))
