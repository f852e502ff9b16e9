"""An actor's component → one that can be driven through memory, and asks through memory.

Where code of ours is within the guest's component, the outer component only brings in the host's functions. Where it is
beside it, the outer component imports what the guest imports (its first sections are the guest's own), hands that on,
puts a shim before those functions that carry payloads, exports again what the guest exports, and adds `text.FLAT`. A
component that it does not understand is declined by `Unadapted`.
"""

from collections.abc import Sequence

import msgspec

from orchestrator.interface.sections import HEADER, Unread
from orchestrator.model.calls import AdaptedAt
from orchestrator.model.world import LIFECYCLE
from orchestrator.runtime.adapter import binary, text
from orchestrator.runtime.adapter import within as within_guest
from orchestrator.runtime.adapter.binary import Extern, Section, SectionReader
from orchestrator.runtime.adapter.rewritten import CALL, HOST_FUNCTIONS, PREFIX, TAKE, ImportedInterface, rewritten
from orchestrator.runtime.adapter.text import STANDS, Stand

_OURS = b"airs:adapter/"
_LIFECYCLE, _FLAT, _HOST = LIFECYCLE.encode(), text.FLAT.encode(), text.HOST.encode()
_CALLBACK = b"handle-callback"  # a guest that names it without exporting it does not go with the adapter
_FIRST = frozenset((binary.CUSTOM, binary.CORE_TYPE, binary.ALIAS, binary.TYPE, binary.IMPORT))
_HOST_TYPE = b"\x42" + binary.vector(
    [
        CALL,
        b"\x04\0" + binary.text(b"call") + b"\x01\0",
        TAKE,
        *(b"\x04\0" + binary.text(name) + b"\x01\x01" for name in (b"take", b"wait")),
    ]
)


class Unadapted(Exception):
    """Why an actor stays as it is."""


class _Imported(msgspec.Struct, frozen=True):
    """An import, its index among all things of its sort, its type's, and what it exports where it is an instance."""

    name: bytes
    sort: int
    index: int
    kind: int
    members: tuple[Extern, ...]


class _Begin(msgspec.Struct):
    """A component's first sections: what they hold, what is imported, and how many things of each sort there are."""

    sections: list[bytes] = msgspec.field(default_factory=list)
    length: int = 0  # how many sections there were, with custom ones
    imports: list[_Imported] = msgspec.field(default_factory=list)
    types: list[tuple[Extern, ...]] = msgspec.field(default_factory=list)
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * 6)  # by sort


class _Outer:
    """A component being written after its first sections; each method returns the index of what it adds."""

    def __init__(self, begin: _Begin) -> None:
        self._written = [HEADER, *begin.sections]
        self._counts = list(begin.counts)

    def add(self, sort: int, section: int, body: bytes) -> int:
        """Add one thing of a sort."""
        self._written.append(binary.section(section, binary.vector([body])))
        self._counts[sort] += 1
        return self._counts[sort] - 1

    def component(self, data: bytes) -> int:
        """Nest a component."""
        self._written.append(binary.section(binary.COMPONENT, data))
        self._counts[binary.COMPONENT_SORT] += 1
        return self._counts[binary.COMPONENT_SORT] - 1

    def instantiate(self, component: int, arguments: Sequence[tuple[bytes, int, int]]) -> int:
        """Instantiate a component with named (sort, index) arguments."""
        given = [binary.text(name) + _place(sort, index) for name, sort, index in arguments]
        body = b"\0" + binary.number(component) + binary.vector(given)
        return self.add(binary.INSTANCE_SORT, binary.INSTANCE, body)

    def bundle(self, members: Sequence[tuple[bytes, int, int]]) -> int:
        """Make an instance of things that are there."""
        named = [b"\0" + binary.text(name) + _place(sort, index) for name, sort, index in members]
        return self.add(binary.INSTANCE_SORT, binary.INSTANCE, b"\x01" + binary.vector(named))

    def alias(self, instance: int, sort: int, name: bytes) -> int:
        """Reach for what an instance exports."""
        body = _sort(sort) + b"\0" + binary.number(instance) + binary.text(name)
        return self.add(sort, binary.ALIAS, body)

    def export(self, name: bytes, sort: int, index: int) -> None:
        """Export something."""
        self.add(sort, binary.EXPORT, b"\0" + binary.text(name) + _place(sort, index) + b"\0")

    def done(self) -> bytes:
        """Return the component."""
        return b"".join(self._written)


def wrap(guest: bytes, place: AdaptedAt) -> bytes:
    """Return the component that lets the host drive an actor through memory, its adapter at `place`.

    Raises:
        Unadapted: this actor has to be driven in another way.
    """
    try:
        found = binary.sections(guest)
        begin, exports = _begin(found), _exports(found)
        _check(begin, exports)
        return _written(guest, found, begin, exports, place)
    except Unread as problem:
        raise Unadapted(f"its binary is not understood: {problem}") from None


def _check(begin: _Begin, exports: list[Extern]) -> None:
    if not any(export.name == _LIFECYCLE and export.sort == binary.INSTANCE_SORT for export in exports):
        raise Unadapted("it exports no component-lifecycle")
    names = [imported.name for imported in begin.imports] + [export.name for export in exports]
    if any(name.startswith(_OURS) for name in names):
        raise Unadapted(f"it uses the name {_OURS.decode()}…, which is the adapter's")


def _written(guest: bytes, found: list[Section], begin: _Begin, exports: list[Extern], place: AdaptedAt) -> bytes:
    stands = tuple(stand for stand in STANDS if _uses(begin, stand))
    if place is AdaptedAt.BESIDE:
        return _with_shim(guest, begin, exports, stands, within=False)
    if place is AdaptedAt.PARTLY and stands:
        return _with_shim(within_guest.extended(guest, found), begin, exports, stands, within=True)
    imported = [
        ImportedInterface(each.index, each.kind, tuple(_stands_for(each, stands).values()))
        for each in begin.imports
        if _stands_for(each, stands)
    ]
    within = rewritten(found, begin.length, imported) if imported else None
    if within is None:
        return within_guest.extended(guest, found)
    return _with_host(within_guest.extended(within, binary.sections(within)), begin, exports, imported[0].instance)


def _with_host(guest: bytes, begin: _Begin, exports: list[Extern], instance: int) -> bytes:
    """Nest a guest that has all code of ours within it, and the host's functions among what this import gives."""
    outer = _Outer(begin)
    host = _import_host(outer)
    arguments = []
    for each in begin.imports:
        index = each.index
        if each.sort == binary.INSTANCE_SORT and index == instance:
            members = [(each.name, each.sort, outer.alias(index, each.sort, each.name)) for each in each.members]
            members += [
                (PREFIX + name, binary.FUNC_SORT, outer.alias(host, binary.FUNC_SORT, name)) for name in HOST_FUNCTIONS
            ]
            index = outer.bundle(members)
        arguments.append((each.name, each.sort, index))
    inner = outer.instantiate(outer.component(guest), arguments)
    names = [*((export.name, export.sort) for export in exports), (_FLAT, binary.INSTANCE_SORT)]
    reached = [outer.alias(inner, sort, name) for name, sort in names]
    for (name, sort), index in zip(names, reached, strict=True):
        outer.export(name, sort, index)
    return outer.done()


def _with_shim(guest: bytes, begin: _Begin, exports: list[Extern], stands: tuple[Stand, ...], *, within: bool) -> bytes:
    """Nest a guest, with a shim beside it, and an adapter too unless that is `within` it."""
    outer = _Outer(begin)
    host = _import_host(outer) if stands else 0
    types = outer.instantiate(outer.component(text.types()), ())
    shim = 0
    if stands:
        arguments = ((b"types", binary.INSTANCE_SORT, types), (b"host", binary.INSTANCE_SORT, host))
        shim = outer.instantiate(outer.component(text.shim(stands)), arguments)
    inner = outer.instantiate(outer.component(guest), _arguments(outer, begin, stands, shim))
    reached = [outer.alias(inner, export.sort, export.name) for export in exports]
    lifecycle = next(index for export, index in zip(exports, reached, strict=True) if export.name == _LIFECYCLE)
    flat = (
        outer.alias(inner, binary.INSTANCE_SORT, _FLAT)
        if within
        else _beside(outer, types, lifecycle, takes_answers=_CALLBACK in guest)
    )
    for export, index in zip(exports, reached, strict=True):
        outer.export(export.name, export.sort, index)
    outer.export(_FLAT, binary.INSTANCE_SORT, flat)
    return outer.done()


def _beside(outer: _Outer, types: int, lifecycle: int, *, takes_answers: bool) -> int:
    """Add an adapter beside the guest; return what it exports."""
    actor = outer.instantiate(
        outer.component(text.actor(takes_answers=takes_answers)),
        ((b"types", binary.INSTANCE_SORT, types), (b"lifecycle", binary.INSTANCE_SORT, lifecycle)),
    )
    return outer.alias(actor, binary.INSTANCE_SORT, b"flat")


def _import_host(outer: _Outer) -> int:
    kind = outer.add(binary.TYPE_SORT, binary.TYPE, _HOST_TYPE)
    body = b"\0" + binary.text(_HOST) + b"\x05" + binary.number(kind)
    return outer.add(binary.INSTANCE_SORT, binary.IMPORT, body)


def _arguments(outer: _Outer, begin: _Begin, stands: tuple[Stand, ...], shim: int) -> list[tuple[bytes, int, int]]:
    """Return what the guest is instantiated with: what it imports, with the shim's functions among it."""
    arguments = []
    for imported in begin.imports:
        mine = _stands_for(imported, stands)
        index = _bundled(outer, imported, mine, shim) if mine else imported.index
        arguments.append((imported.name, imported.sort, index))
    return arguments


def _stands_for(imported: _Imported, stands: tuple[Stand, ...]) -> dict[bytes, Stand]:
    """Return by its name what stands for functions of an import."""
    return {stand.function.encode(): stand for stand in stands if stand.interface.encode() == imported.name}


def _bundled(outer: _Outer, imported: _Imported, stands: dict[bytes, Stand], shim: int) -> int:
    """Make an instance of what an import gives, with some of its functions from the shim."""
    members = []
    for member in imported.members:
        stand = stands.get(member.name)
        index = (
            outer.alias(imported.index, member.sort, member.name)
            if stand is None
            else outer.alias(shim, binary.FUNC_SORT, stand.name.encode())
        )
        members.append((member.name, member.sort, index))
    return outer.bundle(members)


def _uses(begin: _Begin, stand: Stand) -> bool:
    wanted = stand.interface.encode(), stand.function.encode()
    return any((imported.name, member.name) == wanted for imported in begin.imports for member in imported.members)


def _begin(sections: Sequence[Section]) -> _Begin:
    begin = _Begin()
    rest = iter(sections)
    for section in rest:
        if section.id not in _FIRST:
            break
        begin.length += 1
        if section.id != binary.CUSTOM:
            begin.sections.append(section.whole)
            _count(begin, section)
    if any(section.id == binary.IMPORT for section in rest):
        raise Unread("it imports something after its first parts")
    return begin


def _count(begin: _Begin, section: Section) -> None:
    reader = SectionReader(section.body)
    match section.id:
        case binary.TYPE:
            reader.many(lambda: _add(begin, binary.TYPE_SORT, reader.type()))
        case binary.IMPORT:
            reader.many(lambda: _import(begin, reader.imported()))
        case binary.ALIAS:
            reader.many(lambda: _add(begin, reader.alias()))


def _add(begin: _Begin, sort: int, members: tuple[Extern, ...] = ()) -> None:
    if sort == binary.TYPE_SORT:
        begin.types.append(members)
    if sort >= 0:
        begin.counts[sort] += 1


def _import(begin: _Begin, extern: Extern) -> None:
    is_instance = extern.sort == binary.INSTANCE_SORT
    if is_instance and extern.index >= len(begin.types):
        raise Unread("a type is out of range")
    members = begin.types[extern.index] if is_instance else ()
    begin.imports.append(_Imported(extern.name, extern.sort, begin.counts[extern.sort], extern.index, members))
    _add(begin, extern.sort)


def _exports(sections: Sequence[Section]) -> list[Extern]:
    found: list[Extern] = []
    for section in sections:
        if section.id == binary.EXPORT:
            reader = SectionReader(section.body)
            reader.many(lambda reader=reader: found.append(reader.exported()))  # type: ignore[misc]
    return found


def _sort(sort: int) -> bytes:
    return b"\0\x11" if sort == binary.CORE_MODULE_SORT else bytes((sort,))


def _place(sort: int, index: int) -> bytes:
    return _sort(sort) + binary.number(index)
