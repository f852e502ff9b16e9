"""The line under a diagnostic: what is shown of it, and that the caret stands under its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.excerpts import excerpt, in_files, on_disk, window
from orchestrator.cli.terminal import cells
from orchestrator.model.diagnostic import Location


def shown(text: str, line: int, column: int, width: int = 80) -> list[str]:
    find = in_files({"a.yaml": text.encode()}.get)
    return excerpt(find, Location(file="a.yaml", line=line, column=column), width)


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("a: 1\nb: x", 2, 4, ["    2 │ b: x", "      │    ^"]),
        ("\tx", 1, 2, ["    1 │     x", "      │     ^"]),
        ("日本: x", 1, 5, ["    1 │ 日本: x", "      │       ^"]),
        ("a\x1b[31m", 1, 3, ["    1 │ a\\x1b[31m", "      │      ^"]),
        ("ab", 1, 3, ["    1 │ ab", "      │   ^"]),
        ("\ufeffab", 1, 2, ["    1 │ ab", "      │  ^"]),
        ("ab", 1, 0, ["    1 │ ab"]),
        ("ab", 7, 1, []),
        ("ab", 0, 0, []),
    ],
)
def test_a_place_is_shown_with_a_caret_under_it(text: str, line: int, column: int, expected: list[str]):
    assert shown(text, line, column) == expected


def test_of_a_long_line_what_is_around_the_place_is_shown():
    long = "x" * 300 + "HERE" + "y" * 300
    line, caret = shown(long, 1, 301, 60)
    assert len(line) <= 60
    assert line[caret.index("^") :].startswith("HERE")
    assert line.startswith("    1 │ …")
    assert line.endswith("…")


@given(st.text(st.characters(codec="utf-8"), max_size=80), st.integers(0, 90), st.integers(20, 60))
def test_nothing_is_wider_than_the_room_and_the_caret_is_in_it(line: str, column: int, room: int):
    text, at = window(line, column, room)
    assert cells(text) <= room
    assert 0 <= at < room
    assert text.isprintable()


def test_only_ordinary_files_are_read(tmp_path):
    (tmp_path / "a").write_text("x")
    assert on_disk(str(tmp_path / "a")) == b"x"
    assert on_disk(str(tmp_path)) is None
    assert on_disk("/dev/zero") is None
    assert on_disk("no such\0file") is None


def test_a_password_of_a_url_is_not_shown_and_the_caret_stays_where_it_was():
    find = in_files({"a": b"proxy = 'http://me:hunter2@proxy'  # no"}.get)
    shown = excerpt(find, Location(file="a", line=1, column=35), None)
    assert shown[0].endswith("proxy = 'http://me:*******@proxy'  # no")
    assert shown[1].index("^") - len("    1 │ ") == 34
