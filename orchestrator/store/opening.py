"""A database's folder and the note beside it → whether it may be opened, and what of it is gone; changes nothing.

Every reader of a database asks here first: the agent, the commands that read what is recorded, `airs doctor`.
RocksDB alone would take a log that was emptied, or a list of files that lost its end, for all there ever was, and
remove the files that it does not know.
"""

import os
from collections.abc import Callable
from pathlib import Path

from orchestrator.store.engine import DatabaseDamaged, DatabaseFault, Engine, Rows, Tail, not_a_database
from orchestrator.store.layout import LOCK
from orchestrator.store.synced import (
    SYNCED,
    Manifest,
    Synced,
    SyncedUnreadable,
    checksum_of,
    current_manifest,
    read_synced,
    sizes_of_logs,
)

Look = Callable[[Rows], int]  # reads what a start needs, and returns the serial; raises DatabaseFault


class Opening:
    """How a database may be opened: `reader` has it open for reading, None where there is none and none is missed.

    `doubts` are sentences about what could not be made sure of; `known` is the note of what is on the disk.
    """

    def __init__(self, reader: Engine | None, tail: Tail, known: Synced | None, doubts: tuple[str, ...]) -> None:
        self.reader, self.tail, self.known, self.doubts = reader, tail, known, doubts


def opening(folder: Path, look: Look | None) -> Opening:
    """Find out whether the database in `folder` is whole; the caller closes the reader.

    Raises:
        DatabaseDamaged: it is not; the message says what is missing.
        DatabaseFault: the machine does not let it be read.
    """
    doubts = []
    try:
        known = read_synced(folder.with_name(SYNCED))
    except SyncedUnreadable as fault:
        known = None
        if not os.path.lexists(folder):
            raise DatabaseDamaged(f"{folder} is missing, and {fault}") from None
        doubts.append(f"{fault}: whether the database lost something cannot be told")
    if not os.path.lexists(folder):
        _may_be_missing(folder, known)
        return Opening(None, Tail.CUT_OFF, known, ())
    if known is None and not doubts:
        doubts.append(f"{folder.with_name(SYNCED)} is missing: whether the database lost something cannot be told")
    reader, tail, more = _opened(folder, known or Synced(), look)
    return Opening(reader, tail, known, (*doubts, *more))


def _may_be_missing(folder: Path, known: Synced | None) -> None:
    if known is None and os.path.lexists(folder.with_name(LOCK)):
        raise DatabaseDamaged(f"{folder} and {folder.with_name(SYNCED)} are missing, though an agent ran here")
    if known is not None and not known.is_nothing:
        raise DatabaseDamaged(f"{folder} is missing; it held {known.serial} decisions")


def _opened(folder: Path, known: Synced, look: Look | None) -> tuple[Engine, Tail, tuple[str, ...]]:
    _check_manifest(folder, known)
    try:
        return _trial(folder, Tail.CUT_OFF, known, look), Tail.CUT_OFF, ()
    except DatabaseDamaged as damage:
        try:  # a machine that lost power leaves anything in the log behind what was synced
            reader = _trial(folder, Tail.DROPPED, known, look)
        except DatabaseFault:
            raise damage from None
        note = f"the last writes before the end, none of them synced, cannot be read and are lost: {damage}"
        return reader, Tail.DROPPED, (note,)


def _trial(folder: Path, tail: Tail, known: Synced, look: Look | None) -> Engine:
    reader = Engine.reading(folder, tail)
    try:
        _check_logs(folder, reader, known)
        if reader.sequence() < known.sequence:
            lost = known.sequence - reader.sequence()
            raise DatabaseDamaged(f"{folder} ends {lost} writes before the newest that was synced ({known.sequence})")
        serial = known.serial if look is None else look(reader)
        if serial < known.serial:
            raise DatabaseDamaged(f"{folder} ends at decision {serial} of {known.serial}")
    except DatabaseFault:
        reader.close()
        raise
    return reader


def _check_manifest(folder: Path, known: Synced) -> None:
    """Check RocksDB's list of its files against what it was; RocksDB would take a damaged one for a shorter one."""
    strange = not_a_database(folder)
    if strange:
        raise DatabaseDamaged(strange)
    try:
        current = current_manifest(folder)
    except FileNotFoundError:
        raise DatabaseDamaged(f"{folder / 'CURRENT'} is missing") from None
    wrong = manifest_fault(folder, current, known.manifest)
    if wrong:
        raise DatabaseDamaged(wrong)


def manifest_fault(folder: Path, current: str, was: Manifest) -> str:
    """Say what is wrong with the list of files that is `current`, by what it was; empty for nothing that is known."""
    if not was.name or (current > was.name and current.startswith("MANIFEST-")):  # a start made it, and was cut off
        return ""
    if current != was.name:
        return f"{folder / 'CURRENT'} names {current[:40]!a}, not {was.name}"
    try:
        checksum = checksum_of(folder / was.name, was.size)
    except FileNotFoundError:
        return f"{folder / was.name} is missing"
    same = checksum == was.checksum
    return "" if same else f"{folder / was.name}, the list of the database's files, is not as it was written"


def _check_logs(folder: Path, reader: Engine, known: Synced) -> None:
    oldest, sizes = reader.oldest_log(), sizes_of_logs(folder)
    for name, size in known.logs.items():
        if int(name.removesuffix(".log")) < oldest:  # what it held has gone into other files
            continue
        if sizes.get(name, -1) < size:
            has = f"has {sizes[name]} bytes" if name in sizes else "is missing"
            raise DatabaseDamaged(f"the write-ahead log {folder / name} {has}; {size} bytes of it were synced")
