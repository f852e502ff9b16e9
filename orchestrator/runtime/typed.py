"""JSON to plain values by WIT type, and back. `Guest.call` uses it; nothing here enters a guest.

Everything about a call that the caller can get wrong is found here, before any guest code runs, with the path to the
place: `args[1].items[3].price: expected u32, got -1`.
"""

import base64
import binascii
import difflib
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.interface.versions import stands_for
from orchestrator.model.base import canonical_json
from orchestrator.model.spec import Json
from orchestrator.model.world import LIFECYCLE
from orchestrator.runtime.component import Export
from orchestrator.runtime.types import (
    EnumOf,
    FlagsOf,
    HandleOf,
    ListOf,
    Opaque,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
    opaque_part,
)
from orchestrator.runtime.values import Err, Ok, Some, Variant

MAX_LISTED = 20  # functions named in a suggestion
MAX_SHOWN = 60  # characters of a value that is quoted back

_INTEGERS = {f"{sign}{bits}": (sign, bits) for sign in "us" for bits in (8, 16, 32, 64)}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Unsuitable(Exception):
    """A call that cannot be made: what is wrong with it, and what to do."""

    def __init__(self, problem: str, suggestion: str = "") -> None:
        super().__init__(problem)
        self.problem, self.suggestion = problem, suggestion


def find(function: str, exports: Mapping[str, Export]) -> Export:
    """Find the export that a full name or a unique end of one means.

    Raises:
        Unsuitable: none or several are meant, or it is one that only the host calls.
    """
    callable_ones = {name: export for name, export in exports.items() if export.interface != LIFECYCLE}
    if function in exports and function not in callable_ones:
        raise Unsuitable(f"{function} belongs to the component's lifecycle", "Use `airs request` to send it a message.")
    found = [export for export in callable_ones.values() if _is_meant(function, export)]
    exact = [export for export in found if export.name == function]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        names = ", ".join(export.name for export in found)
        raise Unsuitable(f"{function} is exported more than once", f"Write one of {names}.")
    raise Unsuitable(f"there is no function {function}", _did_you_mean(function, callable_ones))


def _is_meant(function: str, export: Export) -> bool:
    """Decide whether a name means an export: by any end of its own, or under a version that it stands for."""
    interface, mark, name = function.rpartition("#")
    is_later = bool(mark) and name == export.function and stands_for(export.interface or "", interface)
    return is_later or function in _names(export)


def _names(export: Export) -> set[str]:
    """Every way to write an export: `a:b/c@1.0.0#f`, without version, `b/c#f`, `c#f`, `c.f`, `f`."""
    if export.interface is None:
        return {export.name}
    bare = export.interface.partition("@")[0]
    path = bare.partition(":")[2] or bare
    last = path.rpartition("/")[2]
    joined = {f"{head}{mark}{export.function}" for head in (export.interface, bare, path, last) for mark in "#."}
    return joined | {export.function}


def _did_you_mean(function: str, exports: Mapping[str, Export]) -> str:
    if not exports:
        return "This component exports no function that can be called; send it a message with `airs request`."
    shorter = {name: export for export in exports.values() for name in _names(export)}
    close = difflib.get_close_matches(function, shorter, n=1)
    lines = [f"{export.name}: {export.kind}" for export in list(exports.values())[:MAX_LISTED]]
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"{hint}It exports {'; '.join(lines)}"


def arguments(export: Export, values: Sequence[Json]) -> list[Any]:
    """Check JSON arguments against an export's parameters and return them as plain values.

    Raises:
        Unsuitable: too many, too few, or one does not fit.
    """
    params = export.kind.params
    usage = f"{export.name} is {export.kind}"
    if any(opaque_part(kind) for kind in (*(kind for _, kind in params), export.kind.result)):
        raise Unsuitable(f"{export.name}: resources are not supported yet", usage)
    if len(values) != len(params):
        raise Unsuitable(f"expected {len(params)} argument{'' if len(params) == 1 else 's'}, got {len(values)}", usage)
    try:
        return [
            plain(kind, value, f"args[{index}]")
            for index, ((_, kind), value) in enumerate(zip(params, values, strict=True))
        ]
    except Unsuitable as problem:
        raise Unsuitable(problem.problem, problem.suggestion or usage) from None


def result_json(export: Export, value: Any) -> Json:
    """Return a plain result as JSON; an ok result as what it carries."""
    kind = export.kind.result
    if isinstance(kind, ResultOf):
        return None if kind.ok is None else to_json(kind.ok, value.value)
    return None if kind is None else to_json(kind, value)


def err_text(export: Export, err: Err) -> str:
    """Return what an err result carries as canonical JSON, empty where it carries nothing."""
    kind = export.kind.result
    assert isinstance(kind, ResultOf)
    return "" if kind.err is None else canonical_json(to_json(kind.err, _err_value(kind.err, err))).decode()


def _err_value(kind: WitType, err: Err) -> Any:
    match kind:
        case VariantOf():
            return Variant(err.case, err.payload)
        case EnumOf():
            return err.case
        case _:
            return err.payload


def plain(kind: WitType, value: Json, path: str) -> Any:
    """Turn a JSON value into the plain value of a type; `path` is where it stands.

    Raises:
        Unsuitable: it does not fit.
    """
    return _FROM_JSON[type(kind)](kind, value, path)


def to_json(kind: WitType, value: Any) -> Json:
    """Turn a plain value of a type into JSON; the way back from `plain`."""
    return _TO_JSON[type(kind)](kind, value)


def _unfit(kind: object, value: Json, path: str) -> Unsuitable:
    try:
        shown = canonical_json(value).decode()
    except UnicodeEncodeError:
        shown = repr(value)
    shown = shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"
    return Unsuitable(f"{path}: expected {kind}, got {shown}")


def _scalar(kind: Scalar, value: Json, path: str) -> Any:
    name = kind.name
    fits = _CHECKS[name](name, value) if name in _CHECKS else _integer_fits(name, value)
    if not fits:
        raise _unfit(name, value, path)
    if name in ("f32", "f64"):
        return _NOT_FINITE[value] if isinstance(value, str) else float(value)
    return value


def _integer_fits(name: str, value: Json) -> bool:
    sign, bits = _INTEGERS[name]
    low, high = (0, 1 << bits) if sign == "u" else (-(1 << (bits - 1)), 1 << (bits - 1))
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _float_fits(name: str, value: Json) -> bool:
    if isinstance(value, str):
        return value in _NOT_FINITE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        struct.pack("<f" if name == "f32" else "<d", value)
    except (OverflowError, struct.error):
        return False
    return True


def _text_fits(name: str, value: Json) -> bool:
    if not isinstance(value, str) or (name == "char" and len(value) != 1):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


_CHECKS: dict[str, Callable[[str, Json], bool]] = {
    "bool": lambda _, value: isinstance(value, bool),
    "f32": _float_fits,
    "f64": _float_fits,
    "char": _text_fits,
    "string": _text_fits,
}


def _list(kind: ListOf, value: Json, path: str) -> Any:
    if kind.is_bytes and isinstance(value, str):
        return _base64(value, path)
    if not isinstance(value, list):
        raise _unfit(kind, value, path)
    items = [plain(kind.element, item, f"{path}[{index}]") for index, item in enumerate(value)]
    return bytes(items) if kind.is_bytes else items


def _base64(value: str, path: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Unsuitable(f"{path}: expected list<u8> as an array of numbers or as base64, got other text") from None


def _record(kind: RecordOf, value: Json, path: str) -> Any:
    if not isinstance(value, dict):
        raise _unfit(kind, value, path)
    names = [name for name, _ in kind.fields]
    for name in value:
        if name not in names:
            close = difflib.get_close_matches(str(name), names, n=1)
            raise Unsuitable(f"{path}: there is no field {name}", f"Did you mean {close[0]}?" if close else "")
    return {name: _field(name, field, value, path) for name, field in kind.fields}


def _field(name: str, kind: WitType, record: dict[str, Json], path: str) -> Any:
    if name in record:
        return plain(kind, record[name], f"{path}.{name}")
    if isinstance(kind, OptionOf):
        return None
    raise Unsuitable(f"{path}: field {name} is missing: {kind}")


def _tuple(kind: TupleOf, value: Json, path: str) -> Any:
    if not isinstance(value, list) or len(value) != len(kind.elements):
        raise _unfit(kind, value, path)
    pairs = zip(kind.elements, value, strict=True)
    return tuple(plain(element, item, f"{path}[{index}]") for index, (element, item) in enumerate(pairs))


def _option(kind: OptionOf, value: Json, path: str) -> Any:
    if value is None:
        return None
    if not isinstance(kind.payload, OptionOf):
        return plain(kind.payload, value, path)
    if not isinstance(value, dict) or set(value) != {"some"}:
        raise Unsuitable(f'{path}: expected null or {{"some": …}} for {kind}')
    return Some(plain(kind.payload, value["some"], f"{path}.some"))


def _variant(kind: VariantOf, value: Json, path: str) -> Any:
    cases = dict(kind.cases)
    case, payload = _one_case(kind, value, path)
    if case not in cases:
        raise _unfit(kind, value, path)
    inner = cases[case]
    if inner is None:
        if payload is not None:
            raise Unsuitable(f"{path}.{case}: this case carries nothing")
        return Variant(case)
    if isinstance(value, str):
        raise Unsuitable(f'{path}: {case} carries {inner}: write {{"{case}": …}}')
    return Variant(case, plain(inner, payload, f"{path}.{case}"))


def _one_case(kind: WitType, value: Json, path: str) -> tuple[str, Json]:
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        return next(iter(value.items()))
    raise _unfit(kind, value, path)


def _enum(kind: EnumOf, value: Json, path: str) -> Any:
    if not isinstance(value, str) or value not in kind.names:
        raise _unfit(kind, value, path)
    return value


def _flags(kind: FlagsOf, value: Json, path: str) -> Any:
    if not isinstance(value, list) or not all(isinstance(name, str) and name in kind.names for name in value):
        raise _unfit(kind, value, path)
    return frozenset(value)


def _result(kind: ResultOf, value: Json, path: str) -> Any:
    case, payload = _one_case(kind, value, path)
    if case not in ("ok", "err"):
        raise _unfit(kind, value, path)
    inner = kind.ok if case == "ok" else kind.err
    if inner is None:
        if payload is not None:
            raise Unsuitable(f"{path}.{case}: it carries nothing")
        return Ok() if case == "ok" else Err()
    carried = plain(inner, payload, f"{path}.{case}")
    return Ok(carried) if case == "ok" else _as_err(inner, carried)


def _as_err(kind: WitType, carried: Any) -> Err:
    match kind:
        case VariantOf():
            return Err(carried.case, carried.payload)
        case EnumOf():
            return Err(carried)
        case _:
            return Err("err", carried)


def _opaque(_kind: HandleOf | Opaque, _value: Json, path: str) -> Any:
    raise Unsuitable(f"{path}: resources are not supported yet")


_FROM_JSON: dict[type, Callable[[Any, Json, str], Any]] = {
    Scalar: _scalar,
    ListOf: _list,
    RecordOf: _record,
    TupleOf: _tuple,
    OptionOf: _option,
    VariantOf: _variant,
    EnumOf: _enum,
    FlagsOf: _flags,
    ResultOf: _result,
    HandleOf: _opaque,
    Opaque: _opaque,
}


def _scalar_json(_kind: Scalar, value: Any) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _list_json(kind: ListOf, value: Any) -> Json:
    return list(value) if kind.is_bytes else [to_json(kind.element, item) for item in value]


def _record_json(kind: RecordOf, value: Any) -> Json:
    fields = value if isinstance(value, dict) else {name: getattr(value, name) for name, _ in kind.fields}
    return {name: to_json(field, fields[name]) for name, field in kind.fields}


def _tuple_json(kind: TupleOf, value: Any) -> Json:
    return [to_json(element, item) for element, item in zip(kind.elements, value, strict=True)]


def _option_json(kind: OptionOf, value: Any) -> Json:
    if value is None:
        return None
    if isinstance(kind.payload, OptionOf):
        return {"some": to_json(kind.payload, value.value)}
    return to_json(kind.payload, value)


def _variant_json(kind: VariantOf, value: Any) -> Json:
    payload = dict(kind.cases)[value.case]
    return value.case if payload is None else {value.case: to_json(payload, value.payload)}


def _flags_json(kind: FlagsOf, value: Any) -> Json:
    return [name for name in kind.names if name in value]


def _result_json(kind: ResultOf, value: Any) -> Json:
    if isinstance(value, Ok):
        return {"ok": None if kind.ok is None else to_json(kind.ok, value.value)}
    return {"err": None if kind.err is None else to_json(kind.err, _err_value(kind.err, value))}


_TO_JSON: dict[type, Callable[[Any, Any], Json]] = {
    Scalar: _scalar_json,
    ListOf: _list_json,
    RecordOf: _record_json,
    TupleOf: _tuple_json,
    OptionOf: _option_json,
    VariantOf: _variant_json,
    EnumOf: lambda _, value: value,
    FlagsOf: _flags_json,
    ResultOf: _result_json,
}
