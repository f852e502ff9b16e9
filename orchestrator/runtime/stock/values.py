"""Conversions between plain Python values and the binding's component values, compiled once per WIT type.

`lowering(type)` gives a function that fills a value which owns nothing; whatever happens, it is a whole value at every
moment, so that its maker can delete it. `lifting(type)` gives the way back; it copies, and frees nothing. A value that
does not fit is refused with the same words as in `call/layout`.
"""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import byref, memmove, memset, sizeof, string_at
from typing import Any

from wasmtime import _ffi as ffi

from orchestrator.model.ids import ComponentId
from orchestrator.model.plain import Err, Ok, Some, Variant
from orchestrator.runtime.call import layout
from orchestrator.runtime.call.layout import COMPONENT_ID, UnfitValue
from orchestrator.runtime.call.resources import GuestResource
from orchestrator.runtime.call.types import (
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
from orchestrator.runtime.engine import capi

Lower = Callable[[Any, Any], None]  # a plain value, and the binding's value to fill
Lift = Callable[[Any], Any]

Val: Any = ffi.wasmtime_component_val_t
_Entry: Any = ffi.wasmtime_component_valrecord_entry_t
_BOOL = ffi.WASMTIME_COMPONENT_BOOL.value
_SCALARS = {
    "bool": ("boolean", ffi.WASMTIME_COMPONENT_BOOL),
    "s8": ("s8", ffi.WASMTIME_COMPONENT_S8),
    "u8": ("u8", ffi.WASMTIME_COMPONENT_U8),
    "s16": ("s16", ffi.WASMTIME_COMPONENT_S16),
    "u16": ("u16", ffi.WASMTIME_COMPONENT_U16),
    "s32": ("s32", ffi.WASMTIME_COMPONENT_S32),
    "u32": ("u32", ffi.WASMTIME_COMPONENT_U32),
    "s64": ("s64", ffi.WASMTIME_COMPONENT_S64),
    "u64": ("u64", ffi.WASMTIME_COMPONENT_U64),
    "f32": ("f32", ffi.WASMTIME_COMPONENT_F32),
    "f64": ("f64", ffi.WASMTIME_COMPONENT_F64),
    "char": ("character", ffi.WASMTIME_COMPONENT_CHAR),
}


def blank(count: int) -> Any:
    """Return an array of values that own nothing."""
    values = (Val * max(1, count))()
    for value in values:
        value.kind = _BOOL
    return values


def drop(value: Any) -> None:
    """Free what a value owns, and leave one that owns nothing."""
    ffi.wasmtime_component_val_delete(byref(value))
    memset(byref(value), 0, sizeof(Val))
    value.kind = _BOOL


def lowering(kind: WitType) -> Lower:  # noqa: C901, PLR0911 — one row a kind
    """Compile the conversion from Python for `kind`; it raises `UnfitValue` for a value that does not fit."""
    match kind:
        case Scalar("string"):
            return _lower_string
        case Scalar(name):
            return _scalar_lowering(kind, name)
        case ListOf():
            return _lower_bytes if kind.is_bytes else _list_lowering(lowering(kind.element))
        case RecordOf(fields):
            return _record_lowering([(name, lowering(each)) for name, each in fields], kind == COMPONENT_ID)
        case TupleOf(elements):
            return _tuple_lowering([lowering(element) for element in elements])
        case OptionOf(payload):
            return _option_lowering(lowering(payload), isinstance(payload, OptionOf))
        case VariantOf(cases):
            return _variant_lowering({name: _of(payload, lowering) for name, payload in cases})
        case EnumOf(names):
            return _enum_lowering(frozenset(names))
        case FlagsOf(names):
            return _flags_lowering(names)
        case ResultOf(ok, err):
            return _result_lowering(_of(ok, lowering), _of(err, lowering), err)
        case HandleOf():
            return _lower_resource
        case _:
            return _refuse


def lifting(kind: WitType) -> Lift:  # noqa: C901, PLR0911, PLR0912 — one row a kind
    """Compile the conversion to Python for `kind`."""
    match kind:
        case Scalar("string"):
            return lambda value: text_in(value.of.string)
        case Scalar("char"):
            return lambda value: chr(value.of.character)
        case Scalar(name):
            field = _SCALARS[name][0]
            return lambda value: getattr(value.of, field)
        case EnumOf():
            return lambda value: text_in(value.of.enumeration)
        case ListOf():
            return _lift_bytes if kind.is_bytes else _list_lifting(lifting(kind.element))
        case RecordOf(fields):
            return _record_lifting([(name, lifting(each)) for name, each in fields], kind == COMPONENT_ID)
        case TupleOf(elements):
            return _tuple_lifting([lifting(element) for element in elements])
        case OptionOf(payload):
            return _option_lifting(lifting(payload), isinstance(payload, OptionOf))
        case VariantOf(cases):
            return _variant_lifting({name: _of(payload, lifting) for name, payload in cases})
        case FlagsOf():
            return _lift_flags
        case ResultOf(ok, err):
            return _result_lifting(_of(ok, lifting), _of(err, lifting), err)
        case HandleOf():
            return lambda value: GuestResource.copied(capi.address_of(value.of.resource))
        case _:
            return _refuse


def _of(kind: WitType | None, compile: Callable[[WitType], Any]) -> Any:
    return None if kind is None else compile(kind)


def _refuse(*_anything: Any) -> Any:
    raise UnfitValue("streams, futures and their like cannot be passed")


def text_in(vec: Any) -> str:
    """Return the text that lies in the binding's byte vector."""
    return string_at(vec.data, vec.size).decode() if vec.size else ""


def _set_text(value: Any, vec: Any) -> None:
    try:
        data = value.encode()
    except (UnicodeEncodeError, AttributeError):
        raise UnfitValue(f"expected text, got {value!r:.80}") from None
    ffi.wasm_byte_vec_new_uninitialized(byref(vec), len(data))
    if data:
        memmove(vec.data, data, len(data))


def _boxed(lower: Lower, value: Any, hold: Callable[[Any], None]) -> None:
    """Lower into a box; `hold` gives it to its owner first."""
    box = ffi.wasmtime_component_val_new(blank(1))
    hold(box)
    lower(value, box.contents)


def _scalar_lowering(kind: Scalar, name: str) -> Lower:
    field, tag = _SCALARS[name]
    packed, exact = layout.lowering(kind), layout.lifting(kind)

    def lower(value: Any, into: Any) -> None:
        fitting = exact(packed(value), 0)
        setattr(into.of, field, ord(fitting) if name == "char" else fitting)
        into.kind = tag

    return lower


def _lower_string(value: Any, into: Any) -> None:
    _set_text(value, into.of.string)
    into.kind = ffi.WASMTIME_COMPONENT_STRING


def _lower_bytes(value: Any, into: Any) -> None:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise UnfitValue(f"expected bytes, got {type(value).__name__}")
    size = len(value)
    ffi.wasmtime_component_vallist_new_uninit(byref(into.of.list), size)
    if size:
        where = capi.address_of(into.of.list.data)
        memory = memoryview((ctypes.c_char * (size * sizeof(Val))).from_address(where)).cast("B")
        memory[Val.kind.offset :: sizeof(Val)] = bytes([ffi.WASMTIME_COMPONENT_U8.value]) * size
        memory[Val.of.offset :: sizeof(Val)] = value
    into.kind = ffi.WASMTIME_COMPONENT_LIST


def _clear(data: Any, count: int) -> None:
    """Make new values own nothing."""
    if count:
        memset(data, 0, count * sizeof(Val))
    for index in range(count):
        data[index].kind = _BOOL


def _list_lowering(element: Lower) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if not isinstance(value, list | tuple):
            raise UnfitValue(f"expected a list, got {type(value).__name__}")
        ffi.wasmtime_component_vallist_new_uninit(byref(into.of.list), len(value))
        data = into.of.list.data
        _clear(data, len(value))
        into.kind = ffi.WASMTIME_COMPONENT_LIST
        for index, item in enumerate(value):
            element(item, data[index])

    return lower


def _tuple_lowering(elements: Sequence[Lower]) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if not isinstance(value, tuple | list) or len(value) != len(elements):
            raise UnfitValue(f"expected {len(elements)} values, got {value!r:.80}")
        ffi.wasmtime_component_valtuple_new_uninit(byref(into.of.tuple), len(elements))
        data = into.of.tuple.data
        _clear(data, len(elements))
        into.kind = ffi.WASMTIME_COMPONENT_TUPLE
        for index, (lower_item, item) in enumerate(zip(elements, value, strict=True)):
            lower_item(item, data[index])

    return lower


def _record_lowering(fields: Sequence[tuple[str, Lower]], is_component_id: bool) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if is_component_id and isinstance(value, ComponentId):
            value = {"namespace": value.namespace, "name": value.name, "instance": value.instance}
        if not isinstance(value, dict):
            raise UnfitValue(f"expected a record, got {type(value).__name__}")
        ffi.wasmtime_component_valrecord_new_uninit(byref(into.of.record), len(fields))
        entries = into.of.record.data
        memset(entries, 0, len(fields) * sizeof(_Entry))
        for index in range(len(fields)):
            entries[index].val.kind = _BOOL
        into.kind = ffi.WASMTIME_COMPONENT_RECORD
        for index, (name, lower_field) in enumerate(fields):
            if name not in value:
                raise UnfitValue(f"field {name} is missing")
            _set_text(name, entries[index].name)
            lower_field(value[name], entries[index].val)

    return lower


def _option_lowering(payload: Lower, is_nested: bool) -> Lower:
    def lower(value: Any, into: Any) -> None:
        into.of.option = None
        into.kind = ffi.WASMTIME_COMPONENT_OPTION
        if value is not None:
            inner = value.value if is_nested and isinstance(value, Some) else value
            _boxed(payload, inner, lambda box: setattr(into.of, "option", box))

    return lower


def _variant_lowering(cases: dict[str, Lower | None]) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if not isinstance(value, Variant | Err) or value.case not in cases:
            raise UnfitValue(f"expected one of {', '.join(cases)}, got {value!r:.80}")
        _set_text(value.case, into.of.variant.discriminant)
        into.of.variant.val = None
        into.kind = ffi.WASMTIME_COMPONENT_VARIANT
        payload = cases[value.case]
        if payload is not None:
            _boxed(payload, value.payload, lambda box: setattr(into.of.variant, "val", box))

    return lower


def _enum_lowering(names: frozenset[str]) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if value not in names:
            raise UnfitValue(f"expected one of {', '.join(sorted(names))}, got {value!r:.80}")
        _set_text(value, into.of.enumeration)
        into.kind = ffi.WASMTIME_COMPONENT_ENUM

    return lower


def _flags_lowering(names: tuple[str, ...]) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if not set(value) <= set(names):
            raise UnfitValue(f"expected some of {', '.join(names)}, got {value!r:.80}")
        given = [name for name in names if name in value]
        ffi.wasmtime_component_valflags_new_uninit(byref(into.of.flags), len(given))
        for index, name in enumerate(given):
            _set_text(name, into.of.flags.data[index])
        into.kind = ffi.WASMTIME_COMPONENT_FLAGS

    return lower


def _result_lowering(ok: Lower | None, err: Lower | None, err_kind: WitType | None) -> Lower:
    def lower(value: Any, into: Any) -> None:
        if not isinstance(value, Ok | Err):
            raise UnfitValue(f"expected Ok or Err, got {value!r:.80}")
        into.of.result.is_ok = isinstance(value, Ok)
        into.of.result.val = None
        into.kind = ffi.WASMTIME_COMPONENT_RESULT
        payload = ok if isinstance(value, Ok) else err
        if payload is not None:
            inner = value.value if isinstance(value, Ok) else layout.err_value(value, err_kind)
            _boxed(payload, inner, lambda box: setattr(into.of.result, "val", box))

    return lower


def _lower_resource(value: Any, into: Any) -> None:
    if not isinstance(value, GuestResource):
        raise UnfitValue(f"expected a resource, got {value!r:.80}")
    into.of.resource = ctypes.cast(value.copy(), ctypes.POINTER(ffi.wasmtime_component_resource_any_t))
    into.kind = ffi.WASMTIME_COMPONENT_RESOURCE


def _lift_bytes(value: Any) -> bytes:
    size = value.of.list.size
    return string_at(value.of.list.data, size * sizeof(Val))[Val.of.offset :: sizeof(Val)] if size else b""


def _list_lifting(element: Lift) -> Lift:
    def lift(value: Any) -> list[Any]:
        items = value.of.list
        return [element(items.data[index]) for index in range(items.size)]

    return lift


def _tuple_lifting(elements: Sequence[Lift]) -> Lift:
    def lift(value: Any) -> tuple[Any, ...]:
        data = value.of.tuple.data
        return tuple(lift_item(data[index]) for index, lift_item in enumerate(elements))

    return lift


def _record_lifting(fields: Sequence[tuple[str, Lift]], is_component_id: bool) -> Lift:
    def lift(value: Any) -> Any:
        entries = value.of.record.data
        lifted = {name: lift_field(entries[index].val) for index, (name, lift_field) in enumerate(fields)}
        return ComponentId(**lifted) if is_component_id else lifted

    return lift


def _option_lifting(payload: Lift, is_nested: bool) -> Lift:
    def lift(value: Any) -> Any:
        box = value.of.option
        if not box:
            return None
        inner = payload(box.contents)
        return Some(inner) if is_nested else inner

    return lift


def _variant_lifting(cases: dict[str, Lift | None]) -> Lift:
    def lift(value: Any) -> Variant:
        case = text_in(value.of.variant.discriminant)
        payload = cases[case]
        return Variant(case) if payload is None else Variant(case, payload(value.of.variant.val.contents))

    return lift


def _lift_flags(value: Any) -> frozenset[str]:
    flags = value.of.flags
    return frozenset(text_in(flags.data[index]) for index in range(flags.size))


def _result_lifting(ok: Lift | None, err: Lift | None, err_kind: WitType | None) -> Lift:
    def lift(value: Any) -> Ok | Err:
        found = value.of.result
        payload = ok if found.is_ok else err
        inner = payload(found.val.contents) if payload is not None and found.val else None
        return Ok(inner) if found.is_ok else layout.as_err(inner, err_kind)

    return lift
