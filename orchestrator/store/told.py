"""The states that each receiver of news was told last: rows that outlive the agent. No decisions."""

from typing import NamedTuple

from orchestrator.model.base import Value
from orchestrator.store import keys
from orchestrator.store.database import DamagedRow, Database


class ToldRow(Value, frozen=True):
    """The state of one subject that one receiver was told of last."""

    receiver: str
    subject: str
    state: str


class ToldState(NamedTuple):
    """The states that one receiver was told of, by subject; `is_known` says whether it was ever told anything."""

    states: dict[str, str]
    is_known: bool


class ToldStates:
    """One row for each subject of a receiver; all methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, receiver: str) -> ToldState:
        """Read what a receiver was told; of a row that is damaged, nothing, so that its subject is told again."""
        rows = [*filter(None, (_readable(row) for _, row in self._database.scan(keys.TOLD + keys.part(receiver))))]
        return ToldState({each.subject: each.state for each in rows if each.subject}, bool(rows))

    def keep(self, receiver: str, states: dict[str, str]) -> None:
        """Note what a receiver was told; an empty state forgets the subject.

        Raises:
            DatabaseFault: it could not be written.
        """
        all_states = {"": "begun", **states}
        self._database.write([_row(receiver, subject, state) for subject, state in all_states.items()], sync=False)


def _readable(row: bytes) -> ToldRow | None:
    try:
        return keys.unpack(row, ToldRow)
    except DamagedRow:
        return None


def _row(receiver: str, subject: str, state: str) -> tuple[bytes, bytes | None]:
    row = ToldRow(receiver=receiver, subject=subject, state=state)
    return keys.TOLD + keys.part(receiver) + keys.part(subject), keys.pack(row) if state else None
