"""JSON values → plain values by WIT type, with every problem named by its path, and plain values → JSON.

`typed` uses it for the arguments and results of calls; nothing here enters a guest. A value that does not fit is noted
and reading goes on, so that a caller hears of all problems at once.
"""

import base64
import binascii
import difflib
import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orchestrator.encoding.strict_json import shown
from orchestrator.model.plain import Err, Ok, Some, Variant
from orchestrator.model.spec import Json
from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    HandleOf,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
)

MAX_PROBLEMS = 20  # named at once
MAX_TYPE_SHOWN = 200  # characters of a type

_INTEGERS = {f"{sign}{bits}": (sign, bits) for sign in "us" for bits in (8, 16, 32, 64)}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,19})", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")

Path = tuple[Any, ...]  # the path of what holds it (none: the root), then the last part: joined only when shown


class Handles(Protocol):
    """The handles of a session, by which JSON names resources."""

    def given(self, kind: HandleOf, value: Json) -> Any:
        """Return the resource that a JSON handle means; raises ValueError, saying why, where it means none."""

    def kept(self, kind: HandleOf, resource: Any) -> Json:
        """Keep a resource that a guest returned, and return its handle."""


class Enough(Exception):
    """There are so many problems that no more are looked for."""


class JsonReader:
    """Reads JSON values into plain ones, and keeps what is wrong with them in `problems`."""

    def __init__(self, handles: Handles | None = None) -> None:
        self.handles = handles
        self.problems: list[str] = []
        self.hints: list[str] = []

    def read(self, kind: WitType, value: Json, path: Path) -> Any:
        """Return the plain value, or nothing of use once there is a problem.

        Raises:
            Enough: there are `MAX_PROBLEMS`.
        """
        return _FROM_JSON[type(kind)](self, kind, value, path)

    def note(self, path: Path, problem: str, hint: str = "") -> None:
        """Note a problem at a place."""
        self.problems.append(f"{path_text(path)}{problem}")
        if hint:
            self.hints.append(hint)
        if len(self.problems) == MAX_PROBLEMS:
            raise Enough

    def unfit(self, kind: object, value: Json, path: Path, hint: str = "") -> None:
        """Note that a value does not fit its type."""
        wanted = str(kind)
        wanted = wanted if len(wanted) <= MAX_TYPE_SHOWN else wanted[: MAX_TYPE_SHOWN - 1] + "…"
        self.note(path, f": expected {wanted}, got {shown(value)}", hint)


def path_text(path: Path) -> str:
    """Return a path as people read it: `args[1].items[3].price`."""
    parts: list[str] = []
    while path:
        path, part = path
        parts.append(f"[{part}]" if isinstance(part, int) else part)
    return "".join(reversed(parts))


def _scalar(reader: JsonReader, kind: Scalar, value: Json, path: Path) -> Any:
    fits, convert = _SCALARS[kind.name]
    if fits(value):
        return convert(value)
    return reader.unfit(kind.name, value, path)


def _integer_fits(sign: str, bits: int) -> Callable[[Json], bool]:
    low, high = (0, 1 << bits) if sign == "u" else (-(1 << (bits - 1)), 1 << (bits - 1))

    def fits(value: Json) -> bool:
        if type(value) is int:
            return low <= value < high
        return bits == 64 and isinstance(value, str) and bool(_DIGITS.fullmatch(value)) and low <= int(value) < high

    return fits


def _float_fits(code: str) -> Callable[[Json], bool]:
    pack = struct.Struct(code).pack

    def fits(value: Json) -> bool:
        if isinstance(value, str):
            return value in _NOT_FINITE
        if type(value) is not int and type(value) is not float:
            return False
        try:
            pack(value)
        except (OverflowError, struct.error):
            return False
        return math.isfinite(value)

    return fits


def _float(value: Json) -> float:
    return _NOT_FINITE[value] if isinstance(value, str) else float(value)


def _string_fits(value: Json) -> bool:
    return isinstance(value, str) and (value.isascii() or not _SURROGATE.search(value))


_SCALARS: dict[str, tuple[Callable[[Json], bool], Callable[[Json], Any]]] = {
    "bool": (lambda value: isinstance(value, bool), bool),
    "f32": (_float_fits("<f"), _float),
    "f64": (_float_fits("<d"), _float),
    "char": (lambda value: _string_fits(value) and len(value) == 1, str),
    "string": (_string_fits, str),
    **{name: (_integer_fits(*parts), int) for name, parts in _INTEGERS.items()},
}


def _list(reader: JsonReader, kind: ListOf, value: Json, path: Path) -> Any:
    if kind.is_bytes and isinstance(value, str):
        return _base64(reader, value, path)
    if not isinstance(value, list):
        return reader.unfit(kind, value, path)
    element = kind.element
    if isinstance(element, Scalar):
        return _scalars(reader, element, value, path)
    return [reader.read(element, item, (path, index)) for index, item in enumerate(value)]


def _scalars(reader: JsonReader, kind: Scalar, value: list[Json], path: Path) -> Any:
    fits, convert = _SCALARS[kind.name]
    for index, item in enumerate(value):
        if not fits(item):
            reader.unfit(kind.name, item, (path, index))
    if reader.problems:
        return None
    return bytes(value) if kind.name == "u8" else list(map(convert, value))


def _base64(reader: JsonReader, value: str, path: Path) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return reader.note(path, ": expected list<u8> as an array of numbers or as base64, got other text")


def _record(reader: JsonReader, kind: RecordOf, value: Json, path: Path) -> Any:
    if not isinstance(value, dict):
        return reader.unfit(kind, value, path)
    fields = dict(kind.fields)
    for name in value:
        if name not in fields:
            reader.note(path, f": there is no field {_named(name)}", _did_you_mean(name, fields))
    return {name: _field(reader, name, field, value, path) for name, field in kind.fields}


def _field(reader: JsonReader, name: str, kind: WitType, record: dict[str, Json], path: Path) -> Any:
    if name in record:
        return reader.read(kind, record[name], (path, f".{name}"))
    return None if isinstance(kind, OptionOf) else reader.note(path, f": field {name} is missing: {kind}")


def _named(name: str) -> str:
    """Return a name that a caller wrote, in quotes where it is not one."""
    return name if name.isprintable() and name and len(name) <= MAX_TYPE_SHOWN else shown(name)


def _did_you_mean(name: Any, names: Any) -> str:
    close = difflib.get_close_matches(name[:MAX_TYPE_SHOWN], names, n=1) if isinstance(name, str) else []
    return f"Did you mean {close[0]}?" if close else ""


def _tuple(reader: JsonReader, kind: TupleOf, value: Json, path: Path) -> Any:
    if not isinstance(value, list) or len(value) != len(kind.elements):
        return reader.unfit(kind, value, path)
    pairs = enumerate(zip(kind.elements, value, strict=True))
    return tuple(reader.read(element, item, (path, index)) for index, (element, item) in pairs)


def _option(reader: JsonReader, kind: OptionOf, value: Json, path: Path) -> Any:
    if value is None:
        return None
    if not isinstance(kind.payload, OptionOf):
        return reader.read(kind.payload, value, path)
    if not isinstance(value, dict) or set(value) != {"some"}:
        return reader.note(path, f': expected null or {{"some": …}} for {kind}')
    return Some(reader.read(kind.payload, value["some"], (path, ".some")))


def _variant(reader: JsonReader, kind: VariantOf, value: Json, path: Path) -> Any:
    cases = dict(kind.cases)
    found = _one_case(value)
    if found is None or found[0] not in cases:
        return reader.unfit(kind, value, path, _did_you_mean(found[0], cases) if found else "")
    case, payload = found
    inner = cases[case]
    if inner is None:
        return Variant(case) if payload is None else reader.note((path, f".{case}"), ": this case carries nothing")
    if isinstance(value, str):
        return reader.note(path, f': {case} carries {inner}: write {{"{case}": …}}')
    return Variant(case, reader.read(inner, payload, (path, f".{case}")))


def _one_case(value: Json) -> tuple[str, Json] | None:
    if isinstance(value, str):
        return value, None
    return next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else None


def _enum(reader: JsonReader, kind: EnumOf, value: Json, path: Path) -> Any:
    if isinstance(value, str) and value in kind.names:
        return value
    return reader.unfit(kind, value, path, _did_you_mean(value, kind.names))


def _flags(reader: JsonReader, kind: FlagsOf, value: Json, path: Path) -> Any:
    if not isinstance(value, list) or not all(isinstance(name, str) and name in kind.names for name in value):
        return reader.unfit(kind, value, path)
    return frozenset(value)


def _result(reader: JsonReader, kind: ResultOf, value: Json, path: Path) -> Any:
    found = _one_case(value)
    if found is None or found[0] not in ("ok", "err"):
        return reader.unfit(kind, value, path)
    case, payload = found
    inner = kind.ok if case == "ok" else kind.err
    if inner is None:
        if payload is not None:
            reader.note((path, f".{case}"), ": it carries nothing")
        return Ok() if case == "ok" else Err()
    if isinstance(value, str):
        return reader.note(path, f': {case} carries {inner}: write {{"{case}": …}}')
    carried = reader.read(inner, payload, (path, f".{case}"))
    return Ok(carried) if case == "ok" else _as_err(inner, carried)


def _as_err(kind: WitType, carried: Any) -> Err | None:
    match kind:
        case VariantOf():
            return None if carried is None else Err(carried.case, carried.payload)  # None: it did not fit
        case EnumOf():
            return Err(carried)
        case _:
            return Err("err", carried)


def _handle(reader: JsonReader, kind: HandleOf, value: Json, path: Path) -> Any:
    assert reader.handles is not None, "a call that takes handles has a session"
    try:
        return reader.handles.given(kind, value)
    except ValueError as problem:
        return reader.note(path, f": {problem}")


_FROM_JSON: dict[type, Callable[[JsonReader, Any, Json, Path], Any]] = {
    Scalar: _scalar,
    ListOf: _list,
    RecordOf: _record,
    TupleOf: _tuple,
    OptionOf: _option,
    VariantOf: _variant,
    EnumOf: _enum,
    FlagsOf: _flags,
    ResultOf: _result,
    HandleOf: _handle,
}


def to_json(kind: WitType, value: Any, handles: Handles | None = None) -> Json:
    """Turn a plain value of a type into JSON; the way back from `Reader.read`."""
    return _TO_JSON[type(kind)](kind, value, handles)


def err_value(kind: WitType, err: Err) -> Any:
    """Return what an err result carries, as the plain value of its type."""
    match kind:
        case VariantOf():
            return Variant(err.case, err.payload)
        case EnumOf():
            return err.case
        case _:
            return err.payload


def _scalar_json(_kind: Scalar, value: Any, _handles: Handles | None) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _list_json(kind: ListOf, value: Any, handles: Handles | None) -> Json:
    return list(value) if kind.is_bytes else [to_json(kind.element, item, handles) for item in value]


def _record_json(kind: RecordOf, value: Any, handles: Handles | None) -> Json:
    fields = value if isinstance(value, dict) else {name: getattr(value, name) for name, _ in kind.fields}
    return {name: to_json(field, fields[name], handles) for name, field in kind.fields}


def _tuple_json(kind: TupleOf, value: Sequence[Any], handles: Handles | None) -> Json:
    return [to_json(element, item, handles) for element, item in zip(kind.elements, value, strict=True)]


def _option_json(kind: OptionOf, value: Any, handles: Handles | None) -> Json:
    if value is None:
        return None
    if isinstance(kind.payload, OptionOf):
        return {"some": to_json(kind.payload, value.value, handles)}
    return to_json(kind.payload, value, handles)


def _variant_json(kind: VariantOf, value: Any, handles: Handles | None) -> Json:
    payload = dict(kind.cases)[value.case]
    return value.case if payload is None else {value.case: to_json(payload, value.payload, handles)}


def _flags_json(kind: FlagsOf, value: Any, _handles: Handles | None) -> Json:
    return [name for name in kind.names if name in value]


def _result_json(kind: ResultOf, value: Any, handles: Handles | None) -> Json:
    if isinstance(value, Ok):
        return {"ok": None if kind.ok is None else to_json(kind.ok, value.value, handles)}
    return {"err": None if kind.err is None else to_json(kind.err, err_value(kind.err, value), handles)}


def _handle_json(kind: HandleOf, value: Any, handles: Handles | None) -> Json:
    assert handles is not None, "a call that returns handles has a session"
    return handles.kept(kind, value)


_TO_JSON: dict[type, Callable[[Any, Any, Handles | None], Json]] = {
    Scalar: _scalar_json,
    ListOf: _list_json,
    RecordOf: _record_json,
    TupleOf: _tuple_json,
    OptionOf: _option_json,
    VariantOf: _variant_json,
    EnumOf: lambda _, value, _handles: value,
    FlagsOf: _flags_json,
    ResultOf: _result_json,
    HandleOf: _handle_json,
}
