"""A component's type → everything it imports and exports, with all types, as values of ours.

`component` describes a component from it. Whether any of it can be linked or called is not decided here.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from wasmtime import Engine
from wasmtime import component as wc

from orchestrator.model.wit import FunctionType, WitType
from orchestrator.model.world import Interface, WorldTypes
from orchestrator.runtime.call.types import TypeReader

_OTHERS: dict[type, str] = {
    wc.ComponentInstanceType: "instance",
    wc.ModuleType: "core module",
    wc.ComponentType: "component",
}


def walk(kind: wc.ComponentType, engine: Engine) -> WorldTypes:
    """Read everything a component imports and exports.

    Raises:
        TypesTooLarge: it spells out to more than is read.
    """
    reader = TypeReader()
    imports = tuple(_interfaces(kind.imports(engine), engine, reader))
    return WorldTypes(imports=imports, exports=tuple(_interfaces(kind.exports(engine), engine, reader)))


def _interfaces(externs: dict[str, Any], engine: Engine, reader: TypeReader) -> Iterator[Interface]:
    """Read each instance as an interface, and all that lies beside them as the one named ""."""
    beside = []
    for name, extern in externs.items():
        item = extern.ty
        if isinstance(item, wc.ComponentInstanceType):
            members = item.exports(engine).items()
            yield _interface(name, ((member, found.ty) for member, found in members), reader)
        else:
            beside.append((name, item))
    if beside:
        yield _interface("", beside, reader)


def _interface(name: str, members: Iterable[tuple[str, Any]], reader: TypeReader) -> Interface:
    types: list[tuple[str, WitType]] = []
    resources: list[tuple[str, str]] = []
    functions: list[tuple[str, FunctionType]] = []
    others: list[tuple[str, str]] = []
    reader.count()
    for member, item in members:
        if isinstance(item, wc.FuncType):
            functions.append((member, reader.function(item)))
        elif isinstance(item, wc.ResourceType):
            resources.append((member, reader.resource(item, f"{name}#{member}" if name else member)))
        elif type(item) in _OTHERS:
            reader.count()
            others.append((member, _OTHERS[type(item)]))
        else:
            types.append((member, reader.value(item)))
    return Interface(
        name=name,
        types=tuple(types),
        resources=tuple(resources),
        functions=tuple(functions),
        others=tuple(others),
    )
