"""The rows of a deployment under its old name → the same rows under its new one, to be written all or none.

Numbers stay. Under a name that nothing is deployed by, rows of an earlier deployment may lie: of its history, acts and
runs they make way; with its data or messages, `taken` says that the name is taken.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.letter import DeadLetter
from orchestrator.store import keys
from orchestrator.store.engine import Rows, Write

_WHOLE = (keys.HISTORY, keys.ACTS, keys.RUNS, keys.DATA, keys.PART, keys.USAGE, keys.MAIL, keys.MAIL_IDS, keys.SENDERS)
_KEPT = (keys.DATA, keys.PART, keys.MAIL)


def taken(rows: Rows, new: DeploymentKey) -> bool:
    """Whether data or messages of an earlier deployment are kept under a name."""
    return any(rows.scan(keys.of_deployment(table, new)) for table in _KEPT)


def moved_rows(rows: Rows, old: DeploymentKey, new: DeploymentKey) -> Iterator[Write]:
    """Yield what moves everything."""
    for table in _WHOLE:
        before, after = keys.of_deployment(table, old), keys.of_deployment(table, new)
        yield from ((name, None) for name, _ in rows.scan(after))
        for name, value in rows.scan(before):
            yield name, None
            yield after + name[len(before) :], value
    yield keys.of_deployment(keys.RECORDS, old), None
    yield keys.of_deployment(keys.STALLS, old), None
    for name, value in rows.scan(keys.LETTERS):
        letter = keys.unpack(value, DeadLetter)
        if letter.key == old:
            yield name, keys.pack(replace(letter, key=new))
