"""Paths of components as they are written in one file, written as from another."""

from collections.abc import Iterator

from orchestrator.manifest.node import Node, Unplaced, text_at
from orchestrator.manifest.overlay.document import COMPONENT_PATHS
from orchestrator.manifest.overlay.names import with_value
from orchestrator.manifest.paths import BadPathError, folder_of, join_confined
from orchestrator.manifest.printable import excerpt


def relocated(component: Node, file: str, to: str) -> tuple[Node, list[Unplaced]]:
    """Return a `spec.component` of `file` with its paths as the file `to` would have them, and what is wrong with them.

    A path that may not be followed stays as it is.
    """
    if folder_of(file) == folder_of(to):
        return component, []
    problems: list[Unplaced] = []
    for path in COMPONENT_PATHS:
        written = text_at(component, *path)
        if written is None or not isinstance(component.value, dict):
            continue
        place = component.value[path[0]].place
        try:
            found = join_confined(folder_of(file), written)
        except BadPathError as error:
            summary = f"`spec.component.{path[0]}` is {excerpt(written)}: {error}"
            problems.append(Unplaced(*place, summary, suggestion="name a folder inside the source's root"))
        else:
            component = with_value(component, path, Node(relative(folder_of(to), found), *place))
    return component, problems


def without(component: Node, bad: list[Unplaced]) -> Node:
    """Return a component with nothing where a path is bad, which means something else in another file."""
    places = {(problem.line, problem.column) for problem in bad}
    if not (places and isinstance(component.value, dict)):
        return component
    values = {
        key: Node(None, *child.place) if child.place in places else child for key, child in component.value.items()
    }
    return Node(values, *component.place, component.keys)


def relative(folder: str, path: str) -> str:
    """Return a root-relative path as it is written in a file of `folder`."""
    here, there = list(_parts(folder)), list(_parts(path))
    while here and there and here[0] == there[0]:
        del here[0], there[0]
    return "/".join([".."] * len(here) + there) or "."


def _parts(path: str) -> Iterator[str]:
    return (part for part in path.split("/") if part)
