"""One document → an entry: the deployment that it makes by itself, or what is wrong with it, without its tree.

`entries` and `overlay` call it, for documents that somebody wrote and for those that an overlay comes to.
"""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from orchestrator.manifest.component import ComponentFile, Unusable
from orchestrator.manifest.component_source import BadReferenceError, local_file, use_of
from orchestrator.manifest.deployment import Draft, assemble, dependencies, disagreements, names_before
from orchestrator.manifest.node import LINES, Node, Place, Unplaced, nearest, text_at
from orchestrator.manifest.paths import BadPathError
from orchestrator.manifest.printable import excerpt
from orchestrator.manifest.sealed import sealed_of
from orchestrator.model.diagnostic import Diagnostic, Location
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.secret import SealedSecret
from orchestrator.model.spec import Deployment

Components = Callable[[str], ComponentFile]  # by the root-relative path of the Component.toml


class DocumentEntry(msgspec.Struct, frozen=True, eq=False):
    """One document: the deployment it makes by itself, or what is wrong with it, and what others have to agree with.

    Two entries are never equal. `group_place` is where its group is written, `namespace_place` its namespace.
    `deployment` is None unless the document is sound, and so is `sealed`, the value of a document that is a sealed
    secret. An entry of an overlay has places in several `files`, told apart by their lines; elsewhere there is one.
    """

    file: str  # as people type it
    key: DeploymentKey | None
    place: Place
    problems: tuple[Unplaced, ...]
    depends_on: tuple[tuple[DeploymentKey, Place], ...] = ()
    formerly: tuple[tuple[DeploymentKey, Place], ...] = ()
    group_place: Place = (0, 0)
    namespace_place: Place = (0, 0)
    deployment: Deployment | None = None
    sealed: SealedSecret | None = None
    files: tuple[str, ...] = ()

    def where(self, place: Place) -> Location:
        """Return a place in the document as people know it."""
        number, line = divmod(place[0], LINES)
        return Location(file=self.files[number] if self.files else self.file, line=line, column=place[1])

    def within(self, problem: Unplaced) -> Diagnostic:
        """Return a problem of the document where a person wrote what is wrong; a base's names the overlay."""
        number, line = divmod(problem.line, LINES)
        if not number:
            return problem.within(self.file)
        overlay = self.where((self.place[0] % LINES, self.place[1]))
        detail = f"{problem.detail} The overlay {overlay} uses it.".lstrip()
        return replace(replace(problem, line=line, detail=detail).within(self.files[number]), overlay=overlay)


def entry_of(path: str, file: str, source: Draft, collision: tuple[str, ...], components: Components) -> DocumentEntry:
    """Return the entry of a draft in the manifest at `path`, shown as `file`; with what its name collides with."""
    problems = [*source.problems]
    problems += (Unplaced(*source.place, summary, suggestion="rename one of them") for summary in collision)
    namespace = nearest(source.root, "metadata", "namespace")
    if source.key is None:
        sealed = sealed_of(source.root) if source.is_sealed and source.is_sound and source.is_whole else None
        return DocumentEntry(file, None, source.place, tuple(problems), namespace_place=namespace, sealed=sealed)
    deployment = _assembled(path, file, source, source.key, problems, components)
    return DocumentEntry(
        file=file,
        key=source.key,
        place=source.place,
        problems=tuple(problems),
        depends_on=tuple(dependencies(source, source.key)),
        formerly=tuple(names_before(source, source.key)),
        group_place=nearest(source.root, "spec", "group"),
        namespace_place=namespace,
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
