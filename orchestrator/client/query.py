"""Texts in the target of a request, percent-encoded; importing `urllib` would take longer than to ask."""

from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quoted(text: object) -> str:
    """Return a text so that it stands for itself, whatever it holds."""
    data = str(text).encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)


def query(params: Mapping[str, Any]) -> str:
    """Return the text after the question mark; a list is given as several of one name."""
    return "&".join(f"{quoted(name)}={quoted(value)}" for name, value in _pairs(params))


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in params.items():
        if isinstance(value, (list, tuple)):
            yield from ((name, each) for each in value)
        else:
            yield name, value
