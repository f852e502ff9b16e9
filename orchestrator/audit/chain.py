"""Notes → lines of a chain, and lines → what is wrong with them. Pure; `book` writes the lines, the command line reads.

A book is a sequence of lines, each one canonical JSON: heads of segments, and entries. Each names the hash of the line
before it and its own, so that an edit, a cut, an insertion and a change of order show. Only the end can be cut
unnoticed, and not by anybody while its head is kept elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from orchestrator.decoding import from_json
from orchestrator.model.audit import AuditEntry, AuditHead, AuditKind, Note, SegmentHead
from orchestrator.model.base import Value, canonical_json, digest_of

Line = AuditEntry | SegmentHead
NOTHING = AuditHead(number=0, hash="")
TEXT_MAX = 1_000  # characters of one fact; a longer one is cut, and shows it
FLAWS_MAX = 100  # of one verification
_LINE: type[Line] = Line  # type: ignore[assignment]
_UNKNOWN = "?"  # the hash of a line that could not be read


def entry_of(note: Note, at: AuditHead, decision: int = 0) -> AuditEntry:
    """Return the entry for a note that follows on `at`."""
    entry = AuditEntry(
        number=at.number + 1, at_ms=note.at_ms, kind=note.kind, subject=_short(note.subject), by=note.by,
        why=_short(note.why), facts={name: _short(text) for name, text in note.facts.items()}, decision=decision,
        before=at.hash,
    )  # fmt: skip
    return replace(entry, hash=digest_of(entry))


def head_of(segment: int, lineage: str, at: AuditHead, at_ms: int) -> SegmentHead:
    """Return the first line of a segment that follows on `at`."""
    head = SegmentHead(segment=segment, lineage=lineage, first=at.number + 1, at_ms=at_ms, before=at.hash)
    return replace(head, hash=digest_of(head))


def line_of(value: Line) -> bytes:
    """Return a line, as it is written."""
    return canonical_json(value) + b"\n"


def after(line: Line, at: AuditHead) -> AuditHead:
    """Return the end of a book with one more line."""
    if isinstance(line, SegmentHead):
        return AuditHead(number=line.first - 1, hash=line.hash, segment=line.segment)
    return AuditHead(number=line.number, hash=line.hash, segment=at.segment)


class LineFault(Exception):
    """A line that is not as it was written."""


def read_line(line: bytes) -> Line:
    """Return the meaning of a line, with or without its end.

    Raises:
        LineFault: it is not as it was written.
    """
    text = line.removesuffix(b"\n")
    try:
        value = from_json(text, _LINE)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise LineFault("was changed: it cannot be read") from None
    if canonical_json(value) != text or digest_of(replace(value, hash="")) != value.hash:
        raise LineFault("was changed: its hash is that of another text")
    return value


def lines_of(data: bytes) -> list[bytes]:
    """Split a file into lines, of which the last may have no end."""
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def entries_in(data: bytes) -> Iterator[AuditEntry]:
    """Yield the entries of a file that can be read."""
    for line in lines_of(data):
        try:
            value = read_line(line)
        except LineFault:
            continue
        if isinstance(value, AuditEntry):
            yield value


class Flaw(Value, frozen=True):
    """Something wrong with a book: the file and the line, the entry, and how it is wrong."""

    file: str
    line: int
    entry: int
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}entry {self.entry} {self.what}"


class KeptHead(Value, frozen=True):
    """A head that was kept elsewhere and the book agrees with: `since` entries were written after it.

    `trimmed` says that its own entry was removed with old segments, so that its hash was compared with nothing.
    """

    number: int
    since: int
    trimmed: bool = False


class Verified(Value, frozen=True):
    """The result of verifying a book: its end, how many entries and segments it has, and its flaws.

    `unfinished` says that the last line has no end: a process died while it wrote that, and the next writer removes it.
    """

    head: AuditHead
    entries: int
    segments: int
    flaws: tuple[Flaw, ...] = ()
    unfinished: bool = False
    kept: tuple[KeptHead, ...] = ()


class Verifier:
    """Verifies a book, one file after another, and compares it with heads that were kept elsewhere."""

    def __init__(self, kept: Sequence[AuditHead] = ()) -> None:
        self._kept = kept
        self._wanted = {head.number for head in kept}
        self._hashes: dict[int, str] = {}  # of those numbers
        self._at = NOTHING
        self._begin: tuple[str, int] | None = None  # the first file, and the segment that it begins with
        self._entries = self._segments = self._trimmed = 0
        self._flaws: list[Flaw] = []
        self._unfinished = False

    def take(self, file: str, data: bytes, *, is_last: bool) -> None:
        """Verify one file."""
        lines = lines_of(data)
        is_cut = bool(lines) and not lines[-1].endswith(b"\n")
        for number, line in enumerate(lines[:-1] if is_cut else lines, 1):
            self._line(file, number, line)
        if is_cut and is_last:
            self._unfinished = True
        elif is_cut:
            self._flaw(file, len(lines), self._at.number + 1, "was cut off")

    def result(self) -> Verified:
        """Return the findings."""
        file, first = self._begin or ("", 1)
        if first > self._trimmed + 1:
            gone = "segment 1 is" if first == 2 else f"segments 1 to {first - 1} are"
            what = f"is missing: {gone} not there, and no entry says that they were removed"
            self._flaws.insert(0, Flaw(file=file, line=1, entry=1, what=what))
        kept = tuple(found for head in self._kept if (found := self._compared(head)) is not None)
        return Verified(
            head=self._at, entries=self._entries, segments=self._segments, flaws=tuple(self._flaws),
            unfinished=self._unfinished, kept=kept,
        )  # fmt: skip

    def _line(self, file: str, number: int, line: bytes) -> None:
        try:
            value = read_line(line)
        except LineFault as fault:
            self._flaw(file, number, self._at.number + 1, str(fault))
            self._at = AuditHead(number=self._at.number + 1, hash=_UNKNOWN, segment=self._at.segment)
            return
        if isinstance(value, SegmentHead):
            self._head(file, number, value)
        else:
            self._entry(file, number, value)
        self._at = after(value, self._at)

    def _head(self, file: str, number: int, head: SegmentHead) -> None:
        self._segments += 1
        if self._begin is None:
            self._begin = (file, head.segment)
            if head.segment > 1:
                return
        if head.segment != self._at.segment + 1:
            what = f"begins segment {head.segment}, which stands where {self._at.segment + 1} is expected"
            self._flaw(file, number, head.first, what)
        elif self._at.hash != _UNKNOWN:
            self._follows(file, number, head.first, head.before)

    def _entry(self, file: str, number: int, entry: AuditEntry) -> None:
        self._entries += 1
        if self._begin is None:
            self._begin = (file, 1)
            self._flaw(file, number, entry.number, "stands before the head of its segment")
        elif entry.number != self._at.number + 1 or self._at.hash != _UNKNOWN:
            self._follows(file, number, entry.number, entry.before)
        if entry.kind == AuditKind.TRIMMED:
            self._trimmed = max(self._trimmed, _number(entry.facts.get("untilSegment", "")))
        if entry.number in self._wanted:
            self._hashes[entry.number] = entry.hash

    def _follows(self, file: str, line: int, number: int, before: str) -> None:
        at = self._at
        if number > at.number + 1:
            missing = f"{at.number + 1}" if number == at.number + 2 else f"{at.number + 1} to {number - 1}"
            self._flaw(file, line, at.number + 1, f"is missing: {number} stands in its place (missing: {missing})")
        elif number <= at.number:
            self._flaw(file, line, number, f"was inserted, repeated or moved: {at.number + 1} is expected here")
        elif before != at.hash:
            self._flaw(file, line, at.number, "was replaced: the line after it follows on another")

    def _flaw(self, file: str, line: int, entry: int, what: str) -> None:
        if len(self._flaws) < FLAWS_MAX:
            self._flaws.append(Flaw(file=file, line=line, entry=entry, what=what))

    def _compared(self, head: AuditHead) -> KeptHead | None:
        """Find a head that was kept; None where the book does not agree with it, which is a flaw."""
        at = self._at.number
        if head.number > at:
            what = f"is missing: the book ends at {at}, before the head that was kept ({head.number})"
            self._flaw("", 0, at + 1, what)
        elif self._hashes.get(head.number, head.hash) != head.hash:
            self._flaw("", 0, head.number, "is not the one whose hash was kept: it, or one before it, was replaced")
        else:
            return KeptHead(number=head.number, since=at - head.number, trimmed=head.number not in self._hashes)
        return None


def verify(files: Iterable[tuple[str, bytes]], kept: Sequence[AuditHead] = ()) -> Verified:
    """Verify a whole book: its segments in order, or an export of it; `kept` are heads to compare it with."""
    verifier = Verifier(kept)
    before: tuple[str, bytes] | None = None
    for one in files:
        if before is not None:
            verifier.take(*before, is_last=False)
        before = one
    if before is not None:
        verifier.take(*before, is_last=True)
    return verifier.result()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _short(text: str) -> str:
    text = text.encode(errors="replace").decode()  # what others wrote may hold half of a character
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
