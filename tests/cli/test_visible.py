"""Nothing that others wrote makes a terminal do something; a pipe gets what they wrote."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.terminal import Console, Text
from orchestrator.cli.visible import document, sink, visible

ANY_TEXT = st.text(st.characters(codec="utf-8"))  # every character there is but halves of pairs
BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Screen(io.TextIOWrapper):
    """A stream that says that it is a terminal."""

    def __init__(self) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, encoding="utf-8", errors="backslashreplace", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        return self.raw_bytes.getvalue().decode()


def is_harmless(text: str) -> bool:
    return not any(
        (unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\n\t")
        or unicodedata.bidirectional(c) in BIDIRECTIONAL
        for c in text
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode 🙂\tand\nlines", "plain, ünïcode 🙂\tand\nlines"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten\x07", "over\\x0dwritten\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x7f\x00\u2028", "\\x7f\\x00\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_act_on_is_written_out(text: str, shown: str):
    assert visible(text) == shown


@given(ANY_TEXT)
def test_promise_nothing_that_is_left_is_acted_on_and_what_prints_stays(text: str):
    assert is_harmless(visible(text))
    if text.isprintable():
        assert visible(text) == text


@given(st.binary(), st.integers(1, 7))
def test_promise_bytes_of_any_kind_in_any_pieces_reach_a_terminal_harmless(data: bytes, size: int):
    screen = Screen()
    write = sink(screen)
    for at in range(0, len(data), size):
        write(data[at : at + size])
    assert is_harmless(screen.shown)


def test_a_character_that_comes_in_two_pieces_is_shown_as_one():
    screen = Screen()
    write = sink(screen)
    for piece in (b"\xc3", b"\xa4\x1b", b"[2J\xff"):
        write(piece)
    assert screen.shown == "ä\\x1b[2J\\xff"


def test_a_pipe_gets_the_very_bytes():
    pipe = io.TextIOWrapper(io.BytesIO())
    sink(pipe)(b"\x1b[2J\xff\r\n")
    assert pipe.buffer.getvalue() == b"\x1b[2J\xff\r\n"  # type: ignore[attr-defined]
    assert document(b'"\xc2\x9b"', pipe) == b'"\xc2\x9b"'


@given(ANY_TEXT)
def test_promise_json_on_a_terminal_is_the_same_value_and_harmless(text: str):
    data = json.dumps({"said": text}, ensure_ascii=False).encode()
    shown = document(data, Screen())
    assert json.loads(shown) == {"said": text}
    assert is_harmless(shown.decode())


@given(ANY_TEXT, st.sampled_from([20, 80, 200]))
def test_promise_whatever_the_console_prints_is_harmless_but_for_its_own_colours(text: str, width: int):
    screen = Screen()
    Console(screen, width=width, color=False).print(Text.assemble(("name", "bold"), text))
    assert is_harmless(screen.shown)
