"""A use of a deployment, and the worlds of its component → the functions that are meant, and those that break.

`callers.py` asks it. Whether a new type breaks a call is decided by `interface/changes.py`, for callers through airs.
"""

from collections.abc import Iterator, Mapping

from orchestrator.interface.changes import Caller, ChangeKind, Side, WorldChange, compare
from orchestrator.interface.exports import Export, exported
from orchestrator.interface.typed import Unsuitable, find
from orchestrator.interface.versions import stands_for, versioned
from orchestrator.model.spec import DeploymentUse
from orchestrator.model.world import LIFECYCLE, Drive, World

MESSAGES = f"{LIFECYCLE}#handle-message"
Broken = Mapping[str, tuple[str, ...]]  # full name of an old function → why its callers break


def lacks(use: DeploymentUse, world: World) -> Iterator[str]:
    """Yield, in words, each thing that a deployment uses of a world and that this does not have."""
    if use.is_of_messages:
        if Drive.ACTOR not in world.drives:
            yield "it takes no messages"
        return
    exports = _within(use, world)
    if use.interface and not exports:
        yield f"it does not export {use.interface}"
        return
    for name in use.functions:
        try:
            find(name, exports)
        except Unsuitable as wrong:
            yield wrong.problem


def meant(use: DeploymentUse, world: World) -> Iterator[str]:
    """Yield the full name of each function that is meant by a use, of those that a world has."""
    if use.is_of_messages:
        yield MESSAGES
        return
    exports = _within(use, world)
    if not use.functions:
        yield from exports
    for name in use.functions:
        try:
            yield find(name, exports).name
        except Unsuitable:
            continue  # it was not there before either


def _within(use: DeploymentUse, world: World) -> dict[str, Export]:
    return {e.name: e for e in exported(world.types) if not use.interface or _is_of(use.interface, e.interface or "")}


def _is_of(asked: str, offered: str) -> bool:
    """Decide whether an interface is the one that is asked for, with or without a version."""
    return stands_for(offered, asked) or ("@" not in asked and versioned(offered).bare == asked)


def broken(old: World, new: World) -> Broken:
    """Return the functions of an old world whose callers through airs break with the new one, and why."""
    found: dict[str, list[str]] = {}
    names = [export.name for export in exported(old.types)]
    for change in compare(old, new).changes:
        why = [one.text for one in change.consequences if Caller.AIRS in one.breaks]
        if change.side is Side.EXPORT and why:
            for name in _concerned(change, names):
                found.setdefault(name, []).extend(why)
    return {name: tuple(dict.fromkeys(why)) for name, why in found.items()}


def _concerned(change: WorldChange, names: list[str]) -> list[str]:
    """Name the old functions that a change is about: one, or all of an interface."""
    if change.what == "drive":
        return [MESSAGES] if change.name == Drive.ACTOR.value else []
    if change.what == "function":
        return [name for name in names if _is_same(name, change)]
    head = change.name if change.what == "interface" else change.name.rpartition("#")[0]
    if change.what == "interface" and change.kind is ChangeKind.CHANGED:  # its version
        head = f"{change.name}@{change.old}"
    return [name for name in names if name.rpartition("#")[0] == head]


def _is_same(name: str, change: WorldChange) -> bool:
    """Whether a change of a function, named as it is in either world, is about an old one."""
    (interface, _, function), (changed, _, other) = name.rpartition("#"), change.name.rpartition("#")
    if function != other:
        return False
    return interface == changed or versioned(interface).track == versioned(changed).track
