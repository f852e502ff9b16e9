"""Desired states ⇄ rows: a head for each source and a row for each deployment, so that a change writes what differs.

A head counts the rows that belong to it: without one of them the source would seem to want less. A head in the older
format holds the deployments itself; it is read, and written anew with the next change. The store calls it, and so do
commands that read without an agent.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from orchestrator.model.base import Value
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Deployment
from orchestrator.store import keys
from orchestrator.store.decisions import Change, DeleteDesired, MoveRows, PutDesired, Tell, as_write
from orchestrator.store.engine import DatabaseDamaged, Rows, Write
from orchestrator.store.renamed import moved_rows

HEAD_FORMAT = b"\x02"  # by which an older airs refuses a head without deployments, and does not take them for removed


class Head(Value, frozen=True):
    """A desired state without its deployments, and how many of them there are; None where they are in it."""

    desired: DesiredState
    count: int | None = None


class Desired:
    """The desired states in the rows of one database. Its owner lets one thread in at a time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known: dict[str, DesiredState] | None = None  # as it was read or written last; None where that is open
        self._old: set[str] = set()  # sources without rows for their deployments

    def read(self) -> list[DesiredState]:
        """Return every desired state, sorted by source."""
        return sorted(self._read().values(), key=lambda desired: desired.source)

    @contextmanager
    def written(self, changes: Sequence[Change]) -> Iterator[list[Write]]:
        """Yield the rows of changes, of a desired state those that differ; they are to be written within."""
        known, self._known = dict(self._read()), None  # after a failed write it is not known what is written
        old = set(self._old)
        yield [row for change in changes for row in _rows_of(change, known, old, self._rows)]
        self._known, self._old = known, old

    def _read(self) -> dict[str, DesiredState]:
        if self._known is None:
            heads = _heads(self._rows)
            self._old = {head.desired.source for head in heads if head.count is None}
            self._known = {head.desired.source: _whole(self._rows, head) for head in heads}
        return self._known


def read_desired(rows: Rows) -> list[DesiredState]:
    """Read every desired state, sorted by source.

    Raises:
        DatabaseDamaged: not every deployment of a source is there.
    """
    return Desired(rows).read()


def head_of(row: bytes) -> Head:
    """Decode a head.

    Raises:
        DamagedRow: it is none.
    """
    if row[:1] == HEAD_FORMAT:
        return keys.unpack(row, Head, HEAD_FORMAT)
    return Head(desired=keys.unpack(row, DesiredState))


def incomplete(rows: Rows) -> list[Write]:
    """Return what deletes the sources of which not every row is there, and rows of sources that are not there."""
    heads = [head for head in _heads(rows) if head.count is not None]
    whole = {_names_of(head.desired.source) for head in heads if head.count == len(_parts(rows, head.desired.source))}
    kept = {name for names in whole for name, _ in rows.scan(names)}
    lost = [_head_name(head.desired.source) for head in heads if _names_of(head.desired.source) not in whole]
    return [(name, None) for name in (*lost, *(name for name, _ in rows.scan(keys.WANTED) if name not in kept))]


def _rows_of(change: Change, known: dict[str, DesiredState], old: set[str], rows: Rows) -> Iterator[Write]:
    match change:
        case PutDesired(desired=desired):
            before = () if desired.source in old else _deployments(known.get(desired.source))
            head = Head(desired=replace(desired, deployments=()), count=len({d.key for d in desired.deployments}))
            yield _head_name(desired.source), keys.pack(head, HEAD_FORMAT)
            yield from _differing(desired.source, before, desired.deployments)
            known[desired.source] = desired
            old.discard(desired.source)
        case DeleteDesired(source=source):
            before = _deployments(known.pop(source, None))
            yield _head_name(source), None
            yield from _differing(source, () if source in old else before, ())
            old.discard(source)
        case Tell():
            return  # in the audit book alone
        case MoveRows(old=old_key, new=new_key):
            yield from moved_rows(rows, old_key, new_key)
        case _:
            yield as_write(change)


def _differing(source: str, before: Sequence[Deployment], after: Sequence[Deployment]) -> Iterator[Write]:
    """Yield the rows that lead from one to the other; an equal deployment that is not the same is written again."""
    same = {id(deployment) for deployment in before} & {id(deployment) for deployment in after}
    changed = {deployment.key: deployment for deployment in after if id(deployment) not in same}
    left = {deployment.key for deployment in before if id(deployment) not in same} - changed.keys()
    yield from ((_row_name(source, key), None) for key in left)
    yield from ((_row_name(source, key), keys.pack(deployment)) for key, deployment in changed.items())


def _deployments(desired: DesiredState | None) -> Sequence[Deployment]:
    return () if desired is None else desired.deployments


def _heads(rows: Rows) -> list[Head]:
    return [head_of(row) for _, row in rows.scan(keys.DESIRED)]


def _whole(rows: Rows, head: Head) -> DesiredState:
    if head.count is None:
        return head.desired
    source = head.desired.source
    found = [keys.unpack(row, Deployment) for row in _parts(rows, source)]
    if len(found) != head.count:
        raise DatabaseDamaged(f"{head.count} deployments are wanted by {source}, of which {len(found)} are there")
    return replace(head.desired, deployments=tuple(sorted(found, key=lambda deployment: deployment.key)))


def _parts(rows: Rows, source: str) -> list[bytes]:
    return [row for _, row in rows.scan(_names_of(source))]


def _head_name(source: str) -> bytes:
    return keys.DESIRED + keys.part(source)


def _names_of(source: str) -> bytes:
    return keys.WANTED + keys.part(source)


def _row_name(source: str, key: DeploymentKey) -> bytes:
    return _names_of(source) + keys.part(key.namespace) + keys.part(key.name)
