"""Notes → lines on the disk, in segments of a folder: `audit/00000001.jsonl` and so on.

Several processes may write one book: the agent, and commands without one. Each append holds the folder's lock, is one
write and one sync, and takes away first whatever a process that died left half written. A segment that is full is
followed by another; the oldest is removed once there are too many, after an entry on the disk says so.
"""

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.audit.chain import NOTHING, Line, LineFault, after, entry_of, head_of, line_of, lines_of, read_line
from orchestrator.model.audit import AuditEntry, AuditHead, AuditKind, Note, SegmentHead
from orchestrator.store.files import check_own_folder, write_whole
from orchestrator.time_of_day import wall_ms

FOLDER = "audit"
SEGMENT_BYTES = 1 << 20  # after which another one begins; one append is never split
SEGMENTS_KEPT = 256
TAIL_BYTES = 64 << 10  # of a segment, in which its last line is looked for
_SUFFIX = ".jsonl"


class Told(NamedTuple):
    """A note, and the decision that it is durable with, 0 for none."""

    note: Note
    decision: int = 0


class _Open(NamedTuple):
    """The newest segment as this process left it."""

    head: AuditHead
    size: int
    descriptor: int


class Book:
    """The book of one state directory; methods may be called from any thread, and raise OSError."""

    def __init__(
        self, state_dir: Path, lineage: str, *, segment_bytes: int = SEGMENT_BYTES, kept: int = SEGMENTS_KEPT
    ) -> None:
        """Be the book of a state directory of this lineage; nothing is opened yet."""
        self._folder, self._lineage = state_dir / FOLDER, lineage
        self._segment_bytes, self._segments_kept = segment_bytes, kept
        self._writing = threading.Lock()
        self._open: _Open | None = None
        self._end = NOTHING  # of the book, as this process wrote or found it last

    def append(self, told: Sequence[Told]) -> AuditHead:
        """Write entries, in this order; they are on the disk when this returns the end of the book.

        Raises:
            OSError: nothing was written that a reader would take for an entry.
        """
        with self._writing, self._locked():
            self._catch_up()
            if self._newest.size >= self._segment_bytes:
                self._begin_another(self._newest.head)
                self._trim()
            self._write(told)
            return self._newest.head

    def head(self) -> AuditHead:
        """Return the end of the book; a book that nobody began is begun."""
        with self._writing, self._locked():
            self._catch_up()
            return self._newest.head

    def close(self) -> None:
        """Give the open segment back; another append opens it again."""
        with self._writing:
            self._let_go()

    @property
    def _newest(self) -> _Open:
        assert self._open is not None, "caught up with before"
        return self._open

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, exist_ok=True)  # not its parents: a state directory that is gone stays gone
        check_own_folder(self._folder)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _catch_up(self) -> None:
        """Make sure that the end is known: another process may have written since."""
        if self._open is not None and self._is_newest(self._open):
            return
        self._let_go()
        found, end = segments_in(self._folder), self._end
        head = self._opened(found[-1]) if found else None
        if head is None and not found and end is NOTHING:
            self._begin_another(NOTHING)
        elif head is None or not _holds(found, end):
            # It was tampered with, or the disk lost some of it: nothing is written after that, and the next segment
            # follows on the last entry that this process knows of, so that a verification misses what is not there.
            self._begin_another(end if end is not NOTHING else _last_readable(found))
            self._write([Told(Note(kind=AuditKind.DAMAGED, subject=found[-1].name if found else str(self._folder)))])

    def _is_newest(self, known: _Open) -> bool:
        try:
            there = os.stat(self._path(known.head.segment))
        except FileNotFoundError:
            return False
        ours = os.fstat(known.descriptor)
        is_same = (there.st_ino, there.st_dev, there.st_size) == (ours.st_ino, ours.st_dev, known.size)
        return is_same and not self._path(known.head.segment + 1).exists()

    def _opened(self, path: Path) -> AuditHead | None:
        """Open a segment at its end, less what was not written whole; None where its last line cannot be believed."""
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not self._is_ours(descriptor):
            os.close(descriptor)
            raise OSError(errno.ESTALE, "the audit book there is that of another state directory", str(path))
        size = os.fstat(descriptor).st_size
        begin = max(0, size - TAIL_BYTES)
        tail = lines_of(os.pread(descriptor, TAIL_BYTES, begin))
        if tail and not tail[-1].endswith(b"\n"):
            size -= len(tail.pop())
            os.ftruncate(descriptor, size)
        number = _number_of(path)
        try:
            last = read_line(tail[-1] if tail else b"")
        except LineFault:
            os.close(descriptor)
            return None
        head = after(last, AuditHead(number=0, hash="", segment=number))
        self._open = _Open(head, size, descriptor)
        return head

    def _is_ours(self, descriptor: int) -> bool:
        """Whether a segment begins as one of this state, or as nothing that can be read."""
        try:
            head = read_line(lines_of(os.pread(descriptor, TAIL_BYTES, 0))[0])
        except (LineFault, IndexError):
            return True
        return not isinstance(head, SegmentHead) or head.lineage == self._lineage

    def _begin_another(self, at: AuditHead) -> None:
        self._let_go()
        number = max((_number_of(path) for path in segments_in(self._folder)), default=0) + 1
        head = head_of(number, self._lineage, at, wall_ms())
        write_whole(self._path(number), line_of(head))
        self._opened(self._path(number))

    def _write(self, told: Sequence[Told]) -> None:
        head, lines = self._newest.head, []
        for note, decision in told:
            entry = entry_of(note if note.at_ms else _now(note), head, decision)
            lines.append(line_of(entry))
            head = after(entry, head)
        data, newest = b"".join(lines), self._newest
        try:
            _write_all(newest.descriptor, data)
            os.fdatasync(newest.descriptor)
        except OSError as error:
            error.filename = error.filename or str(self._path(head.segment))
            with contextlib.suppress(OSError):  # else the next append takes it away
                os.ftruncate(newest.descriptor, newest.size)
            self._let_go()
            raise
        self._open = _Open(head, newest.size + len(data), newest.descriptor)

    def _trim(self) -> None:
        """Remove the oldest segments, once an entry on the disk tells of it."""
        found = segments_in(self._folder)
        old, stay = found[: -self._segments_kept], found[-self._segments_kept :]
        if not old:
            return
        first = read_line(lines_of(stay[0].read_bytes())[0])
        if not isinstance(first, SegmentHead):
            return
        facts = {"untilSegment": str(_number_of(old[-1])), "untilEntry": str(first.first - 1), "hash": first.before}
        self._write([Told(Note(kind=AuditKind.TRIMMED, subject=str(self._folder), facts=facts))])
        for path in old:
            path.unlink()

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08}{_SUFFIX}"

    def _let_go(self) -> None:
        known, self._open = self._open, None
        if known is not None:
            self._end = known.head
            os.close(known.descriptor)


def segments_in(folder: Path) -> list[Path]:
    """Return the segments in a book's folder, in order; none where there is no book."""
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return [
        folder / f"{stem}{_SUFFIX}" for stem in sorted((s for s in stems if s.isascii() and s.isdecimal()), key=int)
    ]


def read_book(state_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the segments of a state directory's book by name, one at a time.

    Raises:
        OSError: one of them cannot be read.
    """
    for path in segments_in(state_dir / FOLDER):
        with contextlib.suppress(FileNotFoundError):  # it was the oldest, and an entry tells of its removal
            yield path.name, path.read_bytes()


def told_of(state_dir: Path, decisions: frozenset[int]) -> dict[int, list[AuditEntry]]:
    """Return what the two newest segments tell of some decisions: all that an agent that died can have told of them."""
    found: dict[int, list[AuditEntry]] = {}
    for path in segments_in(state_dir / FOLDER)[-2:]:
        for line in lines_of(path.read_bytes()):
            with contextlib.suppress(LineFault):
                entry = read_line(line)
                if isinstance(entry, AuditEntry) and entry.decision in decisions:
                    found.setdefault(entry.decision, []).append(entry)
    return found


def _now(note: Note) -> Note:
    return Note(kind=note.kind, subject=note.subject, at_ms=wall_ms(), by=note.by, why=note.why, facts=note.facts)


def _last_readable(found: Sequence[Path]) -> AuditHead:
    """Return the end of what can be believed of damaged segments."""
    for path in reversed(found):
        head = None
        for line in lines_of(path.read_bytes()):
            with contextlib.suppress(LineFault):
                head = after(read_line(line), AuditHead(number=0, hash="", segment=_number_of(path)))
        if head is not None:
            return head
    return NOTHING


def _holds(found: Sequence[Path], end: AuditHead) -> bool:
    """Whether segments hold the line that a book once ended with, or begin behind it, as far as one sees."""
    if end is NOTHING:
        return True
    line: Line | None = None
    for path in reversed(found):
        for data in reversed(lines_of(path.read_bytes())):
            with contextlib.suppress(LineFault):
                line = read_line(data)
                at = after(line, end)
                if (at.number, at.hash) == (end.number, end.hash):
                    return True
    return isinstance(line, SegmentHead) and line.first > end.number + 1


def _number_of(path: Path) -> int:
    return int(path.name.removesuffix(_SUFFIX))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
