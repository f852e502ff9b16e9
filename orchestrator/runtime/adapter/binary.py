"""The outer layer of a component's binary: its sections, what it imports and exports, and the few sections we write.

It reads only as much as `wrap` has to know, from bytes that `artifact.check` let pass. It refuses unknown parts by
`Unread`, never guesses, and wasmtime judges the outcome.
"""

from collections.abc import Callable, Iterable

import msgspec

from orchestrator.interface import sections as outer
from orchestrator.interface.sections import ByteReader, Unread

CUSTOM, CORE_MODULE, CORE_INSTANCE, CORE_TYPE, COMPONENT = 0, 1, 2, 3, 4
INSTANCE, ALIAS, TYPE, CANON, IMPORT, EXPORT = 5, 6, 7, 8, 10, 11
CORE_MODULE_SORT, FUNC_SORT, VALUE_SORT, TYPE_SORT, COMPONENT_SORT, INSTANCE_SORT = 0, 1, 2, 3, 4, 5
UTF8, MEMORY, REALLOC, POST_RETURN = 0, 3, 4, 5  # canonical options; 1 and 2 are other encodings, 6 is async
_RESUMED = 7
_CORE_SORTS = frozenset((*range(5), 0x10, 0x11, 0x12))
_DEPTH_MAX = 64  # of types within types


class Section(msgspec.Struct, frozen=True):
    """One section: its id, its body, and the whole of it."""

    id: int
    body: bytes
    whole: bytes


class Extern(msgspec.Struct, frozen=True):
    """A name and what it stands for: a sort, and an index into types (imports) or into the sort's own space."""

    name: bytes
    sort: int
    index: int


class SectionReader(ByteReader):
    """Reads one section's body from its begin to its end."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._depth = 0

    def extern_name(self) -> bytes:
        """Read the name of an import or export."""
        if self.byte() > 1:
            raise Unread("a name has attributes")
        return self.name()

    def sort(self) -> int:
        """Read a sort; every core sort counts as that of core modules."""
        found = self.byte()
        if found == CORE_MODULE_SORT and self.byte() != 0x11:
            return -1
        if found > INSTANCE_SORT:
            raise Unread(f"sort {found:#x} is unknown")
        return found

    def full_sort(self) -> bytes:
        """Read a sort as it is written."""
        sort = self.byte()
        if sort:
            if sort > INSTANCE_SORT:
                raise Unread(f"sort {sort:#x} is unknown")
            return bytes((sort,))
        core = self.byte()
        if core not in _CORE_SORTS:
            raise Unread(f"core sort {core:#x} is unknown")
        return bytes((0, core))

    def options(self, index: Callable[[int], int]) -> dict[int, int]:
        """Read canonical options; `index` reads that of an option which has one."""
        options: dict[int, int] = {}
        for _ in range(self.number()):
            option = self.byte()
            if option > _RESUMED:
                raise Unread(f"canonical option {option:#x} is unknown")
            options[option] = index(option) if option in (MEMORY, REALLOC, POST_RETURN, _RESUMED) else 0
        return options

    def described(self) -> tuple[int, int]:
        """Read what an import or a declared export is: its sort and its type's index (of no use for some sorts)."""
        sort = self.sort()
        if sort == VALUE_SORT:
            raise Unread("it imports a value")
        if sort == TYPE_SORT and self.byte() == 1:  # a resource
            return sort, 0
        return sort, self.number()

    def imported(self) -> Extern:
        """Read one import."""
        name = self.extern_name()
        return Extern(name, *self.described())

    def exported(self) -> Extern:
        """Read one export."""
        name, sort, index = self.extern_name(), self.sort(), self.number()
        if self.byte():
            self.described()
        return Extern(name, sort, index)

    def alias(self) -> int:
        """Read one alias; return its sort."""
        sort = self.sort()
        self._target()
        return sort

    def _target(self) -> None:
        target = self.byte()
        self.number()
        if target in (0, 1):
            self.name()
        elif target == 2:
            self.number()
        else:
            raise Unread(f"alias {target:#x} is unknown")

    def type(self) -> tuple[Extern, ...]:
        """Read one type; return what an instance type exports, nothing for other types."""
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise Unread("its types are nested too deeply")
        exports = self._type(self.byte())
        self._depth -= 1
        return exports

    def _type(self, tag: int) -> tuple[Extern, ...]:
        if tag == 0x42:
            found: list[Extern] = []
            self.many(lambda: self._declaration(found))
            return tuple(found)
        if tag == 0x41:
            self.many(lambda: self._declaration([]))
        elif tag in (0x40, 0x43):
            self.many(self._labelled)
            self._optional_in(0, 1)
        elif tag == 0x3F:
            self.byte()
            self._optional(self.number)
        else:
            self._value_type(tag)
        return ()

    def _declaration(self, exports: list[Extern]) -> None:
        tag = self.byte()
        if tag == 0x01:
            self.type()
        elif tag == 0x02:
            self.alias()
        elif tag == 0x03:
            self.imported()
        elif tag == 0x04:
            name = self.extern_name()
            exports.append(Extern(name, *self.described()))
        else:
            raise Unread(f"declaration {tag:#x} is unknown")

    def _value_type(self, tag: int) -> None:
        if tag in _PRIMITIVES:
            return
        read = _VALUE_TYPES.get(tag)
        if read is None:
            raise Unread(f"type {tag:#x} is unknown")
        read(self)

    def _labelled(self) -> None:
        self.name()
        self.number()

    def _case(self) -> None:
        self.name()
        self._optional(self.number)
        self.byte()

    def _result(self) -> None:
        self._optional(self.number)
        self._optional(self.number)

    def _optional(self, read: Callable[[], object]) -> None:
        if self.byte():
            read()

    def _optional_in(self, one: int, none: int) -> None:
        """Read a function's result."""
        tag = self.byte()
        if tag == one:
            self.number()
        elif tag != none or self.byte():
            raise Unread("a function has named results")


_PRIMITIVES = frozenset((*range(0x73, 0x80), 0x64))
_VALUE_TYPES: dict[int, Callable[[SectionReader], object]] = {
    0x72: lambda reader: reader.many(reader._labelled),  # record
    0x71: lambda reader: reader.many(reader._case),  # variant
    0x70: SectionReader.number,  # list
    0x6F: lambda reader: reader.many(reader.number),  # tuple
    0x6E: lambda reader: reader.many(reader.name),  # flags
    0x6D: lambda reader: reader.many(reader.name),  # enum
    0x6B: SectionReader.number,  # option
    0x6A: lambda reader: reader._result(),
    0x69: SectionReader.number,  # own
    0x68: SectionReader.number,  # borrow
}


def sections(component: bytes) -> list[Section]:
    """Split a component into its sections."""
    return [
        Section(id, component[body.start : body.stop], component[at : body.stop])
        for id, at, body in outer.sections(component)
    ]


def number(value: int) -> bytes:
    """Write an unsigned LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def text(value: bytes) -> bytes:
    """Write a text."""
    return number(len(value)) + value


def vector(items: Iterable[bytes]) -> bytes:
    """Write a vector."""
    written = list(items)
    return number(len(written)) + b"".join(written)


def section(id: int, body: bytes) -> bytes:
    """Write a section."""
    return bytes((id,)) + number(len(body)) + body
