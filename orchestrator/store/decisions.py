"""The kinds of decisions, and how each is written and read: one row per record, source and history entry.

The desired state of a source takes several rows: `desired.py`.
"""

import re
from collections.abc import Sequence

import msgspec

from orchestrator.model.audit import Note
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobRun
from orchestrator.model.observed import Number, Record
from orchestrator.model.policy import Approval
from orchestrator.model.source import SourceRecord
from orchestrator.model.who import Act
from orchestrator.store import keys
from orchestrator.store.engine import Rows, Write

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


class PutRecord(msgspec.Struct, frozen=True):
    """Write a deployment's record, over the one before."""

    record: Record


class DeleteRecord(msgspec.Struct, frozen=True):
    """Forget a deployment. Its history and its guests' data stay."""

    key: DeploymentKey


class PutDesired(msgspec.Struct, frozen=True):
    """Write a source's desired state, over the one before."""

    desired: DesiredState


class DeleteDesired(msgspec.Struct, frozen=True):
    """Forget a source."""

    source: str


class PutSource(msgspec.Struct, frozen=True):
    """Write how a source is followed, over how it was."""

    source: SourceRecord


class DeleteSource(msgspec.Struct, frozen=True):
    """Follow a source no more, and forget that it was."""

    name: str


class AppendHistory(msgspec.Struct, frozen=True):
    """Write a new entry of a deployment's history."""

    key: DeploymentKey
    number: Number


class UpdateHistory(msgspec.Struct, frozen=True):
    """Write an entry over the one with the same number."""

    key: DeploymentKey
    number: Number


class AppendAct(msgspec.Struct, frozen=True):
    """Write a manual act on a deployment. Like its history, it stays when the deployment goes."""

    key: DeploymentKey
    act: Act


class DeleteAct(msgspec.Struct, frozen=True):
    """Drop the manual act with this number."""

    key: DeploymentKey
    number: int


class PutRun(msgspec.Struct, frozen=True):
    """Write a run of a job, over what was known of it. Like its history, it stays when the deployment goes."""

    key: DeploymentKey
    run: JobRun


class DeleteRun(msgspec.Struct, frozen=True):
    """Drop the run with this number."""

    key: DeploymentKey
    number: int


class PutApproval(msgspec.Struct, frozen=True):
    """Write an approval that a person gave."""

    approval: Approval


class DeleteApproval(msgspec.Struct, frozen=True):
    """Forget the approval for this."""

    subject: str


class Tell(msgspec.Struct, frozen=True):
    """Write nothing but a note for the audit book."""

    note: Note


class DeleteHistory(msgspec.Struct, frozen=True):
    """Drop the entry with this number."""

    key: DeploymentKey
    number: int


class MoveRows(msgspec.Struct, frozen=True):
    """Forget a deployment's record, and write all its other rows under another name: history, data, messages …"""

    old: DeploymentKey
    new: DeploymentKey


Entry = AppendHistory | UpdateHistory | DeleteHistory | AppendAct | DeleteAct | PutRun | DeleteRun
Row = PutRecord | DeleteRecord | PutSource | DeleteSource | PutApproval | DeleteApproval | Entry
Change = Row | PutDesired | DeleteDesired | Tell | MoveRows


def as_write(change: Row) -> Write:
    """Turn a change into the row that it writes."""
    match change:
        case PutApproval(approval=approval):
            return keys.APPROVALS + keys.part(approval.subject), keys.pack(approval)
        case DeleteApproval(subject=subject):
            return keys.APPROVALS + keys.part(subject), None
        case PutSource(source=followed):
            return keys.SOURCES + keys.part(followed.name), keys.pack(followed)
        case DeleteSource(name=name):
            return keys.SOURCES + keys.part(name), None
        case _:
            return _own_row(change)


def _own_row(change: PutRecord | DeleteRecord | Entry) -> Write:
    match change:
        case PutRecord(record=record):
            return keys.of_deployment(keys.RECORDS, record.key), keys.pack(record)
        case DeleteRecord(key=key):
            return keys.of_deployment(keys.RECORDS, key), None
        case _:
            return _entry_row(change)


def _entry_row(change: Entry) -> Write:
    match change:
        case AppendHistory(key=key, number=number) | UpdateHistory(key=key, number=number):
            return keys.of_number(key, number.number), keys.pack(number)
        case DeleteHistory(key=key, number=dropped):
            return keys.of_number(key, dropped), None
        case AppendAct(key=key, act=act):
            return keys.of_act(key, act.number), keys.pack(act)
        case DeleteAct(key=key, number=dropped):
            return keys.of_act(key, dropped), None
        case PutRun(key=key, run=run):
            return keys.of_run(key, run.number), keys.pack(run)
        case DeleteRun(key=key, number=dropped):
            return keys.of_run(key, dropped), None


def read_serial(database: Rows) -> int:
    """Read how many decisions there have been."""
    row = database.get(keys.SERIAL)
    return 0 if row is None else keys.unpack(row, int)


def read_records(database: Rows) -> list[Record]:
    """Read every record, sorted by key."""
    found = [keys.unpack(row, Record) for _, row in database.scan(keys.RECORDS)]
    return sorted(found, key=lambda record: record.key)


def read_artifacts(database: Rows) -> set[str]:
    """Read every artifact that a record, its history or a source's desired state names.

    The history of a deployment that is gone names nothing. Everything in a row that looks like a digest counts, so that
    no field of a later version is overlooked.
    """
    alive = {row[len(keys.RECORDS) :] for row, _ in database.scan(keys.RECORDS)}
    naming = [value for table in (keys.RECORDS, keys.DESIRED, keys.WANTED) for _, value in database.scan(table)]
    naming += [value for row, value in database.scan(keys.HISTORY) if keys.deployment_in(row) in alive]
    return {digest.decode() for value in naming for digest in _DIGEST.findall(value)}


def read_sources(database: Rows) -> list[SourceRecord]:
    """Read how every source is followed, sorted by name."""
    found = [keys.unpack(row, SourceRecord) for _, row in database.scan(keys.SOURCES)]
    return sorted(found, key=lambda source: source.name)


def read_approvals(database: Rows) -> list[Approval]:
    """Read every approval that was given, the oldest first."""
    found = [keys.unpack(row, Approval) for _, row in database.scan(keys.APPROVALS)]
    return sorted(found, key=lambda approval: (approval.at_ms, approval.subject))


def read_history(database: Rows, key: DeploymentKey) -> Sequence[Number]:
    """Read a deployment's history, oldest first."""
    return [keys.unpack(row, Number) for _, row in database.scan(keys.of_deployment(keys.HISTORY, key))]


def read_acts(database: Rows, key: DeploymentKey) -> Sequence[Act]:
    """Read the manual acts on a deployment, oldest first."""
    return [keys.unpack(row, Act) for _, row in database.scan(keys.of_deployment(keys.ACTS, key))]


def read_runs(database: Rows, key: DeploymentKey) -> Sequence[JobRun]:
    """Read the runs of a job by schedule or request, oldest first."""
    return [keys.unpack(row, JobRun) for _, row in database.scan(keys.of_deployment(keys.RUNS, key))]
