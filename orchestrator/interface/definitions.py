"""A component's bytes → its definitions, section by section, as the binary format writes them. Pure.

`elaborated` finds out what they mean. Core modules and core functions are passed over: no world speaks of them. Bytes
that are unknown here are refused by `Unread`, never guessed.
"""

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TypeVar

import msgspec

from orchestrator.interface.sections import ByteReader, Unread, sections

MAX_TYPE_DEPTH = 64  # of types written within types
T = TypeVar("T")
Ref = int | str  # the index of a type, or the word of a simple one


class Sort(IntEnum):
    """The kind of definition that an index counts, as in the binary format; every core sort is CORE."""

    CORE = 0
    FUNC = 1
    VALUE = 2
    TYPE = 3
    COMPONENT = 4
    INSTANCE = 5


class WordedDefinition(msgspec.Struct, frozen=True):
    """A simple type, or one made of others by its word: `list`, `result` …; `length` is a fixed list's."""

    word: str
    parts: tuple[Ref | None, ...] = ()
    length: int | None = None


class LabelledDefinition(msgspec.Struct, frozen=True):
    """A record, variant, enum or flags, with what each label carries."""

    word: str
    members: tuple[tuple[str, Ref | None], ...]


class HandleDefinition(msgspec.Struct, frozen=True):
    """`own` or `borrow` of a resource."""

    resource: int
    is_borrowed: bool


class FunctionDefinition(msgspec.Struct, frozen=True):
    """A function's type."""

    params: tuple[tuple[str, Ref], ...]
    result: Ref | None
    is_async: bool


class ResourceDefinition(msgspec.Struct, frozen=True):
    """A resource that the component makes itself."""


class ExternType(msgspec.Struct, frozen=True):
    """The sort and type of an import or export; `index` is None for an abstract resource, and for what has no type."""

    sort: Sort
    index: int | None


class Declared(msgspec.Struct, frozen=True):
    """The type of an instance or a component."""

    is_component: bool
    definitions: tuple["Definition", ...]


class Reached(msgspec.Struct, frozen=True):
    """An alias of what an instance exports."""

    sort: Sort
    instance: int
    name: str


class Outer(msgspec.Struct, frozen=True):
    """An alias of what lies `outwards` components further out."""

    sort: Sort
    outwards: int
    index: int


class ImportDefinition(msgspec.Struct, frozen=True):
    """An import."""

    name: str
    what: ExternType


class Exported(msgspec.Struct, frozen=True):
    """An export: of a thing by its index, or in a type only of what it would be."""

    name: str
    sort: Sort
    index: int | None
    what: ExternType | None


class Instantiated(msgspec.Struct, frozen=True):
    """An instance of a component, with what it is given."""

    component: int
    given: tuple[tuple[str, Sort, int], ...]


class Bundled(msgspec.Struct, frozen=True):
    """An instance made of things that are there."""

    members: tuple[tuple[str, Sort, int], ...]


class Lifted(msgspec.Struct, frozen=True):
    """A function that is made of a core function."""

    type: int


class Nested(msgspec.Struct, frozen=True):
    """A component within the component, unread."""

    data: memoryview


Type = WordedDefinition | LabelledDefinition | HandleDefinition | FunctionDefinition | ResourceDefinition | Declared
Definition = Type | Reached | Outer | ImportDefinition | Exported | Instantiated | Bundled | Lifted | Nested

_SIMPLE = {
    0x7F: "bool", 0x7E: "s8", 0x7D: "u8", 0x7C: "s16", 0x7B: "u16", 0x7A: "s32", 0x79: "u32", 0x78: "s64",
    0x77: "u64", 0x76: "f32", 0x75: "f64", 0x74: "char", 0x73: "string", 0x64: "error-context",
}  # fmt: skip
_CORE_SORTS = frozenset((*range(5), 0x10, 0x11, 0x12))
_CORE_MODULE = 0x11
_INDEXED_OPTIONS, _MAX_OPTION = (3, 4, 5, 7), 7
_CORE_TYPES = range(0x68, 0x80)  # a core value type of one byte


class _Reader(ByteReader):
    """Reads the body of one section.

    Larger than most, as the binary format has so many productions: a method for each.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._depth = 0

    def vector(self, read: Callable[[], T]) -> Iterator[T]:
        for _ in range(self.number()):
            yield read()

    def text(self) -> str:
        try:
            return self.name().decode()
        except UnicodeDecodeError:
            raise Unread("a name is not UTF-8") from None

    def extern_name(self) -> str:
        """Read the name of an import or export; a version that is written apart from it is put back."""
        kind = self.byte()
        if kind > 2:
            raise Unread(f"a name of kind {kind:#x} is unknown")
        name = self.text()
        return name + self.text() if kind == 2 else name

    def sort(self) -> Sort:
        found = self.byte()
        if found == Sort.CORE and self.byte() not in _CORE_SORTS:
            raise Unread("a core sort is unknown")
        if found > Sort.INSTANCE:
            raise Unread(f"sort {found:#x} is unknown")
        return Sort(found)

    def described(self) -> ExternType:
        sort = Sort.CORE if self.peek() == 0 else self.sort()
        match sort:
            case Sort.CORE:
                if self.byte() or self.byte() != _CORE_MODULE:
                    raise Unread("a core sort is unknown")
                self.number()
                return ExternType(sort, None)
            case Sort.VALUE:
                (self.ref if self.byte() else self.number)()
                return ExternType(sort, None)
            case Sort.TYPE if self.byte():
                return ExternType(sort, None)
            case _:
                return ExternType(sort, self.number())

    def imported(self) -> ImportDefinition:
        return ImportDefinition(self.extern_name(), self.described())

    def exported(self) -> Exported:
        name, sort, index = self.extern_name(), self.sort(), self.number()
        return Exported(name, sort, index, self.described() if self.byte() else None)

    def alias(self) -> Reached | Outer:
        sort, target = self.sort(), self.byte()
        match target:
            case 0 | 1:
                index, name = self.number(), self.text()
                return Reached(Sort.CORE if target else sort, index, name)
            case 2:
                return Outer(sort, self.number(), self.number())
            case _:
                raise Unread(f"alias {target:#x} is unknown")

    def instance(self) -> Instantiated | Bundled:
        if self.byte():
            return Bundled(tuple(self.vector(lambda: (self.extern_name(), self.sort(), self.number()))))
        return Instantiated(self.number(), tuple(self.vector(lambda: (self.text(), self.sort(), self.number()))))

    def canonical(self) -> Lifted | None:
        """Read one canonical function; None for those that make core functions."""
        tag = self.byte()
        if tag == 0:
            self.byte()
            self.number()
            self.options()
            return Lifted(self.number())
        parts = _CANONICAL.get(tag)
        if parts is None:
            raise Unread(f"canonical function {tag:#x} is unknown")
        for part in parts:
            part(self)
        return None

    def options(self) -> None:
        for option in self.vector(self.byte):
            if option > _MAX_OPTION:
                raise Unread(f"canonical option {option:#x} is unknown")
            if option in _INDEXED_OPTIONS:
                self.number()

    def result(self) -> Ref | None:
        """Read what a function returns."""
        if self.byte() == 0:
            return self.ref()
        if self.byte():
            raise Unread("a function has named results")
        return None

    def slot(self) -> None:
        """Read where a task's context is: its type, which older tools leave out, and its number."""
        if self.peek() in _CORE_TYPES:
            self.byte()
        self.number()

    def ref(self) -> Ref:
        """Read a reference to a type: a simple one's byte, else an index."""
        word = _SIMPLE.get(self.peek())
        if word is None:
            return self.number()
        self.byte()
        return word

    def maybe(self) -> Ref | None:
        return self.ref() if self.byte() else None

    def type(self) -> Type:
        self._depth += 1
        if self._depth > MAX_TYPE_DEPTH:
            raise Unread("its types are nested too deeply")
        tag = self.byte()
        word = _SIMPLE.get(tag)
        read = _TYPES.get(tag)
        if word is None and read is None:
            raise Unread(f"type {tag:#x} is unknown")
        found: Type = WordedDefinition(word) if read is None else read(self)  # type: ignore[arg-type]  # one of them is there
        self._depth -= 1
        return found

    def labels(self, word: str, read: Callable[[], Ref | None]) -> LabelledDefinition:
        return LabelledDefinition(word, tuple(self.vector(lambda: (self.text(), read()))))

    def case(self) -> Ref | None:
        carried = self.maybe()
        if self.byte():
            raise Unread("a case refines another")
        return carried

    def resource(self) -> ResourceDefinition:
        self.byte()
        if self.byte():
            self.number()
        return ResourceDefinition()

    def function(self, *, is_async: bool) -> FunctionDefinition:
        params = tuple(self.vector(lambda: (self.text(), self.ref())))
        return FunctionDefinition(params, self.result(), is_async)

    def declared(self, *, is_component: bool) -> Declared:
        found = list(self.vector(self.declaration))
        return Declared(is_component, tuple(each for each in found if each is not None))

    def declaration(self) -> Definition | None:
        tag = self.byte()
        match tag:
            case 0x00:
                raise Unread("a type speaks of core types")
            case 0x01:
                return self.type()
            case 0x02:
                return self.alias()
            case 0x03:
                return self.imported()
            case 0x04:
                name, what = self.extern_name(), self.described()
                return Exported(name, what.sort, None, what)
            case _:
                raise Unread(f"declaration {tag:#x} is unknown")


_TYPES: dict[int, Callable[[_Reader], Type]] = {
    0x72: lambda reader: reader.labels("record", reader.ref),
    0x71: lambda reader: reader.labels("variant", reader.case),
    0x70: lambda reader: WordedDefinition("list", (reader.ref(),)),
    0x6F: lambda reader: WordedDefinition("tuple", tuple(reader.vector(reader.ref))),
    0x6E: lambda reader: reader.labels("flags", lambda: None),
    0x6D: lambda reader: reader.labels("enum", lambda: None),
    0x6B: lambda reader: WordedDefinition("option", (reader.ref(),)),
    0x6A: lambda reader: WordedDefinition("result", (reader.maybe(), reader.maybe())),
    0x69: lambda reader: HandleDefinition(reader.number(), is_borrowed=False),
    0x68: lambda reader: HandleDefinition(reader.number(), is_borrowed=True),
    0x67: lambda reader: WordedDefinition("list", (reader.ref(),), reader.number()),
    0x66: lambda reader: WordedDefinition("stream", (reader.maybe(),)),
    0x65: lambda reader: WordedDefinition("future", (reader.maybe(),)),
    0x63: lambda reader: WordedDefinition("map", (reader.ref(), reader.ref())),
    0x43: lambda reader: reader.function(is_async=True),
    0x42: lambda reader: reader.declared(is_component=False),
    0x41: lambda reader: reader.declared(is_component=True),
    0x40: lambda reader: reader.function(is_async=False),
    0x3F: _Reader.resource,
}

_Part = Callable[[_Reader], object]
_INDEX: tuple[_Part, ...] = (_Reader.number,)
_BYTE: tuple[_Part, ...] = (_Reader.byte,)
_OPTIONS: tuple[_Part, ...] = (_Reader.options,)
_CANONICAL: dict[int, tuple[_Part, ...]] = {
    0x01: (_Reader.byte, *_INDEX, *_OPTIONS),  # lower
    **dict.fromkeys((0x02, 0x03, 0x04, 0x07), _INDEX),  # resource.new, .drop, .rep, .drop async
    **dict.fromkeys((0x05, 0x0D), ()),  # task.cancel, subtask.drop
    **dict.fromkeys((0x06, 0x0C), _BYTE),  # subtask.cancel, thread.yield
    0x08: (),  # backpressure.set, of older tools
    0x09: (_Reader.result, *_OPTIONS),  # task.return
    **dict.fromkeys((0x0A, 0x0B), (_Reader.slot,)),  # context.get, context.set
    **dict.fromkeys((0x0E, 0x13, 0x14, 0x15, 0x1A, 0x1B, 0x2E, 0x2F), _INDEX),  # stream and future: new, drop, forward
    **dict.fromkeys((0x0F, 0x10, 0x16, 0x17), _INDEX + _OPTIONS),  # read, write
    **dict.fromkeys((0x11, 0x12, 0x18, 0x19), _INDEX + _BYTE),  # cancel-read, cancel-write
    **dict.fromkeys((0x1C, 0x1D), _OPTIONS),  # error-context.new, .debug-message
    **dict.fromkeys((0x1E, 0x1F, 0x22, 0x23, 0x24, 0x25, 0x26, 0x28), ()),  # what takes no more than its name
    **dict.fromkeys((0x20, 0x21), _BYTE + _INDEX),  # waitable-set.wait, .poll
    0x27: _INDEX + _INDEX,  # thread.new-indirect
    **dict.fromkeys(range(0x29, 0x2E), _BYTE),  # thread.suspend and what resembles it
    0x40: _BYTE + _INDEX,
    0x41: _BYTE + _INDEX + _INDEX,
    0x42: _BYTE,  # thread.spawn-ref, .spawn-indirect, .available-parallelism
}  # fmt: skip

_SECTIONS: dict[int, Callable[[_Reader], Definition | None]] = {
    5: _Reader.instance,
    6: _Reader.alias,
    7: _Reader.type,
    8: _Reader.canonical,
    10: _Reader.imported,
    11: _Reader.exported,
}
_COMPONENT_SECTION = 4
_CORE_SECTIONS = frozenset((0, 1, 2, 3))


def definitions(component: memoryview) -> Iterator[Definition]:
    """Read a component's definitions in order.

    Raises:
        Unread: it holds something that is not known here.
    """
    for id, _, body in sections(component):
        if id in _CORE_SECTIONS:
            continue
        if id == _COMPONENT_SECTION:
            yield Nested(component[body])
            continue
        read = _SECTIONS.get(id)
        if read is None:
            raise Unread(f"section {id} is unknown")
        reader = _Reader(bytes(component[body]))
        for _ in range(reader.number()):
            found = read(reader)
            if found is not None:
                yield found
