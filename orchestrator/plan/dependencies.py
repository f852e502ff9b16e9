"""Dependencies: the order in which actions are carried out, and the obstacles of those that cannot be.

Called by `make.py`. A cycle inside one source is the loader's to report; here it only must not hang or lose anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Reason

Key = DeploymentKey


class Obstacle(msgspec.Struct, frozen=True):
    """Why a deployment cannot start: the reason, and a sentence that says what to do."""

    reason: Reason
    note: str


def in_order(needs: Mapping[Key, Iterable[Key]]) -> list[Key]:
    """Sort keys by name, each after those it needs.

    Only where keys need each other in a circle does one come before one it needs: a walk that places every key once
    all it needs is begun cannot be wrong about anything else.
    """
    begun, order = set[Key](), list[Key]()
    for first in sorted(needs):
        if first in begun:
            continue
        begun.add(first)
        path = [(first, iter(sorted(needs[first])))]
        while path:
            key, left = path[-1]
            need = next((need for need in left if need in needs and need not in begun), None)
            if need is None:
                order.append(key)
                path.pop()
            else:
                begun.add(need)
                path.append((need, iter(sorted(needs[need]))))
    return order


def reversed_needs(needs: Mapping[Key, Iterable[Key]]) -> dict[Key, list[Key]]:
    """Return the dependents of each key, sorted."""
    dependents: dict[Key, list[Key]] = {}
    for key in sorted(needs):
        for need in needs[key]:
            dependents.setdefault(need, []).append(key)
    return dependents


def missing_needs(records: Iterable[Record]) -> dict[Key, tuple[Key, ...]]:
    """Return the dependencies in force of those records that are not deployed; only for those that lack any."""
    staying = [record for record in records if not record.deleted]
    there = {record.key for record in staying}
    lacking = {r.key: tuple(need for need in needs_in_force(r) if need not in there) for r in staying}
    return {key: needs for key, needs in lacking.items() if needs}


def needs_in_force(record: Record) -> tuple[Key, ...]:
    """Return the dependencies of a record in force: of the stable spec, or else of the wanted one."""
    return (record.stable or record.wanted).depends_on


def dependents_of(key: Key, records: Iterable[Record]) -> list[Key]:
    """Return those that depend on a deployment and stay, by name."""
    return sorted(r.key for r in records if not r.deleted and r.key != key and key in needs_in_force(r))


def free_to_end(needs: Mapping[Key, Iterable[Key]]) -> list[Key]:
    """Return those that nobody else among them needs: they may end first when all of them end.

    In a circle, it is the one that was started last.
    """
    needed = {need for key, need in _later_to_earlier(needs)}
    return [key for key in needs if key not in needed]


def may_begin(needs: Mapping[Key, Iterable[Key]], begun: Callable[[Key], bool]) -> list[Key]:
    """Return those all of whose needs, as far as they are among them, have begun."""
    waits = {key for key, need in _later_to_earlier(needs) if not begun(need)}
    return [key for key in needs if key not in waits]


def _later_to_earlier(needs: Mapping[Key, Iterable[Key]]) -> Iterator[tuple[Key, Key]]:
    place = {key: number for number, key in enumerate(in_order(needs))}
    return ((key, need) for key in needs for need in needs[key] if place.get(need, len(place)) < place[key])


def find_obstacles(
    wanted: Mapping[Key, Deployment], invalid: frozenset[Key], staying: frozenset[Key]
) -> dict[Key, Obstacle]:
    """Say for each wanted deployment whether its dependencies will be there; `staying` are those that already are.

    Something that is neither wanted nor staying is missing; something that is wanted, but itself invalid or stopped by
    an obstacle, and not there already, stops its dependents.
    """
    known = staying | wanted.keys() | invalid
    missing = {key: [n for n in sorted(d.depends_on) if n not in known] for key, d in wanted.items()}
    stopped = spread(
        {key for key, names in missing.items() if names and key not in staying} | (invalid - staying),
        {key: d.depends_on for key, d in wanted.items()},
        staying,
    )
    obstacles = {}
    for key, deployment in wanted.items():
        waiting = [need for need in sorted(deployment.depends_on) if need in stopped and need != key]
        if missing[key]:
            obstacles[key] = Obstacle(Reason.MISSING_DEPENDENCY, missing_note(missing[key]))
        elif waiting:
            obstacles[key] = Obstacle(
                Reason.DEPENDENCY_BLOCKED, f"waits for {names_of(waiting)}, which cannot be deployed"
            )
    return obstacles


def spread(stopped: set[Key], needs: Mapping[Key, Iterable[Key]], staying: frozenset[Key]) -> set[Key]:
    """Add everything that needs something stopped, unless it is there already."""
    dependents = reversed_needs(needs)
    reached, front = set(stopped), sorted(stopped)
    while front:
        for dependent in dependents.get(front.pop(), ()):
            if dependent not in reached and dependent not in staying:
                reached.add(dependent)
                front.append(dependent)
    return reached


def missing_note(names: list[Key]) -> str:
    """Say what is missing and how to go on."""
    verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return f"{names_of(names)} {verb} neither wanted nor deployed; add {them}, or take {them} out of dependsOn"


def names_of(keys: Iterable[Key]) -> str:
    """List keys for a sentence."""
    return ", ".join(str(key) for key in keys)
