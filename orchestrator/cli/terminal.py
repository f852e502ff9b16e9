"""Output to a terminal or a pipe: lines with styles, one way of wrapping them, and regions that are redrawn.

A terminal gets lines that fit it, broken between words and continued under their beginning, with nothing of others in
them that it would act on; a pipe gets each line whole and without colours. It is all that the commands need of a
library for terminals, and costs nothing to import.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TextIO

from orchestrator.cli.visible import visible

SGR = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
}  # fmt: skip
WIDTH_UNKNOWN = 80  # columns of a terminal that does not say
HEIGHT_UNKNOWN = 24
HANG_SHARE = 2  # of a line: a continuation is indented by no more than one part of so many
_RESET = "\x1b[0m"
_UP_AND_CLEAR = "\x1b[{}A\r\x1b[J"
_ALTERNATE, _ORDINARY = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


class Text:
    """One or more lines in parts, each with a style such as `bold red`."""

    __slots__ = ("parts",)

    def __init__(self, text: str = "", style: str = "") -> None:
        self.parts: list[tuple[str, str]] = [(text, style)] if text else []

    @classmethod
    def assemble(cls, *parts: "str | tuple[str, str] | Text") -> "Text":
        """Put texts together, some with a style."""
        made = cls()
        for part in parts:
            made.parts += part.parts if isinstance(part, Text) else [(part, "")] if isinstance(part, str) else [part]
        return made

    def append(self, text: str, style: str = "") -> "Text":
        """Add to its end."""
        if text:
            self.parts.append((text, style))
        return self

    def join(self, texts: Iterable["Text"]) -> "Text":
        """Put texts together with this between them."""
        made = Text()
        for number, text in enumerate(texts):
            made.parts += (self.parts if number else []) + text.parts
        return made

    def __add__(self, other: "Text") -> "Text":
        return Text.assemble(self, other)

    @property
    def plain(self) -> str:
        """The text without its styles."""
        return "".join(text for text, _ in self.parts)

    @property
    def cell_len(self) -> int:
        """How many columns it takes."""
        return cells(self.plain)

    def between(self, begin: int, end: int) -> "Text":
        """Return the characters from `begin` to before `end`."""
        made, at = Text(), 0
        for text, style in self.parts:
            made.append(text[max(begin - at, 0) : max(end - at, 0)], style)
            at += len(text)
        return made

    def visible(self) -> "Text":
        """Return it with the control characters written out that others put into it."""
        made = Text()
        made.parts = [(visible(text), style) for text, style in self.parts]
        return made

    def lines(self) -> list["Text"]:
        """Return its lines, at least one."""
        plain, made, begin = self.plain, [], 0
        while (end := plain.find("\n", begin)) >= 0:
            made.append(self.between(begin, end))
            begin = end + 1
        return [*made, self.between(begin, len(plain))]

    def wrapped(self, width: int, hang: int | None = None) -> Iterator["Text"]:
        """Break one line so that it fits into `width` columns, between words where it can be.

        The parts after the first are indented by `hang` columns, or as far as the line itself is.
        """
        plain = self.plain
        if cells(plain) <= width:
            yield self
            return
        hang = min(_indent(plain) if hang is None else hang, width // HANG_SHARE)
        begin, room, margin = 0, width, Text()
        while begin < len(plain):
            end, following = _break(plain, begin, room)
            yield margin + self.between(begin, end)
            begin, room, margin = following, width - hang, Text(" " * hang)


def _indent(plain: str) -> int:
    indent = len(plain) - len(plain.lstrip(" "))
    return indent + 2 if plain.startswith("→ ", indent) else indent


def _break(plain: str, begin: int, room: int) -> tuple[int, int]:
    """Say where a line ends that begins at `begin`, and where the next one begins."""
    at, used, blank, inked = begin, 0, -1, False
    while at < len(plain):
        used += cells(plain[at])
        if used > room and at > begin:
            break
        if plain[at] != " ":
            inked = True
        elif inked:
            blank = at
        at += 1
    else:
        return at, at
    if plain[at] == " ":
        blank = at
    if blank < 0:
        return at, at
    following = blank
    while following < len(plain) and plain[following] == " ":
        following += 1
    return len(plain[:blank].rstrip(" ")), following


def cells(text: str) -> int:
    """Say how many columns a text takes: two for a wide character, none for one that joins the one before."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width  # only where they are needed

    return sum(
        2 if east_asian_width(c) in "WF" else 0 if category(c) in ("Mn", "Me", "Cf") else 1 for c in text
    )  # fmt: skip


class Console:
    """A stream to write lines to. A terminal says how wide it is; a pipe is as wide as anything."""

    def __init__(
        self, file: TextIO, *, is_terminal: bool | None = None, width: int | None = None, color: bool | None = None
    ) -> None:
        """Write to `file`; settings not given are asked of it, and colours of NO_COLOR and TERM."""
        self.file = file
        self.is_terminal = file.isatty() if is_terminal is None else is_terminal
        self.is_drawable = self.is_terminal and (is_terminal is not None or not _is_dumb())  # the cursor can go back
        self.is_colored = self.is_terminal and _wants_color() if color is None else color
        self._width = width

    @property
    def width(self) -> int | None:
        """How many columns a line may have; None for any number of them."""
        return self._width if self._width is not None or not self.is_terminal else self.size[0]

    @property
    def size(self) -> tuple[int, int]:
        """The columns and lines of the terminal."""
        try:
            columns, lines = os.get_terminal_size(self.file.fileno())
        except (OSError, ValueError):
            columns, lines = 0, 0
        named = os.environ.get("COLUMNS", "")
        return int(named) if named.isdecimal() else columns or WIDTH_UNKNOWN, lines or HEIGHT_UNKNOWN

    def print(self, text: "str | Text" = "", style: str = "", *, hang: int | None = None) -> None:
        """Write lines, broken where the terminal is too narrow; `hang` is how far what follows a break is indented."""
        self.file.write("".join(f"{line}\n" for line in self.rendered(text, style, hang=hang)))
        self.file.flush()  # who follows a log through a pipe waits for it

    def rendered(self, text: "str | Text", style: str = "", *, hang: int | None = None) -> list[str]:
        """Return the lines that `print` would write."""
        whole = Text(text, style) if isinstance(text, str) else text
        lines = (whole.visible() if self.is_terminal else whole).lines()
        if (width := self.width) is not None:
            lines = [part for line in lines for part in line.wrapped(width, hang)]
        return [self._line(line) for line in lines]

    def _line(self, line: Text) -> str:
        if not self.is_colored:
            return line.plain.rstrip(" ")
        return "".join(_painted(text, style) for text, style in line.parts)


def _painted(text: str, style: str) -> str:
    codes = ";".join(SGR[word] for word in style.split())
    return f"\x1b[{codes}m{text}{_RESET}" if codes else text


def _wants_color() -> bool:
    return not os.environ.get("NO_COLOR") and not _is_dumb()


def _is_dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


class Live:
    """A region at the end of a terminal, or with `screen` the whole of it, that is drawn anew and goes at the end."""

    def __init__(self, console: Console, *, screen: bool = False) -> None:
        self._console, self._screen = console, screen
        self._drawn = 0

    def __enter__(self) -> "Live":
        self._write(_ALTERNATE if self._screen else _HIDE)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._write(_ORDINARY if self._screen else f"{self._erased()}{_SHOW}")

    def show(self, text: "str | Text | Sequence[str]") -> None:
        """Draw a text, or lines that were rendered, instead of what is there; as much of it as there is room for."""
        lines = self._console.rendered(text) if isinstance(text, (str, Text)) else [*text]
        height = self._console.size[1]
        lines = lines[: height if self._screen else height - 1]
        if self._screen:
            self._write(_HOME_AND_CLEAR + "\n".join(lines))
        else:
            self._write(self._erased() + "".join(f"{line}\n" for line in lines))
            self._drawn = len(lines)

    def _erased(self) -> str:
        erased = _UP_AND_CLEAR.format(self._drawn) if self._drawn else ""
        self._drawn = 0
        return erased

    def _write(self, text: str) -> None:
        if self._console.is_drawable:
            self._console.file.write(text)
            self._console.file.flush()
