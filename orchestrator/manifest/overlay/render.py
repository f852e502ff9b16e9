"""A source with overlays → the documents that they come to, for `airs render`, and the components to fetch for them."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from orchestrator.manifest.deployment import KIND as DEPLOYMENT_KIND
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.node import LINES, Node, find, text_at
from orchestrator.manifest.overlay.document import is_overlay
from orchestrator.manifest.overlay.environment import Made, rendered
from orchestrator.manifest.overlay.layers import Around, OverlayRoom
from orchestrator.manifest.overlay.names import with_value
from orchestrator.manifest.overlay.outlines import Outlines, is_well_formed
from orchestrator.manifest.overlay.relocate import relocated
from orchestrator.manifest.references import REMOTE_WORDS, uses_of
from orchestrator.model.component_source import ComponentUse
from orchestrator.model.ids import DEFAULT_NAMESPACE
from orchestrator.model.snapshot import Content, FileEntry, Listing, Snapshot

_WORD = b"Overlay"


class OverlayUses(msgspec.Struct, frozen=True):
    """The components that the overlays of a manifest want fetched, and the files of the source that say so."""

    components: tuple[ComponentUse, ...]
    needs: dict[str, FileEntry]


class SourceDocument(msgspec.Struct, frozen=True, eq=False):
    """A document as its source comes to it, and the manifest that deploys it.

    `files` are those that its places are counted over, as people type them, and `own` is the number of the one that the
    document itself was written in; `overlays` changed it, the innermost first.
    """

    root: Node
    manifest: str
    files: tuple[str, ...]
    own: int = 0
    overlays: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file that the document was written in."""
        return self.files[self.own]

    def remark(self, node: Node) -> str:
        """Return where a part of the document was written, empty for the document's own file."""
        number, line = divmod(node.line, LINES)
        return "" if number == self.own else f"{self.files[number]}:{line}"

    def placed(self, to: str) -> "SourceDocument":
        """Return the document as it is written in the manifest `to`."""
        component = find(self.root, "spec", "component")
        if component is None or text_at(self.root, "kind") != DEPLOYMENT_KIND:
            return self
        now, _ = relocated(component, self.manifest, to)
        return replace(self, root=with_value(self.root, ("spec", "component"), now), manifest=to)


def may_hold_overlays(data: bytes) -> bool:
    """Whether it is worth looking for an overlay in a manifest."""
    return _WORD in data


def overlay_uses(manifest: str, files: Mapping[str, FileEntry], room: OverlayRoom | None = None) -> OverlayUses:
    """Return the components that the overlays in a manifest want fetched, each once; `room` is that of their source."""
    entry = files.get(manifest)
    bases = _bases(files)
    if not any(_has_word(one) for one in (entry, *bases.values())):  # most name none, and rendering takes long
        return OverlayUses((), bases)
    around = Around(files, str, Outlines(read_documents), room=room or OverlayRoom())
    made: list[Made] = []
    needs: dict[str, FileEntry] = {}
    for index, document in enumerate(read_documents(entry.data).documents if isinstance(entry, Content) else ()):
        if is_overlay(document.root) and is_well_formed(document):
            found = rendered(manifest, document, index, read_documents, around)
            made += found.documents
            needs |= found.needs
    return OverlayUses(uses_of(manifest, (one.root for one in made)), needs)


def _bases(files: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """Return every folder that an overlay of a source names, and the manifests in them."""
    folders = {path: entry for path, entry in files.items() if isinstance(entry, Listing)}
    return folders | {path: files[path] for listing in folders.values() for path in listing.paths if path in files}


def _has_word(entry: FileEntry | None) -> bool:
    return isinstance(entry, Content) and any(word in entry.data for word in REMOTE_WORDS)


def source_documents(snapshot: Snapshot) -> list[SourceDocument]:
    """Return every document of a source in the order of its names; for an overlay, those that it comes to."""
    return sorted(_documents(snapshot), key=_order)


def _documents(snapshot: Snapshot) -> Iterator[SourceDocument]:
    around = Around(snapshot.files, snapshot.shown, Outlines(read_documents))
    for path in snapshot.manifests:
        entry = snapshot.files.get(path)
        for index, document in enumerate(read_documents(entry.data).documents if isinstance(entry, Content) else ()):
            if document.root is None:
                continue
            if is_overlay(document.root):
                for made in rendered(path, document, index, read_documents, around).documents:
                    layers = (made.files[layer.overlay.place[0] // LINES] for layer in made.item.layers)
                    own = made.line // LINES
                    yield SourceDocument(made.root, path, made.files, own, tuple(dict.fromkeys(layers)))
            else:
                yield SourceDocument(document.root, path, (snapshot.shown(path),))


def _order(one: SourceDocument) -> tuple[bool, str, str, str, str]:
    kind = text_at(one.root, "kind") or ""
    namespace = text_at(one.root, "metadata", "namespace") or DEFAULT_NAMESPACE
    return (kind != DEPLOYMENT_KIND, kind, namespace, text_at(one.root, "metadata", "name") or "", one.file)
