"""Which component a deployment runs, by name, and a pin of that component put in its place."""

from collections.abc import Mapping

from orchestrator.manifest.component_source import (
    REMOTE,
    SOURCES,
    BadReferenceError,
    component_path,
    oci_component,
    package_name,
)
from orchestrator.manifest.node import Node, text_at
from orchestrator.manifest.overlay.merge import merged
from orchestrator.manifest.paths import BadPathError
from orchestrator.model.snapshot import Content, FileEntry


class ComponentNames:
    """The names of components, by what `spec.component` says in the manifest `file`; a Component.toml is read once.

    `looked_into` are the files that gave a name, or would have.
    """

    def __init__(self, file: str, files: Mapping[str, FileEntry], known: dict[str, str] | None = None) -> None:
        """Look in `files`; `known` are the names of Component.toml files that were read, and is added to."""
        self._file, self._files = file, files
        self._known = {} if known is None else known
        self.looked_into: set[str] = set()

    def of(self, component: Node | None) -> tuple[str, ...]:
        """Return the names by which a pin may know a component: that of its Component.toml, or its reference."""
        path = self._local(component)
        if path is not None:
            self.looked_into.add(path)
            if path not in self._known:
                entry = self._files.get(path)
                self._known[path] = package_name(entry.data)[0] if isinstance(entry, Content) else ""
            return (self._known[path],) if self._known[path] else ()
        reference, url = text_at(component, "oci", "reference"), text_at(component, "git", "url")
        if reference is not None:
            try:
                return (oci_component(reference).repository,)
            except BadReferenceError:
                return ()
        return (url,) if url else ()

    def _local(self, component: Node | None) -> str | None:
        written = text_at(component, "path")
        if written is None:
            return None
        try:
            return component_path(self._file, written)
        except BadPathError:
            return None


def pinned(component: Node, pin: Node) -> Node:
    """Return a `spec.component` with a pin: a source that the pin names replaces the one that it has."""
    if not (isinstance(component.value, dict) and isinstance(pin.value, dict)):
        return pin
    given = [kind for kind in SOURCES if kind in pin.value]
    if given:
        gone = {*SOURCES, "manifest"} - {given[0]} | (set() if given[0] in REMOTE else {"refresh"})
        kept = {key: node for key, node in component.value.items() if key not in gone}
        if given[0] in ("oci", "url"):
            kept.pop(given[0], None)
        component = Node(kept, *component.place, component.keys)
    return merged(component, pin)
