"""An overlay and the folders around it → the layers and the base documents that it is made of, before any is merged.

A layer is one overlay as it is used from one place: a base that is itself an overlay is a layer below. The files of
each folder stand in the source's snapshot; nothing is opened here. Overlays that name each other in a circle, and those
that come to more than a source may hold, are refused.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from orchestrator.manifest.component import ROOT, unreadable_hint, unreadable_summary
from orchestrator.manifest.node import Node, Place, Unplaced
from orchestrator.manifest.overlay.document import BaseFolder, Overlay, component_nodes, overlay_of
from orchestrator.manifest.overlay.merge import equal, idle, merged
from orchestrator.manifest.overlay.names import Renamed, with_value
from orchestrator.manifest.overlay.outlines import Outlines
from orchestrator.manifest.overlay.pins import ComponentNames, pinned
from orchestrator.manifest.overlay.places import Origins, shifted
from orchestrator.manifest.overlay.relocate import relocated
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import FileEntry, Listing, Unreadable

DEPTH_MAX = 8  # overlays on top of each other
LAYERS_MAX = 256  # of one overlay, one counted each time it is used
ITEMS_MAX = 20_000  # documents of one overlay's bases
NAMES_COMPARED = 2_000  # with one that is not known
OUTERMOST = 0
SOURCE_ITEMS_MAX = 100_000  # documents that all overlays of a source come to
_ABSENT = Unreadable("missing", "")
_NO_COMPONENT = Node({}, 0, 0, {})


class OverlayRoom:
    """The documents that overlays of a source may still come to; each overlay that is read takes its own."""

    def __init__(self) -> None:
        self.left = SOURCE_ITEMS_MAX


class Around(msgspec.Struct, frozen=True, eq=False):
    """The source around an overlay: its files, how their paths are shown, and the outlines of its manifests.

    `deployed` are the manifests that the source deploys by themselves.
    """

    files: Mapping[str, FileEntry]
    shown: Callable[[str], str]
    outlines: Outlines
    deployed: Collection[str] = ()
    room: OverlayRoom = msgspec.field(default_factory=OverlayRoom)


class Item(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One document of a base, and the layers on top of it, the innermost first.

    `key` is what the last of them calls it, None for no deployment, and `base` what its base does; `place` is where
    the outermost names its base, or its patch. `index` is -1 for a file that holds no document that could be read.
    There are many, and they are in no cycle, so the collector need not look at them.
    """

    path: str
    index: int
    key: DeploymentKey | None
    place: Place
    base: DeploymentKey | None = None
    layers: "tuple[OverlayLayer, ...]" = ()

    @property
    def signature(self) -> tuple[object, ...]:
        """All that the making of its document depends on, besides the contents of files."""
        return (self.index, self.key, self.base, self.place, tuple(layer.number for layer in self.layers))


class Lookups:
    """All that the making of documents asked: names of components, pins that it had a use for, and names of the bases.

    `known` are the answers of each layer, by its number and the name.
    """

    def __init__(self, names: ComponentNames) -> None:
        self.names = names
        self.pins: set[tuple[int, str]] = set()
        self.known: dict[tuple[int, DeploymentKey | str], bool] = {}


class OverlayLayer:
    """One overlay, read for the deployments of its bases."""

    def __init__(self, number: int, overlay: Overlay, keys: Collection[DeploymentKey]) -> None:
        """Take an overlay and the deployments of its bases; `number` tells it from the others of one environment.

        `targets` are the deployments of the bases that are patched, each with the name that its patch has.
        """
        self.number, self.overlay = number, overlay
        self.problems = [*overlay.problems]
        self._patch: dict[DeploymentKey, str] = {}
        self._find_targets(keys)
        self._renamed = Renamed(overlay.naming, keys)
        self.targets = frozenset(self._patch.items())

    def placed(self, items: Iterable[Item]) -> list[Item]:
        """Return the documents of its bases with this layer on top, but for those that it leaves out."""
        return [self._placed(item) for item in items if not self._is_left_out(item)]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with the overlay itself."""
        return not any(problem.is_error for problem in self.problems)

    def note(self, place: Place, summary: str, detail: str = "", suggestion: str = "") -> None:
        """Record a problem of the overlay."""
        self.problems.append(Unplaced(*place, summary, detail, suggestion))

    def knows(self, name: DeploymentKey | str) -> bool:
        """Whether a base has a deployment of this key, or one in this namespace."""
        return self._renamed.knows(name)

    def applied(self, root: Node, key: DeploymentKey, asked: Lookups) -> tuple[Node, list[Unplaced]]:
        """Return the deployment `key` of the bases with all that the overlay changes, and what changes nothing.

        Notes in `asked` what else the answer depends on.
        """

        def knows(name: DeploymentKey | str) -> bool:
            return asked.known.setdefault((self.number, name), self.knows(name))

        problems: list[Unplaced] = []
        root = self._pinned(root, asked)
        if self.overlay.labels is not None:
            root = with_value(root, ("metadata", "labels"), merged(_labels(root), self.overlay.labels))
        patch = self._patch_of(key)
        if patch is not None:
            name, node = patch
            changed = merged(root, node)
            problems += idle(root, node) if self.is_sound else ()  # else what is wrong may be why
            if self.is_sound and not problems and equal(root, changed):
                what = f"the patch of {excerpt(name)} changes nothing: the base says all of it already"
                problems.append(
                    Unplaced(*self.overlay.patch_places[name], what, suggestion="remove it", is_error=False)
                )
            root = changed
        return self._renamed.document(root, key, knows), problems

    def _pinned(self, root: Node, asked: Lookups) -> Node:
        if not self.overlay.pins:
            return root
        component = _component(root)
        for name in asked.names.of(component):
            pin = self.overlay.pins.get(name)
            if pin is not None:
                asked.pins.add((self.number, name))
                return with_value(root, ("spec", "component"), pinned(component or _NO_COMPONENT, pin))
        return root

    def _patch_of(self, key: DeploymentKey) -> tuple[str, Node] | None:
        name = self._patch.get(key)
        return None if name is None else (name, self.overlay.patches[name])

    def _find_targets(self, keys: Collection[DeploymentKey]) -> None:
        """Find the deployment that each patch is for."""
        named: dict[str, dict[DeploymentKey, None]] = {}
        for key in keys:
            for name in (key.name, str(key)):
                named.setdefault(name, {})[key] = None
        for name in self.overlay.patches:
            targets = [*named.get(name, ())]
            if len(targets) == 1 and targets[0] not in self._patch:
                self._patch[targets[0]] = name
            else:
                self.note(self.overlay.patch_places[name], *self._mistaken(name, targets, named))

    def _mistaken(self, name: str, targets: list[DeploymentKey], named: Iterable[str]) -> tuple[str, str, str]:
        if not targets:
            return f"no base has a deployment {excerpt(name)}", "", did_you_mean(name, islice(named, NAMES_COMPARED))
        if len(targets) == 1:
            return (
                f"{targets[0]} is patched twice",
                "",
                f"merge it with the patch of {excerpt(self._patch[targets[0]])}",
            )
        told = " or ".join(str(target) for target in targets[:4])
        return f"{excerpt(name)} is the name of {len(targets)} deployments", "", f"write {told}"

    def _is_left_out(self, item: Item) -> bool:
        patch = self._patch_of(item.key) if item.key is not None else None
        return patch is not None and patch[1].value is None

    def _placed(self, item: Item) -> Item:
        key, place = item.key, item.place
        if self.number == OUTERMOST and key is not None and key in self._patch:
            place = self.overlay.patch_places[self._patch[key]]
        now = None if key is None else self.overlay.naming.of(key)
        base = item.base if item.layers else item.key
        return Item(item.path, item.index, now, place, base, (*item.layers, self))


def _component(root: Node) -> Node | None:
    spec = root.value.get("spec") if isinstance(root.value, dict) else None
    return spec.value.get("component") if spec is not None and isinstance(spec.value, dict) else None


def _labels(root: Node) -> Node:
    metadata = root.value.get("metadata") if isinstance(root.value, dict) else None
    labels = metadata.value.get("labels") if metadata is not None and isinstance(metadata.value, dict) else None
    return labels if labels is not None else Node({}, *root.place, {})


class Layers:
    """Reads one overlay and all below it: `items` are the documents that it comes to, `all` the layers on them.

    `needs` are the files and folders that were looked into, `is_whole` says that every deployment could be named, and
    `size` how much of the source's room it takes: more than there is, where it was cut.
    """

    def __init__(self, path: str, root: Node, index: int, around: Around) -> None:
        self.path, self.origins = path, Origins(around.shown(path))
        self.needs: dict[str, FileEntry] = {}
        self.all: list[OverlayLayer] = []
        self.is_whole = True
        self._around = around
        self.size = self._layers = 0
        self._size_max = min(ITEMS_MAX, around.room.left)
        self.items = self._layer(path, root, {}, None, ((path, index),), (0, 0))
        around.room.left -= min(self.size, self._size_max)

    @property
    def is_cut(self) -> bool:
        """Whether there was not enough room for all of it."""
        return self.size > self._size_max

    def problems(self) -> Iterator[Unplaced]:
        """Yield what is wrong with the overlays, each problem once."""
        yield from dict.fromkeys(problem for layer in self.all for problem in layer.problems)

    def _layer(
        self, path: str, root: Node, given: Mapping[str, Node], missing: Place | None,
        chain: tuple[tuple[str, int], ...], place: Place,
    ) -> list[Item]:  # fmt: skip
        """Return what an overlay comes to, named at `missing` of the one around it, and at `place` of the outermost."""
        self._layers += 1
        number = self._layers - 1
        root = shifted(root, self.origins.shift(self._around.shown(path)))
        root, problems = _relocated(root, path, self.path)
        overlay = overlay_of(root, path, given, missing)
        if not overlay.is_named:
            self.is_whole = False
        notes: list[Unplaced] = [*problems]
        items = [
            item
            for base in overlay.bases
            for item in self._base(base, chain, base.place if len(chain) == 1 else place, notes)
        ]
        layer = OverlayLayer(number, overlay, [item.key for item in items if item.key is not None])
        layer.problems += notes
        self.all.append(layer)
        return layer.placed(items)

    def _base(
        self, base: BaseFolder, chain: tuple[tuple[str, int], ...], place: Place, notes: list[Unplaced]
    ) -> Iterator[Item]:
        """Yield what a base comes to."""
        entry = self.needs[base.folder] = self._around.files.get(base.folder, _ABSENT)
        if not isinstance(entry, Listing) or not entry.paths:
            self.is_whole = False
            notes.append(self._lacking(base, entry))
            return
        notes += self._deployed_twice(base, entry)
        declared: set[str] = set()
        for path in entry.paths:
            content = self.needs[path] = self._around.files.get(path, _ABSENT)
            outlines = self._around.outlines.of(path, content)
            if not outlines and not self._has_room(base, notes):
                return
            if not outlines:
                yield Item(path, -1, None, place)
            for index, one in enumerate(outlines):
                if not self._has_room(base, notes):
                    return
                if one.overlay is None:
                    yield Item(path, index, one.key, place)
                elif self._may_enter(base, (path, index), chain, notes):
                    names = _declared(one.overlay)
                    declared |= names
                    given = {name: value for name, value in base.values.items() if name in names}
                    yield from self._layer(path, one.overlay, given, base.place, (*chain, (path, index)), place)
        notes += _unknown_values(base, declared)

    def _deployed_twice(self, base: BaseFolder, listing: Listing) -> Iterator[Unplaced]:
        """Warn of a base that the source deploys by itself as well: that is rarely meant, and never guessed."""
        around = self._around
        twice = [path for path in listing.paths if path in around.deployed and path != self.path]
        outlines = (one for path in twice for one in around.outlines.of(path, around.files.get(path)))
        if any(one.key is not None or one.overlay is not None for one in outlines):
            what = f"the deployments in base {excerpt(around.shown(base.folder))} are deployed by themselves as well"
            why = "The folder that is deployed holds the base, too."
            hint = "deploy the overlay's own folder, if they are not meant to run"
            yield Unplaced(*base.place, what, why, hint, is_error=False)

    def _has_room(self, base: BaseFolder, notes: list[Unplaced]) -> bool:
        self.size += 1
        if self.size == self._size_max + 1:
            what = f"an overlay comes to more than {ITEMS_MAX} documents"
            if self._size_max < ITEMS_MAX:
                what = f"the overlays of the source come to more than {SOURCE_ITEMS_MAX} documents"
            notes.append(Unplaced(*base.place, what, suggestion="split it"))
        if self.size > self._size_max:
            self.is_whole = False
        return self.size <= self._size_max

    def _may_enter(
        self, base: BaseFolder, document: tuple[str, int], chain: tuple[tuple[str, int], ...], notes: list[Unplaced]
    ) -> bool:
        """Whether an overlay in a base may be read from here; a circle, and too many of them, are noted."""
        if document in chain:
            circle = " → ".join(excerpt(self._around.shown(path)).strip("`") for path, _ in (*chain, document))
            problem = Unplaced(
                *base.place, f"overlays go in a circle: {circle}", suggestion="remove one of these bases"
            )
        elif len(chain) >= DEPTH_MAX:
            problem = Unplaced(
                *base.place, f"more than {DEPTH_MAX} overlays on top of each other", suggestion="use fewer"
            )
        elif self._layers >= LAYERS_MAX:
            problem = Unplaced(
                *base.place, f"an overlay comes to more than {LAYERS_MAX} overlays", suggestion="split it"
            )
        else:
            return True
        notes.append(problem)
        self.is_whole = False
        return False

    def _lacking(self, base: BaseFolder, entry: FileEntry) -> Unplaced:
        shown = self._around.shown(base.folder)
        if not isinstance(entry, Unreadable):
            why = "An empty base is taken for a half-written one: the deployments of the overlay run on unchanged."
            return Unplaced(*base.place, f"base {excerpt(shown)} holds no manifest", why, "name another folder")
        if entry.kind == "not-a-file":
            return Unplaced(*base.place, f"base {excerpt(shown)} is not a folder", suggestion="name a folder")
        return Unplaced(
            *base.place, f"base {unreadable_summary(shown, entry, ROOT)}", entry.detail, unreadable_hint(entry, ROOT)
        )


def _relocated(root: Node, path: str, to: str) -> tuple[Node, list[Unplaced]]:
    """Return an overlay with the paths of its pins and patches as the outermost overlay has them."""
    moved: dict[int, Node] = {}
    problems: list[Unplaced] = []
    for node in component_nodes(root):
        now, found = relocated(node, path, to)
        problems += found
        if now is not node:
            moved[id(node)] = now
    return (_replaced(root, moved) if moved else root), problems


def _replaced(node: Node, by: Mapping[int, Node]) -> Node:
    if id(node) in by:
        return by[id(node)]
    if not isinstance(node.value, dict):
        return node
    return Node({key: _replaced(child, by) for key, child in node.value.items()}, *node.place, node.keys)


def _declared(root: Node) -> set[str]:
    spec = root.value.get("spec") if isinstance(root.value, dict) else None
    variables = spec.value.get("variables") if spec is not None and isinstance(spec.value, dict) else None
    return set(variables.value) if variables is not None and isinstance(variables.value, dict) else set()


def _unknown_values(base: BaseFolder, declared: set[str]) -> Iterator[Unplaced]:
    for name in base.values:
        if name not in declared:
            hint = did_you_mean(name, declared) if declared else "no overlay in this base declares any variable"
            yield Unplaced(
                *base.value_places[name], f"no overlay in this base declares {excerpt(name)}", suggestion=hint
            )
