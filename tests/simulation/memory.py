"""A store in memory for the many histories; some run on the real one. What is read had been encoded, as there."""

from collections.abc import Callable, Sequence

from orchestrator.decoding import from_json
from orchestrator.execute.ledger import Decisions
from orchestrator.model.base import canonical_json
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobRun
from orchestrator.model.observed import Number, Record
from orchestrator.model.policy import Approval
from orchestrator.model.source import SourceRecord
from orchestrator.model.who import Act
from orchestrator.store.database import DamagedRow
from orchestrator.store.decisions import (
    AppendAct,
    AppendHistory,
    Change,
    DeleteAct,
    DeleteApproval,
    DeleteDesired,
    DeleteHistory,
    DeleteRecord,
    DeleteRun,
    DeleteSource,
    MoveRows,
    PutApproval,
    PutDesired,
    PutRecord,
    PutRun,
    PutSource,
    UpdateHistory,
)


class MemoryDecisions:
    """Rows of bytes that outlive the agents that open it."""

    def __init__(self) -> None:
        self.lineage = "simulated"
        self.serial = 0
        self._records: dict[DeploymentKey, bytes] = {}
        self._desired: dict[str, bytes] = {}
        self._sources: dict[str, bytes] = {}
        self._history: dict[DeploymentKey, dict[int, bytes]] = {}
        self._approvals: dict[str, bytes] = {}
        self._runs: dict[DeploymentKey, dict[int, bytes]] = {}
        self._acts: dict[DeploymentKey, dict[int, bytes]] = {}

    def records(self) -> Sequence[Record]:
        return [from_json(self._records[key], Record) for key in sorted(self._records)]

    def desired(self) -> Sequence[DesiredState]:
        return [from_json(self._desired[source], DesiredState) for source in sorted(self._desired)]

    def sources(self) -> Sequence[SourceRecord]:
        return [from_json(self._sources[name], SourceRecord) for name in sorted(self._sources)]

    def approvals(self) -> Sequence[Approval]:
        return [from_json(row, Approval) for row in self._approvals.values()]

    def history(self, key: DeploymentKey) -> Sequence[Number]:
        return [from_json(row, Number) for _, row in sorted(self._history.get(key, {}).items())]

    def acts(self, key: DeploymentKey) -> Sequence[Act]:
        return [from_json(row, Act) for _, row in sorted(self._acts.get(key, {}).items())]

    def is_taken(self, key: DeploymentKey) -> bool:
        return False

    def runs(self, key: DeploymentKey) -> Sequence[JobRun]:
        return [from_json(row, JobRun) for _, row in sorted(self._runs.get(key, {}).items())]

    def decide(self, changes: Sequence[Change]) -> int:
        self.serial += bool(changes)
        for change in changes:
            match change:
                case PutRecord(record=record):
                    self._records[record.key] = canonical_json(record)
                case DeleteRecord(key=key):
                    self._records.pop(key, None)
                case MoveRows(old=old, new=new):
                    self._records.pop(old, None)
                    for table in (self._history, self._acts, self._runs):
                        table[new] = table.pop(old, {})  # type: ignore[attr-defined]  # of rows of one kind each
                case PutDesired(desired=desired):
                    self._desired[desired.source] = canonical_json(desired)
                case DeleteDesired(source=source):
                    self._desired.pop(source, None)
                case PutSource(source=followed):
                    self._sources[followed.name] = canonical_json(followed)
                case DeleteSource(name=name):
                    self._sources.pop(name, None)
                case AppendHistory(key=key, number=number) | UpdateHistory(key=key, number=number):
                    self._history.setdefault(key, {})[number.number] = canonical_json(number)
                case DeleteHistory(key=key, number=dropped):
                    self._history.get(key, {}).pop(dropped, None)
                case PutApproval(approval=approval):
                    self._approvals[approval.subject] = canonical_json(approval)
                case DeleteApproval(subject=subject):
                    self._approvals.pop(subject, None)
                case PutRun(key=key, run=run):
                    self._runs.setdefault(key, {})[run.number] = canonical_json(run)
                case DeleteRun(key=key, number=dropped):
                    self._runs.get(key, {}).pop(dropped, None)
                case AppendAct(key=key, act=act):
                    self._acts.setdefault(key, {})[act.number] = canonical_json(act)
                case DeleteAct(key=key, number=dropped):
                    self._acts.get(key, {}).pop(dropped, None)
        return self.serial


class Crash(BaseException):
    """The process ends here: nothing after this point happens."""


class CrashingDecisions:
    """A store; the world is told of each decision before and after it is written, and may end the process there."""

    def __init__(
        self, store: Decisions, before: Callable[[Sequence[Change]], None], after: Callable[[Sequence[Change]], None],
        damaged: set[DeploymentKey],
    ) -> None:  # fmt: skip
        self._store, self._before, self._after, self._damaged = store, before, after, damaged

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def history(self, key: DeploymentKey) -> Sequence[Number]:
        if key in self._damaged:
            raise DamagedRow("a Number cannot be read")
        return self._store.history(key)

    def decide(self, changes: Sequence[Change]) -> int:
        self._before(changes)
        serial = self._store.decide(changes)
        self._after(changes)
        return serial
