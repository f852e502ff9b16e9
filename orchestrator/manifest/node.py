"""The tree both readers build: plain values that remember where in their file they were written."""

from collections.abc import Iterator

import msgspec

from orchestrator.model.diagnostic import Diagnostic, Location, Severity

Scalar = None | bool | int | float | str
Place = tuple[int, int]
LINES = 1 << 32  # more than a file has: a line beyond is one of another file (see `overlay/places.py`)


class Node(msgspec.Struct, gc=False):
    """A value and its line and column, from 1. `keys` are the places of a mapping's keys.

    It is built once, by a reader, and read-only from then on; an alias shares the node it names. Trees have no cycles,
    so the collector need not look for any.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    line: int
    column: int
    keys: dict[str, Place] = {}

    @property
    def place(self) -> Place:
        """Where the value begins."""
        return (self.line, self.column)


class Unplaced(msgspec.Struct, frozen=True, order=True):
    """A diagnostic that does not know its file yet."""

    line: int
    column: int
    summary: str
    detail: str = ""
    suggestion: str = ""
    is_error: bool = True
    is_failure: bool = False  # the error is none of the files': something was not fetched

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        if self.is_failure:
            return Severity.FAILURE
        return Severity.ERROR if self.is_error else Severity.WARNING

    def within(self, file: str) -> Diagnostic:
        """Return the diagnostic, in `file` as the user would type it."""
        return Diagnostic(
            severity=self.severity,
            summary=self.summary,
            location=Location(file=file, line=self.line, column=self.column),
            detail=self.detail,
            suggestion=self.suggestion,
        )


def find(node: Node | None, *path: str) -> Node | None:
    """Return the node under the mapping keys `path`, None where there is none."""
    for key in path:
        if node is None or not isinstance(node.value, dict):
            return None
        node = node.value.get(key)
    return node


def nearest(node: Node, *path: str) -> Place:
    """Return the place of the deepest node along `path` that exists."""
    for key in path:
        if not isinstance(node.value, dict) or key not in node.value:
            break
        node = node.value[key]
    return node.place


def text_at(node: Node | None, *path: str) -> str | None:
    """Return the text under `path`, None where there is none or it is something else."""
    found = find(node, *path)
    return found.value if found is not None and isinstance(found.value, str) else None


def items(node: Node | None) -> Iterator[Node]:
    """Yield the items of a list node, nothing for anything else."""
    if node is not None and isinstance(node.value, list):
        yield from node.value


def plain(node: Node) -> "Scalar | dict[str, object] | list[object]":
    """Return the value without its places."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [plain(child) for child in value]
    return value
