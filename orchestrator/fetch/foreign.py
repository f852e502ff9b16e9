"""JSON that somebody else wrote → dicts and lists, or one error, whatever the bytes."""

from typing import Any

import msgspec

from orchestrator.decoding import plain_from_json


class ForeignJsonBroken(ValueError):
    """Bytes that are no JSON; the text says nothing of them."""


def foreign_json(data: bytes) -> Any:
    """Decode JSON.

    Raises:
        ForeignJsonBroken: it is none, is not UTF-8, or is nested deeper than any document that is meant.
    """
    try:
        return plain_from_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ForeignJsonBroken("it is not JSON") from None
