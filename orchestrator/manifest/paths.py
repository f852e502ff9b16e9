"""Joins a path written in a manifest to the folder of its file, by text alone, and keeps it inside a given folder.

Links are the source reader's business: it resolves component by component and reports what leaves as `escapes`.
"""

import unicodedata
from collections.abc import Iterable

PATH_MAX_CHARACTERS = 1024


class BadPathError(ValueError):
    """A path that may not be followed; its text says why."""


def folder_of(path: str) -> str:
    """Return the folder that holds `path`; the root is the empty text."""
    return path.rpartition("/")[0]


def join_confined(folder: str, written: str, confined_to: str = "") -> str:
    """Return `written`, relative to `folder`, as a normalised root-relative path inside `confined_to`.

    Raises:
        BadPathError: it is absolute, leaves the folder it is confined to, or has characters no path should have.
    """
    if not written or len(written) > PATH_MAX_CHARACTERS:
        raise BadPathError(f"a path has 1 to {PATH_MAX_CHARACTERS} characters")
    if not written.isprintable() or "\\" in written:
        raise BadPathError("a path has printable characters only, and `/` between its parts")
    if written.startswith(("/", "~")):
        raise BadPathError("it is absolute; paths are relative to the file they are written in")
    parts = _normalised(folder, written)
    inside = confined_to.split("/") if confined_to else []
    if parts[: len(inside)] != inside:
        raise BadPathError(f"it leaves {'the folder it is confined to' if inside else 'the root'}")
    return "/".join(parts)


def _normalised(folder: str, written: str) -> list[str]:
    parts = folder.split("/") if folder else []
    for part in written.split("/"):
        if part == "..":
            if not parts:
                raise BadPathError("it leaves the root")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts


def collisions(paths: Iterable[str]) -> dict[str, str]:
    """Map each path to another one that some file systems could not tell from it (letter case, composed accents)."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        if "://" in path:  # of a fetched component, whose files lie in no file system
            continue
        folded = path if path.isascii() else unicodedata.normalize("NFC", path)
        groups.setdefault(folded.casefold(), []).append(path)
    pairs: dict[str, str] = {}
    for group in groups.values():
        for index, path in enumerate(sorted(group) if len(group) > 1 else ()):
            pairs[path] = sorted(group)[1 if index == 0 else 0]
    return pairs
