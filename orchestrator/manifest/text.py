"""Turns a manifest's bytes into text with Unix line ends, or into the one problem that says why it is not text."""

import codecs
import re

from orchestrator.manifest.node import Place, Unplaced

_UTF16 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINE_ENDS = "\x85\u2028\u2029"  # to YAML 1.1, and so to libyaml, but neither to YAML 1.2 nor to editors


class NotTextError(ValueError):
    """Bytes that are not a manifest's text; `problem` says what is wrong and where."""

    def __init__(self, problem: Unplaced) -> None:
        super().__init__(problem.summary)
        self.problem = problem


def decode_text(data: bytes, max_bytes: int) -> str:
    """Decode UTF-8, with or without a byte order mark, and any kind of line end.

    Raises:
        NotTextError: too large, another encoding, not valid, or with control characters or odd line ends in it.
    """
    if len(data) > max_bytes:
        raise _refuse(0, 0, f"the file has {len(data)} bytes; at most {max_bytes} are read", "split it")
    if data.startswith(_UTF16):
        raise _refuse(0, 0, "the file is UTF-16 or UTF-32, not UTF-8", "save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8"))
        raise _refuse(line, column, "the file is not valid UTF-8", "save it as UTF-8") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = _FORBIDDEN.search(text)
    if found:
        line, column = _place(text[: found.start()])
        kind = "line end" if found[0] in _LINE_ENDS else "control character"
        what = f"the {kind} U+{ord(found[0]):04X} is not allowed"
        raise _refuse(line, column, what, "remove it, or write an escape")
    return text


def line_at(data: bytes, number: int) -> str | None:
    """Return a line of a file, counted from 1, as people see it; None where there is no such line."""
    lines = data.decode("utf-8-sig", "replace").splitlines() if number > 0 else []
    return lines[number - 1] if number <= len(lines) and lines else None


def within(text: str, place: Place) -> Place:
    """Return a place in a text; for one behind its end, where what is never closed is missed, its last character's."""
    lines = text.split("\n")
    if place <= (len(lines), len(lines[-1])):
        return place
    *before, last = text.rstrip().split("\n")
    return (len(before) + 1, max(len(last), 1))


def _place(before: str) -> tuple[int, int]:
    before = before.replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _refuse(line: int, column: int, summary: str, suggestion: str) -> NotTextError:
    return NotTextError(Unplaced(line=line, column=column, summary=summary, suggestion=suggestion))
