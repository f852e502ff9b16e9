"""Turns durations and sizes as people write them into milliseconds and bytes."""

import re

_DURATION = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h)")
_SIZE = re.compile(r"([1-9][0-9]{0,11})(B|KiB|MiB|GiB)")
_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def duration_ms(text: str) -> int:
    """Return a duration like `100ms`, `5s`, `2m` or `1h` in milliseconds.

    Raises:
        ValueError: it is not written like that.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration")
    return int(match[1]) * _MS[match[2]]


def size_bytes(text: str) -> int:
    """Return a size like `64KiB` or `4GiB` in bytes.

    Raises:
        ValueError: it is not written like that.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _BYTES[match[2]]
