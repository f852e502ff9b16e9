"""A component's bytes → its imports and exports with all types, as compiling it would tell. Pure.

`runtime` reads the same off a compiled component, and tests hold the two to each other: here it is known before that.
Neither the code nor the component's validity is looked at. A component that this reading is unsure of is refused.
"""

from collections.abc import Callable, Iterable, Iterator

from orchestrator.interface.definitions import Sort
from orchestrator.interface.elaborated import (
    Alias,
    Labelled,
    Meaning,
    ResolvedFunction,
    ResolvedHandle,
    ResolvedInstance,
    ResolvedResource,
    Thing,
    Type,
    Worded,
    elaborate,
)
from orchestrator.interface.sections import Unread
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
)
from orchestrator.model.world import Interface, WorldTypes

MAX_PARTS = 20_000  # of types, and of resources: as many as are read of what was compiled
MAX_RESOURCES = 256
MAX_TYPE_DEPTH = 100
_OTHERS = {Sort.CORE: "core module", Sort.COMPONENT: "component", Sort.INSTANCE: "instance"}
_OPAQUE = ("stream", "future")
_Parts = tuple[WitType | None, ...]


def world_types(component: bytes) -> WorldTypes:
    """Read the imports and exports of a component.

    Raises:
        Unread: it holds something that is not known here, or more than is looked at.
    """
    found, reader = elaborate(component), _TypeReader()
    imports = tuple(_interfaces(filter(_is_provided, found.imports), reader))
    return WorldTypes(imports=imports, exports=tuple(_interfaces(found.exports, reader)))


def _is_provided(imported: tuple[str, Thing]) -> bool:
    """Decide whether somebody has to provide an import; a plain type on the world is only a name for one."""
    sort, meaning = imported[1]
    return sort is not Sort.TYPE or isinstance(_behind(meaning), ResolvedResource)


def _interfaces(things: Iterable[tuple[str, Thing]], reader: "_TypeReader") -> Iterator[Interface]:
    """Read each instance as an interface, and all that lies beside them as the one named ""."""
    beside = []
    for name, thing in things:
        if isinstance(thing[1], ResolvedInstance):
            yield _interface(name, thing[1].members.items(), reader)
        else:
            beside.append((name, thing))
    if beside:
        yield _interface("", beside, reader)


def _interface(name: str, members: Iterable[tuple[str, Thing]], reader: "_TypeReader") -> Interface:
    types: list[tuple[str, WitType]] = []
    resources: list[tuple[str, str]] = []
    functions: list[tuple[str, FunctionType]] = []
    others: list[tuple[str, str]] = []
    for member, (sort, meaning) in members:
        if isinstance(meaning, ResolvedFunction) and sort is Sort.FUNC:
            functions.append((member, reader.function(meaning)))
        elif sort in _OTHERS:
            reader.count()
            others.append((member, _OTHERS[sort]))
        elif isinstance(resource := _behind(meaning), ResolvedResource):
            resources.append((member, reader.resource(resource, f"{name}#{member}" if name else member)))
        elif sort is Sort.TYPE and isinstance(meaning, Type):
            types.append((member, reader.value(meaning)))
        else:
            raise Unread(f"{member!r} is of no kind that is known here")
    return Interface(
        name=name,
        types=tuple(types),
        resources=tuple(resources),
        functions=tuple(functions),
        others=tuple(others),
    )


class _TypeReader:
    """Reads types of one component; a resource is called what it is called first."""

    def __init__(self) -> None:
        self._left, self._depth = MAX_PARTS, 0
        self._resources: dict[ResolvedResource, str] = {}

    def count(self) -> None:
        """Count one more part of the component's types."""
        self._left -= 1
        if self._left < 0:
            raise Unread(f"its types spell out to more than {MAX_PARTS} parts")

    def resource(self, resource: ResolvedResource, name: str) -> str:
        """Return the full name of a resource: the one it has already, else `name` from now on."""
        found = self._resources.setdefault(resource, name)
        if len(self._resources) > MAX_RESOURCES:
            raise Unread(f"it has more than {MAX_RESOURCES} resources")
        return found

    def function(self, kind: ResolvedFunction) -> FunctionType:
        """Read a function's type."""
        self.count()
        params = tuple((name, self.value(part)) for name, part in kind.params)
        return FunctionType(params=params, result=self._optional(kind.result), is_async=kind.is_async)

    def _optional(self, kind: Type | None) -> WitType | None:
        return None if kind is None else self.value(kind)

    def value(self, kind: Type) -> WitType:
        """Read a type of values."""
        self.count()
        self._depth += 1
        if self._depth > MAX_TYPE_DEPTH:
            raise Unread(f"its types lie more than {MAX_TYPE_DEPTH} deep in each other")
        read = self._read(_behind(kind))
        self._depth -= 1
        return read

    def _read(self, kind: Meaning) -> WitType:
        match kind:
            case Worded(word, (), None) if word not in _MADE:
                return Opaque(word) if word == "error-context" else Scalar(word)
            case Worded(word, parts, None) if word in _MADE:
                return _MADE[word](tuple(map(self._optional, parts)))
            case Labelled(word, members) if word in _LABELLED:
                return _LABELLED[word](tuple((label, self._optional(part)) for label, part in members))
            case ResolvedHandle(resource, is_borrowed):
                behind = _behind(resource)
                if isinstance(behind, ResolvedResource) and behind in self._resources:
                    return HandleOf(self._resources[behind], is_borrowed)
        raise Unread("a type is of no kind that is known here")


def _behind(kind: Meaning) -> Meaning:
    """Return the type that an alias stands for."""
    while isinstance(kind, Alias):
        kind = kind.of
    return kind


def _carrying(word: str) -> Callable[[_Parts], WitType]:
    return lambda parts: Opaque(f"{word}<{parts[0]}>" if parts and parts[0] is not None else word)


def _names(members: tuple[tuple[str, WitType | None], ...]) -> tuple[str, ...]:
    return tuple(name for name, _ in members)


_MADE: dict[str, Callable[[_Parts], WitType]] = {
    "list": lambda parts: ListOf(*parts),  # type: ignore[arg-type]
    "option": lambda parts: OptionOf(*parts),  # type: ignore[arg-type]
    "tuple": TupleOf,  # type: ignore[dict-item]
    "result": lambda parts: ResultOf(*parts),
    **{word: _carrying(word) for word in _OPAQUE},
}
_LABELLED: dict[str, Callable[[tuple[tuple[str, WitType | None], ...]], WitType]] = {
    "record": RecordOf,  # type: ignore[dict-item]
    "variant": VariantOf,
    "enum": lambda members: EnumOf(_names(members)),
    "flags": lambda members: FlagsOf(_names(members)),
}
