"""An actor's component → the same component, its calls out going to the adapter's code within it (`outward`).

Where the guest names an import as it was lowered, it is given a function of that code, under the same index. New parts
move the indexes of those after them: each is written anew. The host's own functions come in as members of an interface
that the guest imports anyway. As everywhere here, unknown parts are refused by `Unread`.
"""

from collections.abc import Iterator, Sequence

import msgspec

from orchestrator.interface.sections import HEADER, Unread
from orchestrator.runtime.adapter import binary, outward
from orchestrator.runtime.adapter.binary import Section, SectionReader
from orchestrator.runtime.adapter.lifted import (
    CORE_FUNC,
    CORE_INSTANCE,
    CORE_MEMORY,
    CORE_MODULE,
    FUNC,
    INSTANCE,
    REACHES_MEMORY,
    Layer,
    sort_of,
)
from orchestrator.runtime.adapter.text import STANDS, Stand

PREFIX = b"airs-"  # before the names of the host's functions, among those of an interface
HOST_FUNCTIONS = (b"call", b"take", b"wait")

_MODULE_OUTSIDE = b"\0\x11\x02"  # how an alias of an outer component's core module begins
_U32 = b"\x79"
CALL = b"\x01\x40" + binary.vector([binary.text(b"which") + _U32]) + b"\0" + _U32
TAKE = b"\x01\x40\0\x01\0"
_FUNC_IN_CORE, _MEMORY_IN_CORE, _INSTANCE_IN_CORE = b"\0", b"\2", b"\x12"


class ImportedInterface(msgspec.Struct, frozen=True):
    """An interface: its indexes among instances and among types, and the stands for what the guest imports of it."""

    instance: int
    kind: int
    stands: tuple[Stand, ...]


def rewritten(sections: Sequence[Section], begin: int, imported: Sequence[ImportedInterface]) -> bytes | None:
    """Return the component, whose first `begin` sections hold its imports; None when its code calls no stand's import.

    It takes the host's functions from the first of `imported`, with `PREFIX` before their names.

    Raises:
        Unread: how it makes these calls is not known here.
    """
    layer = Layer(sections)
    targets = {
        b"\0" + binary.number(each.instance) + binary.text(stand.function.encode()): stand
        for each in imported
        for stand in each.stands
    }
    stands = {
        index: targets[target] for (sort, index), target in layer.aliases.items() if sort == FUNC and target in targets
    }
    indexes = _Indexes()
    writer = _Writer(layer, indexes, stands, imported)
    out = [HEADER, *_widened(sections[:begin], imported[0].kind)]
    for section in sections[:begin]:
        indexes.count(section)
    out.append(writer.memory())
    for section in sections[begin:]:
        out += writer.written(section)
    return b"".join(out) if writer.has_code else None


class _Indexes:
    """Where what a component defines lies after something was put before it; types and the like stay where they are."""

    def __init__(self) -> None:
        self._moved: dict[bytes, list[int]] = {sort: [] for sort in (CORE_MODULE, CORE_INSTANCE, CORE_FUNC, FUNC)}
        self._count = dict.fromkeys(self._moved, 0)

    def add(self, sort: bytes) -> int:
        """Put something there; return its index."""
        self._count[sort] += 1
        return self._count[sort] - 1

    def define(self, sort: bytes) -> None:
        """Go on with something of the component's own."""
        if sort in self._moved:
            self._moved[sort].append(self.add(sort))

    def new(self, sort: bytes, old: int) -> int:
        """Return an index as it is now."""
        if sort not in self._moved:
            return old
        if old >= len(self._moved[sort]):
            raise Unread("an index is out of range")
        return self._moved[sort][old]

    def count(self, section: Section) -> None:
        """Go on with a section that is left as it is."""
        reader = SectionReader(section.body)
        if section.id == binary.CORE_MODULE:
            self.define(CORE_MODULE)
        elif section.id == binary.IMPORT:
            reader.many(lambda: self.define(sort_of(reader.imported())))
        elif section.id == binary.ALIAS:
            items = _Items(section.body, self, {}, frozenset())
            items.many(lambda: self.define(items.alias_item()))


class _Items(SectionReader):
    """Reads a section's items, and keeps each as it is with its indexes now."""

    def __init__(self, data: bytes, indexes: _Indexes, stands: dict[int, Stand], own: frozenset[int]) -> None:
        super().__init__(data)
        self._indexes, self._stands, self._own = indexes, stands, own
        self._written, self._kept = b"", 0

    def count(self) -> int:
        """Read how many items there are."""
        found = self.number()
        self._kept = self._at
        return found

    def taken(self) -> bytes:
        """Return what was read since the last time."""
        item = self._written + self._data[self._kept : self._at]
        self._written, self._kept = b"", self._at
        return item

    def index(self, sort: bytes) -> int:
        """Read an index."""
        begin = self._at
        old = self.number()
        self._written += self._data[self._kept : begin] + binary.number(self._indexes.new(sort, old))
        self._kept = self._at
        return old

    def core_instance_item(self) -> bytes:
        """Read how one core instance is made; return its sort."""
        tag = self.byte()
        if tag > 1:
            raise Unread(f"core instance {tag:#x} is unknown")
        if not tag:
            self.index(CORE_MODULE)
        self.many(self._core_given)
        return CORE_INSTANCE

    def _core_given(self) -> None:
        self.name()
        self.index(bytes((0, self.byte())))

    def instance_item(self) -> bytes:
        """Read how one instance is made."""
        tag = self.byte()
        if tag > 1:
            raise Unread(f"instance {tag:#x} is unknown")
        if not tag:
            self.number()
        self.many(lambda: (self.extern_name() if tag else self.name(), self._handed()))
        return INSTANCE

    def _handed(self) -> bytes:
        sort = self.full_sort()
        old = self.index(sort)
        if (sort == FUNC and old in self._stands) or (sort == INSTANCE and old in self._own):
            raise Unread("it hands on what it imports")
        return sort

    def alias_item(self) -> bytes:
        """Read one alias; return its sort."""
        sort, target = self.full_sort(), self.byte()
        if target > 1:
            raise Unread("it has an alias of something outside itself")
        self.index(CORE_INSTANCE if target else INSTANCE)
        self.name()
        return sort

    def export_item(self) -> bytes:
        """Read one export; return the sort of what it defines."""
        self.extern_name()
        sort = self._handed()
        if self.byte():
            self.described()
        return sort

    def canon_item(self) -> tuple[bytes, int | None, dict[int, int]]:
        """Read one canonical function; return its sort, and of a lower what it lowers with which options."""
        tag = self.byte()
        if tag in (2, 3, 4):  # of resources, by types
            self.number()
            return CORE_FUNC, None, {}
        if tag > 1 or self.byte():
            raise Unread("a canonical function is unknown")
        old = self.index(FUNC if tag else CORE_FUNC)
        options = self.options(lambda option: self.index(CORE_MEMORY if option == binary.MEMORY else CORE_FUNC))
        if tag:
            return CORE_FUNC, old, options
        self.number()
        return FUNC, None, {}


class _Writer:
    """Writes section after section, with the adapter's code put before the first import that it stands for."""

    def __init__(
        self, layer: Layer, indexes: _Indexes, stands: dict[int, Stand], imported: Sequence[ImportedInterface]
    ) -> None:
        self._layer, self._indexes, self._stands = layer, indexes, stands
        self._own, self._host = frozenset(each.instance for each in imported), imported[0].instance
        self._memory = self._code = 0  # core instances
        self._reached: dict[int, int] | None = None  # the options of what is replaced

    @property
    def has_code(self) -> bool:
        """Whether an import was replaced."""
        return self._reached is not None

    def memory(self) -> bytes:
        """Write the memory of the code that follows, before any of the guest's."""
        module, self._memory = self._indexes.add(CORE_MODULE), self._indexes.add(CORE_INSTANCE)
        return b"".join(
            (
                binary.section(binary.CORE_MODULE, outward.memory()),
                binary.section(binary.CORE_INSTANCE, binary.vector([b"\0" + binary.number(module) + b"\0"])),
            )
        )

    def written(self, section: Section) -> Iterator[bytes]:
        """Write one section."""
        items = _Items(section.body, self._indexes, self._stands, self._own)
        reads = {
            binary.CORE_INSTANCE: items.core_instance_item, binary.INSTANCE: items.instance_item,
            binary.ALIAS: items.alias_item, binary.EXPORT: items.export_item,
        }  # fmt: skip
        if section.id == binary.CANON:
            for _ in range(items.count()):
                yield self._canon(items)
        elif section.id in reads:
            whole = []
            for _ in range(items.count()):
                self._indexes.define(reads[section.id]())
                whole.append(items.taken())
            yield binary.section(section.id, binary.vector(whole))
        else:
            if section.id in (binary.COMPONENT, binary.TYPE) and _MODULE_OUTSIDE in section.body:
                raise Unread("a part of it seems to reach for a core module outside")
            self._indexes.count(section)
            yield section.whole

    def _canon(self, items: _Items) -> bytes:
        sort, old, options = items.canon_item()
        item = items.taken()
        stand = None if old is None else self._stands.get(old)
        if stand is None:
            self._indexes.define(sort)
            return binary.section(binary.CANON, binary.vector([item]))
        inserted = self._inserted(stand, options)
        self._indexes.define(CORE_FUNC)
        alias = CORE_FUNC + b"\x01" + binary.number(self._code) + binary.text(stand.name.encode())
        return inserted + binary.section(binary.ALIAS, binary.vector([alias]))

    def _inserted(self, stand: Stand, options: dict[int, int]) -> bytes:
        """Write the code unless it is there."""
        if not REACHES_MEMORY <= options.keys() <= {*REACHES_MEMORY, binary.UTF8}:
            raise Unread(f"its {stand.function} is not lowered as UTF-8")
        if self._reached is None:
            self._reached = options
            return self._written_code(options)
        same = self._layer.same
        one, other = options, self._reached
        if not (
            same(CORE_MEMORY, one[binary.MEMORY], other[binary.MEMORY])
            and same(CORE_FUNC, one[binary.REALLOC], other[binary.REALLOC])
        ):
            raise Unread("its imports have memories of their own")
        return b""

    def _written_code(self, options: dict[int, int]) -> bytes:
        add, number = self._indexes.add, binary.number
        functions = [add(FUNC) for _ in HOST_FUNCTIONS]
        lowered = [add(CORE_FUNC) for _ in HOST_FUNCTIONS]
        module, guest, host = add(CORE_MODULE), add(CORE_INSTANCE), add(CORE_INSTANCE)
        self._code = add(CORE_INSTANCE)
        realloc = self._indexes.new(CORE_FUNC, options[binary.REALLOC])
        aliases = [FUNC + b"\0" + number(self._host) + binary.text(PREFIX + name) for name in HOST_FUNCTIONS]
        lowers = [b"\x01\0" + number(function) + b"\0" for function in functions]
        given = [_named(b"memory", _MEMORY_IN_CORE, options[binary.MEMORY]), _named(b"realloc", _FUNC_IN_CORE, realloc)]
        asked = [_named(name, _FUNC_IN_CORE, at) for name, at in zip(HOST_FUNCTIONS, lowered, strict=True)]
        arguments = {b"own": self._memory, b"guest": guest, b"host": host}
        named = [_named(name, _INSTANCE_IN_CORE, at) for name, at in arguments.items()]
        instances = [
            b"\x01" + binary.vector(given),
            b"\x01" + binary.vector(asked),
            b"\0" + number(module) + binary.vector(named),
        ]
        used = tuple(stand for stand in STANDS if stand in self._stands.values())
        return b"".join(
            (
                binary.section(binary.ALIAS, binary.vector(aliases)),
                binary.section(binary.CANON, binary.vector(lowers)),
                binary.section(binary.CORE_MODULE, outward.code(used)),
                binary.section(binary.CORE_INSTANCE, binary.vector(instances)),
            )
        )


def _named(name: bytes, sort: bytes, index: int) -> bytes:
    return binary.text(name) + sort + binary.number(index)


def _widened(sections: Sequence[Section], kind: int) -> Iterator[bytes]:
    """Write the first sections, with the host's functions among what an interface of this type has."""
    count = 0
    for section in sections:
        reader = _Types(section.body)
        found: list[int] = []
        if section.id == binary.TYPE:
            items = [reader.raw(reader.type) for _ in range(reader.number())]
            if count <= kind < count + len(items):
                items[kind - count] = _Types(items[kind - count]).widened()
            count += len(items)
            yield binary.section(binary.TYPE, binary.vector(items))
            continue
        if section.id == binary.ALIAS:
            reader.many(lambda reader=reader, found=found: found.append(reader.alias()))  # type: ignore[misc]
        elif section.id == binary.IMPORT:
            reader.many(lambda reader=reader, found=found: found.append(reader.imported().sort))  # type: ignore[misc]
        count += found.count(binary.TYPE_SORT)
        yield section.whole


class _Types(SectionReader):
    """Reads types that are changed."""

    def widened(self) -> bytes:
        """Read an instance's type; return it with the host's functions."""
        if self.byte() != 0x42:
            raise Unread("the type of an interface is defined elsewhere")
        count, types = self.number(), 0
        begin = self._at
        for _ in range(count):
            types += self._defined()
        declared = self._data[begin : self._at]
        added = [CALL, TAKE]
        added += [
            b"\x04\0" + binary.text(PREFIX + name) + b"\x01" + binary.number(types + (name != b"call"))
            for name in HOST_FUNCTIONS
        ]
        return b"\x42" + binary.number(count + len(added)) + declared + b"".join(added)

    def _defined(self) -> bool:
        """Read a declaration; say whether it defines a type."""
        tag = self.byte()
        if tag == 1:
            self.type()
            return True
        if tag == 2:
            return self.alias() == binary.TYPE_SORT
        if tag != 4:
            raise Unread(f"declaration {tag:#x} is unknown")
        self.extern_name()
        return self.described()[0] == binary.TYPE_SORT
