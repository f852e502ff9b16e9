"""A book on the disk: segments, several writers, what a process that died left, a disk that takes nothing more."""

import os
import resource
import signal
import threading

import pytest

from orchestrator.audit.book import Book, Told, read_book, segments_in
from orchestrator.audit.chain import NOTHING, after, entries_in, entry_of, line_of, lines_of, read_line, verify
from orchestrator.model.audit import AuditKind, Note
from tests.audit.books import LINEAGE, note


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def book(folder, **how):
    return Book(folder, LINEAGE, **how)


def entries(folder):
    return [entry for _, data in read_book(folder) for entry in entries_in(data)]


def append(one, *numbers):
    return one.append([Told(note(number)) for number in numbers])


def test_a_book_goes_on_where_another_process_left_it(folder):
    first, second = book(folder), book(folder)
    append(first, 1)
    append(second, 2, 3)
    head = append(first, 4)
    assert [entry.at_ms for entry in entries(folder)] == [1, 2, 3, 4]
    assert verify(read_book(folder)).head == head == second.head()


def test_threads_and_books_write_side_by_side(folder):
    shared = book(folder, segment_bytes=2_000)
    writers = [shared, shared, book(folder, segment_bytes=2_000)]
    threads = [
        threading.Thread(target=lambda n=n, one=one: [append(one, 100 * n + k) for k in range(20)])
        for n, one in enumerate(writers, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.at_ms for entry in entries(folder)) == [100 * n + k for n in (1, 2, 3) for k in range(20)]
    assert verify(read_book(folder)).flaws == ()
    assert len(segments_in(folder / "audit")) > 2


def test_old_segments_are_removed_after_an_entry_says_so(folder):
    one = book(folder, segment_bytes=1_000, kept=3)
    for number in range(1, 60):
        append(one, number)
    assert len(segments_in(folder / "audit")) == 3
    trimmed = [entry for entry in entries(folder) if entry.kind == AuditKind.TRIMMED]
    assert trimmed
    assert verify(read_book(folder)).flaws == ()
    segments_in(folder / "audit")[0].unlink()
    assert "no entry says that they were removed" in str(verify(read_book(folder)).flaws[0])


def test_half_a_line_of_a_process_that_died_is_taken_away(folder):
    append(book(folder), 1, 2)
    (segment,) = segments_in(folder / "audit")
    whole = segment.read_bytes()
    for size in range(len(whole) - 150, len(whole)):
        segment.write_bytes(whole[:size])
        append(book(folder), 3)
        assert [entry.at_ms for entry in entries(folder)] == [1, 3]
        assert verify(read_book(folder)).flaws == ()


@pytest.mark.parametrize("tamper", [
    lambda data: data[:-2] + b"?\n", lambda data: data + b"junk\n", lambda _: b"", lambda _: b"\n",
    lambda data: data.replace(b'"number":2', b'"number":7'),
])  # fmt: skip
def test_nothing_is_written_behind_what_cannot_be_believed(folder, tamper):
    append(book(folder), 1, 2)
    (segment,) = segments_in(folder / "audit")
    segment.write_bytes(tampered := tamper(segment.read_bytes()))
    append(book(folder), 3)
    assert segment.read_bytes() == tampered
    assert len(segments_in(folder / "audit")) == 2
    assert [entry.kind for entry in entries(folder)][-2:] == [AuditKind.DAMAGED, AuditKind.ACT]
    append(book(folder), 4)
    assert verify(read_book(folder)).flaws


def test_a_book_of_another_state_is_not_written(folder):
    append(book(folder), 1)
    with pytest.raises(OSError, match="another state directory"):
        append(Book(folder, "f" * 32), 2)
    assert verify(read_book(folder)).entries == 1


def test_a_state_directory_that_is_gone_is_not_made_again(folder):
    gone = folder / "gone"
    with pytest.raises(FileNotFoundError):
        append(book(gone), 1)
    assert not gone.exists()


def test_a_segment_that_is_a_link_is_not_followed(folder):
    append(book(folder), 1)
    (segment,) = segments_in(folder / "audit")
    segment.rename(folder / "elsewhere")
    segment.symlink_to(folder / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        append(book(folder), 2)


def test_a_full_disk_leaves_no_part_of_an_entry_and_no_gap(folder):
    one = book(folder)
    append(one, 1)
    (segment,) = segments_in(folder / "audit")
    size = segment.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            append(one, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert raised.value.filename == str(segment)
    assert segment.stat().st_size == size
    append(one, 2)
    assert [entry.at_ms for entry in entries(folder)] == [1, 2]
    assert verify(read_book(folder)).flaws == ()


def test_a_book_is_its_users_own(folder):
    append(book(folder), 1)
    assert (folder / "audit").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (folder / "audit").iterdir())
    os.chmod(folder / "audit", 0o777)
    with pytest.raises(Exception, match="others may write"):
        append(book(folder), 2)


def test_a_note_without_a_time_gets_that_of_now(folder):
    book(folder).append([Told(Note(kind=AuditKind.ACT, subject="x"))])
    assert entries(folder)[0].at_ms > 1_700_000_000_000


def cut_newest(folder):
    segments_in(folder / "audit")[-1].unlink()


def cut_entries(folder):
    newest = segments_in(folder / "audit")[-1]
    newest.write_bytes(b"".join(newest.read_bytes().splitlines(keepends=True)[:2]))


def cut_all(folder):
    for path in segments_in(folder / "audit"):
        path.unlink()


def written_anew(folder):
    """Write the newest segment anew from its second entry on, with right hashes and as many lines."""
    newest = segments_in(folder / "audit")[-1]
    head, first, *others = (read_line(line) for line in lines_of(newest.read_bytes()))
    lines, at = [head, first], after(first, after(head, NOTHING))
    for _ in others:
        lines.append(entry_of(note(999), at))
        at = after(lines[-1], at)
    data = b"".join(map(line_of, lines))
    newest.unlink()
    newest.write_bytes(data)


@pytest.mark.parametrize("tamper", [cut_newest, cut_entries, cut_all, written_anew])
def test_a_book_that_was_cut_or_written_anew_under_its_writer_shows_it(folder, tamper):
    one = book(folder, segment_bytes=1_000)
    for number in range(1, 12):
        head = append(one, number)
    tamper(folder)
    append(one, 12)
    append(one, 13)
    found = verify(read_book(folder))
    assert found.flaws, "what is missing is told, with no head that was kept elsewhere"
    assert found.head.number == head.number + 3
    kinds = [entry.kind for entry in entries(folder)]
    assert kinds[-3:] == [AuditKind.DAMAGED, AuditKind.ACT, AuditKind.ACT]
    assert AuditKind.DAMAGED not in kinds[:-3]


def test_a_writer_beside_another_takes_no_ones_entries_for_a_cut(folder):
    mine, theirs = book(folder, segment_bytes=1_000), book(folder, segment_bytes=1_000)
    append(mine, 1)
    for number in range(2, 30):  # into other segments
        append(theirs, number)
    append(mine, 30)
    assert verify(read_book(folder)).flaws == ()
    assert AuditKind.DAMAGED not in {entry.kind for entry in entries(folder)}
