"""Which imports of WASI the linker refuses, found with a component that only imports: before anything of a guest runs.

wasmtime says so when it instantiates, of one import at a time, and gives no other way to ask. So what a component
imports of WASI is written once more as a component without code, which is instantiated; where that is refused, it is
done again for each function alone.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace
from wasmtime import Engine, Store, WasmtimeError, wat2wasm
from wasmtime import component as wc

from orchestrator.interface.fitness import linked_wasi
from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    FunctionType,
    HandleOf,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
)
from orchestrator.model.world import Interface, WorldTypes

MAX_PROBES = 150  # functions asked about one by one; all of WASI 0.2 has about as many
MAX_WHY = 300  # characters of wasmtime's own words


def refused(types: WorldTypes, engine: Engine) -> tuple[tuple[str, str], ...]:
    """Return every imported function of WASI that is of another type than it has here, and wasmtime's words for it."""
    interfaces = [interface for interface in types.imports if linked_wasi(interface.name) is not None]
    if not interfaces:
        return ()
    linker = wc.Linker(engine)
    linker.add_wasip2()
    if not _refusal(interfaces, linker, engine):
        return ()
    return tuple(_one_by_one(interfaces, linker, engine))


def _one_by_one(interfaces: list[Interface], linker: wc.Linker, engine: Engine) -> Iterator[tuple[str, str]]:
    bare = [replace(interface, functions=()) for interface in interfaces]
    asked = [
        (at, function)
        for at, interface in enumerate(interfaces)
        for function in interface.functions
        if function[0]
        in (linked_wasi(interface.name) or ())  # others are missing, which `fitness` tells without asking
    ]
    for at, function in asked[:MAX_PROBES]:
        alone = [*bare[:at], replace(bare[at], functions=(function,))]
        why = _refusal(alone, linker, engine)
        if why:
            yield f"{interfaces[at].name}#{function[0]}", why


def _refusal(interfaces: Iterable[Interface], linker: wc.Linker, engine: Engine) -> str:
    """Return why the linker refuses these imports, in few words; empty when it does not, or cannot be asked."""
    try:
        component = wc.Component(engine, wat2wasm(_text(interfaces)))
    except WasmtimeError:  # nothing that WIT could have said: starting the guest tells
        return ""
    try:
        linker.instantiate(Store(engine), component)
    except WasmtimeError as problem:
        causes = [line.strip().lstrip("0123456789: ") for line in str(problem).splitlines() if line.strip()]
        return ": ".join(causes[2:] or causes)[:MAX_WHY]
    return ""


def _text(interfaces: Iterable[Interface]) -> str:
    """Write a component that imports this and nothing else; types that an interface takes from another stay those."""
    known: dict[WitType | str, str] = {}
    lines = ["(component"]
    for number, interface in enumerate(interfaces):
        lines.append(f'(import "{interface.name}" (instance $i{number}')
        lines += _instance(interface, known)
        lines.append("))")
        for name, key in (*interface.resources, *interface.types):
            if key not in known:
                known[key] = f"$k{len(known)}"
                lines.append(f'(alias export $i{number} "{name}" (type {known[key]}))')
    return "\n".join([*lines, ")"])


def _instance(interface: Interface, known: dict[WitType | str, str]) -> Iterator[str]:
    resources: dict[str, str] = {}
    for number, (name, full) in enumerate(interface.resources):
        resources[full] = f"$o{number}"
        if full in known:
            yield f"(alias outer 1 {known[full]} (type $a{number}))"
            yield f'(export "{name}" (type $o{number} (eq $a{number})))'
        else:
            yield f'(export "{name}" (type $o{number} (sub resource)))'
    named: dict[WitType, str] = {}
    for number, (name, kind) in enumerate(interface.types):
        if kind in known:
            yield f"(alias outer 1 {known[kind]} (type $t{number}))"
        else:
            yield f"(type $t{number} {_form(kind, named, resources)})"
        yield f'(export "{name}" (type $n{number} (eq $t{number})))'
        named.setdefault(kind, f"$n{number}")
    for name, function in interface.functions:
        yield f'(export "{name}" {_function(function, named, resources)})'


def _function(kind: FunctionType, named: dict[WitType, str], resources: dict[str, str]) -> str:
    params = "".join(f' (param "{name}" {_type(each, named, resources)})' for name, each in kind.params)
    result = "" if kind.result is None else f" (result {_type(kind.result, named, resources)})"
    return f"(func{' async' if kind.is_async else ''}{params}{result})"


def _type(kind: WitType | None, named: dict[WitType, str], resources: dict[str, str]) -> str:
    if kind is None:
        return ""
    return named.get(kind) or _form(kind, named, resources)


def _form(kind: WitType, named: dict[WitType, str], resources: dict[str, str]) -> str:  # noqa: PLR0911 — one row a kind
    def inner(part: WitType | None) -> str:
        return _type(part, named, resources)

    match kind:
        case ListOf(element):
            return f"(list {inner(element)})"
        case OptionOf(payload):
            return f"(option {inner(payload)})"
        case ResultOf(ok, err):
            return f"(result {inner(ok)}{f' (error {inner(err)})' if err is not None else ''})"
        case TupleOf(elements):
            return f"(tuple {' '.join(map(inner, elements))})"
        case RecordOf(fields):
            return "(record " + " ".join(f'(field "{name}" {inner(part)})' for name, part in fields) + ")"
        case VariantOf(cases):
            return "(variant " + " ".join(f'(case "{name}" {inner(part)})' for name, part in cases) + ")"
        case EnumOf(names) | FlagsOf(names):
            words = " ".join(f'"{name}"' for name in names)
            return f"({'enum' if isinstance(kind, EnumOf) else 'flags'} {words})"
        case HandleOf(resource, is_borrowed):
            return f"({'borrow' if is_borrowed else 'own'} {resources.get(resource, resource)})"
        case _:
            return str(kind)
