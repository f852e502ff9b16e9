"""The records as this process knows them: read once, written through, so that a pass costs no database read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Number, Record
from orchestrator.model.source import SourceRecord
from orchestrator.model.table import Table
from orchestrator.model.who import Act
from orchestrator.store.decisions import (
    Change,
    DeleteDesired,
    DeleteRecord,
    DeleteSource,
    PutDesired,
    PutRecord,
    PutSource,
)


class Decisions(Protocol):
    """What a ledger is kept in: the store."""

    @property
    def lineage(self) -> str:
        """Name the state directory."""

    @property
    def serial(self) -> int:
        """Count the decisions."""

    def records(self) -> Sequence[Record]:
        """Read every record."""

    def desired(self) -> Sequence[DesiredState]:
        """Read every source's recorded desired state."""

    def sources(self) -> Sequence[SourceRecord]:
        """Read how every source is followed."""

    def history(self, key: DeploymentKey) -> Sequence[Number]:
        """Read a deployment's history, oldest first."""

    def acts(self, key: DeploymentKey) -> Sequence[Act]:
        """Read the manual acts on a deployment, oldest first."""

    def decide(self, changes: Sequence[Change]) -> int:
        """Write changes and the next serial in one synced batch."""


class Ledger:
    """Every record and every source's last desired state. Owned by the controller's thread."""

    def __init__(self, store: Decisions) -> None:
        self._store = store
        self._together: list[Change] | None = None
        self._records = Table({record.key: record for record in store.records()})
        self._desired = Table({desired.source: desired for desired in store.desired()})
        self._sources = Table({source.name: source for source in store.sources()})

    @property
    def records(self) -> Mapping[DeploymentKey, Record]:
        """The records by key."""
        return self._records

    @property
    def desired(self) -> Mapping[str, DesiredState]:
        """What each source wanted when it was last known."""
        return self._desired

    @property
    def sources(self) -> Mapping[str, SourceRecord]:
        """How each source is followed, by name."""
        return self._sources

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

    def decide(self, changes: Sequence[Change]) -> None:
        """Make changes durable, all or none, before anything acts on them."""
        if not changes:
            return
        if self._together is not None:
            self._together.extend(changes)
            return
        self._store.decide(changes)
        self._take_over(changes)

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Have everything that is decided within durable in one batch at its end, and seen only then."""
        self._together = []
        try:
            yield
            changes = self._together
        finally:
            self._together = None
        self.decide(changes)

    def _take_over(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case PutRecord(record=record):
                    self._records.put(record.key, record)
                case DeleteRecord(key=key):
                    self._records.drop(key)
                case PutDesired(desired=wanted):
                    self._desired.put(wanted.source, wanted)
                case DeleteDesired(source=forgotten):
                    self._desired.drop(forgotten)
                case PutSource(source=followed):
                    self._sources.put(followed.name, followed)
                case DeleteSource(name=name):
                    self._sources.drop(name)
