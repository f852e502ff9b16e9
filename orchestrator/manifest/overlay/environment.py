"""One overlay, with the manifests of its bases → entries like those of documents that somebody wrote.

`entries` calls it. Of each file of a base it keeps what the overlay made of it, as long as neither that file, nor an
overlay, nor a name that references follow is another: an edit of one costs what that one costs.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from orchestrator.manifest.component import ROOT, ComponentFile, unreadable_hint, unreadable_summary
from orchestrator.manifest.deployment import Draft, draft
from orchestrator.manifest.documents import Document
from orchestrator.manifest.entry import Components, DocumentEntry, entry_of
from orchestrator.manifest.node import LINES, Node, Unplaced, find, nearest, text_at
from orchestrator.manifest.overlay.layers import Around, Item, Layers, Lookups
from orchestrator.manifest.overlay.names import with_value
from orchestrator.manifest.overlay.pins import ComponentNames
from orchestrator.manifest.overlay.places import shifted, shifted_problem
from orchestrator.manifest.overlay.relocate import relocated, without
from orchestrator.manifest.parsed import Parse
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.model.ids import DEFAULT_NAMESPACE, DeploymentKey
from orchestrator.model.snapshot import Content, FileEntry, Unreadable

_ABSENT = Unreadable("missing", "")


class ManifestReading(msgspec.Struct, frozen=True, eq=False):
    """All that reading a manifest may ask for: components, parsed files, and the source around it."""

    components: Components
    parse: Parse
    around: Around


class Made(msgspec.Struct, frozen=True, eq=False):
    """A document as an overlay comes to it, its places still counted over `files`, and what was found on the way."""

    item: Item
    root: Node
    line: int
    column: int
    problems: tuple[Unplaced, ...]
    is_whole: bool
    files: tuple[str, ...]


class _Part(msgspec.Struct, frozen=True, eq=False):
    """The entries that an overlay made of one file of its bases, and all that they depend on besides the overlays."""

    content: FileEntry
    signature: tuple[object, ...]
    entries: tuple[tuple[int, DocumentEntry], ...]  # with the number of the item that each is of
    is_whole: bool
    used: tuple[tuple[str, ComponentFile], ...] = ()
    needs: dict[str, FileEntry] = {}
    known: dict[tuple[int, DeploymentKey | str], bool] = {}
    pins: frozenset[tuple[int, str]] = frozenset()
    names: frozenset[str] = frozenset()


class OverlayEntries(msgspec.Struct, frozen=True, eq=False):
    """The entries that one overlay comes to. `needs` are the files of the source that they were made of.

    `is_whole` says that every deployment in it could be named. It takes `size` of the source's room; `is_cut` says that
    there was not enough.
    """

    entries: tuple[DocumentEntry, ...]
    used: tuple[tuple[str, ComponentFile], ...]
    needs: dict[str, FileEntry]
    is_whole: bool
    signature: tuple[object, ...]
    parts: dict[str, _Part]
    size: int
    is_cut: bool


def environment(
    path: str, document: Document, index: int, reading: ManifestReading, before: OverlayEntries | None = None
) -> OverlayEntries:
    """Read the overlay that is document `index` of the manifest at `path`; `before` is what it came to last."""
    assert document.root is not None
    layers = Layers(path, document.root, index, reading.around)
    signature = _signature(layers, reading)
    known = before.parts if before is not None and before.signature == signature else {}
    maker = _Maker(layers, reading)
    items = _by_file(layers)
    parts = {file: maker.part(file, each, known.get(file)) for file, each in items.items()}
    _refuse_unknown_pins(layers, parts)
    entries = [_own(layers, document)]
    are_sound = all(layer.is_sound for layer in layers.all)
    for file, part in parts.items():
        entries += (entry if are_sound else _if_sound(items[file][at], entry) for at, entry in part.entries)
    return OverlayEntries(
        entries=tuple(entries),
        used=tuple({name: file for part in parts.values() for name, file in part.used}.items()),
        needs=layers.needs | {name: entry for part in parts.values() for name, entry in part.needs.items()},
        is_whole=layers.is_whole and all(part.is_whole for part in parts.values()),
        signature=signature,
        parts=parts,
        size=layers.size,
        is_cut=layers.is_cut,
    )


class Rendered(msgspec.Struct, frozen=True, eq=False):
    """The documents that an overlay comes to, whether or not anything is wrong, and the files that say so."""

    documents: list[Made]
    needs: dict[str, FileEntry]


def rendered(path: str, document: Document, index: int, parse: Parse, around: Around) -> Rendered:
    """Return the documents that an overlay comes to, in the order of its bases; `environment` says what is wrong."""
    assert document.root is not None
    layers = Layers(path, document.root, index, around)
    asked = Lookups(ComponentNames(path, around.files))
    found: list[Made] = []
    for file, items in _by_file(layers).items():
        content = around.files.get(file, _ABSENT)
        documents = parse(content.data).documents if isinstance(content, Content) else ()
        origin = _files(layers, around.shown(file))
        for item in items if documents else ():
            found.append(_made(item, documents[item.index], origin, layers.path, asked))
    looked_into = {name: around.files.get(name, _ABSENT) for name in asked.names.looked_into}
    return Rendered(found, layers.needs | looked_into)


def _signature(layers: Layers, reading: ManifestReading) -> tuple[object, ...]:
    """Return all that the making of each document depends on, but for the document itself and components."""
    files = reading.around.files
    overlays = [
        (path, files[path]) for path in (layers.path, *layers.needs)
        if any(one.overlay is not None for one in reading.around.outlines.of(path, files.get(path)))
    ]  # fmt: skip
    return (*overlays, *(layer.targets for layer in layers.all))


def _by_file(layers: Layers) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in layers.items:
        found.setdefault(item.path, []).append(item)
    return found


def _files(layers: Layers, file: str) -> tuple[tuple[str, ...], int]:
    """Return the files that the nodes of a base's file are made of, and what to add to its own lines."""
    known = layers.origins.files
    if file in known:
        return tuple(known), known.index(file) * LINES
    return (*known, file), len(known) * LINES


class _Maker:
    """Makes the entries of one overlay, file by file."""

    def __init__(self, layers: Layers, reading: ManifestReading) -> None:
        self._layers, self._reading, self._files = layers, reading, reading.around.files
        self._memo: dict[str, str] = {}
        self._file = reading.around.shown(layers.path)
        self._numbered = {layer.number: layer for layer in layers.all}
        self._has_pins = any(layer.overlay.pins for layer in layers.all)

    def part(self, file: str, items: list[Item], before: _Part | None) -> _Part:
        """Make the entries of one file, or return what was made `before` if nothing is another."""
        content = self._files.get(file, _ABSENT)
        signature = tuple(item.signature for item in items)
        if before is not None and before.signature == signature and self._is_same(before, content):
            return before
        if isinstance(content, Content):
            return self._read(file, items, content, signature)
        files, shift = _files(self._layers, self._reading.around.shown(file))
        problems: tuple[Unplaced, ...] = ()
        is_whole = True
        if isinstance(content, Unreadable):
            is_whole = content.kind == "misnamed"
            hint = unreadable_hint(content, ROOT)
            summary = unreadable_summary(files[shift // LINES], content, ROOT)
            problems = (Unplaced(shift, 0, summary, content.detail, hint, is_error=not is_whole),)
        entry = DocumentEntry(self._file, None, items[0].place, problems, files=files)
        return _Part(content, signature, ((0, entry),), is_whole)

    def _read(self, file: str, items: list[Item], content: Content, signature: tuple[object, ...]) -> _Part:
        used: dict[str, ComponentFile] = {}

        def component(toml: str) -> ComponentFile:
            return used.setdefault(toml, self._reading.components(toml))

        documents = self._reading.parse(content.data)
        files, shift = _files(self._layers, self._reading.around.shown(file))
        beside = tuple(shifted_problem(one, shift) for one in documents.problems)
        entries = [(0, DocumentEntry(self._file, None, items[0].place, beside, files=files))] if beside else []
        asked = Lookups(ComponentNames(self._layers.path, self._files, self._memo))
        is_whole = bool(documents.documents)
        known: set[str] = set()
        for at, item in enumerate(items if documents.documents else ()):
            made = _made(item, documents.documents[item.index], (files, shift), self._layers.path, asked)
            known.update(asked.names.of(find(made.root, "spec", "component")) if self._has_pins else ())
            source = _draft(made)
            is_whole = is_whole and (source.is_other or (source.key is not None and source.is_whole))
            entry = entry_of(self._layers.path, self._file, source, (), component)
            entries.append((at, replace(entry, files=files)))
        needs = {path: self._files.get(path, _ABSENT) for path in asked.names.looked_into}
        return _Part(
            content, signature, tuple(entries), is_whole, tuple(used.items()), needs,
            asked.known, frozenset(asked.pins), frozenset(known),
        )  # fmt: skip

    def _is_same(self, before: _Part, content: FileEntry) -> bool:
        return (
            (before.content is content or before.content == content)
            and all(self._files.get(path, _ABSENT) == entry for path, entry in before.needs.items())
            and all(self._numbered[number].knows(name) == is_known for (number, name), is_known in before.known.items())
            and all(self._reading.components(name) is component for name, component in before.used)
        )


def _made(item: Item, document: Document, origin: tuple[tuple[str, ...], int], path: str, asked: Lookups) -> Made:
    """Put the layers of an item on its document."""
    files, shift = origin
    root = shifted(document.root or Node(None, document.line, document.column), shift)
    problems = [shifted_problem(problem, shift) for problem in document.problems]
    if item.base is not None and document.whole:
        key = item.base
        component = find(root, "spec", "component")
        if component is not None:
            now, bad = relocated(component, item.path, path)
            problems += bad
            now = without(now, bad)
            root = root if now is component else with_value(root, ("spec", "component"), now)
        for layer in item.layers:
            root, found = layer.applied(root, key, asked)
            problems += found
            key = layer.overlay.naming.of(key)
    place = (document.line + shift, document.column)
    return Made(item, root, *place, tuple(problems), document.whole, files)


def _draft(made: Made) -> Draft:
    """Check a document, under the name that its overlay gives it, placed where the overlay names its base."""
    item = made.item
    source = draft(Document(made.root, made.line, made.column, made.problems, made.is_whole))
    source = replace(source, line=item.place[0], column=item.place[1])
    if item.key is not None:
        return replace(source, key=item.key)
    return _kept_secret(source, item) if source.is_sealed and source.is_sound else source


def _kept_secret(source: Draft, item: Item) -> Draft:
    """Return a sealed secret as it is, or without its value where the overlay moves its namespace."""
    namespace = own = text_at(source.root, "metadata", "namespace") or DEFAULT_NAMESPACE
    for layer in item.layers:
        namespace = layer.overlay.naming.namespace_of(namespace)
    if namespace == own:
        return source
    what = f"secret {own}/{text_at(source.root, 'metadata', 'name')} is left out: it cannot be moved to {namespace}"
    hint = f"seal it for {namespace} with `airs secret seal`, beside the overlay"
    problem = Unplaced(*nearest(source.root, "metadata", "namespace"), what, _SEALED, hint, is_error=False)
    return replace(source, problems=(*source.problems, problem), is_sealed=False)


_SEALED = "A sealed secret is bound to its namespace and name."


def _own(layers: Layers, document: Document) -> DocumentEntry:
    """Return the entry of the overlay itself, which deploys nothing and says what is wrong with it."""
    problems = (*document.problems, *layers.problems())
    place = (document.line, document.column)
    return DocumentEntry(layers.origins.files[0], None, place, problems, files=tuple(layers.origins.files))


def _if_sound(item: Item, entry: DocumentEntry) -> DocumentEntry:
    """Return an entry that deploys nothing, and repeats no problem, where an overlay on top of it has an error."""
    told = {(one.line, one.column) for layer in item.layers for one in layer.problems if one.is_error}
    if not told:
        return entry
    own = (one for one in entry.problems if one.is_error and not one.is_failure)
    problems = tuple(problem for problem in own if (problem.line, problem.column) not in told)
    return replace(entry, deployment=None, sealed=None, problems=problems)


def _refuse_unknown_pins(layers: Layers, parts: Mapping[str, _Part]) -> None:
    used = {pin for part in parts.values() for pin in part.pins}
    for layer in layers.all:
        for name in layer.overlay.pins:
            if (layer.number, name) not in used:
                names = {name for part in parts.values() for name in part.names}
                hint = did_you_mean(name, names) if names else ""
                what = f"no deployment of the bases has a component {excerpt(name)}"
                layer.note(layer.overlay.pin_places[name], what, suggestion=hint)
