"""Books to tamper with."""

from orchestrator.audit.chain import NOTHING, after, entry_of, head_of, line_of
from orchestrator.model.audit import AuditKind, Note
from orchestrator.model.who import Peer

LINEAGE = "0" * 32
EVERY = 5  # entries of a segment


def note(number: int, **facts: str) -> Note:
    by = Peer(uid=1000, user="ada") if number % 2 else None
    return Note(kind=AuditKind.ACT, subject=f"default/d-{number}", at_ms=number, by=by, why="so", facts=facts)


def lines(entries: int) -> list[list[bytes]]:
    """The lines of a book's segments."""
    at, segments = NOTHING, []
    for number in range(1, entries + 1):
        if number % EVERY == 1:
            head = head_of(len(segments) + 1, LINEAGE, at, number)
            segments.append([line_of(head)])
            at = after(head, at)
        entry = entry_of(note(number, verb="restart"), at)
        segments[-1].append(line_of(entry))
        at = after(entry, at)
    return segments


def files(segments: list[list[bytes]]) -> list[tuple[str, bytes]]:
    return [(f"{number:08}.jsonl", b"".join(lines)) for number, lines in enumerate(segments, 1)]
