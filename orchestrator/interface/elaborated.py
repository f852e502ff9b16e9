"""A component's definitions → what it imports and exports, each type linked to what it is made of or named after. Pure.

A type that is imported or exported gets an identity of its own there, an `Alias` of what it was: so it is known which
names belong together, also through the components within a component that tools put around what they export. Those are
followed by going through their definitions once more with what they are given. `text` writes the result down.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from orchestrator.interface import definitions as d
from orchestrator.interface.definitions import Sort, definitions
from orchestrator.interface.sections import Unread

MAX_DEFINITIONS = 200_000  # looked at: components within components may multiply
MAX_DEPTH = 32  # of components within components, and of types of instances within such types


class Worded(msgspec.Struct, eq=False, frozen=True):
    """A simple type, or one made of others by its word."""

    word: str
    parts: tuple["Type | None", ...] = ()
    length: int | None = None


class Labelled(msgspec.Struct, eq=False, frozen=True):
    """A record, variant, enum or flags."""

    word: str
    members: tuple[tuple[str, "Type | None"], ...]


class ResolvedResource(msgspec.Struct, eq=False, frozen=True):
    """A resource; two are the same when they are one object."""


class ResolvedHandle(msgspec.Struct, eq=False, frozen=True):
    """`own` or `borrow` of a resource, which may be an alias of one."""

    resource: "Type"
    is_borrowed: bool


class Alias(msgspec.Struct, eq=False, frozen=True):
    """Another identity of a type, which an import or export made."""

    of: "Type"


class ResolvedFunction(msgspec.Struct, eq=False, frozen=True):
    """A function's type."""

    params: tuple[tuple[str, "Type"], ...]
    result: "Type | None"
    is_async: bool


Type = Worded | Labelled | ResolvedResource | ResolvedHandle | Alias


class ResolvedInstance(msgspec.Struct, eq=False, frozen=True):
    """An instance, by the names of what it exports."""

    members: dict[str, "Thing"]


class _Template(msgspec.Struct, eq=False, frozen=True):
    """The type of an instance or component, or a component, not gone through: each use of it makes types anew."""

    content: Sequence[d.Definition] | memoryview
    scope: "_Scope"


Meaning = Type | ResolvedFunction | ResolvedInstance | _Template | None
Thing = tuple[Sort, Meaning]


class Elaborated(msgspec.Struct, frozen=True):
    """The imports and exports of a component, in its own order; None stands for a thing whose type is not kept."""

    imports: tuple[tuple[str, Thing], ...]
    exports: tuple[tuple[str, Thing], ...]


def elaborate(component: bytes) -> Elaborated:
    """Find the imports and exports of a component.

    Raises:
        Unread: it holds something that is not known here, or more than is looked at.
    """
    scope = _Scope(None, _Budget(), None)
    scope.go_through(definitions(memoryview(component)))
    return Elaborated(tuple(scope.imports), tuple(scope.exports))


class _Budget:
    """Counts all definitions that are looked at."""

    def __init__(self) -> None:
        self._left = MAX_DEFINITIONS

    def take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unread(f"it comes to more than {MAX_DEFINITIONS} definitions")


class _Scope:
    """The definitions so far of a component, or of the type of an instance or component.

    `given` are its imports; None where they stay open. `narrowed` are the exports of an instance that is seen through
    this type.
    """

    def __init__(
        self, outer: "_Scope | None", budget: _Budget, given: Mapping[str, Thing] | None,
        narrowed: Mapping[str, Thing] | None = None,
    ) -> None:  # fmt: skip
        self._outer, self._budget = outer, budget
        self._given, self._narrowed = given or {}, narrowed or {}
        self._depth: int = 0 if outer is None else outer._depth + 1
        self._spaces: dict[Sort, list[Meaning]] = {sort: [] for sort in Sort}
        self.imports: list[tuple[str, Thing]] = []
        self.exports: list[tuple[str, Thing]] = []
        if self._depth > MAX_DEPTH:
            raise Unread("it is nested too deeply")

    def go_through(self, found: Iterable[d.Definition]) -> None:
        """Take definitions in, one after another."""
        for each in found:
            self._budget.take()
            self._take(each)

    def _take(self, each: d.Definition) -> None:
        match each:
            case d.ImportDefinition(name, what):
                thing = self._imported(name, what)
                self.imports.append((name, thing))
                self._add(*thing)
            case d.Exported(name, sort, index, what):
                thing = sort, self._exported(name, sort, index, what)
                self.exports.append((name, thing))
                self._add(*thing)
            case d.Reached(sort, index, name):
                self._add(sort, self._reached(sort, index, name))
            case d.Outer(sort, outwards, index):
                self._add(sort, None if sort is Sort.CORE else self._outwards(outwards)._at(sort, index))
            case d.Instantiated(component, given):
                things = {name: (sort, self._at(sort, index)) for name, sort, index in given}
                self._add(Sort.INSTANCE, self._instantiated(self._at(Sort.COMPONENT, component), things))
            case d.Bundled(members):
                self._add(
                    Sort.INSTANCE,
                    ResolvedInstance({name: (sort, self._at(sort, index)) for name, sort, index in members}),
                )
            case d.Lifted(kind):
                self._add(Sort.FUNC, self._at(Sort.TYPE, kind))
            case d.Nested(data):
                self._add(Sort.COMPONENT, _Template(data, self))
            case _:
                self._add(Sort.TYPE, self._type(each))

    def _add(self, sort: Sort, meaning: Meaning) -> None:
        self._spaces[sort].append(meaning)

    def _at(self, sort: Sort, index: int) -> Meaning:
        if sort in (Sort.CORE, Sort.VALUE):  # nobody asks what they are
            return None
        space = self._spaces[sort]
        if index >= len(space):
            raise Unread("an index is out of range")
        return space[index]

    def _outwards(self, count: int) -> "_Scope":
        scope: _Scope | None = self
        for _ in range(count):
            scope = None if scope is None else scope._outer
        if scope is None:
            raise Unread("an alias reaches too far out")
        return scope

    def _imported(self, name: str, what: d.ExternType) -> Thing:
        sort, given = self._given.get(name, (what.sort, None))
        if sort is not what.sort:
            raise Unread("an argument is of another sort than its import")
        return what.sort, self._described(what, given)

    def _exported(self, name: str, sort: Sort, index: int | None, what: d.ExternType | None) -> Meaning:
        if index is None:  # within a type
            assert what is not None
            known_sort, known = self._narrowed.get(name, (sort, None))
            return self._described(what, known if known_sort is sort else None)
        meaning = self._at(sort, index)
        if what is not None:
            return self._described(what, meaning)
        return _alias(meaning) if sort is Sort.TYPE else meaning

    def _described(self, what: d.ExternType, actual: Meaning) -> Meaning:
        """Say what an import or export is, from its description and, where it is known, from what stands behind it."""
        if what.sort is Sort.TYPE:
            if actual is not None:
                return _alias(actual)
            return ResolvedResource() if what.index is None else _alias(self._at(Sort.TYPE, what.index))
        declared = None if what.index is None else self._at(Sort.TYPE, what.index)
        if what.sort is Sort.INSTANCE:
            return self._seen_as(declared, actual)
        return declared if what.sort is Sort.FUNC or actual is None else actual

    def _seen_as(self, declared: Meaning, actual: Meaning) -> Meaning:
        """Return a new instance of a type, made of what is known of it."""
        template, known = _a_template(declared), actual.members if isinstance(actual, ResolvedInstance) else {}
        scope = _Scope(template.scope, self._budget, None, known)
        if isinstance(template.content, memoryview):
            raise Unread("an instance has a component for its type")
        scope.go_through(template.content)
        return ResolvedInstance(dict(scope.exports))

    def _reached(self, sort: Sort, index: int, name: str) -> Meaning:
        if sort in (Sort.CORE, Sort.VALUE):
            return None
        instance = self._at(Sort.INSTANCE, index)
        found = instance.members.get(name) if isinstance(instance, ResolvedInstance) else None
        if found is None or found[0] is not sort:
            raise Unread(f"an alias reaches for {name!r}, which is not there")
        return found[1]

    def _instantiated(self, component: Meaning, given: dict[str, Thing]) -> ResolvedInstance:
        template = _a_template(component)
        scope = _Scope(template.scope, self._budget, given)
        is_binary = isinstance(template.content, memoryview)
        scope.go_through(definitions(template.content) if is_binary else template.content)  # type: ignore[arg-type]
        return ResolvedInstance(dict(scope.exports))

    def _type(self, kind: d.Definition) -> Meaning:
        match kind:
            case d.WordedDefinition(word, parts, length):
                return Worded(word, tuple(map(self._part, parts)), length)
            case d.LabelledDefinition(word, members):
                return Labelled(word, tuple((label, self._part(part)) for label, part in members))
            case d.HandleDefinition(resource, is_borrowed):
                return ResolvedHandle(_a_type(self._at(Sort.TYPE, resource)), is_borrowed)
            case d.FunctionDefinition(params, result, is_async):
                return ResolvedFunction(
                    tuple((name, self._value(kind)) for name, kind in params), self._part(result), is_async
                )
            case d.Declared(_, content):
                return _Template(content, self)
            case _:
                return ResolvedResource()

    def _part(self, ref: d.Ref | None) -> Type | None:
        return None if ref is None else self._value(ref)

    def _value(self, ref: d.Ref) -> Type:
        return Worded(ref) if isinstance(ref, str) else _a_type(self._at(Sort.TYPE, ref))


def _alias(meaning: Meaning) -> Meaning:
    """Give a type an identity of its own; types of functions and instances have none that anybody asks for."""
    return Alias(meaning) if isinstance(meaning, Type) else meaning


def _a_type(meaning: Meaning) -> Type:
    if isinstance(meaning, Type):
        return meaning
    raise Unread("a type is of another kind than it is used as")


def _a_template(meaning: Meaning) -> _Template:
    if isinstance(meaning, _Template):
        return meaning
    raise Unread("an instance or component has no type of one")
