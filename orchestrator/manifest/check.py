"""Checks a positioned tree against one of our JSON Schemas and yields a problem for every place that does not fit.

The schemas use a small part of JSON Schema 2020-12, and annotations of ours (`x-…`, which editors ignore): `x-unit`
with `x-minimum` and `x-maximum` bound durations and sizes, `x-says` describes a pattern in words, `x-secret` keeps
values out of messages. A keyword that this module does not know stops the first use of a schema, so nothing in a
schema goes unenforced; that it agrees with the `jsonschema` library is tested. It exists because messages need
positions and words, and because 5 000 documents have to pass in a second.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from orchestrator.manifest.node import Node, Place, Unplaced
from orchestrator.manifest.printable import did_you_mean, excerpt
from orchestrator.manifest.schema import schema
from orchestrator.manifest.units import duration_ms, meant, size_bytes

_UNITS: dict[str, Callable[[str], int]] = {"duration": duration_ms, "size": size_bytes}
HOMES_SHOWN = 3  # places named for a key that is at another
_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


class _Shape(msgspec.Struct):
    """One schema, made ready. A bound of None is absent; `extra` None means that unknown keys are errors."""

    types: tuple[str, ...] = ()
    choices: tuple[Any, ...] = ()
    pattern: str | None = None  # compiled when a text is first held against it: most never are
    says: str = ""
    unit: str = ""
    least: float | None = None
    most: float | None = None
    least_text: str = ""
    most_text: str = ""
    length_least: int = 0
    length_most: int | None = None
    count_least: int = 0
    count_most: int | None = None
    unique: bool = False
    secret: bool = False
    required: tuple[str, ...] = ()
    properties: "dict[str, _Shape]" = {}
    names: "_Shape | None" = None
    open: bool = True
    extra: "_Shape | None" = None
    items: "_Shape | None" = None
    homes: dict[str, list[str]] = {}  # of the whole schema: which mappings have a key, by the key


def check(kind: str, root: Node) -> list[Unplaced]:
    """Return what is wrong with `root` as a document of `kind` (`component`, `deployment`)."""
    return list(_check(_shape(kind), root, ""))


@functools.cache
def _shape(kind: str) -> _Shape:
    whole = schema(kind)
    root = _compile(whole, whole)
    homes: dict[str, list[str]] = {}
    _note_homes(root, "", homes)
    return root


def _note_homes(shape: _Shape, path: str, homes: dict[str, list[str]]) -> None:
    """Note which keys the mappings of a schema have, and let each of them know all of it."""
    shape.homes = homes
    for key in (*shape.properties, *(shape.names.choices if shape.names else ())):
        homes.setdefault(key, []).append(path)
    for key, inner in shape.properties.items():
        _note_homes(inner, _join(path, key), homes)
    if shape.items is not None:
        _note_homes(shape.items, f"{path}[]", homes)


_PLAIN = {
    "x-says": "says",
    "x-unit": "unit",
    "x-secret": "secret",
    "minimum": "least",
    "maximum": "most",
    "minLength": "length_least",
    "maxLength": "length_most",
    "minItems": "count_least",
    "maxItems": "count_most",
    "minProperties": "count_least",
    "maxProperties": "count_most",
    "uniqueItems": "unique",
}
_ANNOTATIONS = frozenset({
    "$schema", "$id", "$defs", "$ref", "title", "description", "default", "x-variable", "x-flag", "x-path",
})  # fmt: skip


def _compile(raw: dict[str, Any], whole: dict[str, Any]) -> _Shape:
    merged = _follow(raw, whole)
    shape = _Shape()
    for keyword, value in merged.items():
        if keyword in _PLAIN:
            setattr(shape, _PLAIN[keyword], value)
        elif keyword not in _ANNOTATIONS:
            _BUILD[keyword](shape, value, whole)
    if shape.unit:
        _bound(shape, merged)
    return shape


def _follow(raw: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in raw:
        return raw
    target = whole["$defs"][raw["$ref"].removeprefix("#/$defs/")]
    return {**_follow(target, whole), **raw}


def _bound(shape: _Shape, raw: dict[str, Any]) -> None:
    measure = _UNITS[shape.unit]
    for keyword, number, text in (("x-minimum", "least", "least_text"), ("x-maximum", "most", "most_text")):
        if keyword in raw:
            setattr(shape, number, measure(raw[keyword]))
            setattr(shape, text, raw[keyword])


def _set_types(shape: _Shape, value: str | list[str], _whole: dict[str, Any]) -> None:
    shape.types = (value,) if isinstance(value, str) else tuple(value)


def _set_pattern(shape: _Shape, value: str, _whole: dict[str, Any]) -> None:
    # In Python `$` also matches before a final newline; in a schema it does not.
    shape.pattern = value.removesuffix("$") + r"\Z" if value.endswith("$") else value


def _set_properties(shape: _Shape, value: dict[str, Any], whole: dict[str, Any]) -> None:
    shape.properties = {name: _compile(raw, whole) for name, raw in value.items()}


def _set_extra(shape: _Shape, value: bool | dict[str, Any], whole: dict[str, Any]) -> None:
    shape.open = value is not False
    shape.extra = _compile(value, whole) if isinstance(value, dict) else None


_BUILD: dict[str, Callable[[_Shape, Any, dict[str, Any]], None]] = {
    "type": _set_types,
    "pattern": _set_pattern,
    "properties": _set_properties,
    "additionalProperties": _set_extra,
    "enum": lambda shape, value, _: setattr(shape, "choices", tuple(value)),
    "const": lambda shape, value, _: setattr(shape, "choices", (value,)),
    "required": lambda shape, value, _: setattr(shape, "required", tuple(value)),
    "propertyNames": lambda shape, value, whole: setattr(shape, "names", _compile(value, whole)),
    "items": lambda shape, value, whole: setattr(shape, "items", _compile(value, whole)),
    "x-minimum": lambda *_: None,
    "x-maximum": lambda *_: None,
}


def _check(shape: _Shape, node: Node, path: str) -> Iterator[Unplaced]:
    value = node.value
    wrong = _type_problem(shape, node, path)
    if wrong:
        yield wrong
    elif shape.choices and not _is_one_of(value, shape.choices):
        yield _choice_problem(shape, node, path)
    elif isinstance(value, str):
        yield from _check_text(shape, value, node.place, _named(path))
    elif isinstance(value, dict):
        yield from _check_mapping(shape, value, node, path)
    elif isinstance(value, list):
        yield from _check_list(shape, value, node, path)
    elif isinstance(value, int | float):
        yield from _check_range(shape, value, str(value), node.place, _named(path))


def _type_of(value: object) -> str:
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "null"


_TYPES = ((bool, "boolean"), (str, "string"), (dict, "object"), (list, "array"), (int, "integer"), (float, "number"))


def _type_problem(shape: _Shape, node: Node, path: str) -> Unplaced | None:
    actual = _type_of(node.value)
    if not shape.types or actual in shape.types or (actual == "integer" and "number" in shape.types):
        return None
    wanted = " or ".join(_TYPE_WORDS[t] for t in shape.types)
    found = "a decimal number" if actual == "number" else _TYPE_WORDS[actual]
    summary = f"{_named(path)} must be {wanted}, but is {found}"
    return Unplaced(*node.place, summary, suggestion=_type_hint(shape, actual, node.value))


def _type_hint(shape: _Shape, actual: str, value: object) -> str:
    if shape.types == ("array",) and isinstance(value, str):
        return f'write a list: `["{excerpt(value).strip("`")}"]`'
    if actual == "null":
        return "remove the key, or give it a value"
    if shape.types == ("string",):
        return f"write {shape.says}" if shape.says else "quote it"
    if shape.types == ("integer",) and actual == "string":
        return "write digits only, without quotes, units or underscores"
    return ""


def _is_one_of(value: object, choices: tuple[Any, ...]) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _choice_problem(shape: _Shape, node: Node, path: str) -> Unplaced:
    known = [str(choice) for choice in shape.choices]
    actual = (
        excerpt(str(node.value)) if isinstance(node.value, str | int | float) else _TYPE_WORDS[_type_of(node.value)]
    )
    summary = f"{_named(path)} is {actual}; it must be " + " or ".join(f"`{k}`" for k in known)
    suggestion = did_you_mean(node.value, known) if isinstance(node.value, str) and len(known) > 1 else ""
    return Unplaced(*node.place, summary, suggestion=suggestion)


def _check_text(shape: _Shape, value: str, place: Place, what: str) -> Iterator[Unplaced]:
    says = f"write {shape.says}" if shape.says else ""
    if shape.length_most is not None and len(value) > shape.length_most:
        yield Unplaced(
            *place, f"{what} has {len(value)} characters; at most {shape.length_most} are allowed", suggestion=says
        )
    elif len(value) < shape.length_least:
        yield Unplaced(*place, f"{what} is empty", suggestion=says)
    elif shape.pattern is not None and not _compiled(shape.pattern).search(value):
        hint = meant(shape.unit, value) if shape.unit else ""
        yield Unplaced(*place, f"{what} is {excerpt(value)}, which is not {shape.says}", suggestion=hint)
    elif shape.unit:
        yield from _check_range(shape, _UNITS[shape.unit](value), value, place, what)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _check_range(shape: _Shape, value: float, shown: str, place: Place, what: str) -> Iterator[Unplaced]:
    if shape.least is not None and value < shape.least:
        yield Unplaced(*place, f"{what} is {excerpt(shown)}; at least {shape.least_text or shape.least} is allowed")
    if shape.most is not None and value > shape.most:
        yield Unplaced(*place, f"{what} is {excerpt(shown)}; at most {shape.most_text or shape.most} is allowed")


def _check_mapping(shape: _Shape, value: dict[str, Node], node: Node, path: str) -> Iterator[Unplaced]:
    for key in shape.required:
        if key not in value:
            yield Unplaced(*node.place, f"{_named(_join(path, key))} is missing", suggestion=f"add `{key}`")
    yield from _check_count(shape, len(value), node.place, _named(path))
    if shape.secret:
        return
    for key, child in value.items():
        known = shape.properties.get(key)
        if known is not None:
            yield from _check(known, child, _join(path, key))
        else:
            yield from _check_other_key(shape, key, child, node.keys.get(key, child.place), path)


def _check_other_key(shape: _Shape, key: str, child: Node, place: Place, path: str) -> Iterator[Unplaced]:
    if not shape.open:
        where = f" in `{path}`" if path else ""
        hint = _belongs(shape, key, path) or did_you_mean(key, shape.properties)
        yield Unplaced(*place, f"unknown key {excerpt(key)}{where}", suggestion=hint)
        return
    if shape.names is not None:
        what = f"a key of {_named(path)}"
        if shape.names.choices and key not in shape.names.choices:
            yield Unplaced(
                *place, f"unknown key {excerpt(key)} in `{path}`", suggestion=did_you_mean(key, shape.names.choices)
            )
            return
        bad_name = list(_check_text(shape.names, key, place, what))
        if bad_name:
            yield from bad_name
            return
    if shape.extra is not None:
        yield from _check(shape.extra, child, _join(path, key))


def _belongs(shape: _Shape, key: str, path: str) -> str:
    """Say where a key belongs that is a level or two away from there; empty where it belongs nowhere."""
    homes = [home for home in shape.homes.get(key, ()) if home != path]
    near = [home for home in homes if path.startswith(home) or home.startswith(path)] or homes
    shown = [f"`{home}`" if home else "the top of the document" for home in near[:HOMES_SHOWN]]
    return f"{excerpt(key)} belongs under {' or '.join(shown)}" if shown else ""


def _check_list(shape: _Shape, value: list[Node], node: Node, path: str) -> Iterator[Unplaced]:
    yield from _check_count(shape, len(value), node.place, _named(path))
    if shape.items is not None:
        for index, child in enumerate(value):
            yield from _check(shape.items, child, f"{path}[{index}]")
    if shape.unique:
        yield from _check_unique(value, path)


def _check_unique(value: list[Node], path: str) -> Iterator[Unplaced]:
    seen: set[object] = set()
    for child in value:
        if isinstance(child.value, str):
            if child.value in seen:
                yield Unplaced(
                    *child.place, f"{excerpt(child.value)} is in {_named(path)} twice", suggestion="remove one"
                )
            seen.add(child.value)


def _check_count(shape: _Shape, count: int, place: Place, what: str) -> Iterator[Unplaced]:
    if shape.count_most is not None and count > shape.count_most:
        yield Unplaced(*place, f"{what} has {count} entries; at most {shape.count_most} are allowed")
    if count < shape.count_least:
        yield Unplaced(*place, f"{what} has {count} entries; at least {shape.count_least} is needed")


def _join(path: str, key: str) -> str:
    # Known keys come from the schema and labels have passed their pattern, so a path is always printable.
    return f"{path}.{key}" if path else key


def _named(path: str) -> str:
    return f"`{path}`" if path else "the document"
