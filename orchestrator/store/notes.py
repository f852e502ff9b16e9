"""Notes on sources, as last known: kept for commands without an agent, and for the next agent. No decisions."""

from orchestrator.model.source import SourceNote
from orchestrator.store import keys
from orchestrator.store.database import Database
from orchestrator.store.engine import Rows


class Notes:
    """One note per source, in the write-ahead log when it was kept; all methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, SourceNote]:
        """Read every note, by source."""
        return read_notes(self._database)

    def keep(self, note: SourceNote) -> None:
        """Write a note over the one before.

        Raises:
            DatabaseFault: it could not be written.
        """
        self._database.write([(keys.NOTES + keys.part(note.status.source), keys.pack(note))], sync=False)

    def drop(self, source: str) -> None:
        """Forget what was known of a source.

        Raises:
            DatabaseFault: it could not be written.
        """
        self._database.write([(keys.NOTES + keys.part(source), None)], sync=False)


def read_notes(database: Rows) -> dict[str, SourceNote]:
    """Read what was last known of each source."""
    notes = (keys.unpack(row, SourceNote) for _, row in database.scan(keys.NOTES))
    return {note.status.source: note for note in notes}
