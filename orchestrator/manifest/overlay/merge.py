"""A tree and a patch → the tree that they come to, by the rules of RFC 7386 (JSON Merge Patch).

A mapping is merged key by key, any other value replaces what was there, lists as a whole, and null removes a key. Each
node of the result is one of the tree or of the patch, and keeps its place.
"""

from collections.abc import Iterator

from orchestrator.manifest.node import Node, Unplaced
from orchestrator.manifest.printable import did_you_mean, excerpt

_NOTHING = Node(None, 0, 0)


def merged(base: Node, patch: Node) -> Node:
    """Return `base` with a patch; neither is changed."""
    if not isinstance(patch.value, dict):
        return patch
    is_mapping = isinstance(base.value, dict)
    values: dict[str, Node] = dict(base.value) if isinstance(base.value, dict) else {}
    keys = dict(base.keys) if is_mapping else {}
    for key, child in patch.value.items():
        if child.value is None:
            values.pop(key, None)
            keys.pop(key, None)
            continue
        had = values.get(key)
        values[key] = merged(had if had is not None else _NOTHING, child)
        if had is None or values[key] is child:
            keys[key] = patch.keys.get(key, child.place)
    return Node(values, *(base.place if is_mapping else patch.place), keys)


def equal(one: Node, other: Node) -> bool:
    """Whether two trees hold the same values, wherever they were written; 1, 1.0 and true are three."""
    if type(one.value) is not type(other.value):
        return False
    if isinstance(one.value, dict) and isinstance(other.value, dict):
        return one.value.keys() == other.value.keys() and all(
            equal(child, other.value[key]) for key, child in one.value.items()
        )
    if isinstance(one.value, list) and isinstance(other.value, list):
        return len(one.value) == len(other.value) and all(map(equal, one.value, other.value))
    return one.value == other.value


def idle(base: Node | None, patch: Node) -> Iterator[Unplaced]:
    """Yield a warning for each null of a patch that removes nothing."""
    if not isinstance(patch.value, dict):
        return
    here = base.value if base is not None and isinstance(base.value, dict) else {}
    for key, child in patch.value.items():
        if child.value is None and key not in here:
            summary = f"the patch removes {excerpt(key)}, which is not there"
            yield Unplaced(
                *patch.keys.get(key, child.place), summary, suggestion=did_you_mean(key, here), is_error=False
            )
        else:
            yield from idle(here.get(key), child)
