"""Turns one document of `kind: Overlay` into its bases, names, labels, pins and patches, or into problems.

`layers` calls it with the values that are given from around the overlay. It looks at no other file.
"""

from collections.abc import Iterator, Mapping

import msgspec

from orchestrator.manifest.check import check
from orchestrator.manifest.node import Node, Place, Unplaced, find, items, nearest, text_at
from orchestrator.manifest.overlay.names import Naming, with_value
from orchestrator.manifest.overlay.variables import VAR, Variables
from orchestrator.manifest.paths import BadPathError, folder_of, join_confined
from orchestrator.manifest.printable import excerpt

KIND = "Overlay"
COMPONENT_PATHS = (("path",), ("manifest",))


class BaseFolder(msgspec.Struct, frozen=True, eq=False):
    """A folder that an overlay names: root-relative with a slash at its end, and the values given to its overlays."""

    folder: str
    place: Place
    values: dict[str, Node]
    value_places: dict[str, Place]


class Overlay(msgspec.Struct, frozen=True, eq=False):
    """One overlay, with a value for each of its variables. Its nodes are those of its file.

    `is_named` says that its bases and its names could be read, so that it is known what it deploys.
    """

    place: Place
    bases: tuple[BaseFolder, ...]
    naming: Naming
    labels: Node | None
    pins: dict[str, Node]
    pin_places: dict[str, Place]
    patches: dict[str, Node]
    patch_places: dict[str, Place]
    problems: tuple[Unplaced, ...]
    is_named: bool


def is_overlay(root: Node | None) -> bool:
    """Whether a document is an overlay."""
    return text_at(root, "kind") == KIND


def folders_of(root: Node, file: str) -> Iterator[tuple[str, Node]]:
    """Yield the folders that an overlay names, as far as they are well written, and where each is."""
    for item in items(find(root, "spec", "bases")):
        written = item.value if isinstance(item.value, str) else text_at(item, "path")
        if written is not None:
            try:
                yield join_confined(folder_of(file), written) + "/", item
            except BadPathError:
                continue


def component_nodes(root: Node) -> Iterator[Node]:
    """Yield what an overlay writes as `spec.component` of deployments: its pins, and in its patches."""
    spec = find(root, "spec")
    pins, patches = find(spec, "components"), find(spec, "patches")
    yield from _values(pins)
    for patch in _values(patches):
        component = find(patch, "spec", "component")
        if component is not None:
            yield component


def overlay_of(root: Node, file: str, given: Mapping[str, Node], missing: Place | None) -> Overlay:
    """Read an overlay; `given` are values of its variables, which could be given at `missing`."""
    variables = Variables(find(root, "spec"), given, missing)
    problems = [*_written_out(root)]
    spec = find(root, "spec")
    if spec is not None and isinstance(spec.value, dict):
        declared = spec.value.get("variables")
        rest = {key: variables.substituted(one) for key, one in spec.value.items() if key != "variables"}
        spec = Node(rest if declared is None else {"variables": declared, **rest}, *spec.place, spec.keys)
        root = with_value(root, ("spec",), spec)
    problems += variables.problems
    told = {(problem.line, problem.column) for problem in problems}
    found = [problem for problem in check("overlay", root) if (problem.line, problem.column) not in told]
    problems += found
    bases, bad = _bases(root, file)
    problems += bad
    problems += _contradictions(root)
    is_sound = not any(problem.is_error for problem in problems)
    if is_sound:
        problems += variables.unused()
    return Overlay(
        place=root.place, bases=bases, naming=_naming(root),
        labels=_mapping(find(root, "spec", "labels")),
        pins=_children(root, "components"), pin_places=_keys(root, "components"),
        patches={name: _fields(patch) for name, patch in _children(root, "patches").items()},
        patch_places=_keys(root, "patches"),
        problems=tuple(problems), is_named=is_sound or _is_named(root, problems),
    )  # fmt: skip


def _values(node: Node | None) -> Iterator[Node]:
    if node is not None and isinstance(node.value, dict):
        yield from node.value.values()


def _mapping(node: Node | None) -> Node | None:
    return node if node is not None and isinstance(node.value, dict) and node.value else None


def _children(root: Node, section: str) -> dict[str, Node]:
    node = find(root, "spec", section)
    return dict(node.value) if node is not None and isinstance(node.value, dict) else {}


def _fields(patch: Node) -> Node:
    """Return a patch without what it may not hold."""
    if not isinstance(patch.value, dict):
        return patch
    return Node({key: child for key, child in patch.value.items() if key in _PATCHED}, *patch.place, patch.keys)


_PATCHED = ("metadata", "spec")


def _keys(root: Node, section: str) -> dict[str, Place]:
    node = find(root, "spec", section)
    return node.keys if node is not None else {}


def _naming(root: Node) -> Naming:
    texts = [text_at(root, "spec", key) or "" for key in _NAMES]
    at = next((key for key, text in zip(_NAMES, texts, strict=True) if text), "namePrefix")
    return Naming(texts[0], texts[1], texts[2], nearest(root, "spec", at))


_NAMES = ("namePrefix", "namespace", "namespacePrefix")


def _bases(root: Node, file: str) -> tuple[tuple[BaseFolder, ...], list[Unplaced]]:
    found: list[BaseFolder] = []
    problems: list[Unplaced] = []
    for item in items(find(root, "spec", "bases")):
        written = item.value if isinstance(item.value, str) else text_at(item, "path")
        if written is None:
            continue
        try:
            folder = join_confined(folder_of(file), written) + "/"
        except BadPathError as error:
            place = nearest(item, "path")
            summary = f"`spec.bases` names {excerpt(written)}: {error}"
            problems.append(Unplaced(*place, summary, suggestion="name a folder inside the source's root"))
            continue
        again = next((base for base in found if base.folder == folder), None)
        if again is not None:
            problems.append(Unplaced(*item.place, f"base {excerpt(written)} is named twice", suggestion="remove one"))
            continue
        values = find(item, "values")
        given = values.value if values is not None and isinstance(values.value, dict) else {}
        found.append(BaseFolder(folder, nearest(item, "path"), given, values.keys if values is not None else {}))
    return tuple(found), problems


def _contradictions(root: Node) -> Iterator[Unplaced]:
    both = [find(root, "spec", key) for key in ("namespace", "namespacePrefix")]
    if None not in both:
        place = nearest(root, "spec", "namespacePrefix")
        summary = "`spec.namespace` and `spec.namespacePrefix` say both where deployments lie"
        yield Unplaced(*place, summary, suggestion="remove one of them")


def _written_out(root: Node) -> Iterator[Unplaced]:
    """Refuse variables where a path in the source stands: the files of a source do not depend on values."""
    paths = [find(one, *path) for one in component_nodes(root) for path in COMPONENT_PATHS]
    paths += [find(item, "path") or item for item in items(find(root, "spec", "bases"))]
    for node in paths:
        if node is not None and isinstance(node.value, dict) and VAR in node.value:
            why = "The files that a source consists of do not depend on the values of variables."
            yield Unplaced(*node.value[VAR].place, "a path cannot be a variable", why, "write the path out")


def _is_named(root: Node, problems: list[Unplaced]) -> bool:
    """Whether no problem lies in what says which deployments there are, and what they are called."""
    spec = find(root, "spec")
    bases = find(spec, "bases")
    if bases is None or not isinstance(bases.value, list):
        return False
    keys = spec.keys if spec is not None else {}
    begins = sorted([(place, key) for key, place in keys.items()])
    at = {(problem.line, problem.column) for problem in problems if problem.is_error}
    sections = {next((key for place, key in reversed(begins) if place <= one), "") for one in at}
    return not sections & {"bases", "", *_NAMES}
