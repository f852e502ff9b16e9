"""Notes of since when deployments wait for a person, for the next agent. No decisions, and nothing if they are lost."""

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.database import Database
from orchestrator.store.engine import Rows


class Stall(Value, frozen=True):
    """A deployment that waits for a person, why, and since when."""

    key: DeploymentKey
    reason: str
    since_ms: int


class Stalls:
    """One note per deployment that waits; in the write-ahead log when it was kept. From any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[DeploymentKey, Stall]:
        """Read every note."""
        return read_stalls(self._database)

    def keep(self, note: Stall) -> None:
        """Write a note over the one before.

        Raises:
            DatabaseFault: it could not be written.
        """
        self._database.write([(keys.of_deployment(keys.STALLS, note.key), keys.pack(note))], sync=False)

    def drop(self, key: DeploymentKey) -> None:
        """Forget that a deployment waited.

        Raises:
            DatabaseFault: it could not be written.
        """
        self._database.write([(keys.of_deployment(keys.STALLS, key), None)], sync=False)


def read_stalls(database: Rows) -> dict[DeploymentKey, Stall]:
    """Read every note, by deployment."""
    notes = (keys.unpack(row, Stall) for _, row in database.scan(keys.STALLS))
    return {note.key: note for note in notes}
