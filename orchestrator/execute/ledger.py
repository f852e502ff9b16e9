"""The records as this process knows them: read once, written through, so that a pass costs no database read."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Protocol

from orchestrator.concurrency.table import Table
from orchestrator.execute.sharing import Pool
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobRun
from orchestrator.model.observed import Number, Record
from orchestrator.model.policy import Approval
from orchestrator.model.source import SourceRecord
from orchestrator.model.who import Act
from orchestrator.store.decisions import (
    Change,
    DeleteApproval,
    DeleteDesired,
    DeleteRecord,
    DeleteSource,
    MoveRows,
    PutApproval,
    PutDesired,
    PutRecord,
    PutSource,
)


class Decisions(Protocol):
    """The store, as a ledger uses it."""

    @property
    def lineage(self) -> str:
        """Name the state directory."""

    @property
    def serial(self) -> int:
        """Count the decisions."""

    def is_taken(self, key: DeploymentKey) -> bool:
        """Whether data or messages of an earlier deployment are kept under a name."""

    def records(self) -> Sequence[Record]:
        """Read every record."""

    def desired(self) -> Sequence[DesiredState]:
        """Read every source's recorded desired state."""

    def sources(self) -> Sequence[SourceRecord]:
        """Read how every source is followed."""

    def approvals(self) -> Sequence[Approval]:
        """Read every approval that was given."""

    def history(self, key: DeploymentKey) -> Sequence[Number]:
        """Read a deployment's history, oldest first."""

    def acts(self, key: DeploymentKey) -> Sequence[Act]:
        """Read the manual acts on a deployment, oldest first."""

    def runs(self, key: DeploymentKey) -> Sequence[JobRun]:
        """Read the runs of a job by schedule or request, oldest first."""

    def decide(self, changes: Sequence[Change]) -> int:
        """Write changes and the next serial in one synced batch."""


class Ledger:
    """Every record and every source's last desired state. Owned by the controller's thread.

    Larger than most, as it is the one copy in memory of all that is decided, and one batch changes all of it.
    """

    def __init__(self, store: Decisions) -> None:
        self._store = store
        self._desired = Table({desired.source: desired for desired in store.desired()})
        pool = Pool()
        for desired in self._desired.values():
            pool.see(desired)
        self._records = Table({record.key: pool.record(record) for record in store.records()})
        self._sources = Table({source.name: source for source in store.sources()})
        self._approvals = Table({approval.subject: approval for approval in store.approvals()})
        self.approvals_changed = 0  # how often
        self._deleted = {key for key, record in self._records.items() if record.deleted}
        self._changed: set[DeploymentKey] = set()
        self._names = 0
        self._now_named = {old: key for key, record in self._records.items() for old in record.wanted.formerly}
        self._batch: list[Change] | None = None
        self._afterwards: list[Callable[[], None]] = []
        self.decided: Callable[[Sequence[Change]], None] = _nothing  # told of all that became durable

    @property
    def records(self) -> Mapping[DeploymentKey, Record]:
        """The records by key."""
        return self._records

    @property
    def desired(self) -> Mapping[str, DesiredState]:
        """The latest known wish of each source."""
        return self._desired

    @property
    def sources(self) -> Mapping[str, SourceRecord]:
        """How each source is followed, by name."""
        return self._sources

    @property
    def approvals(self) -> Mapping[str, Approval]:
        """The approvals that were given, by what they are for."""
        return self._approvals

    @property
    def deleted(self) -> Set[DeploymentKey]:
        """The records that somebody asked to have removed."""
        return self._deleted

    @property
    def names(self) -> int:
        """Count how often a record came or went: while it is the same, so are the keys."""
        return self._names

    def renamed(self, old: DeploymentKey) -> DeploymentKey | None:
        """Return the deployment that had a name before, which nothing has now; None for none. From any thread."""
        new = self._now_named.get(old)
        return new if new is not None and new in self._records and old not in self._records else None

    def is_taken(self, key: DeploymentKey) -> bool:
        """Whether data or messages of an earlier deployment are kept under a name."""
        return self._store.is_taken(key)

    def take_changed(self) -> set[DeploymentKey]:
        """Return the records that were written or forgotten since this was asked last."""
        changed, self._changed = self._changed, set()
        return changed

    @property
    def lineage(self) -> str:
        """Name the state directory."""
        return self._store.lineage

    @property
    def serial(self) -> int:
        """Count the decisions."""
        return self._store.serial

    def history(self, key: DeploymentKey) -> Sequence[Number]:
        """Return a deployment's history, oldest first."""
        return self._store.history(key)

    def acts(self, key: DeploymentKey) -> Sequence[Act]:
        """Return the manual acts on a deployment, oldest first."""
        return self._store.acts(key)

    def runs(self, key: DeploymentKey) -> Sequence[JobRun]:
        """Return the runs of a job by schedule or request, oldest first."""
        return self._store.runs(key)

    def decide(self, changes: Sequence[Change]) -> None:
        """Make changes durable, all or none, before anything acts on them."""
        if self._batch is not None:
            self._batch += changes
        elif changes:
            self._store.decide(changes)
            self._take_over(changes)
            self.decided(changes)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collect the decisions made within into one batch, durable and known here at the end.

        Acting on a decision, and telling of it, is for `afterwards`.

        Raises:
            DatabaseFault: it could not be written; nothing was decided.
        """
        assert self._batch is None, "batches do not nest"
        self._batch = []
        try:
            yield
            batch, afterwards = self._batch, self._afterwards
        finally:
            self._batch, self._afterwards = None, []
        self.decide(batch)
        for tell in afterwards:
            tell()

    def afterwards(self, tell: Callable[[], None]) -> None:
        """Call `tell` once what was decided before is durable and known here."""
        if self._batch is None:
            tell()
        else:
            self._afterwards.append(tell)

    def _take_over(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case PutRecord(record=record):
                    self._put(record)
                case DeleteRecord(key=key) | MoveRows(old=key):
                    self._records.drop(key)
                    self._deleted.discard(key)
                    self._changed.add(key)
                    self._names += 1
                case PutDesired(desired=wanted):
                    self._desired.put(wanted.source, wanted)
                case DeleteDesired(source=forgotten):
                    self._desired.drop(forgotten)
                case PutSource(source=followed):
                    self._sources.put(followed.name, followed)
                case DeleteSource(name=name):
                    self._sources.drop(name)
                case PutApproval(approval=approval):
                    self._approvals.put(approval.subject, approval)
                    self.approvals_changed += 1
                case DeleteApproval(subject=subject):
                    self._approvals.drop(subject)
                    self.approvals_changed += 1

    def _put(self, record: Record) -> None:
        self._names += record.key not in self._records
        self._records.put(record.key, record)
        self._changed.add(record.key)
        self._now_named.update((old, record.key) for old in record.wanted.formerly)
        if record.deleted:
            self._deleted.add(record.key)
        else:
            self._deleted.discard(record.key)


def _nothing(_changes: Sequence[Change]) -> None:
    return
