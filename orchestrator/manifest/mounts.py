"""Says of a deployment's mounts what the schema cannot: whether a grant covers each, and no two share a guest path."""

from collections.abc import Iterator
from typing import Any

from orchestrator.manifest.capabilities import FOLDERS
from orchestrator.manifest.node import Node, Unplaced, find, items, nearest, text_at
from orchestrator.manifest.printable import excerpt
from orchestrator.model.spec import Mount
from orchestrator.patterns.folders import folder_of, is_within


def mount_problems(root: Node) -> Iterator[Unplaced]:
    """Yield what is wrong with mounts that are well formed each by itself."""
    granted = [folder_of(pattern) for capability in FOLDERS for pattern in _patterns(root, capability)]
    mounted = {text_at(mount, "path") for mount in items(find(root, "spec", "mounts"))}
    taken: dict[str, Node] = {}
    for mount in items(find(root, "spec", "mounts")):
        path, guest_path = text_at(mount, "path"), text_at(mount, "as")
        if path is None or guest_path is None:  # malformed, and said to be
            continue
        if not any(is_within(path, folder) for folder in granted):
            yield _not_granted(mount, path)
        if guest_path in granted and guest_path not in mounted:
            summary = (
                f"mounts {excerpt(path)} as {excerpt(guest_path)}, which is granted itself and found under that path"
            )
            yield Unplaced(
                *nearest(mount, "as"), summary, suggestion="mount that directory elsewhere, or choose another path"
            )
        other = taken.setdefault(guest_path, mount)
        if other is not mount:
            line, column = nearest(other, "as")
            summary = f"two mounts are called {excerpt(guest_path)}, here and in line {line}, column {column}"
            yield Unplaced(*nearest(mount, "as"), summary, suggestion="give each directory a guest path of its own")


def mounts_of(written: list[dict[str, Any]]) -> tuple[Mount, ...]:
    """Return the mounts of a sound deployment."""
    return tuple(Mount(path=mount["path"], guest_path=mount["as"]) for mount in written)


def _patterns(root: Node, capability: str) -> Iterator[str]:
    return (item.value for item in items(find(root, "spec", "grants", capability)) if isinstance(item.value, str))


def _not_granted(mount: Node, path: str) -> Unplaced:
    summary = f"mounts {excerpt(path)}, which no grant of this deployment covers"
    detail = "A mount only says where a guest finds a directory. Whether it may read or change it, its grants say."
    return Unplaced(*nearest(mount, "path"), summary, detail, f"add `filesystem.read: [{path}/**]` to `grants`")
