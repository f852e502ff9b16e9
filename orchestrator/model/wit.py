"""WIT types as values: what a function takes and returns, written out as WIT text, without anything that runs.

`runtime` reads them off components, `interface` compares them, the compile cache keeps them: hence the tags.
"""

from collections.abc import Iterable

import msgspec


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


class HandleOf(msgspec.Struct, frozen=True, tag=True):
    """A handle to a resource; `resource` is its full name in the component: `interface#name`, or a bare name."""

    resource: str
    is_borrowed: bool

    def __str__(self) -> str:
        name = self.resource.rpartition("#")[2]
        return f"borrow<{name}>" if self.is_borrowed else f"own<{name}>"


class Opaque(msgspec.Struct, frozen=True, tag=True):
    """A type whose values cannot cross into Python here: a stream, future, map or error-context."""

    name: str

    def __str__(self) -> str:
        return self.name


WitType = Scalar | ListOf | RecordOf | TupleOf | VariantOf | EnumOf | FlagsOf | OptionOf | ResultOf | HandleOf | Opaque


class FunctionType(msgspec.Struct, frozen=True):
    """A function's parameters and its result, if it has one."""

    params: tuple[tuple[str, WitType], ...]
    result: WitType | None
    is_async: bool = False

    def __str__(self) -> str:
        params = ", ".join(f"{name}: {kind}" for name, kind in self.params)
        result = "" if self.result is None else f" -> {self.result}"
        return f"{'async ' if self.is_async else ''}func({params}){result}"


def opaque_part(kind: WitType | None) -> HandleOf | Opaque | None:
    """Return the first part of `kind` whose values cannot cross, None when all can."""
    return next((part for part in parts(kind) if isinstance(part, HandleOf | Opaque)), None)


def returns_handles(kind: FunctionType) -> bool:
    """Whether a call of such a function may bring new handles."""
    return any(isinstance(part, HandleOf) for part in parts(kind.result))


def parts(kind: WitType | None) -> Iterable[WitType]:
    """Yield `kind` and everything it is made of."""
    if kind is None:
        return
    yield kind
    for child in children(kind):
        yield from parts(child)


def children(kind: WitType) -> tuple[WitType | None, ...]:
    """Return what `kind` is directly made of; None where a case carries nothing."""
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
