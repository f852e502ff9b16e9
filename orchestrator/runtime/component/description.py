"""A compiled component, described: its world for people and plans, its function types for linking and calling.

`Runtime` makes one per artifact, from what `walk` has read. The meaning of interfaces to a plan is not decided here. Of
a component that cannot run for what it imports, its bytes alone tell the world.
"""

import msgspec
from msgspec.structs import replace
from wasmtime import Engine
from wasmtime import component as wc

from orchestrator.decoding import from_msgpack
from orchestrator.interface.exports import Export, sorted_exports, world_of
from orchestrator.interface.fitness import imports_fit
from orchestrator.interface.sections import Unread
from orchestrator.interface.world_types import world_types
from orchestrator.model.calls import AdaptedAt, Adapter
from orchestrator.model.wit import FunctionType, returns_handles
from orchestrator.model.world import LIFECYCLE, Drive, Interface, World, WorldTypes
from orchestrator.runtime.adapter.constant import has_constant_health
from orchestrator.runtime.adapter.text import FLAT, HOST
from orchestrator.runtime.call.types import MAX_TYPE_NODES, TypesTooLarge
from orchestrator.runtime.component import artifact, lifecycle
from orchestrator.runtime.component.probe import refused
from orchestrator.runtime.component.walk import walk

_WASI = "wasi:"


class Description(msgspec.Struct, frozen=True):
    """The offers and needs of a component. `needed`: interface → function → type, without WASI.

    `encoded` is its whole `World`, which only people and plans ask for: starting one does not decode it. Of an adapted
    one all this is what the guest itself offers and needs; `has_shim` says that its adapter needs the host too.
    `has_constant_health` says that its `health()` is seen to have one answer only.
    """

    drives: frozenset[Drive]
    encoded: bytes
    exports: dict[str, Export]
    needed: dict[str, dict[str, FunctionType]]
    wants_wasi: bool
    gives_handles: bool
    adapter: Adapter
    has_shim: bool = False
    has_constant_health: bool = False

    @property
    def is_adapted(self) -> bool:
        """Whether it has an adapter, wherever."""
        return self.adapter.place is not AdaptedAt.NONE

    @property
    def world(self) -> World:
        """Decode its imports, exports and drives."""
        return from_msgpack(self.encoded, World)


def describe(component: wc.Component, engine: Engine, adapter: Adapter, data: bytes) -> Description:
    """Read the imports and exports of a component that was compiled with this adapter from the guest's `data`.

    Raises:
        ArtifactFault: its types are too large, or its lifecycle is not ours.
    """
    try:
        with component.type as kind:
            types = walk(kind, engine)
    except TypesTooLarge:
        raise artifact.types_too_large(MAX_TYPE_NODES) from None
    is_adapted = adapter.place is not AdaptedAt.NONE
    has_shim = is_adapted and any(interface.name == HOST for interface in types.imports)
    if is_adapted:
        types = WorldTypes(imports=_without(types.imports, HOST), exports=_without(types.exports, FLAT))
    exports = sorted_exports(types)
    _check_lifecycle(exports)
    world = replace(world_of(types, exports), refused=refused(types, engine))
    return Description(
        drives=world.drives,
        encoded=msgspec.msgpack.encode(world),
        exports={export.name: export for export in exports},
        needed=_needed(types),
        wants_wasi=any(imported.interface.startswith(_WASI) for imported in world.imports),
        gives_handles=any(returns_handles(export.kind) for export in exports),
        adapter=adapter,
        has_shim=has_shim,
        has_constant_health=has_constant_health(data),
    )


def ruled_out(data: bytes, engine: Engine) -> World | None:
    """Describe a component without compiling it, if its imports rule out that it runs here; None otherwise.

    None says nothing: it may be that its bytes do not tell. Whether the component is valid is not looked at.

    Raises:
        ArtifactFault: its lifecycle is not ours.
    """
    try:
        types = world_types(data)
    except Unread:
        return None
    exports = sorted_exports(types)
    world = world_of(types, exports)
    if imports_fit(world):
        return None
    _check_lifecycle(exports)
    return replace(world, refused=refused(types, engine))


def _check_lifecycle(exports: list[Export]) -> None:
    lifecycle.check({export.function: export.kind for export in exports if export.interface == LIFECYCLE})


def _without(interfaces: tuple[Interface, ...], name: str) -> tuple[Interface, ...]:
    return tuple(interface for interface in interfaces if interface.name != name)


def _needed(types: WorldTypes) -> dict[str, dict[str, FunctionType]]:
    needed = {}
    for interface in types.imports:
        if not interface.name:
            needed.update({function: {"": kind} for function, kind in interface.functions})
        elif interface.functions and not interface.name.startswith(_WASI):
            needed[interface.name] = dict(interface.functions)
    return needed
