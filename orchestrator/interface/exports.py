"""The functions that a component exports, one by one, and the world that its types make."""

from collections.abc import Iterator, Sequence

import msgspec

from orchestrator.model.wit import FunctionType
from orchestrator.model.world import LIFECYCLE, Drive, Function, Import, World, WorldTypes

_HTTP = "wasi:http/incoming-handler@0.2."
_JOB = "wasi:cli/run@0.2."
_WASI = "wasi:"


class Export(msgspec.Struct, frozen=True):
    """One exported function: its full name, where it lies (None: at the component's root), and its type."""

    name: str
    interface: str | None
    function: str
    kind: FunctionType


def exported(types: WorldTypes) -> Iterator[Export]:
    """Yield every exported function, in the component's order."""
    for interface in types.exports:
        for function, kind in interface.functions:
            full = f"{interface.name}#{function}" if interface.name else function
            yield Export(full, interface.name or None, function, kind)


def sorted_exports(types: WorldTypes) -> list[Export]:
    """Return every exported function by name."""
    return sorted(exported(types), key=lambda export: export.name)


def world_of(types: WorldTypes, exports: Sequence[Export]) -> World:
    """Return the world of a component with these types; `exports` are theirs, by name."""
    return World(
        imports=tuple(sorted(_imports(types))),
        exports=tuple(Function(name=export.name, signature=str(export.kind)) for export in exports),
        drives=frozenset(drive for export in exports if (drive := _drive(export))),
        types=types,
    )


def _imports(types: WorldTypes) -> Iterator[Import]:
    """Yield the imports to provide: of the world's own ones everything but plain types."""
    for interface in types.imports:
        if interface.name:
            yield Import(interface=interface.name, functions=tuple(sorted(name for name, _ in interface.functions)))
        else:
            for name, _ in (*interface.functions, *interface.resources, *interface.others):
                yield Import(interface=name, functions=())


def _drive(export: Export) -> Drive | None:
    """Say what an export is for; None for those of WASI that nothing here calls."""
    interface = export.interface or ""
    if interface == LIFECYCLE:
        return Drive.ACTOR
    if interface.startswith(_HTTP):
        return Drive.HTTP
    if interface.startswith(_JOB):
        return Drive.JOB
    return None if interface.startswith(_WASI) else Drive.CALLABLE
