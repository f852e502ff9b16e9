"""The types of a component's functions, read once off wasmtime's into values of our own (`model/wit.py`).

Nothing here knows a store: a type walked once stays valid after the component is gone.
"""

from collections.abc import Callable
from ctypes import byref
from typing import Any

from wasmtime import _ffi as ffi
from wasmtime import component as wc
from wasmtime.component._types import valtype_from_ptr

from orchestrator.model.wit import (
    EnumOf,
    FlagsOf,
    FunctionType,
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

__all__ = [
    "MAX_TYPE_NODES",
    "EnumOf",
    "FlagsOf",
    "FunctionType",
    "HandleOf",
    "ListOf",
    "Opaque",
    "OptionOf",
    "RecordOf",
    "ResultOf",
    "Scalar",
    "TupleOf",
    "TypeReader",
    "TypesTooLarge",
    "VariantOf",
    "WitType",
    "opaque_part",
]

MAX_TYPE_NODES = 20_000  # of one component: a type that names another twice, thirty times over, would have 2^30
MAX_RESOURCES = 256  # of one component: each handle is looked up among them


class TypesTooLarge(Exception):
    """The types of a component spell out to more than `MAX_TYPE_NODES` parts, or more than `MAX_RESOURCES`."""


_SCALARS: dict[type, Scalar] = {
    wc.Bool: Scalar("bool"),
    wc.S8: Scalar("s8"),
    wc.S16: Scalar("s16"),
    wc.S32: Scalar("s32"),
    wc.S64: Scalar("s64"),
    wc.U8: Scalar("u8"),
    wc.U16: Scalar("u16"),
    wc.U32: Scalar("u32"),
    wc.U64: Scalar("u64"),
    wc.F32: Scalar("f32"),
    wc.F64: Scalar("f64"),
    wc.Char: Scalar("char"),
    wc.String: Scalar("string"),
}

_OPAQUE: dict[type, Opaque] = {
    wc.ErrorContext: Opaque("error-context"),
}


class TypeReader:
    """Reads wasmtime's types into ours; one reader a component, so that all its types share one bound."""

    def __init__(self) -> None:
        self._left = MAX_TYPE_NODES
        self._resources: list[tuple[wc.ResourceType, str]] = []

    def resource(self, kind: wc.ResourceType, name: str) -> str:
        """Return the full name of a resource: the one it has already, else `name` from now on.

        Raises:
            TypesTooLarge: there are more than `MAX_RESOURCES`.
        """
        known = next((known for other, known in self._resources if other == kind), None)
        if known is not None:
            return known
        if len(self._resources) == MAX_RESOURCES:
            raise TypesTooLarge
        self._resources.append((kind, name))
        return name

    def function(self, func: wc.FuncType) -> FunctionType:
        """Read a function's type.

        Raises:
            TypesTooLarge: what was read with this reader passed `MAX_TYPE_NODES`.
        """
        self.count()
        return FunctionType(
            params=tuple((name, self.value(kind)) for name, kind in func.params),
            result=self._optional(func.result),
            is_async=bool(ffi.wasmtime_component_func_type_async(func.ptr())),
        )

    def count(self) -> None:
        """Count one more part of the component's types.

        Raises:
            TypesTooLarge: it is one too many.
        """
        self._left -= 1
        if self._left < 0:
            raise TypesTooLarge

    def _optional(self, kind: wc.ValType | None) -> WitType | None:
        return None if kind is None else self.value(kind)

    def value(self, kind: wc.ValType) -> WitType:
        """Read a type.

        Raises:
            TypesTooLarge: what was read with this reader passed `MAX_TYPE_NODES`.
        """
        self.count()
        simple: WitType | None = _SCALARS.get(type(kind)) or _OPAQUE.get(type(kind))
        if simple is not None:
            return simple
        read = _COMPOUND.get(type(kind))
        return Opaque(type(kind).__name__) if read is None else read(self, kind)

    def _list(self, kind: wc.ListType) -> WitType:
        return ListOf(self.value(kind.element))

    def _record(self, kind: wc.RecordType) -> WitType:
        return RecordOf(tuple((name, self.value(field)) for name, field in kind.fields))

    def _tuple(self, kind: wc.TupleType) -> WitType:
        return TupleOf(tuple(self.value(element) for element in kind.elements))

    def _variant(self, kind: wc.VariantType) -> WitType:
        return VariantOf(tuple((name, self._optional(payload)) for name, payload in kind.cases))

    def _enum(self, kind: wc.EnumType) -> WitType:
        return EnumOf(tuple(kind.names))

    def _flags(self, kind: wc.FlagsType) -> WitType:
        return FlagsOf(tuple(kind.names))

    def _option(self, kind: wc.OptionType) -> WitType:
        return OptionOf(self.value(kind.payload))

    def _own(self, kind: wc.OwnType) -> WitType:
        return HandleOf(self.resource(kind.ty, _UNNAMED), is_borrowed=False)

    def _borrow(self, kind: wc.BorrowType) -> WitType:
        return HandleOf(self.resource(kind.ty, _UNNAMED), is_borrowed=True)

    def _stream(self, kind: wc.StreamType) -> WitType:
        return self._opaque("stream", ffi.wasmtime_component_stream_type_ty, kind)

    def _future(self, kind: wc.FutureType) -> WitType:
        return self._opaque("future", ffi.wasmtime_component_future_type_ty, kind)

    def _opaque(self, name: str, ask: Callable[..., bool], kind: Any) -> WitType:
        """Read what a stream or future carries; wasmtime's own property makes a bool of nothing."""
        out = ffi.wasmtime_component_valtype_t()
        return Opaque(f"{name}<{self.value(valtype_from_ptr(out))}>" if ask(kind.ptr(), byref(out)) else name)

    def _result(self, kind: wc.ResultType) -> WitType:
        return ResultOf(ok=self._optional(kind.ok), err=self._optional(kind.err))


_UNNAMED = "resource"  # a valid component names every resource before it uses it


_COMPOUND: dict[type, Callable[..., WitType]] = {
    wc.ListType: TypeReader._list,
    wc.RecordType: TypeReader._record,
    wc.TupleType: TypeReader._tuple,
    wc.VariantType: TypeReader._variant,
    wc.EnumType: TypeReader._enum,
    wc.FlagsType: TypeReader._flags,
    wc.OptionType: TypeReader._option,
    wc.ResultType: TypeReader._result,
    wc.OwnType: TypeReader._own,
    wc.BorrowType: TypeReader._borrow,
    wc.StreamType: TypeReader._stream,
    wc.FutureType: TypeReader._future,
}
