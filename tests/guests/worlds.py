"""Turns a component into the text of its world: interface → function or type name → WIT-like signature."""

from pathlib import Path
from typing import Any

import wasmtime
import wasmtime.component as wit

World = dict[str, dict[str, str]]  # a world-level function is an interface of its own with the one entry ""


def worlds(path: Path) -> tuple[World, World]:
    """Return what the component at `path` imports and what it exports."""
    engine = wasmtime.Engine()
    kind = wit.Component.from_file(engine, str(path)).type
    return _externs(kind.imports(engine), engine), _externs(kind.exports(engine), engine)


def _externs(externs: dict[str, Any], engine: wasmtime.Engine) -> World:
    return {name: _members(extern.ty, engine) for name, extern in externs.items()}


def _members(item: Any, engine: wasmtime.Engine) -> dict[str, str]:
    if isinstance(item, wit.ComponentInstanceType):
        return {name: _signature(member.ty) for name, member in item.exports(engine).items()}
    return {"": _signature(item)}


def _signature(item: Any) -> str:
    if isinstance(item, wit.FuncType):
        result = item.result
        return f"func({_named(item.params)})" + (f" -> {text(result)}" if result else "")
    return text(item)


def _named(pairs: list[tuple[str, Any]]) -> str:
    return ", ".join(f"{name}: {text(kind)}" for name, kind in pairs)


def text(kind: Any) -> str:
    """Write a type out in full, without the names of the types it is made of."""
    match kind:
        case wit.ListType():
            return f"list<{text(kind.element)}>"
        case wit.OptionType():
            return f"option<{text(kind.payload)}>"
        case wit.ResultType():
            ok, err = kind.ok, kind.err
            return f"result<{text(ok) if ok else '_'}, {text(err) if err else '_'}>"
        case wit.TupleType():
            return f"tuple<{', '.join(text(element) for element in kind.elements)}>"
        case wit.RecordType():
            return f"record{{{_named(kind.fields)}}}"
        case wit.VariantType():
            return f"variant{{{', '.join(f'{n}({text(t)})' if t else n for n, t in kind.cases)}}}"
        case wit.EnumType():
            return f"enum{{{', '.join(kind.names)}}}"
        case wit.FlagsType():
            return f"flags{{{', '.join(kind.names)}}}"
        case _:
            return type(kind).__name__.lower()
