"""The line that a diagnostic is about, with a caret under the place: for people, never wider than what they look at."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.cli.terminal import cells
from orchestrator.manifest.printable import without_passwords
from orchestrator.manifest.text import line_at
from orchestrator.model.diagnostic import Location
from orchestrator.model.snapshot import Content, Snapshot

Find = Callable[[Location], str | None]  # a place as a diagnostic names it → the line there
WIDTH = 100  # columns where nobody says how many there are
WIDTH_LEAST = 20
TAB = 4
FILE_MAX_BYTES = 1 << 20
MORE = "…"


def of_snapshot(snapshot: Snapshot) -> Find:
    """Return a function that finds lines in the files of a snapshot."""
    held: Mapping[str, bytes] = {
        snapshot.shown(path): entry.data for path, entry in snapshot.files.items() if isinstance(entry, Content)
    }
    return in_files(held.get)


def in_files(read: Callable[[str], bytes | None]) -> Find:
    """Return a function that finds lines in what `read` returns of a file, as a diagnostic names it."""
    return lambda location: line_at(read(location.file) or b"", location.line)


def on_disk(file: str) -> bytes | None:
    """Return the bytes of an ordinary file that is not too large; None for all else."""
    try:
        about = os.stat(file)
        return Path(file).read_bytes() if stat.S_ISREG(about.st_mode) and about.st_size <= FILE_MAX_BYTES else None
    except (OSError, ValueError):
        return None


def excerpt(find: Find, location: Location, width: int | None) -> list[str]:
    """Return the line of a location and one that points at its column; nothing where there is no such line."""
    line = find(location) if location.line else None
    if line is None:
        return []
    gutter = f"{location.line:5} │ "
    room = max((width or WIDTH) - len(gutter), WIDTH_LEAST)
    text, at = window(without_passwords(line), max(location.column - 1, 0), room)
    return [gutter + text, f"{'':5} │ {' ' * at}^"] if location.column else [gutter + text]


def window(line: str, column: int, room: int) -> tuple[str, int]:
    """Return as much of a line as there is room for, and at which column of the screen its `column`th character is."""
    shown: list[str] = []
    at = used = 0
    for number, character in enumerate(line):
        if number == column:
            at = used
        shown.append(_shown(character, used))
        used += cells(shown[-1])
    at = at if column < len(line) else used
    if used + 1 <= room:
        return "".join(shown), at
    first, before = _cut_before(shown, at, room)
    text, taken = (MORE, 1) if first else ("", 0)
    for part in shown[first:]:
        if taken + cells(part) > room - 1:
            return text + MORE, at - before + bool(first)
        text, taken = text + part, taken + cells(part)
    return text, at - before + bool(first)


def _cut_before(shown: list[str], at: int, room: int) -> tuple[int, int]:
    """Say how many characters are left out so that the place is in the window, and how many columns they took."""
    before = 0
    for first, part in enumerate(shown):
        if at - before <= room // 2:
            return first, before
        before += cells(part)
    return len(shown), before


def _shown(character: str, at: int) -> str:
    if character == "\t":
        return " " * (TAB - at % TAB)
    if character.isprintable() or character == " ":
        return character
    return character.encode("unicode_escape").decode("ascii")
