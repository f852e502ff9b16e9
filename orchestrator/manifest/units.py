"""Turns durations and sizes as people write them into milliseconds and bytes."""

import re

_DURATION = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h)")
_SIZE = re.compile(r"([1-9][0-9]{0,11})(B|KiB|MiB|GiB)")
_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


_MEANT = re.compile(r"([0-9][0-9_]*) ?([A-Za-z]+)")
_DURATIONS = {
    "ms": ("ms", 1), "msec": ("ms", 1), "millis": ("ms", 1), "s": ("s", 1), "sec": ("s", 1), "secs": ("s", 1),
    "second": ("s", 1), "seconds": ("s", 1), "m": ("m", 1), "min": ("m", 1), "mins": ("m", 1), "minute": ("m", 1),
    "minutes": ("m", 1), "h": ("h", 1), "hr": ("h", 1), "hour": ("h", 1), "hours": ("h", 1), "d": ("h", 24),
    "day": ("h", 24), "days": ("h", 24),
}  # fmt: skip
_SIZES = {"k": 1, "m": 2, "g": 3}  # by the first letter: powers of 1024, or of 1000


def meant(unit: str, text: str) -> str:
    """Say how a duration or size is written that somebody wrote in another way; empty where that cannot be told."""
    found = _MEANT.fullmatch(text.strip())
    if found is None:
        return ""
    count, word = int(found[1].replace("_", "")), found[2].lower()
    if unit == "duration":
        known = _DURATIONS.get(word)
        return "" if known is None else f"write `{count * known[1]}{known[0]}`"
    power = _SIZES.get(word[0])
    if power is None or word[1:] not in ("", "b", "i", "ib"):
        return f"write `{count}B`" if word in ("b", "byte", "bytes") else ""
    binary = f"{count}{word[0].upper()}iB"
    if word[1:] in ("i", "ib"):
        return f"write `{binary}`"
    return f"write `{binary}` ({count * 1024**power:_} bytes), or `{count * 1000**power}B`"


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
