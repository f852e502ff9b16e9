"""A compiled component, described: its world for people and plans, its function types for linking and calling.

`Runtime` makes one per artifact. The type walk is here; what interfaces mean to a plan is not.
"""

from typing import Any

import msgspec
from wasmtime import Engine
from wasmtime import component as wc

from orchestrator.model.world import LIFECYCLE, Drive, Function, Import, World
from orchestrator.runtime import artifact, lifecycle
from orchestrator.runtime.types import MAX_TYPE_NODES, FunctionType, TypeReader, TypesTooLarge

_HTTP = "wasi:http/incoming-handler@"
_JOB = "wasi:cli/run@"
_WASI = "wasi:"


class Export(msgspec.Struct, frozen=True):
    """One exported function: its full name, where it lies (None: at the component's root), and its type."""

    name: str
    interface: str | None
    function: str
    kind: FunctionType


class Description(msgspec.Struct, frozen=True):
    """What a component offers and needs. `needed`: interface → function → type, without WASI."""

    world: World
    exports: dict[str, Export]
    needed: dict[str, dict[str, FunctionType]]
    wants_wasi: bool


def describe(component: wc.Component, engine: Engine) -> Description:
    """Read a component's imports and exports.

    Raises:
        ArtifactFault: its types are too large, or its lifecycle is not ours.
    """
    reader = TypeReader()
    try:
        with component.type as kind:
            imports = {name: _functions(extern, engine) for name, extern in kind.imports(engine).items()}
            exports = _exports(kind, engine, reader)
            needed = _needed(imports, reader)
    except TypesTooLarge:
        raise artifact.types_too_large(MAX_TYPE_NODES) from None
    lifecycle.check({export.function: export.kind for export in exports if export.interface == LIFECYCLE})
    return Description(
        world=_world(imports, exports),
        exports={export.name: export for export in exports},
        needed=needed,
        wants_wasi=any(name.startswith(_WASI) for name in imports),
    )


def _functions(extern: Any, engine: Engine) -> dict[str, wc.FuncType] | wc.FuncType | None:
    item = extern.ty
    if isinstance(item, wc.FuncType):
        return item
    if not isinstance(item, wc.ComponentInstanceType):
        return None
    members = ((name, member.ty) for name, member in item.exports(engine).items())
    return {name: member for name, member in members if isinstance(member, wc.FuncType)}


def _exports(kind: wc.ComponentType, engine: Engine, reader: TypeReader) -> list[Export]:
    found = []
    for name, extern in kind.exports(engine).items():
        match _functions(extern, engine):
            case wc.FuncType() as func:
                found.append(Export(name, None, name, reader.function(func)))
            case dict() as functions:
                for function, func in functions.items():
                    found.append(Export(f"{name}#{function}", name, function, reader.function(func)))
    return sorted(found, key=lambda export: export.name)


def _needed(imports: dict[str, Any], reader: TypeReader) -> dict[str, dict[str, FunctionType]]:
    needed = {}
    for name, functions in imports.items():
        if isinstance(functions, dict) and functions and not name.startswith(_WASI):
            needed[name] = {function: reader.function(func) for function, func in functions.items()}
        elif isinstance(functions, wc.FuncType):
            needed[name] = {"": reader.function(functions)}
    return needed


def _world(imports: dict[str, Any], exports: list[Export]) -> World:
    used = (
        Import(interface=name, functions=tuple(sorted(functions)) if isinstance(functions, dict) else ())
        for name, functions in imports.items()
    )
    return World(
        imports=tuple(sorted(used)),
        exports=tuple(Function(name=export.name, signature=str(export.kind)) for export in exports),
        drives=frozenset(_drive(export) for export in exports),
    )


def _drive(export: Export) -> Drive:
    interface = export.interface or ""
    if interface == LIFECYCLE:
        return Drive.ACTOR
    if interface.startswith(_HTTP):
        return Drive.HTTP
    return Drive.JOB if interface.startswith(_JOB) else Drive.CALLABLE
