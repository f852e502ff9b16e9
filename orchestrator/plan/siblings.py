"""Sources that read other files of one repository or work tree: which of them a deployment leaves, and which wants it.

`make.py` asks it, so that a deployment that moves from one source to another is handed over, not removed and created.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import cached_property

from orchestrator.model.desired import DesiredState
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Record


class Sibling:
    """One such source: its last known wish, and `unknown`, why that cannot be told now; empty where it can.

    Nobody looks at one that is not `watched`: it may lose deployments, and wants none.
    """

    def __init__(self, wish: DesiredState, unknown: str = "", *, watched: bool = True) -> None:
        self.wish, self.unknown, self.watched = wish, unknown, watched

    @property
    def name(self) -> str:
        """The source."""
        return self.wish.source

    @cached_property
    def wants(self) -> frozenset[DeploymentKey]:
        """The deployments that it names, well or not."""
        return frozenset({*(deployment.key for deployment in self.wish.deployments), *self.wish.invalid})

    @cached_property
    def now_named(self) -> dict[DeploymentKey, DeploymentKey]:
        """The deployments that it gives another name, by the one that they had."""
        return {old: deployment.key for deployment in self.wish.deployments for old in deployment.formerly}

    def has_left(self, record: Record) -> bool:
        """Whether it owns a deployment and no longer names it."""
        is_readable = record.wanted.file not in self.wish.unreadable_files
        return record.source == self.name and record.key not in self.wants and is_readable

    def is_same(self, other: "Sibling") -> bool:
        """Whether nothing has changed about it."""
        return self.wish is other.wish and (self.unknown, self.watched) == (other.unknown, other.watched)


Siblings = Sequence[Sibling]
FindSiblings = Callable[[DesiredState], Siblings]  # of the source whose wish this is


def none_known(_desired: DesiredState) -> Siblings:
    """Know of no siblings."""
    return ()


def are_same(some: Siblings, others: Siblings) -> bool:
    """Whether nothing has changed about any."""
    return len(some) == len(others) and all(one.is_same(other) for one, other in zip(some, others, strict=True))


def has_left(record: Record, siblings: Siblings) -> bool:
    """Whether the owner of a deployment is a sibling that no longer names it."""
    return any(each.has_left(record) for each in siblings)


def taker_of(key: DeploymentKey, siblings: Siblings) -> Sibling | None:
    """Return the sibling that wants a deployment, and takes it over when its owner leaves it."""
    return next((each for each in siblings if each.watched and key in each.wants), None)


def heir_of(key: DeploymentKey, siblings: Siblings, there: Container[DeploymentKey]) -> Sibling | None:
    """Return the sibling that takes a deployment over, be it under a name that is not `there` yet."""
    taker = taker_of(key, siblings)
    if taker is not None:
        return taker
    naming = (each for each in siblings if each.watched and key in each.now_named)
    return next((each for each in naming if each.now_named[key] not in there), None)


def doubt_of(siblings: Siblings) -> str:
    """Say which sibling may want what leaves, and cannot be read; empty where each can."""
    for each in siblings:
        if each.watched and each.unknown:
            return f"{each.name} may want it, and cannot be read: {each.unknown}"
        if each.watched and each.wish.unreadable_files:
            return f"{each.wish.unreadable_files[0]} of {each.name} could not be read and may hold it; repair it first"
    return ""


def moving(desired: DesiredState, records: Iterable[Record], siblings: Siblings) -> Iterator[Diagnostic]:
    """Tell of each deployment that leaves this source for a sibling."""
    wanted = {deployment.key for deployment in desired.deployments} | {*desired.invalid}
    records = [*records]
    there = {record.key for record in records}
    for record in records:
        is_gone = record.source == desired.source and record.key not in wanted
        taker = heir_of(record.key, siblings, there) if is_gone else None
        if taker is not None:
            yield Diagnostic(
                severity=Severity.WARNING,
                summary=f"{record.key} moves to {taker.name}",
                location=Location(file=record.wanted.file, line=record.wanted.line, column=1),
                detail="That source wants it too: it takes it over as it runs, with its data and its history.",
            )
