"""Places in several files, in one number: a line of an overlay's trees also says in which file it was written.

A rendered deployment is made of nodes from the overlay's file, from those of its bases, and of overlays between them.
Code that looks at its tree asks for
places as of any other; only the telling of a problem asks for the file.
"""

from msgspec.structs import replace

from orchestrator.manifest.node import LINES, Node, Unplaced


class Origins:
    """The files whose nodes one overlay is made of; the first is its own, whose lines are as they are."""

    def __init__(self, own: str) -> None:
        self.files = [own]
        self._shifts = {own: 0}

    def shift(self, file: str) -> int:
        """Return what to add to the lines of a file."""
        known = self._shifts.get(file)
        if known is None:
            known = self._shifts[file] = len(self.files) * LINES
            self.files.append(file)
        return known


def shifted(node: Node, by: int) -> Node:
    """Return a tree whose lines are `by` more."""
    if not by:
        return node
    value = node.value
    if isinstance(value, dict):
        keys = {key: (line + by, column) for key, (line, column) in node.keys.items()}
        return Node({key: shifted(child, by) for key, child in value.items()}, node.line + by, node.column, keys)
    if isinstance(value, list):
        return Node([shifted(child, by) for child in value], node.line + by, node.column)
    return Node(value, node.line + by, node.column)


def shifted_problem(problem: Unplaced, by: int) -> Unplaced:
    """Return a problem whose line is `by` more."""
    return replace(problem, line=problem.line + by) if by else problem
