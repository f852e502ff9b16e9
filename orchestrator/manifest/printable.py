"""Turns text out of a manifest into an excerpt that is safe to print: short, on one line, no control characters.

Everything that echoes a manifest's own words goes through here; values under `config` are never echoed at all.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable

EXCERPT_MAX_CHARACTERS = 60
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*:)([^\s/@]+)(?=@)")  # of a URL, with the name before it


def without_passwords(text: str) -> str:
    """Return a text of the same length that shows no password of a URL."""
    return _PASSWORD.sub(lambda found: found[1] + "*" * len(found[2]), text) if "@" in text else text


def excerpt(text: str) -> str:
    """Return `text` in backquotes, with what a terminal might act on replaced, at most 60 characters of it."""
    text = without_passwords(text)
    if text.isascii() and text.isprintable() and len(text) <= EXCERPT_MAX_CHARACTERS:
        return f"`{text}`"
    head = text[:EXCERPT_MAX_CHARACTERS]
    safe = "".join("\ufffd" if unicodedata.category(c) in _UNPRINTABLE else c for c in head)
    return f"`{safe}…`" if len(text) > EXCERPT_MAX_CHARACTERS else f"`{safe}`"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion: the nearest known word, or all of them where none is near."""
    words = sorted(known)
    near = difflib.get_close_matches(word[:64], words, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return "known here: " + ", ".join(words) if words else "nothing may be written here"
