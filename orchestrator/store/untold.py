"""Notes on decisions for the audit book: written in one batch with the decision, and removed once the book tells them.

So no decision is without its entry, and no entry without its decision, at whatever instant a process ends.
"""

import threading
from collections.abc import Sequence

from msgspec.structs import replace

from orchestrator.model.audit import AuditKind, Note
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Number
from orchestrator.model.policy import Approval
from orchestrator.model.source import GitSpec, SourceRecord
from orchestrator.model.who import By
from orchestrator.store import keys
from orchestrator.store.database import Database
from orchestrator.store.decisions import (
    AppendAct,
    AppendHistory,
    Change,
    DeleteRecord,
    DeleteSource,
    MoveRows,
    PutApproval,
    PutDesired,
    PutSource,
    Tell,
    UpdateHistory,
)
from orchestrator.store.engine import Write
from orchestrator.time_of_day import wall_ms

_ENDED = ("running", "rejected", "replaced")  # outcomes of a rollout; a version that was superseded had ended well


class Untold:
    """The notes that wait; methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: dict[int, Sequence[Note]] = {}  # by the number of the decision

    def rows(self, serial: int, notes: Sequence[Note]) -> Sequence[Write]:
        """Return the rows to be written with a decision."""
        return [(keys.of_untold(serial), keys.pack(notes))] if notes else []

    def add(self, serial: int, notes: Sequence[Note]) -> None:
        """Let the notes wait that were written."""
        if notes:
            with self._lock:
                self._waiting[serial] = notes

    def left_behind(self) -> dict[int, Sequence[Note]]:
        """Read the notes that an agent before did not remove; the book may tell of them already."""
        rows = self._database.scan(keys.UNTOLD)
        return {keys.number_of(row): keys.unpack(value, list[Note]) for row, value in rows}

    def waiting(self) -> dict[int, Sequence[Note]]:
        """Return the notes that wait."""
        with self._lock:
            return dict(self._waiting)

    def told(self, serials: Sequence[int]) -> None:
        """Remove the notes that the book tells.

        Raises:
            DatabaseFault: they could not be removed from the disk.
        """
        with self._lock:
            for serial in serials:
                self._waiting.pop(serial, None)
        if serials:
            self._database.write([(keys.of_untold(serial), None) for serial in serials], sync=False)


def notes_on(changes: Sequence[Change]) -> list[Note]:
    """Return what the book is to tell of a decision."""
    now_ms = wall_ms()
    return [replace(note, at_ms=now_ms) for change in changes if (note := _note(change)) is not None]


def _note(change: Change) -> Note | None:
    note: Note | None = None
    match change:
        case AppendHistory(key=key, number=number):
            note = _rollout(key, number)
        case UpdateHistory(key=key, number=number) if number.outcome in _ENDED:
            note = _ended(key, number)
        case AppendAct(key=key, act=act):
            note = _by(AuditKind.ACT, str(key), act.by, {"verb": act.verb.value, "detail": act.detail})
        case DeleteRecord() | MoveRows():
            note = _left(change)
        case PutDesired(desired=wanted):
            facts = {"revision": wanted.revision or "", "deployments": str(len(wanted.deployments))}
            note = _by(AuditKind.WANTED, wanted.source, wanted.by, facts)
        case PutSource(source=source):
            note = Note(kind=AuditKind.SOURCE, subject=source.name, facts=_source(source))
        case PutApproval(approval=approval):
            note = _approval(approval)
        case Tell(note=told):
            note = told
        case DeleteSource(name=name):
            note = Note(kind=AuditKind.SOURCE, subject=name, facts={"follow": "removed"})
    return note


def _source(record: SourceRecord) -> dict[str, str]:
    """Tell how a source is followed, what its commits have to be signed by, and which namespaces it may name."""
    facts = {"follow": record.follow.value}
    if isinstance(record.spec, GitSpec) and record.spec.verify is not None:
        facts["verify"] = f"{record.spec.verify.mode.value} by {', '.join(record.spec.verify.signers)}"
    if record.spec is not None and record.spec.namespaces:
        facts["namespaces"] = ", ".join(record.spec.namespaces)
    return facts


def _left(change: DeleteRecord | MoveRows) -> Note:
    """Tell of a name that nothing is deployed by any more."""
    if isinstance(change, MoveRows):
        return Note(kind=AuditKind.RENAMED, subject=str(change.new), facts={"formerly": str(change.old)})
    return Note(kind=AuditKind.REMOVED, subject=str(change.key))


def _rollout(key: DeploymentKey, number: Number) -> Note:
    revision = number.revision
    facts = {
        "number": str(number.number), "component": revision.component, "version": revision.version,
        "revision": revision.id, "artifact": revision.artifact, "cause": number.cause.value, "reason": number.reason,
        "grants": " ".join(f"{grant.capability}:{pattern}" for grant in revision.grants for pattern in grant.patterns),
        "commit": number.source_revision or "",
    }  # fmt: skip
    return _by(AuditKind.ROLLOUT, str(key), number.by, facts)


def _approval(approval: Approval) -> Note:
    facts = {
        "artifact": approval.artifact,
        "capabilities": " ".join(f"{g.capability}:{pattern}" for g in approval.capabilities for pattern in g.patterns),
    }
    return Note(kind=AuditKind.APPROVED, subject=str(approval.key), by=approval.by, why=approval.why, facts=facts)


def _ended(key: DeploymentKey, number: Number) -> Note:
    facts = {"number": str(number.number), "version": number.revision.version, "outcome": number.outcome}
    if number.outcome == "rejected":
        facts["reason"] = number.reason
    return Note(kind=AuditKind.ROLLOUT_ENDED, subject=str(key), facts=facts)


def _by(kind: AuditKind, subject: str, by: By | None, facts: dict[str, str]) -> Note:
    said = {name: text for name, text in facts.items() if text}
    return Note(kind=kind, subject=subject, by=by.peer if by else None, why=by.why if by else "", facts=said)
