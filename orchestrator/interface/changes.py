"""Two versions of a component → what changed, and whether those who call the old one can call the new one. Pure.

There are two ways to call. Through airs, values are JSON and functions are looked up by name: a call that can be read
the same way goes on working. Components that were linked with the old one expect exactly its types, and the names of
them and of parameters; more functions and types than before do not disturb them. docs/guests.md says the rule.
"""

from collections.abc import Iterable, Iterator
from enum import Enum

from msgspec.structs import replace

from orchestrator.interface.difference import Difference, differences, payloads, resource_track
from orchestrator.interface.fitness import unmet_imports
from orchestrator.interface.needs import Provider, asked_for
from orchestrator.interface.versions import stands_for, versioned
from orchestrator.model.base import Value
from orchestrator.model.wit import FunctionType, ResultOf, WitType
from orchestrator.model.world import LIFECYCLE, Drive, Import, Interface, World

_BY_HOST = (LIFECYCLE, "wasi:cli/run@0.2.", "wasi:http/incoming-handler@0.2.")  # the host's to call: see drives


class Caller(Enum):
    """A way to call a component: through airs (JSON, messages), or as a component linked with it."""

    AIRS = "airs"
    LINKED = "linked"


class Side(Enum):
    """Whether something is offered to callers or asked of the host."""

    EXPORT = "export"
    IMPORT = "import"


class ChangeKind(Enum):
    """The kind of change to one part of a world."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Consequence(Value, frozen=True):
    """One thing to know about a change, and whose calls it breaks."""

    text: str
    breaks: tuple[Caller, ...] = ()


class WorldChange(Value, frozen=True):
    """One part of the world that changed. `old` and `new` are its WIT type, or its version, where it has one."""

    side: Side
    kind: ChangeKind
    what: str  # interface, function, type, resource, drive
    name: str
    old: str = ""
    new: str = ""
    consequences: tuple[Consequence, ...] = ()


class Comparison(Value, frozen=True):
    """Whether callers of the old component can call the new one; `breaks` names those who cannot, `changes` all."""

    compatible: bool
    breaks: tuple[Caller, ...]
    changes: tuple[WorldChange, ...]


BOTH = (Caller.AIRS, Caller.LINKED)
LINKED = (Caller.LINKED,)
_GONE = Consequence(text="nobody can call it any more", breaks=BOTH)


def compare(old: World, new: World) -> Comparison:
    """Compare two worlds as those who call the old one see it."""
    names = {name.rpartition("#")[2] for name in _function_names(old)}
    exports = (_with_short_name(change, names) for change in _exports(old, new))
    changes = (*_drives(old, new), *exports, *_imports(old, new))
    broken = {caller for change in changes for consequence in change.consequences for caller in consequence.breaks}
    return Comparison(compatible=not broken, breaks=tuple(c for c in Caller if c in broken), changes=changes)


def _drives(old: World, new: World) -> Iterator[WorldChange]:
    for drive in Drive:
        if drive in old.drives and drive not in new.drives:
            text, breaks = _LOST[drive]
            consequence = Consequence(text=text, breaks=breaks)
            yield WorldChange(
                side=Side.EXPORT, kind=ChangeKind.REMOVED, what="drive", name=drive.value, consequences=(consequence,)
            )
        elif drive in new.drives and drive not in old.drives:
            yield WorldChange(side=Side.EXPORT, kind=ChangeKind.ADDED, what="drive", name=drive.value)


_LOST: dict[Drive, tuple[str, tuple[Caller, ...]]] = {
    Drive.ACTOR: ("it takes no messages any more", (Caller.AIRS,)),
    Drive.CALLABLE: ("it has no function left that can be called", ()),  # each of them says so itself
    Drive.HTTP: ("it answers no HTTP requests any more", (Caller.AIRS,)),
    Drive.JOB: ("it is no job any more", (Caller.AIRS,)),
}


def _exports(old: World, new: World) -> Iterator[WorldChange]:
    before, after = _of_callers(old.types.exports), _of_callers(new.types.exports)
    pairs = _pairs(before, after)
    for interface in before:
        partner = pairs.get(interface.name)
        if partner is None:
            yield from _removed(interface, after)
        else:
            yield from _version(interface, partner)
            yield from _members(interface, partner)
    taken = {partner.name for partner in pairs.values()}
    for interface in after:
        if interface.name not in taken:
            yield from _members(Interface(name=interface.name), interface)


def _function_names(world: World) -> Iterator[str]:
    return (name for interface in _of_callers(world.types.exports) for name, _ in interface.functions)


def _with_short_name(change: WorldChange, names: set[str]) -> WorldChange:
    """Say of a new function that an old one is called alike, so that the name alone means neither."""
    short = change.name.rpartition("#")[2]
    if change.what != "function" or change.kind is not ChangeKind.ADDED or short not in names:
        return change
    text = f"{short} alone may mean another function too: `airs call` then asks for more of its name"
    return replace(change, consequences=(*change.consequences, Consequence(text=text)))


def _of_callers(interfaces: Iterable[Interface]) -> list[Interface]:
    return [interface for interface in interfaces if not interface.name.startswith(_BY_HOST)]


def _pairs(before: list[Interface], after: list[Interface]) -> dict[str, Interface]:
    """Find for each old interface the new one that is looked up in its place: the same, else one of its track."""
    exact = {interface.name: interface for interface in after}
    left = {i.name: i for i in after if i.name not in {interface.name for interface in before}}
    tracks = {versioned(name).track: interface for name, interface in left.items()}
    found = {}
    for interface in before:
        partner = exact.get(interface.name) or tracks.pop(versioned(interface.name).track, None)
        if partner is not None:
            found[interface.name] = partner
    return found


def _removed(interface: Interface, after: list[Interface]) -> Iterator[WorldChange]:
    bare = versioned(interface.name).bare
    others = [other.name for other in after if versioned(other.name).bare == bare]
    text = f"callers of it do not find {others[0]}, which is of another track of versions" if others else _GONE.text
    yield WorldChange(
        side=Side.EXPORT, kind=ChangeKind.REMOVED, what="interface", name=interface.name,
        new=others[0] if others else "", consequences=(Consequence(text=text, breaks=BOTH),),
    )  # fmt: skip


def _version(old: Interface, new: Interface) -> Iterator[WorldChange]:
    if old.name == new.name:
        return
    if stands_for(new.name, old.name):
        consequence = Consequence(text="a later version of the same track: found by callers of the old one")
    else:
        consequence = Consequence(text="an earlier version: not found by callers of the old one", breaks=BOTH)
    before, after = versioned(old.name), versioned(new.name)
    yield WorldChange(
        side=Side.EXPORT, kind=ChangeKind.CHANGED, what="interface", name=before.bare, old=before.version,
        new=after.version, consequences=(consequence,),
    )  # fmt: skip


def _members(old: Interface, new: Interface) -> Iterator[WorldChange]:
    """Compare the members of two interfaces; an empty one stands for one that is not there."""
    yield from _resources(old, new)
    yield from _types(old, new)
    before, after = dict(old.functions), dict(new.functions)
    for name, kind in before.items():
        if name not in after:
            yield _change(old, ChangeKind.REMOVED, "function", name, str(kind), "", (_GONE,))
            continue
        consequences = tuple(function_consequences(kind, after[name]))
        if consequences:
            yield _change(new, ChangeKind.CHANGED, "function", name, str(kind), str(after[name]), consequences)
    for name, kind in after.items():
        if name not in before:
            yield _change(new, ChangeKind.ADDED, "function", name, "", str(kind))


def _change(
    interface: Interface, kind: ChangeKind, what: str, name: str, old: str, new: str,
    consequences: tuple[Consequence, ...] = (),
) -> WorldChange:  # fmt: skip
    full = f"{interface.name}#{name}" if interface.name else name
    return WorldChange(side=Side.EXPORT, kind=kind, what=what, name=full, old=old, new=new, consequences=consequences)


def _resources(old: Interface, new: Interface) -> Iterator[WorldChange]:
    before, after = dict(old.resources), dict(new.resources)
    for name, full in before.items():
        if name not in after:
            yield _change(old, ChangeKind.REMOVED, "resource", name, "", "", (_GONE,))
        elif resource_track(full) != resource_track(after[name]):
            text = f"it is {after[name]} now, which is another resource than {full}"
            yield _change(new, ChangeKind.CHANGED, "resource", name, "", "", (Consequence(text=text, breaks=LINKED),))
    for name in after:
        if name not in before:
            yield _change(new, ChangeKind.ADDED, "resource", name, "", "")


def _types(old: Interface, new: Interface) -> Iterator[WorldChange]:
    """Compare named types: linked components ask for them by name; through airs only functions count."""
    before, after = dict(old.types), dict(new.types)
    for name, kind in before.items():
        if name not in after:
            gone = Consequence(text="linked components ask for it by name", breaks=LINKED)
            yield _change(old, ChangeKind.REMOVED, "type", name, str(kind), "", (gone,))
            continue
        found = tuple(Consequence(text=_said(each), breaks=LINKED) for each in differences(kind, after[name]))
        if found:
            yield _change(new, ChangeKind.CHANGED, "type", name, str(kind), str(after[name]), found)
    for name, kind in after.items():
        if name not in before:
            yield _change(new, ChangeKind.ADDED, "type", name, "", str(kind))


def _said(difference: Difference) -> str:
    return f"{difference.place}: {difference.text}" if difference.place else difference.text


def function_consequences(old: FunctionType, new: FunctionType) -> Iterator[Consequence]:
    """Yield the consequences of a function's new type for callers by its old one; none when nothing changed."""
    yield from _parameters(old, new)
    yield from _results(old, new)
    if old.is_async != new.is_async:
        yield Consequence(text="async now" if new.is_async else "no longer async", breaks=LINKED)


def _parameters(old: FunctionType, new: FunctionType) -> Iterator[Consequence]:
    before, after = dict(old.params), dict(new.params)
    renamed = _renamed(old, new)
    for name, kind in before.items():
        other = renamed.get(name, name)
        if other not in after:
            yield Consequence(text=f"parameter {name}: {kind} removed", breaks=BOTH)
            continue
        if other != name:
            yield Consequence(text=f"parameter {name} is called {other} now", breaks=LINKED)
        for difference in differences(kind, after[other], f"parameter {other}"):
            yield _consequence(difference, difference.accepted)
    known = {renamed.get(name, name) for name in before}
    for name, kind in after.items():
        if name not in known:
            yield Consequence(text=f"parameter {name}: {kind} added", breaks=BOTH)
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield Consequence(text="parameters in another order", breaks=BOTH)


def _renamed(old: FunctionType, new: FunctionType) -> dict[str, str]:
    """Take a parameter for renamed where one stands in its place that was not there, and all others are as many."""
    if len(old.params) != len(new.params):
        return {}
    before, after = dict(old.params), dict(new.params)
    pairs = zip(before, after, strict=True)
    return {one: other for one, other in pairs if one not in after and other not in before}


def _results(old: FunctionType, new: FunctionType) -> Iterator[Consequence]:
    """Compare results as airs gives them back: a result's value, or its error and a failure."""
    (ok, err, failed), (new_ok, new_err, fails) = _outcome(old.result), _outcome(new.result)
    if failed != fails:
        text = "it may return an error now" if fails else "it no longer returns an error"
        yield Consequence(text=text, breaks=LINKED)
    if ok is None and new_ok is not None:
        yield Consequence(text=f"it returns {new_ok} now", breaks=LINKED)
    elif ok is not None:
        yield from _understood(payloads(ok, new_ok, "result"))
    if failed and fails:
        if err is None and new_err is not None:
            yield Consequence(text=f"its error carries {new_err} now", breaks=LINKED)
        elif err is not None:
            yield from _understood(payloads(err, new_err, "error"))


def _outcome(kind: WitType | None) -> tuple[WitType | None, WitType | None, bool]:
    return (kind.ok, kind.err, True) if isinstance(kind, ResultOf) else (kind, None, False)


def _understood(found: Iterable[Difference]) -> Iterator[Consequence]:
    return (_consequence(difference, difference.understood) for difference in found)


def _consequence(difference: Difference, works: bool) -> Consequence:
    return Consequence(text=_said(difference), breaks=LINKED if works else BOTH)


def _imports(old: World, new: World) -> Iterator[WorldChange]:
    """Yield the imports that are new, and those that are gone; no caller is touched by that."""
    before, after = ({i.interface: i for i in world.imports} for world in (old, new))
    typed = {interface.name: dict(interface.functions) for interface in old.types.imports}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield WorldChange(side=Side.IMPORT, kind=ChangeKind.REMOVED, what="interface", name=name)
        elif name not in before:
            yield _asked_newly(name, after[name], ())
        else:
            more = set(after[name].functions) - set(before[name].functions)
            if more:
                yield _asked_newly(name, after[name], before[name].functions)
            for function in sorted(set(before[name].functions) - set(after[name].functions)):
                full = f"{name}#{function}"
                yield WorldChange(side=Side.IMPORT, kind=ChangeKind.REMOVED, what="function", name=full)
    yield from _retyped(typed, new)


def _asked_newly(name: str, imported: Import, known: tuple[str, ...]) -> WorldChange:
    """Say who provides what is newly imported, and which grants it needs that the old one did not."""
    asks = asked_for(imported)
    had = set(asked_for(Import(interface=name, functions=known)).grants) if known else set()
    grants = [grant for grant in asks.grants if grant not in had]
    said = [_PROVIDED_BY[asks.provider], *(f"needs the grant {grant}" for grant in grants)]
    functions = ", ".join(function for function in imported.functions if function not in known)
    return WorldChange(
        side=Side.IMPORT, kind=ChangeKind.CHANGED if known else ChangeKind.ADDED, what="interface", name=name,
        new=functions, consequences=tuple(Consequence(text=text) for text in said),
    )  # fmt: skip


_PROVIDED_BY = {
    Provider.AIRS: "airs provides it",
    Provider.WASI: "provided as WASI 0.2",
    Provider.NOBODY: "nothing here provides it: the new component does not run",
}


def _retyped(before: dict[str, dict[str, FunctionType]], new: World) -> Iterator[WorldChange]:
    unmet = set(unmet_imports(new))
    for interface in new.types.imports:
        for name, kind in interface.functions:
            known = before.get(interface.name, {}).get(name)
            if known is None or str(known) == str(kind):
                continue
            who = (
                _PROVIDED_BY[Provider.NOBODY]
                if interface.name in unmet
                else "`airs component info` tells whether it fits"
            )
            full = f"{interface.name}#{name}" if interface.name else name
            yield WorldChange(
                side=Side.IMPORT, kind=ChangeKind.CHANGED, what="function", name=full, old=str(known), new=str(kind),
                consequences=(Consequence(text=who),),
            )  # fmt: skip
