"""The store of one state directory: decisions, each batch synced before it returns, and the guests' data."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from orchestrator.model.desired import DesiredState
from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobRun
from orchestrator.model.observed import Number, Record
from orchestrator.model.policy import Approval
from orchestrator.model.source import SourceRecord
from orchestrator.model.who import Act
from orchestrator.store import keys
from orchestrator.store.data import Data
from orchestrator.store.database import Database
from orchestrator.store.decisions import (
    Change,
    MoveRows,
    read_acts,
    read_approvals,
    read_artifacts,
    read_history,
    read_records,
    read_runs,
    read_serial,
    read_sources,
)
from orchestrator.store.desired import Desired
from orchestrator.store.facts import read_facts
from orchestrator.store.letters import Letters
from orchestrator.store.mail import Mails
from orchestrator.store.needed import read_needed
from orchestrator.store.notes import Notes
from orchestrator.store.renamed import taken
from orchestrator.store.senders import Senders
from orchestrator.store.stalls import Stalls
from orchestrator.store.state_dir import StateDir
from orchestrator.store.told import ToldStates
from orchestrator.store.untold import Untold, notes_on


class Store:
    """An open store; all methods may be called from any thread.

    Larger than most, as it is the list of all that one database holds, which one batch writes.
    """

    def __init__(self, database: Database, lineage: str) -> None:
        self.lineage = lineage
        self.data = Data(database)
        self.notes = Notes(database)
        self.stalls = Stalls(database)
        self.senders = Senders(database)
        self.told = ToldStates(database)
        self.untold = Untold(database)
        self._database = database
        self._deciding = threading.Lock()
        self._desired = Desired(database)
        self._serial = read_serial(database)

    @classmethod
    def open(cls, state: StateDir, *, readonly: bool = False) -> "Store":
        """Open the store of `state`; for writing, hold its lock.

        Raises:
            DatabaseDamaged: some rows are missing or cannot be read; nothing was changed.
            DatabaseFault: it cannot be opened, or another process has it open for writing.
        """
        return cls(Database(state.database, readonly=readonly, look=read_needed), state.lineage)

    @property
    def doubts(self) -> Sequence[str]:
        """The doubts that opening it left, a sentence each."""
        return self._database.doubts

    @property
    def condition(self) -> str:
        """Say what keeps it from being whole and written; empty for nothing."""
        return self._database.condition

    def watch(self, noticed: Callable[[str], None]) -> None:
        """Call `noticed` with the condition whenever that changes, from any thread."""
        self._database.watch(noticed)

    @cached_property
    def letters(self) -> Letters:
        """The dead letters; the first use looks at them all."""
        return Letters(self._database)

    @cached_property
    def mail(self) -> Mails:
        """The messages that are kept until they were handled."""
        return Mails(self._database, self.letters)

    @property
    def serial(self) -> int:
        """How many decisions there have been."""
        return self._serial

    def decide(self, changes: Sequence[Change]) -> int:
        """Write all changes, the notes on them and the next serial, or nothing; all is on the disk on return.

        Raises:
            DatabaseFault: they could not be written.
        """
        with self._deciding:
            if changes:
                serial = self._serial + 1
                untold = notes_on(changes)
                with self._moving(changes), self._desired.written(changes) as rows:
                    own = [(keys.SERIAL, keys.pack(serial)), *self.untold.rows(serial, untold)]
                    self._database.write([*rows, *own], sync=True)
                self._serial = serial
                self._database.decided(serial)
                self.untold.add(serial, untold)
            return self._serial

    @contextmanager
    def _moving(self, changes: Sequence[Change]) -> Iterator[None]:
        """Keep the messages of renamed deployments as they are, until what is known of them is so of the new names."""
        names = [(change.old, change.new) for change in changes if isinstance(change, MoveRows)]
        if not names:
            yield
            return
        with self.mail.renaming(names), self.letters.renaming(names):
            yield

    def is_taken(self, key: DeploymentKey) -> bool:
        """Whether data or messages of an earlier deployment are kept under a name."""
        return taken(self._database, key)

    def records(self) -> Sequence[Record]:
        """Read every record, sorted by key."""
        return read_records(self._database)

    def record(self, key: DeploymentKey) -> Record | None:
        """Read a deployment's record."""
        row = self._database.get(keys.of_deployment(keys.RECORDS, key))
        return None if row is None else keys.unpack(row, Record)

    def artifacts(self) -> set[str]:
        """Read which artifacts the records name."""
        return read_artifacts(self._database)

    def desired(self) -> Sequence[DesiredState]:
        """Read the desired state of every source, as last known, sorted by source."""
        with self._deciding:
            return self._desired.read()

    def sources(self) -> Sequence[SourceRecord]:
        """Read how every source is followed, sorted by name."""
        return read_sources(self._database)

    def approvals(self) -> Sequence[Approval]:
        """Read every approval that was given, the oldest first."""
        return read_approvals(self._database)

    def history(self, key: DeploymentKey) -> Sequence[Number]:
        """Read a deployment's history, oldest first."""
        return read_history(self._database, key)

    def facts(self, key: DeploymentKey) -> DeploymentFacts:
        """Read the facts about a deployment that plans tell."""
        return read_facts(self._database, key)

    def acts(self, key: DeploymentKey) -> Sequence[Act]:
        """Read the manual acts on a deployment, oldest first."""
        return read_acts(self._database, key)

    def runs(self, key: DeploymentKey) -> Sequence[JobRun]:
        """Read the runs of a job by schedule or request, oldest first."""
        return read_runs(self._database, key)

    def close(self) -> None:
        """Sync and close; again does nothing."""
        self._database.close()
