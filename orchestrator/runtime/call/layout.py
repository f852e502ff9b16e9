"""Conversions between plain Python values and wasmtime's component values, compiled once per WIT type.

`lowering(type)` gives a function that turns a value into the 32-byte image of a `wasmtime_component_val_t`; wasmtime
allocates the memory that the image points to, and frees it with the value. `lifting(type)` gives the way back; it
copies, and frees nothing. `list<u8>` moves as a block in both directions. Values are trusted to fit their type: JSON
was checked by `typed`, and a host function that returns something else is a bug, reported as `UnfitValue`.
"""

import ctypes
import struct
import weakref
from collections.abc import Callable, Sequence
from ctypes import c_size_t, memmove, string_at
from typing import Any

from wasmtime import _ffi as ffi

from orchestrator.model.ids import ComponentId
from orchestrator.model.plain import Err, Ok, Some, Variant
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

VAL = 32  # bytes of one value; `capi.check_layout` compares these with wasmtime's own declarations
PAYLOAD = 8
ENTRY = 48  # bytes of one record field: its name, then its value
NAME = 16

Lower = Callable[[Any], bytes]
Lift = Callable[[bytes, int], Any]  # an image, and where in it the value begins


class UnfitValue(Exception):
    """A Python value that does not fit the WIT type it is meant for."""


_pair = struct.Struct("<B7xQQ8x")  # kind, then a size and an address (or two words)
_triple = struct.Struct("<B7xQQQ")
_words = struct.Struct("<QQ")
_word = struct.Struct("<Q")
_three_words = struct.Struct("<QQQ")
_flag_and_word = struct.Struct("<B7xQ")

_SCALAR_FORMATS = {
    "bool": ("?", ffi.WASMTIME_COMPONENT_BOOL),
    "s8": ("b", ffi.WASMTIME_COMPONENT_S8),
    "u8": ("B", ffi.WASMTIME_COMPONENT_U8),
    "s16": ("h", ffi.WASMTIME_COMPONENT_S16),
    "u16": ("H", ffi.WASMTIME_COMPONENT_U16),
    "s32": ("i", ffi.WASMTIME_COMPONENT_S32),
    "u32": ("I", ffi.WASMTIME_COMPONENT_U32),
    "s64": ("q", ffi.WASMTIME_COMPONENT_S64),
    "u64": ("Q", ffi.WASMTIME_COMPONENT_U64),
    "f32": ("f", ffi.WASMTIME_COMPONENT_F32),
    "f64": ("d", ffi.WASMTIME_COMPONENT_F64),
    "char": ("I", ffi.WASMTIME_COMPONENT_CHAR),
}
_STRING = ffi.WASMTIME_COMPONENT_STRING.value
_LIST = ffi.WASMTIME_COMPONENT_LIST.value
_RECORD = ffi.WASMTIME_COMPONENT_RECORD.value
_TUPLE = ffi.WASMTIME_COMPONENT_TUPLE.value
_VARIANT = ffi.WASMTIME_COMPONENT_VARIANT.value
_ENUM = ffi.WASMTIME_COMPONENT_ENUM.value
_OPTION = ffi.WASMTIME_COMPONENT_OPTION.value
_RESULT = ffi.WASMTIME_COMPONENT_RESULT.value
_FLAGS = ffi.WASMTIME_COMPONENT_FLAGS.value
_RESOURCE = ffi.WASMTIME_COMPONENT_RESOURCE.value
_U8 = bytes([ffi.WASMTIME_COMPONENT_U8.value])
_FALSE = bytes([ffi.WASMTIME_COMPONENT_BOOL.value]).ljust(VAL, b"\0")  # a value that owns nothing
_TwoWords = c_size_t * 2  # a size and an address, for wasmtime to fill in

COMPONENT_ID = RecordOf((("namespace", Scalar("string")), ("name", Scalar("string")), ("instance", Scalar("string"))))


def lowering(kind: WitType) -> Lower:  # noqa: PLR0911 — one row a kind
    """Compile the conversion from Python for `kind`; it raises `UnfitValue` for a value that does not fit."""
    match kind:
        case Scalar("string"):
            return _lower_string
        case Scalar("char"):
            return _lower_char
        case Scalar(name):
            return _scalar_lowering(name)
        case ListOf():
            return _lower_bytes if kind.is_bytes else _list_lowering(lowering(kind.element))
        case RecordOf(fields):
            return _record_lowering(fields, kind == COMPONENT_ID)
        case TupleOf(elements):
            return _tuple_lowering([lowering(element) for element in elements])
        case OptionOf(payload):
            return _option_lowering(lowering(payload), isinstance(payload, OptionOf))
        case _:
            return _cases_lowering(kind)


def _lowering_of(kind: WitType | None) -> Lower | None:
    return None if kind is None else lowering(kind)


def _lifting_of(kind: WitType | None) -> Lift | None:
    return None if kind is None else lifting(kind)


def _cases_lowering(kind: WitType) -> Lower:
    match kind:
        case VariantOf(cases):
            return _variant_lowering({name: _lowering_of(payload) for name, payload in cases})
        case EnumOf(names):
            return _enum_lowering(frozenset(names))
        case FlagsOf(names):
            return _flags_lowering(names)
        case ResultOf(ok, err):
            return _result_lowering(_lowering_of(ok), _lowering_of(err), err)
        case HandleOf():
            return _lower_resource
        case _:
            return _refuse_opaque


def lifting(kind: WitType) -> Lift:  # noqa: PLR0911 — one row a kind
    """Compile the conversion to Python for `kind`."""
    match kind:
        case Scalar("string") | EnumOf():
            return _lift_string
        case Scalar("char"):
            return _lift_char
        case Scalar(name):
            return _scalar_lifting(name)
        case ListOf():
            return _lift_bytes if kind.is_bytes else _list_lifting(lifting(kind.element))
        case RecordOf(fields):
            return _lift_component_id if kind == COMPONENT_ID else _record_lifting(fields)
        case TupleOf(elements):
            return _tuple_lifting([lifting(element) for element in elements])
        case OptionOf(payload):
            return _option_lifting(lifting(payload), isinstance(payload, OptionOf))
        case _:
            return _cases_lifting(kind)


def _cases_lifting(kind: WitType) -> Lift:
    match kind:
        case VariantOf(cases):
            return _variant_lifting({name: _lifting_of(payload) for name, payload in cases})
        case FlagsOf():
            return _lift_flags
        case ResultOf(ok, err):
            return _result_lifting(_lifting_of(ok), _lifting_of(err), err)
        case HandleOf():
            return _lift_resource
        case _:
            return _refuse_opaque_back


def _block(data: bytes) -> tuple[int, int]:
    out = _TwoWords()
    capi.bytes_new(out, len(data), data)
    return out[0], out[1]


def _text(value: str) -> tuple[int, int]:
    try:
        return _block(value.encode())
    except (UnicodeEncodeError, AttributeError):
        raise UnfitValue(f"expected text, got {value!r:.80}") from None


def _boxed(image: bytes) -> int:
    moved = ctypes.create_string_buffer(image, VAL)
    return int(capi.val_new(ctypes.addressof(moved)))


def _scalar_lowering(name: str) -> Lower:
    code, kind = _SCALAR_FORMATS[name]
    packer = struct.Struct(f"<B7x{code}{VAL - PAYLOAD - struct.calcsize('<' + code)}x")
    pack, tag = packer.pack, kind.value

    def lower(value: Any) -> bytes:
        try:
            return pack(tag, value)
        except (struct.error, OverflowError) as problem:
            raise UnfitValue(f"expected {name}, got {value!r:.80} ({problem})") from None

    return lower


_lower_code_point = _scalar_lowering("char")


def _lower_char(value: Any) -> bytes:
    if not isinstance(value, str) or len(value) != 1:
        raise UnfitValue(f"expected char, got {value!r:.80}")
    return _lower_code_point(ord(value))


def _lower_string(value: Any) -> bytes:
    return _pair.pack(_STRING, *_text(value))


def _lower_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise UnfitValue(f"expected bytes, got {type(value).__name__}")
    size = len(value)
    out = _TwoWords()
    capi.list_new(out, size)
    if size:
        memory = memoryview((ctypes.c_char * (size * VAL)).from_address(out[1])).cast("B")
        memory[0::VAL] = _U8 * size
        memory[PAYLOAD::VAL] = value
    return _pair.pack(_LIST, size, out[1])


def _filled(new: Any, count: int, images: bytes) -> int:
    out = _TwoWords()
    new(out, count)
    memmove(out[1], images, len(images))
    return out[1]


def _list_lowering(element: Lower) -> Lower:
    def lower(value: Any) -> bytes:
        if not isinstance(value, list | tuple):
            raise UnfitValue(f"expected a list, got {type(value).__name__}")
        images = b"".join(map(element, value))
        return _pair.pack(_LIST, len(value), _filled(capi.list_new, len(value), images))

    return lower


class _BlankRecord:
    """A record's field names, held by wasmtime: it copies them in one call, which is most of the cost saved."""

    def __init__(self, names: Sequence[str]) -> None:
        self._whole = _TwoWords()
        entries = b"".join(_words.pack(*_block(name.encode())) + _FALSE for name in names)
        self._whole[0], self._whole[1] = len(names), _filled(capi.record_new, len(names), entries)
        weakref.finalize(self, capi.record_delete, self._whole).atexit = False

    def copy(self) -> int:
        """Return the address of a new record's first field."""
        out = _TwoWords()
        capi.record_copy(out, self._whole)
        return out[1]


def _record_lowering(fields: tuple[tuple[str, WitType], ...], is_component_id: bool) -> Lower:
    blank = _BlankRecord([name for name, _ in fields])
    prepared = [(name, lowering(kind)) for name, kind in fields]
    places = [index * ENTRY + NAME for index in range(len(fields))]

    def lower(value: Any) -> bytes:
        if is_component_id and isinstance(value, ComponentId):
            value = {"namespace": value.namespace, "name": value.name, "instance": value.instance}
        if not isinstance(value, dict):
            raise UnfitValue(f"expected a record, got {type(value).__name__}")
        images = []
        for name, lower_field in prepared:
            if name not in value:
                raise UnfitValue(f"field {name} is missing")
            images.append(lower_field(value[name]))
        address = blank.copy()
        for place, image in zip(places, images, strict=True):
            memmove(address + place, image, VAL)
        return _pair.pack(_RECORD, len(images), address)

    return lower


def _tuple_lowering(elements: list[Lower]) -> Lower:
    def lower(value: Any) -> bytes:
        if not isinstance(value, tuple | list) or len(value) != len(elements):
            raise UnfitValue(f"expected {len(elements)} values, got {value!r:.80}")
        images = b"".join(lower_item(item) for lower_item, item in zip(elements, value, strict=True))
        return _pair.pack(_TUPLE, len(elements), _filled(capi.tuple_new, len(elements), images))

    return lower


def _option_lowering(payload: Lower, is_nested: bool) -> Lower:
    def lower(value: Any) -> bytes:
        if value is None:
            return _pair.pack(_OPTION, 0, 0)
        inner = value.value if is_nested and isinstance(value, Some) else value
        return _pair.pack(_OPTION, _boxed(payload(inner)), 0)

    return lower


def _variant_lowering(cases: dict[str, Lower | None]) -> Lower:
    def lower(value: Any) -> bytes:
        if not isinstance(value, Variant | Err) or value.case not in cases:
            raise UnfitValue(f"expected one of {', '.join(cases)}, got {value!r:.80}")
        payload = cases[value.case]
        box = 0 if payload is None else _boxed(payload(value.payload))
        return _triple.pack(_VARIANT, *_text(value.case), box)

    return lower


def _enum_lowering(names: frozenset[str]) -> Lower:
    def lower(value: Any) -> bytes:
        if value not in names:
            raise UnfitValue(f"expected one of {', '.join(sorted(names))}, got {value!r:.80}")
        return _pair.pack(_ENUM, *_text(value))

    return lower


def _flags_lowering(names: tuple[str, ...]) -> Lower:
    def lower(value: Any) -> bytes:
        if not set(value) <= set(names):
            raise UnfitValue(f"expected some of {', '.join(names)}, got {value!r:.80}")
        images = b"".join(_words.pack(*_text(name)) for name in names if name in value)
        return _pair.pack(_FLAGS, len(set(value)), _filled(capi.flags_new, len(set(value)), images))

    return lower


def _result_lowering(ok: Lower | None, err: Lower | None, err_kind: WitType | None) -> Lower:
    def lower(value: Any) -> bytes:
        if isinstance(value, Ok):
            return _pair.pack(_RESULT, 1, 0 if ok is None else _boxed(ok(value.value)))
        if isinstance(value, Err):
            return _pair.pack(_RESULT, 0, 0 if err is None else _boxed(err(err_value(value, err_kind))))
        raise UnfitValue(f"expected Ok or Err, got {value!r:.80}")

    return lower


def err_value(err: Err, kind: WitType | None) -> Any:
    """Return what the err side of a result carries, for a value whose err is of `kind`."""
    match kind:
        case VariantOf():
            return err
        case EnumOf():
            return err.case
        case _:
            return err.payload


def _lower_resource(value: Any) -> bytes:
    if not isinstance(value, GuestResource):
        raise UnfitValue(f"expected a resource, got {value!r:.80}")
    return _pair.pack(_RESOURCE, value.copy(), 0)


def _refuse_opaque(_value: Any) -> bytes:
    raise UnfitValue("streams, futures and their like cannot be passed")


def _scalar_lifting(name: str) -> Lift:
    unpack = struct.Struct("<" + _SCALAR_FORMATS[name][0]).unpack_from
    return lambda image, at: unpack(image, at + PAYLOAD)[0]


def _lift_char(image: bytes, at: int) -> str:
    return chr(struct.unpack_from("<I", image, at + PAYLOAD)[0])


def _string_at(image: bytes, at: int) -> str:
    size, address = _words.unpack_from(image, at)
    return string_at(address, size).decode() if size else ""


def _lift_string(image: bytes, at: int) -> str:
    return _string_at(image, at + PAYLOAD)


def _lift_bytes(image: bytes, at: int) -> bytes:
    size, address = _words.unpack_from(image, at + PAYLOAD)
    return string_at(address, size * VAL)[PAYLOAD::VAL] if size else b""


def _list_lifting(element: Lift) -> Lift:
    def lift(image: bytes, at: int) -> list[Any]:
        size, address = _words.unpack_from(image, at + PAYLOAD)
        items = string_at(address, size * VAL) if size else b""
        return [element(items, offset) for offset in range(0, size * VAL, VAL)]

    return lift


def _record_lifting(fields: tuple[tuple[str, WitType], ...]) -> Lift:
    prepared = [(name, lifting(kind), index * ENTRY + NAME) for index, (name, kind) in enumerate(fields)]

    def lift(image: bytes, at: int) -> dict[str, Any]:
        size, address = _words.unpack_from(image, at + PAYLOAD)
        entries = string_at(address, size * ENTRY)
        return {name: lift_field(entries, offset) for name, lift_field, offset in prepared}

    return lift


def _lift_component_id(image: bytes, at: int) -> ComponentId:
    size, address = _words.unpack_from(image, at + PAYLOAD)
    entries = string_at(address, size * ENTRY)
    first = NAME + PAYLOAD
    return ComponentId(
        _string_at(entries, first), _string_at(entries, first + ENTRY), _string_at(entries, first + 2 * ENTRY)
    )


def _tuple_lifting(elements: list[Lift]) -> Lift:
    def lift(image: bytes, at: int) -> tuple[Any, ...]:
        size, address = _words.unpack_from(image, at + PAYLOAD)
        items = string_at(address, size * VAL) if size else b""
        return tuple(lift_item(items, index * VAL) for index, lift_item in enumerate(elements))

    return lift


def _option_lifting(payload: Lift, is_nested: bool) -> Lift:
    def lift(image: bytes, at: int) -> Any:
        (box,) = _word.unpack_from(image, at + PAYLOAD)
        if not box:
            return None
        value = payload(string_at(box, VAL), 0)
        return Some(value) if is_nested else value

    return lift


def _variant_lifting(cases: dict[str, Lift | None]) -> Lift:
    def lift(image: bytes, at: int) -> Variant:
        size, address, box = _three_words.unpack_from(image, at + PAYLOAD)
        case = string_at(address, size).decode()
        payload = cases[case]
        return Variant(case) if payload is None else Variant(case, payload(string_at(box, VAL), 0))

    return lift


def _lift_flags(image: bytes, at: int) -> frozenset[str]:
    size, address = _words.unpack_from(image, at + PAYLOAD)
    names = string_at(address, size * NAME) if size else b""
    return frozenset(_string_at(names, offset) for offset in range(0, size * NAME, NAME))


def _result_lifting(ok: Lift | None, err: Lift | None, err_kind: WitType | None) -> Lift:
    def lift(image: bytes, at: int) -> Ok | Err:
        is_ok, box = _flag_and_word.unpack_from(image, at + PAYLOAD)
        lift_side = ok if is_ok else err
        value = lift_side(string_at(box, VAL), 0) if lift_side is not None and box else None
        return Ok(value) if is_ok else as_err(value, err_kind)

    return lift


def as_err(value: Any, kind: WitType | None) -> Err:
    """Return the err side of a result that carries a value of `kind`."""
    match kind:
        case VariantOf():
            return Err(value.case, value.payload)
        case EnumOf():
            return Err(value)
        case _:
            return Err("err", value)


def _lift_resource(image: bytes, at: int) -> GuestResource:
    return GuestResource.copied(_word.unpack_from(image, at + PAYLOAD)[0])


def _refuse_opaque_back(_image: bytes, _at: int) -> Any:
    raise UnfitValue("streams, futures and their like cannot be passed")
