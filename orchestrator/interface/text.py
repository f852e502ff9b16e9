"""The types of a world → WIT text that tools read again. Pure; `airs component info` prints it.

A binary holds no documentation, and its types say nothing of the interface they were written in: a type that has the
name and the form of one in an interface before it is shown as used from there.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    FunctionType,
    HandleOf,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
    parts,
)
from orchestrator.model.world import Interface, WorldTypes

INDENT = "  "
_KEYWORDS = frozenset({
    "as", "async", "bool", "borrow", "char", "constructor", "enum", "error-context", "export", "f32", "f64", "flags",
    "from", "func", "future", "import", "include", "interface", "list", "map", "option", "own", "package", "record",
    "resource", "result", "s16", "s32", "s64", "s8", "static", "stream", "string", "tuple", "type", "u16", "u32", "u64",
    "u8", "use", "variant", "with", "world",
})  # fmt: skip
_Lines = Iterator[str]


class _Names(msgspec.Struct):
    """How types are written inside one interface. `origins`: where each came from; `unnamed`: those that we name."""

    types: dict[WitType, str] = {}
    resources: dict[str, str] = {}
    origins: dict[str, tuple[str, str]] = {}
    unnamed: list[tuple[str, WitType]] = []


def world_text(types: WorldTypes) -> str:
    """Write a component's world, and every interface it names, as WIT."""
    interfaces = _merged((*types.imports, *types.exports))
    names = _naming(interfaces)
    lines = ["package root:component;", "", "world root {"]
    for direction, group in (("import", types.imports), ("export", types.exports)):
        for interface in group:
            lines += _in_world(direction, interface, names[interface.name])
    lines.append("}")
    for package, members in _packages(interfaces):
        lines += ["", f"package {package} {{"]
        for interface in members:
            lines += _indented(_block(f"interface {_last(interface.name)}", interface, names[interface.name]))
        lines.append("}")
    return "\n".join(lines) + "\n"


def signature_text(interface: Interface, kind: FunctionType) -> str:
    """Write a function's type as WIT, with the names that its interface gives to types."""
    return _function(kind, _naming((interface,))[interface.name])


def _merged(interfaces: Iterable[Interface]) -> list[Interface]:
    """Put what is imported and exported under one name together, in order of first appearance."""
    found: dict[str, Interface] = {}
    for interface in interfaces:
        known = found.get(interface.name)
        found[interface.name] = interface if known is None else _union(known, interface)
    return list(found.values())


def _union(one: Interface, other: Interface) -> Interface:
    return Interface(
        name=one.name,
        types=tuple(dict((*one.types, *other.types)).items()),
        resources=tuple(dict((*one.resources, *other.resources)).items()),
        functions=tuple(dict((*one.functions, *other.functions)).items()),
        others=tuple(dict((*one.others, *other.others)).items()),
    )


def _naming(interfaces: Sequence[Interface]) -> dict[str, _Names]:
    """Decide for each interface how its types are written, and which of them it has from an earlier interface."""
    seen: dict[tuple[str, WitType], str] = {}
    homes: dict[WitType, tuple[str, str]] = {}
    naming: dict[str, _Names] = {}
    for interface in interfaces:
        names = naming[interface.name] = _Names({}, {}, {}, [])
        for name, kind in interface.types:
            if not isinstance(kind, Scalar | HandleOf):
                names.types.setdefault(kind, name)
            home = seen.setdefault((name, kind), interface.name)
            homes.setdefault(kind, (home, name))
            if _can_be_used(home) and home != interface.name:
                names.origins[name] = (home, name)
        for name, full in interface.resources:
            names.resources[full] = name
            home, _, original = full.rpartition("#")
            if _can_be_used(home) and home != interface.name:
                names.origins[name] = (home, original)
        _name_the_rest(interface, names, homes)
    return naming


def _name_the_rest(interface: Interface, names: _Names, known: dict[WitType, tuple[str, str]]) -> None:
    """Give a name to each type that WIT wants named and that has none here: wasmtime tells none of a world's own."""
    signatures = [
        kind for _, function in interface.functions for kind in (*dict(function.params).values(), function.result)
    ]
    for kind in dict.fromkeys(part for signature in signatures for part in parts(signature)):
        if not isinstance(kind, RecordOf | VariantOf | EnumOf | FlagsOf) or kind in names.types:
            continue
        home, name = known.get(kind, ("", ""))
        if _can_be_used(home):
            names.origins[name] = (home, name)
        else:
            name = f"unnamed-{len(names.unnamed) + 1}"
            names.unnamed.append((name, kind))
        names.types[kind] = name


def _can_be_used(interface: str) -> bool:
    return ":" in interface and "/" in interface


def _packages(interfaces: Iterable[Interface]) -> Iterator[tuple[str, list[Interface]]]:
    packages: dict[str, list[Interface]] = {}
    for interface in interfaces:
        if _can_be_used(interface.name):
            packages.setdefault(_package(interface.name), []).append(interface)
    yield from packages.items()


def _package(name: str) -> str:
    path, _, version = name.partition("@")
    package = path.rpartition("/")[0]
    return f"{package}@{version}" if version else package


def _last(name: str) -> str:
    return _word(name.partition("@")[0].rpartition("/")[2])


def _in_world(direction: str, interface: Interface, names: _Names) -> _Lines:
    if _can_be_used(interface.name):
        yield f"{INDENT}{direction} {interface.name};"
    elif interface.name:
        yield from _indented(_block(f"{direction} {_word(interface.name)}: interface", interface, names))
    else:
        yield from _indented(_types(interface, names))
        yield from _indented(_members(interface, names, f"{direction} "))


def _indented(lines: Iterable[str]) -> _Lines:
    return (INDENT + line for line in lines)


def _block(head: str, interface: Interface, names: _Names) -> _Lines:
    yield head + " {"
    yield from _indented(_types(interface, names))
    yield from _indented(_members(interface, names))
    yield "}"


def _members(interface: Interface, names: _Names, before: str = "") -> _Lines:
    """Write all functions but those of the interface's own resources."""
    own = {name for name, _ in interface.resources if name not in names.origins}
    for name, kind in interface.functions:
        if not name.startswith("["):
            yield f"{before}{_word(name)}: {_function(kind, names)};"
        elif name.partition("]")[2].partition(".")[0] not in own:
            yield f"// {before}{name}: {_function(kind, names)}"
    for name, what in interface.others:
        yield f"// {before}{name}: {what}"


def _types(interface: Interface, names: _Names) -> _Lines:
    used: dict[str, list[str]] = {}
    for name, (home, original) in names.origins.items():
        used.setdefault(home, []).append(_word(name) if name == original else f"{_word(original)} as {_word(name)}")
    for home, aliases in used.items():
        yield f"use {_same_package(interface.name, home)}.{{{', '.join(aliases)}}};"
    for name, _ in interface.resources:
        if name not in names.origins:
            yield from _resource(name, interface, names)
    for name, kind in (*interface.types, *names.unnamed):
        if name not in names.origins:
            yield from _definition(name, kind, names)


def _same_package(here: str, home: str) -> str:
    is_same = _can_be_used(here) and _package(here) == _package(home)
    return _last(home) if is_same else home


def _resource(name: str, interface: Interface, names: _Names) -> _Lines:
    methods = [line for function, kind in interface.functions if (line := _method(name, function, kind, names))]
    if not methods:
        yield f"resource {_word(name)};"
        return
    yield f"resource {_word(name)} {{"
    yield from _indented(methods)
    yield "}"


def _method(resource: str, function: str, kind: FunctionType, names: _Names) -> str:
    """Write a function as a part of its resource; empty when it is none of it."""
    role, _, rest = function.removeprefix("[").partition("]")
    owner, _, name = rest.partition(".")
    if not function.startswith("[") or owner != resource:
        return ""
    if role == "constructor":
        made = "" if isinstance(kind.result, HandleOf) else _result(kind, names)
        return f"constructor({_params(kind.params, names)}){made};"
    if role == "static":
        return f"{_word(name)}: {_static(kind)}func({_params(kind.params, names)}){_result(kind, names)};"
    return f"{_word(name)}: {_asynchronous(kind)}func({_params(kind.params[1:], names)}){_result(kind, names)};"


def _static(kind: FunctionType) -> str:
    return f"static {_asynchronous(kind)}"


def _asynchronous(kind: FunctionType) -> str:
    return "async " if kind.is_async else ""


def _definition(name: str, kind: WitType, names: _Names) -> _Lines:
    word = _word(name)
    if names.types.get(kind, name) != name:
        yield f"type {word} = {_type(kind, names)};"
        return
    match kind:
        case RecordOf(fields):
            yield from _braced(f"record {word}", (f"{_word(n)}: {_type(k, names)}" for n, k in fields))
        case VariantOf(cases):
            yield from _braced(f"variant {word}", (_case(n, k, names) for n, k in cases))
        case EnumOf(words):
            yield from _braced(f"enum {word}", map(_word, words))
        case FlagsOf(words):
            yield from _braced(f"flags {word}", map(_word, words))
        case _:
            yield f"type {word} = {_form(kind, names)};"


def _braced(head: str, parts: Iterable[str]) -> _Lines:
    yield head + " {"
    for part in parts:
        yield f"{INDENT}{part},"
    yield "}"


def _case(name: str, payload: WitType | None, names: _Names) -> str:
    return _word(name) if payload is None else f"{_word(name)}({_type(payload, names)})"


def _function(kind: FunctionType, names: _Names) -> str:
    return f"{_asynchronous(kind)}func({_params(kind.params, names)}){_result(kind, names)}"


def _params(params: Iterable[tuple[str, WitType]], names: _Names) -> str:
    return ", ".join(f"{_word(name)}: {_type(kind, names)}" for name, kind in params)


def _result(kind: FunctionType, names: _Names) -> str:
    return "" if kind.result is None else f" -> {_type(kind.result, names)}"


def _type(kind: WitType, names: _Names) -> str:
    named = names.types.get(kind)
    return _form(kind, names) if named is None else _word(named)


def _form(kind: WitType, names: _Names) -> str:
    match kind:
        case ListOf(element):
            return f"list<{_type(element, names)}>"
        case OptionOf(payload):
            return f"option<{_type(payload, names)}>"
        case TupleOf(elements):
            return f"tuple<{', '.join(_type(element, names) for element in elements)}>"
        case ResultOf(ok, err):
            return _result_form(ok, err, names)
        case HandleOf(resource, is_borrowed):
            name = _word(names.resources.get(resource, resource.rpartition("#")[2]))
            return f"borrow<{name}>" if is_borrowed else name
        case _:
            return str(kind)


def _result_form(ok: WitType | None, err: WitType | None, names: _Names) -> str:
    if err is None:
        return "result" if ok is None else f"result<{_type(ok, names)}>"
    return f"result<{'_' if ok is None else _type(ok, names)}, {_type(err, names)}>"


def _word(name: str) -> str:
    return f"%{name}" if name in _KEYWORDS else name
