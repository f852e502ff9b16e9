"""No part of a book can change unnoticed, and the first entry that is not as it was written is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.audit.chain import (
    FLAWS_MAX,
    NOTHING,
    KeptHead,
    after,
    entries_in,
    entry_of,
    line_of,
    read_line,
    verify,
)
from orchestrator.model.audit import AuditEntry, AuditHead, AuditKind, Note
from tests.audit.books import files, lines, note

ENTRIES = 12
WHOLE = lines(ENTRIES)


def copy() -> list[list[bytes]]:
    return [[*segment] for segment in WHOLE]


def entry_in(segment: int, line: int) -> AuditEntry:
    found = read_line(WHOLE[segment][line])
    assert isinstance(found, AuditEntry)
    return found


def test_a_book_as_it_was_written_verifies():
    found = verify(files(WHOLE))
    assert found.flaws == ()
    assert (found.entries, found.segments, found.unfinished) == (ENTRIES, 3, False)
    last = read_line(WHOLE[-1][-1])
    assert found.head == AuditHead(number=ENTRIES, hash=last.hash, segment=3)


def test_an_export_of_all_segments_in_one_file_verifies():
    assert verify([("all", b"".join(data for _, data in files(WHOLE)))]) == verify(files(WHOLE))


def test_nothing_at_all_verifies_and_has_no_head():
    assert verify([]).head == NOTHING


def forged(entry: AuditEntry, **facts: str) -> bytes:
    """An entry with other facts whose own hash is right."""
    made = entry_of(note(entry.number, **facts), AuditHead(number=entry.number - 1, hash=entry.before))
    return line_of(made)


def edited(book):
    book[1][2] = book[1][2].replace(b"restart", b"rollout")


def edited_and_hashed_anew(book):
    book[1][2] = forged(entry_in(1, 2), verb="delete")


def spaced(book):
    book[1][2] = book[1][2].replace(b'"why":"so"', b'"why": "so"')


def cut(book):
    del book[1][2]


def cut_two(book):
    del book[1][2:4]


def inserted_twice(book):
    book[1].insert(3, book[1][2])


def swapped(book):
    book[1][2], book[1][3] = book[1][3], book[1][2]


def cut_at_a_boundary(book):
    del book[1][-1]


def without_a_segment(book):
    del book[1]


def without_the_first(book):
    del book[0]


def segments_swapped(book):
    book[1], book[2] = book[2], book[1]


def without_a_head(book):
    del book[0][0]


def junk(book):
    book[1].insert(2, b"\xff\x00 junk\n")


def half_a_line(book):
    book[0][-1] = book[0][-1][:-20]


def another_head(book):
    book[1][0] = book[1][0].replace(b'"atMs":6', b'"atMs":7')


@pytest.mark.parametrize(("tamper", "entry"), [
    (edited, 7), (edited_and_hashed_anew, 7), (spaced, 7), (cut, 7), (cut_two, 7), (inserted_twice, 7), (swapped, 7),
    (cut_at_a_boundary, 10), (without_a_segment, 11), (without_the_first, 1), (segments_swapped, 11), (junk, 7),
    (without_a_head, 1), (half_a_line, 5), (another_head, 6),
], ids=lambda value: getattr(value, "__name__", str(value)))  # fmt: skip
def test_whatever_is_done_to_a_book_is_found_and_the_entry_named(tamper, entry):
    book = copy()
    tamper(book)
    found = verify(files(book))
    assert found.flaws
    assert found.flaws[0].entry == entry
    assert f"entry {entry} " in str(found.flaws[0])


@given(st.data())
def test_no_byte_of_a_book_changes_unnoticed(data):
    whole = files(WHOLE)
    which = data.draw(st.integers(0, len(whole) - 1))
    name, text = whole[which]
    at = data.draw(st.integers(0, len(text) - 2))  # the last end of a line may go with a process that dies
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    whole[which] = (name, text[:at] + bytes([byte]) + text[at + 1 :])
    assert verify(whole).flaws


@given(st.permutations(range(ENTRIES)), st.integers(0, ENTRIES))
def test_entries_in_another_order_or_with_some_missing_are_found(order, kept):
    everything = [line for segment in lines(ENTRIES) for line in segment if b'"line":"entry"' in line]
    left = [everything[index] for index in order[:kept]]
    is_beginning = [*order[:kept]] == [*range(kept)]
    found = verify([("book", WHOLE[0][0] + b"".join(left))])
    flaws = [flaw for flaw in found.flaws if "replaced" not in flaw.what]  # heads within are left out on purpose
    assert bool(flaws) != is_beginning


def test_a_cut_at_the_end_is_found_by_a_head_that_was_kept():
    head = verify(files(WHOLE)).head
    short = copy()
    del short[-1]
    assert verify(files(short)).flaws == ()
    (flaw,) = verify(files(short), [head]).flaws
    assert flaw.entry == 11
    assert "ends at 10, before the head that was kept (12)" in str(flaw)


def test_a_book_that_was_written_anew_is_found_by_a_head_that_was_kept():
    head = verify(files(WHOLE)).head
    at, anew = NOTHING, [WHOLE[0][0]]
    first = read_line(WHOLE[0][0])
    at = after(first, at)
    for number in range(1, ENTRIES + 1):
        entry = entry_of(note(number, verb="nothing"), at)
        anew.append(line_of(entry))
        at = after(entry, at)
    assert verify([("book", b"".join(anew))]).flaws == ()
    (flaw,) = verify([("book", b"".join(anew))], [head]).flaws
    assert flaw.entry == ENTRIES


def test_a_book_that_goes_on_after_a_kept_head_verifies():
    head = entry_in(1, 3)
    kept = AuditHead(number=head.number, hash=head.hash)
    assert verify(files(WHOLE), [kept]).flaws == ()
    assert verify(files(WHOLE), [kept]).kept == (KeptHead(number=head.number, since=ENTRIES - head.number),)
    newest = verify(files(WHOLE)).head
    assert verify(files(WHOLE), [newest]).kept == (KeptHead(number=ENTRIES, since=0),)


def test_a_line_that_was_never_finished_is_no_flaw_at_the_end():
    book = copy()
    book[-1][-1] = book[-1][-1][:-1]
    found = verify(files(book))
    assert found.flaws == ()
    assert found.unfinished
    assert found.head.number == ENTRIES - 1


def test_old_segments_may_be_missing_where_an_entry_says_that_they_were_removed():
    at = verify(files(WHOLE)).head
    trimmed = entry_of(Note(kind=AuditKind.TRIMMED, subject="audit", at_ms=1, facts={"untilSegment": "1"}), at)
    book = copy()
    book[-1].append(line_of(trimmed))
    assert verify(files(book[1:])).flaws == ()
    old = entry_in(0, 2)
    kept = AuditHead(number=old.number, hash=old.hash)
    (told,) = verify(files(book[1:]), [kept]).kept
    assert (told.since, told.trimmed) == (ENTRIES + 1 - old.number, True)
    assert verify(files(book[2:])).flaws  # it says so of one, and two are missing


def test_what_others_wrote_is_kept_as_text_and_cut_where_it_is_long():
    odd = Note(kind=AuditKind.CALL, subject="x" * 5_000, at_ms=1, facts={"said": "\ud800\n" + "y" * 5_000})
    entry = entry_of(odd, NOTHING)
    assert read_line(line_of(entry)) == entry
    assert len(entry.subject) == 1_000
    assert entry.facts["said"].startswith("?\n")


def test_a_book_of_nothing_but_junk_has_a_bounded_number_of_flaws():
    assert len(verify([("book", b"junk\n" * 10_000)]).flaws) == FLAWS_MAX


def test_entries_are_read_past_what_is_damaged():
    book = copy()
    edited(book)
    assert [entry.number for entry in entries_in(b"".join(book[1]))] == [6, 8, 9, 10]
