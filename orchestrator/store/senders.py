"""The deployments that were seen sending to each other: kept over restarts, as callers of what a plan changes.

No decisions: losing some would only make a plan know less.
"""

from orchestrator.model.facts import SeenSender
from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.database import Database
from orchestrator.store.engine import Rows

Seen = tuple[SeenSender, ...]


class Senders:
    """One row for each deployment that was sent to; all methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, target: DeploymentKey) -> Seen:
        """Read who was seen sending to a deployment.

        Raises:
            DatabaseFault: it could not be read.
        """
        return read_senders(self._database, target)

    def keep(self, target: DeploymentKey, seen: Seen) -> None:
        """Write who was seen sending to a deployment, over what was written before.

        Raises:
            DatabaseFault: it could not be written.
        """
        self._database.write([(keys.of_deployment(keys.SENDERS, target), keys.pack(seen))], sync=False)


def read_senders(database: Rows, target: DeploymentKey) -> Seen:
    """Read who was seen sending to a deployment."""
    row = database.get(keys.of_deployment(keys.SENDERS, target))
    return () if row is None else keys.unpack(row, Seen)
