"""Rows about one deployment → the facts that a plan tells of it: its data, its last switches, those who send to it."""

from pathlib import Path

from orchestrator.model.facts import DeploymentFacts, StoredData
from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.data import Usage
from orchestrator.store.database import DamagedRow, Database
from orchestrator.store.decisions import read_history
from orchestrator.store.engine import Rows
from orchestrator.store.needed import read_needed
from orchestrator.store.senders import read_senders

SWITCHES_MAX = 5  # that are told


def read_facts(database: Rows, key: DeploymentKey) -> DeploymentFacts:
    """Read the facts about one deployment; where a row of them is damaged, nobody can tell any.

    A plan goes on without them: it is not what is damaged that it would change.

    Raises:
        DatabaseFault: the database cannot be read.
    """
    try:
        return _read(database, key)
    except DamagedRow:
        return DeploymentFacts(key=key)


def _read(database: Rows, key: DeploymentKey) -> DeploymentFacts:
    row = database.get(keys.of_deployment(keys.USAGE, key))
    usage = Usage() if row is None else keys.unpack(row, Usage)
    switches = [entry.switch for entry in read_history(database, key) if entry.switch is not None]
    return DeploymentFacts(
        key=key, stored=StoredData(keys=usage.key_count, bytes=usage.used_bytes),
        switches=tuple(switches[-SWITCHES_MAX:]), senders=read_senders(database, key),
    )  # fmt: skip


def read_recorded_facts(path: Path, wanted: list[DeploymentKey]) -> list[DeploymentFacts]:
    """Read the facts about some deployments in the state directory at `path`, of which no agent has hold.

    Raises:
        DatabaseFault: they cannot be read.
    """
    database = Database(path / "db", readonly=True, look=read_needed)
    try:
        return [read_facts(database, key) for key in wanted]
    finally:
        database.close()
