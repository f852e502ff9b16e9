"""The definitions of a component's outer layer, and the core functions that its handlers are lifted from.

As `binary`, it refuses unknown parts by `Unread`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from orchestrator.interface.sections import Unread
from orchestrator.model.world import LIFECYCLE
from orchestrator.runtime.adapter import binary
from orchestrator.runtime.adapter.binary import Section, SectionReader

CORE_FUNC, CORE_MEMORY, CORE_MODULE, CORE_INSTANCE = b"\0\0", b"\0\2", b"\0\x11", b"\0\x12"
FUNC, TYPE, INSTANCE = b"\1", b"\3", b"\5"
_COMPONENT = b"\4"
REACHES_MEMORY = frozenset((binary.MEMORY, binary.REALLOC))  # canonical options of a function with lists or texts
_MESSAGE, _CALLBACK = b"handle-message", b"handle-callback"

_T = TypeVar("_T")
Given = dict[bytes, tuple[bytes, int]]  # name → sort and index


class LiftedFunction(msgspec.Struct, frozen=True):
    """A core function, and the options of its lift: indexes into the core spaces."""

    function: int
    options: dict[int, int]


class Lift(msgspec.Struct, frozen=True):
    """A core function, and what its lift as UTF-8 names: indexes into the core spaces."""

    function: int
    memory: int
    realloc: int
    after: int | None


class _Imported(msgspec.Struct, frozen=True):
    """A function that is imported under a name of its own."""

    name: bytes


class _Instance(msgspec.Struct, frozen=True):
    """An instance of a component with arguments, or with None a bundle of what there is."""

    component: int | None
    given: Given


class Layer:
    """How many things of each sort a component defines, and what is known of its functions, instances, components."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self.counts: Counter[bytes] = Counter()
        self.functions: list[LiftedFunction | _Imported | None] = []
        self.instances: list[_Instance | None] = []
        self.components: list[bytes | None] = []
        self.core_modules: list[bytes | None] = []
        self.core_instances: list[int | None] = []  # of which core module each is, None for one that is known otherwise
        self.exports: Given = {}
        self.aliases: dict[tuple[bytes, int], bytes] = {}  # sort and index → what it reaches for, as written
        for section in sections:
            self._read(section)

    def _read(self, section: Section) -> None:
        reader = _Reader(section.body)
        vectors: dict[int, Callable[[], object]] = {
            binary.CORE_INSTANCE: lambda: self._add(CORE_INSTANCE, reader.core_instance()),
            binary.INSTANCE: lambda: self._add(INSTANCE, reader.instance()),
            binary.ALIAS: lambda: self._alias(*reader.alias_to()),
            binary.CANON: lambda: self._add(*reader.canon()),
            binary.IMPORT: lambda: self._import(reader),
            binary.EXPORT: lambda: self._export(reader),
        }
        wholes = {binary.CORE_MODULE: CORE_MODULE, binary.COMPONENT: _COMPONENT}
        if section.id in vectors:
            reader.many(vectors[section.id])
        elif section.id in wholes:
            self._add(wholes[section.id], section.body)
        elif section.id == binary.TYPE:
            self.counts[TYPE] += reader.number()
        elif section.id not in (binary.CUSTOM, binary.CORE_TYPE):
            raise Unread(f"it has a section {section.id}")

    def _add(self, sort: bytes, known: object = None) -> None:
        self.counts[sort] += 1
        kept: dict[bytes, list[Any]] = {
            FUNC: self.functions, INSTANCE: self.instances, _COMPONENT: self.components,
            CORE_MODULE: self.core_modules, CORE_INSTANCE: self.core_instances,
        }  # fmt: skip
        if sort in kept:
            kept[sort].append(known)

    def _alias(self, sort: bytes, target: bytes) -> None:
        self.aliases[sort, self.counts[sort]] = target
        self._add(sort)

    def same(self, sort: bytes, one: int, other: int) -> bool:
        """Whether two indexes of a sort are known to mean the same thing."""
        ones, others = (self.aliases.get((sort, index)) for index in (one, other))
        return one == other or (ones is not None and ones == others)

    def module_of(self, instance: int) -> bytes:
        """Return the core module that a core instance is one of.

        Raises:
            Unread: it is made in another way, or of a module from elsewhere.
        """
        module = _at(self.core_instances, instance)
        found = None if module is None else _at(self.core_modules, module)
        if found is None:
            raise Unread("a core instance is of no core module that lies here")
        return found

    def _import(self, reader: "_Reader") -> None:
        found = reader.imported()
        self._add(sort_of(found), _Imported(found.name) if found.sort == binary.FUNC_SORT else None)

    def _export(self, reader: "_Reader") -> None:
        found = reader.exported()
        sort = sort_of(found)
        self.exports[found.name] = sort, found.index
        known: dict[bytes, Sequence[object]] = {
            FUNC: self.functions, INSTANCE: self.instances, _COMPONENT: self.components
        }  # fmt: skip
        self._add(sort, _at(known[sort], found.index) if sort in known else None)


class Handlers(msgspec.Struct, frozen=True):
    """The lifts of an actor's functions that take messages; `callback` is None for an actor that takes no answers."""

    message: Lift
    callback: Lift | None


def handlers(layer: Layer) -> Handlers:
    """Find what an actor's `handle-message` and `handle-callback` are lifted from.

    Raises:
        Unread: they are made in a way that is not known here.
    """
    lifecycle = _lifecycle(layer)
    message = _handler(layer, lifecycle, _MESSAGE)
    if _CALLBACK not in lifecycle:
        return Handlers(message, None)
    callback = _handler(layer, lifecycle, _CALLBACK)
    is_shared = layer.same(CORE_MEMORY, callback.memory, message.memory)
    if not (is_shared and layer.same(CORE_FUNC, callback.realloc, message.realloc)):
        raise Unread("its handle-message and handle-callback have memories of their own")
    return Handlers(message, callback)


def _handler(layer: Layer, lifecycle: dict[bytes, int], name: bytes) -> Lift:
    if name not in lifecycle:
        raise Unread(f"its lifecycle has no {name.decode()}")
    found = _at(layer.functions, lifecycle[name])
    lift = _lift(found) if isinstance(found, LiftedFunction) else None
    if lift is None:
        raise Unread(f"its {name.decode()} is not lifted by itself, as UTF-8")
    return lift


def lifecycle_lift(layer: Layer, name: bytes) -> LiftedFunction | None:
    """Return what a function of an actor's lifecycle is lifted from, with whatever options; None where it is none."""
    lifecycle = _lifecycle(layer)
    found = _at(layer.functions, lifecycle[name]) if name in lifecycle else None
    return found if isinstance(found, LiftedFunction) else None


def _lifecycle(layer: Layer) -> dict[bytes, int]:
    """Return the indexes of the lifecycle's functions: bundled, or handed to a component that exports them again."""
    sort, index = layer.exports.get(LIFECYCLE.encode(), (b"", 0))
    found = _at(layer.instances, index) if sort == INSTANCE else None
    if found is None:
        raise Unread("its lifecycle is not an instance that it makes")
    given = {name: index for name, (sort, index) in found.given.items() if sort == FUNC}
    if found.component is None:
        return given
    inner = _at(layer.components, found.component)
    if inner is None:
        raise Unread("its lifecycle is an instance of an imported component")
    within = Layer(binary.sections(inner))
    functions = {}
    for name, (sort, index) in within.exports.items():
        handed = _at(within.functions, index) if sort == FUNC else None
        if isinstance(handed, _Imported) and handed.name in given:
            functions[name] = given[handed.name]
        elif name in (_MESSAGE, _CALLBACK):
            raise Unread(f"its {name.decode()} is made in a component of its own")
    return functions


def _at(things: Sequence[_T], index: int) -> _T:
    if index >= len(things):
        raise Unread("an index is out of range")
    return things[index]


def sort_of(extern: binary.Extern) -> bytes:
    """Return the sort of an import or export as it is written."""
    if extern.sort == binary.CORE_MODULE_SORT:
        return CORE_MODULE
    if extern.sort < 0:
        raise Unread("it imports or exports something of the core that is no module")
    return bytes((extern.sort,))


class _Reader(SectionReader):
    """Reads what only this module wants to know."""

    def alias_to(self) -> tuple[bytes, bytes]:
        """Read one alias; return its sort, and what it reaches for as it is written."""
        sort, begin = self.full_sort(), self._at
        self._target()
        return sort, self._data[begin : self._at]

    def instance(self) -> _Instance:
        """Read how one instance is made."""
        given: Given = {}
        tag = self.byte()
        if tag > 1:
            raise Unread(f"instance {tag:#x} is unknown")
        component = None if tag else self.number()
        name = self.extern_name if tag else self.name
        self.many(lambda: given.update({name(): (self.full_sort(), self.number())}))
        return _Instance(component, given)

    def core_instance(self) -> int | None:
        """Read how one core instance is made; return the core module that it is of, None for a bundle."""
        tag = self.byte()
        if tag > 1:
            raise Unread(f"core instance {tag:#x} is unknown")
        module = None if tag else self.number()
        self.many(lambda: (self.name(), self.byte(), self.number()))
        return module

    def canon(self) -> tuple[bytes, LiftedFunction | None]:
        """Read one canonical function; return its sort, and of a plain lift what it is made of."""
        tag = self.byte()
        if tag in (0, 1):
            if self.byte():
                raise Unread("a lift or lower is unknown")
            index, options = self.number(), self.options(lambda _: self.number())
            if tag:
                return CORE_FUNC, None
            self.number()
            return FUNC, LiftedFunction(index, options)
        if tag not in (2, 3, 4):  # resource.new, drop and rep
            raise Unread(f"canonical function {tag:#x} is unknown")
        self.number()
        return CORE_FUNC, None


def _lift(lifted: LiftedFunction) -> Lift | None:
    options = lifted.options
    if not REACHES_MEMORY <= options.keys() <= {*REACHES_MEMORY, binary.UTF8, binary.POST_RETURN}:
        return None
    return Lift(lifted.function, options[binary.MEMORY], options[binary.REALLOC], options.get(binary.POST_RETURN))
