"""A component's bytes → its world as WIT text that tools read again. Pure; `airs component info` prints it.

It is written from the component's own definitions, so that each type has the name it has there, and is used from where
it comes from. WIT cannot say all that a component can be: of such a thing there is a comment that says so.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from orchestrator.interface.definitions import Sort
from orchestrator.interface.elaborated import (
    Alias,
    Elaborated,
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

MAX_WRITTEN = 100_000  # parts of types: a type that names another twice, thirty times over, would have 2^30
MAX_WRITTEN_DEPTH = 200
IMPORT, EXPORT = "import", "export"
_ROOT = "root:component"
_WORLD = ""
INDENT = "  "
_LABEL = r"[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*"
_PLAIN = re.compile(_LABEL)
_INTERFACE = re.compile(rf"({_LABEL}):({_LABEL})/({_LABEL})(?:@(\d+\.\d+\.\d+[0-9A-Za-z.+-]*))?")
_METHOD = re.compile(rf"\[(constructor|method|static)\]({_LABEL})(?:\.({_LABEL}))?")
_KEYWORDS = frozenset({
    "as", "async", "bool", "borrow", "char", "constructor", "enum", "error-context", "export", "f32", "f64", "flags",
    "from", "func", "future", "import", "include", "interface", "list", "map", "option", "own", "package", "record",
    "resource", "result", "s16", "s32", "s64", "s8", "static", "stream", "string", "tuple", "type", "u16", "u32", "u64",
    "u8", "use", "variant", "with", "world",
})  # fmt: skip
_SORTS = {
    Sort.CORE: "a core module",
    Sort.COMPONENT: "a component",
    Sort.VALUE: "a value",
    Sort.INSTANCE: "an instance",
}


class _Unwritable(Exception):
    """Something that WIT cannot say, and why."""


class _Home(msgspec.Struct, frozen=True):
    """Where a type was named first: the interface, the name in it, and whether it was imported or exported."""

    interface: str
    name: str
    direction: str


class _Item(msgspec.Struct):
    """One name of an interface: lines, or what it is used from; `methods` of a resource by their names."""

    lines: tuple[str, ...] = ()
    is_function: bool = False
    used: tuple[str, str] | None = None
    methods: dict[str, str] | None = None


class _Place(msgspec.Struct):
    """An interface, or the world itself (""): what it holds in order, and how types are called within it.

    `own` are the types that it names, `behind` those that they are aliases of. `comments` say what is left out.
    """

    key: str
    direction: str
    items: dict[str, _Item] = msgspec.field(default_factory=dict)
    own: dict[Type, str] = msgspec.field(default_factory=dict)
    behind: dict[Type, str] = msgspec.field(default_factory=dict)
    homes: dict[Type, _Home] = msgspec.field(default_factory=dict)
    taken: set[str] = msgspec.field(default_factory=set)
    comments: list[str] = msgspec.field(default_factory=list)

    @property
    def can_be_used(self) -> bool:
        """Whether others can name its types."""
        return _INTERFACE.fullmatch(self.key) is not None


def world_text(component: bytes) -> str:
    """Write a component's world, and every interface it names, as WIT.

    A component that cannot be read this far comes out as a package without a world, with a comment that says why.
    """
    try:
        return _Writer(elaborate(component)).text()
    except Unread as reason:
        return f"package {_ROOT};\n\n// This component's world cannot be written as WIT: {reason}.\n"


class _Writer:
    """Writes one component's world down.

    Larger than most, as WIT has so many sorts of items: a method for each.
    """

    def __init__(self, world: Elaborated) -> None:
        self._world = world
        self._places: dict[str, _Place] = {}  # of interfaces that can be used, by name
        self._homes: dict[Type, _Home] = {}
        self._uses: dict[str, set[str]] = {}  # interface or package → those that it uses
        self._exported = {name for name, (sort, _) in world.exports if sort is Sort.INSTANCE}
        self._imported = {name for name, (sort, _) in world.imports if sort is Sort.INSTANCE}
        self._left = MAX_WRITTEN
        self._root = _Place(_WORLD, IMPORT, taken={name for name, _ in (*world.imports, *world.exports)})

    def text(self) -> str:
        """Write all of it."""
        head = [line for name, thing in self._world.imports for line in self._in_world(IMPORT, name, thing)]
        tail = [line for name, thing in self._world.exports for line in self._in_world(EXPORT, name, thing)]
        comments = [f"// {comment}" for comment in (*self._root.comments, *self._implied())]
        types = [*comments, *_lines_of(self._root)]
        root = _free(_ROOT, {_package(key).partition("@")[0] for key in self._places})
        lines = [f"package {root};", "", "world root {", *_indented((*head, *types, *tail)), "}"]
        for package, places in self._packages():
            lines += ["", f"package {package} {{"]
            for place in places:
                lines += _indented(_block(f"interface {_last(place.key)}", place))
            lines.append("}")
        return "\n".join(lines) + "\n"

    def _packages(self) -> Iterable[tuple[str, list[_Place]]]:
        packages: dict[str, list[_Place]] = {}
        for place in self._places.values():
            packages.setdefault(_package(place.key), []).append(place)
        return packages.items()

    def _implied(self) -> Iterator[str]:
        """Say which imports WIT takes from uses that only the exported half of an interface has."""
        for name in sorted(self._places):
            users = (user for user in self._places if user in self._imported and self._reaches(user, name))
            user = next(users, None)
            if name not in self._imported and user is not None:
                yield f"WIT has {name} imported too, as {user} uses it where it is exported; the component does not"

    # The world's own imports and exports

    def _in_world(self, direction: str, name: str, thing: Thing) -> Iterator[str]:
        sort, meaning = thing
        self._root.direction = direction
        if isinstance(meaning, ResolvedInstance) and _INTERFACE.fullmatch(name):
            yield from self._interface(direction, name, meaning)
        elif isinstance(meaning, ResolvedInstance) and _PLAIN.fullmatch(name):
            place = self._gone_through(_Place(f"{direction} {name}", direction), meaning)
            self._homes.update(place.homes)
            yield from _block(f"{direction} {_word(name)}: interface", place)
        elif isinstance(meaning, ResolvedFunction) and _PLAIN.fullmatch(name):
            yield self._function_in_world(direction, name, meaning)
        elif sort is Sort.TYPE:
            yield from self._type_in_world(direction, name, meaning)
        elif (
            isinstance(meaning, ResolvedFunction) and direction == IMPORT and self._is_method(self._root, name, meaning)
        ):
            self._method(self._root, name, meaning)
        else:
            yield f"// {direction} {_shown(name)}: {_SORTS.get(sort, 'a function')}, which WIT has no name for here"

    def _function_in_world(self, direction: str, name: str, kind: ResolvedFunction) -> str:
        try:
            return f"{direction} {_word(name)}: {self._function(kind, self._root)};"
        except _Unwritable as reason:
            return f"// {direction} {name}: a function that cannot be written here: {reason}"

    def _type_in_world(self, direction: str, name: str, meaning: Meaning) -> Iterator[str]:
        if not isinstance(meaning, Type) or not _PLAIN.fullmatch(name):
            yield f"// {direction} {_shown(name)}: a type, which WIT has no name for here"
        elif direction == IMPORT:
            self._define(self._root, name, meaning)
            self._homes.update(self._root.homes)
        elif _holds_resource(meaning):
            yield f"// export {name}: a type with a resource, which WIT has no exports for"
        else:
            yield f"// export {name}: a type, for which WIT has no exports; it is one of the world's own types here"
            if name not in self._root.items:
                self._define(self._root, name, meaning)

    def _interface(self, direction: str, name: str, instance: ResolvedInstance) -> Iterator[str]:
        place = self._gone_through(_Place(name, direction), instance)
        known = self._places.get(name)
        if known is None:
            self._places[name] = place
        else:
            differences = list(_differences(known, place))
            if differences:
                self._exported.discard(name)
                yield f"// export {name}: not the interface of that name which is imported, and WIT has one of a name"
                yield from (f"//   {difference}" for difference in differences)
                return
            yield from _left_out(known, place)
            _merge(known, place)
        self._homes.update(place.homes)
        yield f"{direction} {_path(name)};"

    # One interface

    def _gone_through(self, place: _Place, instance: ResolvedInstance) -> _Place:
        place.taken |= set(instance.members)
        for name, (sort, meaning) in instance.members.items():
            if sort is Sort.TYPE and isinstance(meaning, Type) and _PLAIN.fullmatch(name):
                self._define(place, name, meaning)
            elif isinstance(meaning, ResolvedFunction) and self._is_method(place, name, meaning):
                self._method(place, name, meaning)
            elif isinstance(meaning, ResolvedFunction) and _PLAIN.fullmatch(name):
                self._member(place, name, meaning)
            else:
                place.comments.append(f"{_shown(name)}: {_SORTS.get(sort, 'a thing')} that WIT has no name for here")
        return place

    def _member(self, place: _Place, name: str, kind: ResolvedFunction) -> None:
        try:
            place.items[name] = _Item((f"{_word(name)}: {self._function(kind, place)};",), is_function=True)
        except _Unwritable as reason:
            place.comments.append(f"{name}: a function that cannot be written here: {reason}")

    def _is_method(self, place: _Place, name: str, kind: ResolvedFunction) -> bool:
        """Whether a function is a part of a resource of this place, and of the form that WIT gives to such."""
        found = _METHOD.fullmatch(name)
        owner = found and place.items.get(found[2])
        if not found or not owner or owner.methods is None or (found[1] == "constructor") != (found[3] is None):
            return False
        return found[1] != "method" or bool(
            kind.params and kind.params[0][0] == "self" and self._is_handle(kind.params[0][1], place, found[2])
        )

    def _is_handle(self, kind: Type | None, place: _Place, name: str, *, is_borrowed: bool = True) -> bool:
        return (
            isinstance(kind, ResolvedHandle)
            and kind.is_borrowed == is_borrowed
            and _called(place, kind.resource) == name
        )

    def _method(self, place: _Place, name: str, kind: ResolvedFunction) -> None:
        found = _METHOD.fullmatch(name)
        assert found is not None
        role, resource, method = found.groups()
        methods = place.items[resource].methods
        assert methods is not None
        try:
            if role == "constructor":
                is_plain = self._is_handle(kind.result, place, resource, is_borrowed=False)
                result = "" if is_plain else self._result(kind, place)
                methods[name] = f"constructor({self._params(kind.params, place)}){result};"
            else:
                params = kind.params if role == "static" else kind.params[1:]
                static = "static " if role == "static" else ""
                words = f"{static}{'async ' if kind.is_async else ''}"
                signature = f"func({self._params(params, place)}){self._result(kind, place)}"
                methods[name] = f"{_word(method)}: {words}{signature};"
        except _Unwritable as reason:
            place.comments.append(f"{name}: a function that cannot be written here: {reason}")

    # Names of types

    def _define(self, place: _Place, name: str, kind: Type) -> None:
        """Give a type its name in a place: as one used from elsewhere, as another name of one here, or as a new one."""
        chain = list(_chain(kind))
        try:
            place.items[name] = self._definition(place, name, chain)
        except _Unwritable as reason:
            place.comments.append(f"{name}: a type that cannot be written here: {reason}")
            return
        place.own[kind] = name
        for each in chain[1:]:
            if not isinstance(each, Worded | ResolvedHandle):
                place.behind.setdefault(each, name)
        for each in (kind, chain[-1]) if isinstance(chain[-1], ResolvedResource) else (kind,):
            if each not in self._homes:
                place.homes.setdefault(each, _Home(place.key, name, place.direction))

    def _definition(self, place: _Place, name: str, chain: Sequence[Type]) -> _Item:
        base = chain[-1]
        for each in chain:
            home = place.homes.get(each) or self._homes.get(each)
            if home is None:
                continue
            if home.interface == place.key:
                if home.name != name and home.name in place.items:
                    return _Item((f"type {_word(name)} = {_word(home.name)};",))
                if home.direction != place.direction and _holds_resource(base):
                    raise _Unwritable("it is passed on as it was imported, and WIT would make a new one of it")
            elif self._may_use(place, home, base):
                self._note_use(place, home)
                return _Item(used=(home.interface, home.name))
            elif isinstance(base, ResolvedResource):
                raise _Unwritable(f"it is the resource {home.name} of {home.interface or 'the world'}")
        return self._new(place, _word(name), base)

    def _new(self, place: _Place, word: str, base: Type) -> _Item:
        match base:
            case ResolvedResource():
                return _Item(methods={}, lines=(word,))
            case Labelled(kind, members):
                parts = (self._case(label, carried, place, kind) for label, carried in members)
                return _Item((f"{kind} {word} {{", *(f"{INDENT}{part}," for part in parts), "}"))
            case ResolvedHandle(resource, False):
                return _Item((f"type {word} = own<{self._type(resource, place)}>;",))
            case _:
                return _Item((f"type {word} = {self._type(base, place)};",))

    def _case(self, label: str, carried: Type | None, place: _Place, kind: str) -> str:
        if carried is None:
            return _word(label)
        written = self._type(carried, place)
        return f"{_word(label)}: {written}" if kind == "record" else f"{_word(label)}({written})"

    def _may_use(self, place: _Place, home: _Home, base: Type) -> bool:
        """Whether `use` would mean this very type, and makes no circle."""
        if not _INTERFACE.fullmatch(home.interface) or self._circles(place, home):
            return False
        if home.interface not in self._places or home.name not in self._places[home.interface].items:
            return False
        is_export = place.direction == EXPORT and place.key != _WORLD and home.interface in self._exported
        meant = EXPORT if is_export else IMPORT
        return meant == home.direction or (home.interface in self._imported and not _holds_resource(base))

    def _circles(self, place: _Place, home: _Home) -> bool:
        if not place.can_be_used:
            return False
        inner = self._reaches(home.interface, place.key)
        packages = _package(home.interface), _package(place.key)
        return inner or (packages[0] != packages[1] and self._reaches(*packages))

    def _reaches(self, begin: str, end: str) -> bool:
        seen, left = {begin}, [begin]
        while left:
            here = left.pop()
            if here == end:
                return True
            more = self._uses.get(here, set()) - seen
            seen |= more
            left += more
        return False

    def _note_use(self, place: _Place, home: _Home) -> None:
        if place.can_be_used:
            self._uses.setdefault(place.key, set()).add(home.interface)
            if _package(place.key) != _package(home.interface):
                self._uses.setdefault(_package(place.key), set()).add(_package(home.interface))

    # Types as they are written

    def _function(self, kind: ResolvedFunction, place: _Place) -> str:
        word = "async func" if kind.is_async else "func"
        return f"{word}({self._params(kind.params, place)}){self._result(kind, place)}"

    def _params(self, params: Iterable[tuple[str, Type]], place: _Place) -> str:
        return ", ".join(f"{_word(name)}: {self._type(kind, place)}" for name, kind in params)

    def _result(self, kind: ResolvedFunction, place: _Place) -> str:
        return "" if kind.result is None else f" -> {self._type(kind.result, place)}"

    def _type(self, kind: Type, place: _Place, depth: int = 0) -> str:
        self._left -= 1
        if self._left < 0 or depth > MAX_WRITTEN_DEPTH:
            raise Unread("its types spell out to more than is written")
        name = _called(place, kind)
        if name is not None:
            return _word(name)
        base = list(_chain(kind))[-1]
        match base:
            case Worded():
                return self._worded(base, place, depth)
            case ResolvedHandle(resource, is_borrowed):
                written = self._type(resource, place, depth + 1)
                return f"borrow<{written}>" if is_borrowed else written
            case _:
                return _word(self._brought(place, kind))

    def _worded(self, kind: Worded, place: _Place, depth: int) -> str:
        parts = ["_" if part is None else self._type(part, place, depth + 1) for part in kind.parts]
        while parts and parts[-1] == "_":
            parts.pop()
        if kind.length is not None:
            parts.append(str(kind.length))
        return f"{kind.word}<{', '.join(parts)}>" if parts else kind.word

    def _brought(self, place: _Place, kind: Type) -> str:
        """Name a type in a place that has no name for it: use it from where it has one, else write it down again."""
        chain = list(_chain(kind))
        base = chain[-1]
        homes = [home for each in chain if (home := place.homes.get(each) or self._homes.get(each)) is not None]
        name = _free(homes[0].name if homes else "unnamed", place.taken | set(place.items))
        used = next((home for home in homes if self._may_use(place, home, base)), None)
        if used is not None:
            self._note_use(place, used)
            item = _Item(used=(used.interface, used.name))
        elif isinstance(base, ResolvedResource):
            where = f"{homes[0].name} of {homes[0].interface or 'the world'}" if homes else "one without a name"
            raise _Unwritable(f"its resource is {where}, which WIT cannot reach from here")
        else:
            item = self._new(place, _word(name), base)
        place.items[name] = item
        place.own[kind] = name
        for each in chain[1:]:
            place.behind.setdefault(each, name)
        return name


def _called(place: _Place, kind: Type) -> str | None:
    return place.own.get(kind) or place.behind.get(kind)


def _chain(kind: Type) -> Iterator[Type]:
    """Yield a type and all that it is another identity of; the last is none."""
    yield kind
    while isinstance(kind, Alias):
        kind = kind.of
        yield kind


def _holds_resource(kind: Type) -> bool:
    seen: set[Type] = set()
    left: list[Type] = [kind]
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.add(each)
        match each:
            case ResolvedResource() | ResolvedHandle():
                return True
            case Alias(of):
                left.append(of)
            case Worded(_, parts):
                left += [part for part in parts if part is not None]
            case Labelled(_, members):
                left += [carried for _, carried in members if carried is not None]
    return False


def _differences(one: _Place, other: _Place) -> Iterator[str]:
    """Say how the interface of one name is another where it is exported than where it is imported."""
    for name, item in other.items.items():
        known = one.items.get(name)
        if known is None:
            continue
        both = (set(known.methods or ()) & set(item.methods or ())) if item.methods is not None else set()
        if (known.lines, known.used, known.methods is None) != (item.lines, item.used, item.methods is None):
            yield f"{name}: {' '.join(_item_lines(name, item)).strip()}"
        yield from (
            f"{method}: {(item.methods or {})[method]}"
            for method in sorted(both)
            if (known.methods or {})[method] != (item.methods or {})[method]
        )
    yield from (comment for comment in other.comments if comment not in one.comments)


def _left_out(imported: _Place, exported: _Place) -> Iterator[str]:
    """Say which functions of an interface only one side has; WIT says that of all of it or of none."""
    names = [
        {name for name, item in place.items.items() if item.is_function}
        | {method for item in place.items.values() for method in item.methods or ()}
        for place in (imported, exported)
    ]
    for direction, missing in ((IMPORT, names[1] - names[0]), (EXPORT, names[0] - names[1])):
        if missing:
            yield f"// {direction}ed without {', '.join(sorted(missing))}:"


def _merge(known: _Place, other: _Place) -> None:
    for name, item in other.items.items():
        found = known.items.setdefault(name, item)
        if found.methods is not None:
            found.methods.update(item.methods or {})
    for comment in other.comments:
        if comment not in known.comments:
            known.comments.append(comment)


def _block(head: str, place: _Place) -> Iterator[str]:
    yield head + " {"
    yield from _indented(f"// {comment}" for comment in place.comments)
    yield from _indented(_lines_of(place))
    yield "}"


def _lines_of(place: _Place) -> Iterator[str]:
    """Write the items of a place in their order; neighbours from one interface are used together."""
    for home, group in groupby(place.items.items(), lambda named: named[1].used and named[1].used[0]):
        if home is None:
            for name, item in group:
                yield from _item_lines(name, item)
        else:
            names = ", ".join(_as(item, name) for name, item in group)
            yield f"use {_near(place.key, home)}.{{{names}}};"


def _as(item: _Item, name: str) -> str:
    assert item.used is not None
    original = item.used[1]
    return _word(name) if name == original else f"{_word(original)} as {_word(name)}"


def _item_lines(name: str, item: _Item) -> Iterator[str]:
    if item.used is not None:
        yield f"used from {item.used[0]}"
    elif item.methods is None:
        yield from item.lines
    elif not item.methods:
        yield f"resource {_word(name)};"
    else:
        yield f"resource {_word(name)} {{"
        yield from _indented(item.methods.values())
        yield "}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)


def _free(name: str, taken: set[str]) -> str:
    """Return a name that nothing else has."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-n{number}"
    return found


def _near(here: str, home: str) -> str:
    """Write where an interface is, as seen from another."""
    is_same = _INTERFACE.fullmatch(here) and _package(here) == _package(home)
    return _last(home) if is_same else _path(home)


def _package(name: str) -> str:
    found = _INTERFACE.fullmatch(name)
    assert found is not None
    return f"{_word(found[1])}:{_word(found[2])}" + (f"@{found[4]}" if found[4] else "")


def _path(name: str) -> str:
    found = _INTERFACE.fullmatch(name)
    assert found is not None
    return f"{_word(found[1])}:{_word(found[2])}/{_word(found[3])}" + (f"@{found[4]}" if found[4] else "")


def _last(name: str) -> str:
    found = _INTERFACE.fullmatch(name)
    assert found is not None
    return _word(found[3])


def _word(name: str) -> str:
    return f"%{name}" if name in _KEYWORDS else name


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)
