"""WIT types as values of our own, read once off a component and written out as WIT text.

`layout` turns them into conversions and `typed` checks JSON against them. Nothing here knows a component or a store:
a type walked once stays valid after the component is gone, and the compile
cache keeps it: hence the tags.
"""

from collections.abc import Callable, Iterable

import msgspec
from wasmtime import component as wc

MAX_TYPE_NODES = 20_000  # of one component: a type that names another twice, thirty times over, would have 2^30


class TypesTooLarge(Exception):
    """The types of a component spell out to more than `MAX_TYPE_NODES` parts."""


class Scalar(msgspec.Struct, frozen=True, tag=True):
    """A bool, number, char or string; `name` as in WIT."""

    name: str

    def __str__(self) -> str:
        return self.name


class ListOf(msgspec.Struct, frozen=True, tag=True):
    """`list<element>`."""

    element: "WitType"

    @property
    def is_bytes(self) -> bool:
        """Whether this is `list<u8>`, which is `bytes` in Python."""
        return self.element == Scalar("u8")

    def __str__(self) -> str:
        return f"list<{self.element}>"


class RecordOf(msgspec.Struct, frozen=True, tag=True):
    """A record's fields in order."""

    fields: tuple[tuple[str, "WitType"], ...]

    def __str__(self) -> str:
        return "record{" + ", ".join(f"{name}: {kind}" for name, kind in self.fields) + "}"


class TupleOf(msgspec.Struct, frozen=True, tag=True):
    """`tuple<…>`."""

    elements: tuple["WitType", ...]

    def __str__(self) -> str:
        return "tuple<" + ", ".join(map(str, self.elements)) + ">"


class VariantOf(msgspec.Struct, frozen=True, tag=True):
    """A variant's cases in order, each with its payload's type or None."""

    cases: tuple[tuple[str, "WitType | None"], ...]

    def __str__(self) -> str:
        cases = (name if kind is None else f"{name}({kind})" for name, kind in self.cases)
        return "variant{" + ", ".join(cases) + "}"


class EnumOf(msgspec.Struct, frozen=True, tag=True):
    """An enum's names in order."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "enum{" + ", ".join(self.names) + "}"


class FlagsOf(msgspec.Struct, frozen=True, tag=True):
    """The names of flags in order."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "flags{" + ", ".join(self.names) + "}"


class OptionOf(msgspec.Struct, frozen=True, tag=True):
    """`option<payload>`."""

    payload: "WitType"

    def __str__(self) -> str:
        return f"option<{self.payload}>"


class ResultOf(msgspec.Struct, frozen=True, tag=True):
    """`result<ok, err>`; either may be absent."""

    ok: "WitType | None"
    err: "WitType | None"

    def __str__(self) -> str:
        if self.ok is None and self.err is None:
            return "result"
        if self.err is None:
            return f"result<{self.ok}>"
        return f"result<{'_' if self.ok is None else self.ok}, {self.err}>"


class Opaque(msgspec.Struct, frozen=True, tag=True):
    """A type whose values cannot cross into Python here: a resource handle, stream, future, map or error-context."""

    name: str

    def __str__(self) -> str:
        return self.name


WitType = Scalar | ListOf | RecordOf | TupleOf | VariantOf | EnumOf | FlagsOf | OptionOf | ResultOf | Opaque


class FunctionType(msgspec.Struct, frozen=True):
    """A function's parameters and its result, if it has one."""

    params: tuple[tuple[str, WitType], ...]
    result: WitType | None

    def __str__(self) -> str:
        params = ", ".join(f"{name}: {kind}" for name, kind in self.params)
        return f"func({params})" + ("" if self.result is None else f" -> {self.result}")


def opaque_part(kind: WitType | None) -> Opaque | None:
    """Return the first part of `kind` whose values cannot cross, None when all can."""
    return next((part for part in _parts(kind) if isinstance(part, Opaque)), None)


def _parts(kind: WitType | None) -> Iterable[WitType]:
    if kind is None:
        return
    yield kind
    for child in _children(kind):
        yield from _parts(child)


def _children(kind: WitType) -> tuple[WitType | None, ...]:
    match kind:
        case ListOf(element):
            return (element,)
        case OptionOf(payload):
            return (payload,)
        case RecordOf(named) | VariantOf(named):
            return tuple(child for _, child in named)
        case TupleOf(elements):
            return elements
        case ResultOf(ok, err):
            return (ok, err)
        case _:
            return ()


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
    wc.OwnType: Opaque("own<resource>"),
    wc.BorrowType: Opaque("borrow<resource>"),
    wc.StreamType: Opaque("stream"),
    wc.FutureType: Opaque("future"),
    wc.ErrorContext: Opaque("error-context"),
}


class TypeReader:
    """Reads wasmtime's types into ours; one reader a component, so that all its types share one bound."""

    def __init__(self) -> None:
        self._left = MAX_TYPE_NODES

    def function(self, func: wc.FuncType) -> FunctionType:
        """Read a function's type.

        Raises:
            TypesTooLarge: what was read with this reader passed `MAX_TYPE_NODES`.
        """
        result = self._optional(func.result)
        return FunctionType(params=tuple((name, self._value(kind)) for name, kind in func.params), result=result)

    def _optional(self, kind: wc.ValType | None) -> WitType | None:
        return None if kind is None else self._value(kind)

    def _value(self, kind: wc.ValType) -> WitType:
        self._left -= 1
        if self._left < 0:
            raise TypesTooLarge
        simple: WitType | None = _SCALARS.get(type(kind)) or _OPAQUE.get(type(kind))
        if simple is not None:
            return simple
        read = _COMPOUND.get(type(kind))
        return Opaque(type(kind).__name__) if read is None else read(self, kind)

    def _list(self, kind: wc.ListType) -> WitType:
        return ListOf(self._value(kind.element))

    def _record(self, kind: wc.RecordType) -> WitType:
        return RecordOf(tuple((name, self._value(field)) for name, field in kind.fields))

    def _tuple(self, kind: wc.TupleType) -> WitType:
        return TupleOf(tuple(self._value(element) for element in kind.elements))

    def _variant(self, kind: wc.VariantType) -> WitType:
        return VariantOf(tuple((name, self._optional(payload)) for name, payload in kind.cases))

    def _enum(self, kind: wc.EnumType) -> WitType:
        return EnumOf(tuple(kind.names))

    def _flags(self, kind: wc.FlagsType) -> WitType:
        return FlagsOf(tuple(kind.names))

    def _option(self, kind: wc.OptionType) -> WitType:
        return OptionOf(self._value(kind.payload))

    def _result(self, kind: wc.ResultType) -> WitType:
        return ResultOf(ok=self._optional(kind.ok), err=self._optional(kind.err))


_COMPOUND: dict[type, Callable[..., WitType]] = {
    wc.ListType: TypeReader._list,
    wc.RecordType: TypeReader._record,
    wc.TupleType: TypeReader._tuple,
    wc.VariantType: TypeReader._variant,
    wc.EnumType: TypeReader._enum,
    wc.FlagsType: TypeReader._flags,
    wc.OptionType: TypeReader._option,
    wc.ResultType: TypeReader._result,
}
