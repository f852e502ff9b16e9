"""The rows without which an agent cannot start: they are read before anything of a database is changed."""

from orchestrator.model.letter import DeadLetter
from orchestrator.store import keys
from orchestrator.store.decisions import read_records, read_serial, read_sources
from orchestrator.store.desired import read_desired
from orchestrator.store.engine import Rows
from orchestrator.store.notes import read_notes


def read_needed(rows: Rows) -> int:
    """Read everything that a start reads, and return the serial.

    Raises:
        DatabaseFault: some of it cannot be read.
    """
    read_records(rows)
    read_desired(rows)
    read_sources(rows)
    read_notes(rows)
    for _, row in rows.scan(keys.LETTERS):
        keys.unpack(row, DeadLetter)
    return read_serial(rows)
