"""A damaged database → a new one with everything that can still be read; the old one stays, under another name.

`airs doctor --repair` calls it, while it holds the state directory. A row is taken whole or not at all; a row that is
not one of ours is left out, and so is whatever RocksDB cannot read around. Counters are counted anew.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from orchestrator.model.audit import Note
from orchestrator.model.facts import SeenSender
from orchestrator.model.job import JobRun
from orchestrator.model.letter import DeadLetter
from orchestrator.model.observed import Number, Record
from orchestrator.model.policy import Approval
from orchestrator.model.source import SourceNote, SourceRecord
from orchestrator.model.spec import Deployment
from orchestrator.store import keys
from orchestrator.store.data import Usage
from orchestrator.store.desired import Head, head_of, incomplete
from orchestrator.store.engine import (
    DatabaseDamaged,
    DatabaseFault,
    Engine,
    Tail,
    Write,
    not_a_database,
    rebuild,
    remove_folder,
)
from orchestrator.store.mail import KeptMail
from orchestrator.store.needed import read_needed
from orchestrator.store.opening import manifest_fault, opening
from orchestrator.store.stalls import Stall
from orchestrator.store.synced import (
    SYNCED,
    Manifest,
    Synced,
    SyncedUnreadable,
    manifest_of,
    note_anew,
    read_synced,
    sizes_of_logs,
)
from orchestrator.store.told import ToldRow

BATCH_ROWS = 1_000
GAPS_MAX = 10_000
TABLES: dict[bytes, tuple[str, object]] = {  # what its rows are called, and what each holds; None for the guests' bytes
    keys.RECORDS: ("deployments", Record),
    keys.SOURCES: ("sources", SourceRecord),
    keys.DESIRED: ("", Head),
    keys.WANTED: ("", Deployment),
    keys.NOTES: ("", SourceNote),
    keys.STALLS: ("", Stall),
    keys.RUNS: ("runs of jobs", JobRun),
    keys.HISTORY: ("entries of history", Number),
    keys.DATA: ("values of guests", None),
    keys.PART: ("values of guests", None),
    keys.MAIL: ("messages", KeptMail),
    keys.MAIL_IDS: ("message ids", int),
    keys.LETTERS: ("dead letters", DeadLetter),
    keys.APPROVALS: ("approvals", Approval),
    keys.SENDERS: ("", tuple[SeenSender, ...]),
    keys.TOLD: ("", ToldRow),
    keys.UNTOLD: ("notes for the audit book", list[Note]),
    keys.SERIAL: ("", int),
    keys.LETTER_NUMBER: ("", int),
}


class Salvaged(msgspec.Struct):
    """The rows that were saved, by their names; the old database's place; unreadable places, and strange rows."""

    kept_at: Path
    counts: dict[str, int] = {}
    gaps: int = 0
    strange: int = 0

    @property
    def saved(self) -> str:
        """The saved rows in words."""
        return ", ".join(f"{count} {name}" for name, count in self.counts.items()) or "nothing"


def damage(folder: Path) -> str:
    """Read everything there is in the database in `folder`, and say what is wrong with it; empty for nothing.

    Raises:
        DatabaseFault: the machine does not let it be read.
    """
    try:
        reader = opening(folder, read_needed).reader
    except DatabaseDamaged as found:
        return str(found)
    if reader is None:
        return ""
    try:
        for _ in reader.rows():
            pass
    except DatabaseDamaged as found:
        return str(found)
    finally:
        reader.close()
    return ""


def salvage(folder: Path) -> Salvaged:
    """Replace the database in `folder` by one with what can be read of it; the lock must be held.

    Raises:
        DatabaseFault: a new one cannot be written, or there is nothing that could be read; nothing was replaced.
        OSError: the machine refused something.
    """
    origin = (
        folder if os.path.lexists(folder) else next(reversed(kept_aside(folder)), None)
    )  # of a repair that was cut off
    if origin is None:
        raise DatabaseFault(f"{folder} is missing, and so is anything that could be saved; restore it from a backup")
    known, draft = _known(folder), folder.with_name(f"{folder.name}.new")
    salvaged = Salvaged(kept_at=origin)
    remove_folder(draft)
    draft.mkdir(mode=0o700)
    draft.chmod(0o700)
    out = Engine.writing(draft, Tail.CUT_OFF, create=True)
    try:
        _Copy(out, salvaged).take_all(origin, known)
        serial = _finish(out, known)
        sequence = out.sequence()
    finally:
        out.close()
    if origin == folder:
        salvaged.kept_at = folder.with_name(f"{folder.name}.damaged-{len(kept_aside(folder)) + 1}")
        folder.rename(salvaged.kept_at)
    draft.rename(folder)
    note_anew(
        folder.with_name(SYNCED), Synced(1, serial, sequence, sizes_of_logs(folder), manifest_of(folder, Manifest()))
    )
    return salvaged


class _Copy:
    """Copies rows into a new database, and counts them."""

    def __init__(self, out: Engine, salvaged: Salvaged) -> None:
        self._out, self._salvaged = out, salvaged
        self._batch: list[Write] = []

    def take_all(self, folder: Path, known: Synced) -> None:
        """Take what RocksDB reads by its list of files, and what it reads without that where it does not."""
        manifest = _manifest(folder, known)
        gaps: list[tuple[bytes, bytes | None]] = [(b"", None)]
        if manifest is not None:
            try:
                engine = Engine.reading(folder, Tail.SKIPPED, manifest)
            except DatabaseDamaged:  # a file that it names is missing, say
                pass
            else:
                gaps = self._take(engine, b"", None)
                engine.close()
        if gaps:
            self._salvaged.gaps += len(gaps)
            with _rebuilt(folder) as engine:
                for begin, end in gaps:
                    self._take(engine, begin, end)
        self._flush()

    def _take(self, engine: Engine, begin: bytes, end: bytes | None) -> list[tuple[bytes, bytes | None]]:
        """Take the rows from `begin` on and before `end`; returns the gaps in which nothing could be read."""
        gaps: list[tuple[bytes, bytes | None]] = []
        at: bytes | None = begin
        while at is not None and len(gaps) < GAPS_MAX:
            try:
                for key, value in engine.rows(after=at):
                    if end is not None and key >= end:
                        return gaps
                    self._put(key, value)
                    at = key + b"\0"
                return gaps
            except DatabaseDamaged:
                after = next_readable(engine, at)
                gaps.append((at, after))
                at = after
        return gaps

    def _put(self, key: bytes, value: bytes) -> None:
        name, kind = TABLES.get(key[:1], ("", None))
        if key[:1] == keys.USAGE:  # counted anew
            return
        if not _is_ours(value, kind):
            self._salvaged.strange += 1
            return
        if name:
            self._salvaged.counts[name] = self._salvaged.counts.get(name, 0) + 1
        self._batch.append((key, value))
        if len(self._batch) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._out.write(self._batch, sync=False)
        self._batch = []


def next_readable(engine: Engine, begin: bytes) -> bytes | None:
    """Return the first key above `begin`, where nothing can be read, at which something can be again; None for none.

    Keys are searched as numbers: upwards in steps that double, then between the last two.
    """
    width = len(begin) + 8
    low, top = int.from_bytes(begin.ljust(width, b"\0"), "big"), 1 << (8 * width)
    step = 1
    while not _can_read(engine, (low + step).to_bytes(width, "big")):
        step *= 2
        if low + step >= top:
            return None
    bad, good = low + step // 2, low + step
    while good - bad > 1:
        middle = (bad + good) // 2
        if _can_read(engine, middle.to_bytes(width, "big")):
            good = middle
        else:
            bad = middle
    return good.to_bytes(width, "big")


def _can_read(engine: Engine, at: bytes) -> bool:
    try:
        next(engine.rows(after=at), None)
    except DatabaseDamaged:
        return False
    return True


def _is_ours(value: bytes, kind: object) -> bool:
    if kind is None:
        return value[:1] == keys.FORMAT
    try:
        if kind is Head:
            head_of(value)
            return True
        keys.unpack(value, kind)  # type: ignore[arg-type]  # a type of msgspec's, whichever
    except DatabaseFault:
        return False
    return True


def _finish(out: Engine, known: Synced) -> int:
    """Write the counters, and return the serial: at least the newest that is known, so that no plan fits twice."""
    usage: dict[bytes, Usage] = {}
    for table, parts in ((keys.DATA, 2), (keys.PART, 3)):
        for key, value in out.rows(table):
            of, name = _split(key, parts)
            used = usage.get(of, Usage())
            usage[of] = Usage(used.used_bytes + len(name) + len(value) - len(keys.FORMAT), used.key_count + 1)
    serial = max(known.serial, _number(out, keys.SERIAL))
    letters = [keys.number_of(key) for key, _ in out.rows(keys.LETTERS)]
    last = max([_number(out, keys.LETTER_NUMBER), *letters])
    rows: list[Write] = [(keys.USAGE + of, keys.pack(used)) for of, used in usage.items()]
    rows += incomplete(out)  # a source of which a deployment is lost would seem to have removed it: it says nothing
    out.write([*rows, (keys.SERIAL, keys.pack(serial)), (keys.LETTER_NUMBER, keys.pack(last))], sync=True)
    return serial


def _split(key: bytes, parts: int) -> tuple[bytes, bytes]:
    """Split the name of a guest's row into the deployment's two parts, and its own key."""
    ends, at = [], 1
    for _ in range(parts):
        at += 2 + int.from_bytes(key[at : at + 2], "big")
        ends.append(at)
    return key[1 : ends[1]], key[at:]


def _number(rows: Engine, key: bytes) -> int:
    row = rows.get(key)
    return 0 if row is None else keys.unpack(row, int)


def _known(folder: Path) -> Synced:
    try:
        return read_synced(folder.with_name(SYNCED)) or Synced()
    except SyncedUnreadable:  # then losses cannot be told, and the rows that are there can still be saved
        return Synced()


def kept_aside(folder: Path) -> list[Path]:
    """Name the databases that repairs put aside, oldest first."""
    found = folder.parent.glob(f"{folder.name}.damaged-*")
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _manifest(folder: Path, known: Synced) -> str | None:
    """Return RocksDB's list of its files, if it can be believed."""
    if not_a_database(folder):
        return None
    names = sorted(path.name for path in folder.glob("MANIFEST-*"))
    name = known.manifest.name if known.manifest.name in names else next(reversed(names), None)
    return None if name is None or manifest_fault(folder, name, known.manifest) else name


@contextmanager
def _rebuilt(folder: Path) -> Iterator[Engine]:
    """Open a copy of a database whose list of files was made anew from the files themselves."""
    copy = folder.with_name("db.rebuilt")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o700)
    try:
        for entry in os.scandir(folder):
            if entry.is_file(follow_symlinks=False):
                place = os.link if entry.name.endswith(".sst") else shutil.copyfile  # tables are never changed
                place(entry.path, copy / entry.name)
        rebuild(copy)
        shutil.rmtree(copy / "lost", ignore_errors=True)  # what it could not use, which the old one still has
        engine = Engine.reading(copy, Tail.SKIPPED)
        try:
            yield engine
        finally:
            engine.close()
    finally:
        shutil.rmtree(copy)
