"""Turns one manifest file and the components that it names into entries: small values without the file's tree.

`resolve` calls it for each file, and keeps what it returns for as long as nothing of that changed. Problems between
files (duplicates, dependencies, groups) are `resolve`'s business.
"""

from collections.abc import Callable

import msgspec

from orchestrator.manifest.component import (
    ROOT,
    ComponentFile,
    Unusable,
    collision_summary,
    unreadable_hint,
    unreadable_summary,
)
from orchestrator.manifest.component_source import BadReferenceError, local_file, use_of
from orchestrator.manifest.deployment import Draft, assemble, dependencies, disagreements, draft
from orchestrator.manifest.node import Node, Place, Unplaced, nearest, text_at
from orchestrator.manifest.parsed import Parse
from orchestrator.manifest.paths import BadPathError
from orchestrator.manifest.printable import excerpt
from orchestrator.manifest.sealed import sealed_of
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.secret import SealedSecret
from orchestrator.model.snapshot import FileEntry, Unreadable
from orchestrator.model.spec import Deployment

Components = Callable[[str], ComponentFile]  # by the root-relative path of the Component.toml


class DocumentEntry(msgspec.Struct, frozen=True, eq=False):
    """One document: the deployment it makes by itself, or what is wrong with it, and what others have to agree with.

    Two entries are never equal. `group_place` is where its group is written. `deployment` is None unless the
    document is sound, and so is `sealed`, the value of a document that is a sealed secret.
    """

    file: str  # as people type it
    key: DeploymentKey | None
    place: Place
    problems: tuple[Unplaced, ...]
    depends_on: tuple[tuple[DeploymentKey, Place], ...] = ()
    group_place: Place = (0, 0)
    deployment: Deployment | None = None
    sealed: SealedSecret | None = None


class ManifestFile(msgspec.Struct, frozen=True):
    """The entries of one file, and what is wrong with the file. `used` are the components that its entries name.

    `is_unreadable` says that not every deployment it may hold could be named.
    """

    entries: tuple[DocumentEntry, ...] = ()
    problems: tuple[Unplaced, ...] = ()
    is_unreadable: bool = False
    used: tuple[tuple[str, ComponentFile], ...] = ()


def read_manifest(
    path: str, file: str, content: FileEntry, collided_with: str | None, components: Components, parse: Parse
) -> ManifestFile:
    """Read the manifest at `path`, shown as `file`; `collided_with` is another that some file systems take for it."""
    if isinstance(content, Unreadable):
        summary, hint = unreadable_summary(file, content, ROOT), unreadable_hint(content, ROOT)
        is_read = content.kind != "misnamed"
        problem = Unplaced(0, 0, summary, content.detail, hint, is_error=is_read)
        return ManifestFile(problems=(problem,), is_unreadable=is_read)
    documents = parse(content.data)
    used: dict[str, ComponentFile] = {}

    def component(toml: str) -> ComponentFile:
        return used.setdefault(toml, components(toml))

    drafts = [draft(document) for document in documents.documents]
    collision = () if collided_with is None else (collision_summary(path, collided_with),)
    entries = [_entry(path, file, one, collision, component) for one in drafts]
    unnamed = [one for one in drafts if not one.is_other and (one.key is None or not one.is_whole)]
    return ManifestFile(
        entries=tuple(entries),
        problems=tuple(documents.problems),
        is_unreadable=bool(unnamed) or not drafts,
        used=tuple(used.items()),
    )


def _entry(path: str, file: str, source: Draft, collision: tuple[str, ...], components: Components) -> DocumentEntry:
    problems = [*source.problems]
    problems += (Unplaced(*source.place, summary, suggestion="rename one of them") for summary in collision)
    if source.key is None:
        sealed = sealed_of(source.root) if source.is_sealed and source.is_sound and source.is_whole else None
        return DocumentEntry(file, None, source.place, tuple(problems), sealed=sealed)
    deployment = _assembled(path, file, source, source.key, problems, components)
    return DocumentEntry(
        file=file,
        key=source.key,
        place=source.place,
        problems=tuple(problems),
        depends_on=tuple(dependencies(source, source.key)),
        group_place=nearest(source.root, "spec", "group"),
        deployment=deployment,
    )


def _assembled(
    path: str, file: str, source: Draft, key: DeploymentKey, problems: list[Unplaced], components: Components
) -> Deployment | None:
    """Make the deployment with the component that it names, adding to `problems` all that is in the way."""
    file_and_place = _component_file(path, source.root, problems)
    if file_and_place is None:
        return None
    component_file, place = file_and_place
    outcome = components(component_file).outcome
    if isinstance(outcome, Unusable):
        summary, detail, hint = outcome.summary, outcome.detail, outcome.suggestion
        problems.append(Unplaced(*place, summary, detail, hint, outcome.is_error, outcome.is_failure))
        return None
    told = {(problem.line, problem.column) for problem in problems if problem.is_error}
    found = disagreements(source, key, outcome)
    problems += (problem for problem in found if (problem.line, problem.column) not in told)
    is_sound = not any(problem.is_error for problem in problems)
    return assemble(source, key, outcome, file) if is_sound else None


def _component_file(path: str, root: Node, problems: list[Unplaced]) -> tuple[str, Place] | None:
    """Return the Component.toml that a document names, as the snapshot knows it, and where it is named."""
    try:
        use = use_of(root, path)
        local = None if use is not None else local_file(root, path)
    except BadPathError as error:
        key = next((key for key in ("path", "manifest") if text_at(root, "spec", "component", key)), "git")
        written = text_at(root, "spec", "component", key) or text_at(root, "spec", "component", "git", "path") or ""
        name = f"spec.component.{key}" + (".path" if key == "git" else "")
        summary = f"`{name}` is {excerpt(written)}: {error}"
        place = nearest(root, *name.split("."))
        problems.append(Unplaced(*place, summary, suggestion="name a folder inside the source's root"))
        return None
    except BadReferenceError:  # said to be one by what looks at the document alone
        return None
    if use is not None:
        kind = use.remote.__struct_config__.tag
        return use.file, nearest(root, "spec", "component", str(kind))
    return None if local is None else (local, nearest(root, "spec", "component", "path"))
