"""What a terminal of a width gets, and what a pipe does."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.terminal import Console, Live, Text, cells

WORDS = "the quick  brown fox jumps over the lazy dog"


def written(text: str | Text, width: int | None, hang: int | None = None, *, color: bool = False) -> list[str]:
    console = Console(io.StringIO(), is_terminal=width is not None, width=width, color=color)
    console.print(text, hang=hang)
    return console.file.getvalue().splitlines()


def test_a_pipe_gets_each_line_whole():
    assert written("a " * 500 + "\nb", None) == [("a " * 500).rstrip(), "b"]


@pytest.mark.parametrize(
    ("text", "width", "hang", "expected"),
    [
        (WORDS, 20, None, ["the quick  brown fox", "jumps over the lazy", "dog"]),
        ("    " + WORDS, 20, None, ["    the quick  brown", "    fox jumps over", "    the lazy dog"]),
        ("    → " + WORDS, 20, None, ["    → the quick", "      brown fox", "      jumps over the", "      lazy dog"]),
        ("name  " + WORDS, 20, 6, ["name  the quick", "      brown fox", "      jumps over the", "      lazy dog"]),
        ("x" * 25, 10, None, ["x" * 10, "x" * 10, "x" * 5]),
        ("日本語" * 4, 10, None, ["日本語日本", "語日本語日", "本語"]),
        ("a é́ b", 3, None, ["a é́", "b"]),
    ],
)
def test_a_terminal_gets_lines_that_fit_it(text: str, width: int, hang: int | None, expected: list[str]):
    assert written(text, width, hang) == expected


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp"))), st.integers(4, 60))
def test_wrapping_loses_nothing_and_no_line_is_wider_than_the_terminal(text: str, width: int):
    lines = [line.plain for line in Text(text).wrapped(width)]
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_styles_end_with_their_part_and_are_left_out_where_there_are_none():
    text = Text.assemble(("error: ", "bold red"), "what")
    assert written(text, 80, color=True) == ["\x1b[1;31merror: \x1b[0mwhat"]
    assert written(text, 80) == ["error: what"]


def test_a_region_is_drawn_anew_as_high_as_the_screen_and_goes_at_the_end():
    file = io.StringIO()
    console = Console(file, is_terminal=True, width=10, color=False)
    with Live(console) as live:
        live.show("one two three")
        live.show("four")
    assert file.getvalue() == "\x1b[?25lone two\nthree\n\x1b[2A\r\x1b[Jfour\n\x1b[1A\r\x1b[J\x1b[?25h"


def test_a_region_is_not_drawn_where_nobody_looks():
    file = io.StringIO()
    with Live(Console(file)) as live:
        live.show("one")
    assert file.getvalue() == ""
