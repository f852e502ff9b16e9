"""Numbers → words, as findings tell them: counts, sizes, spans of time, names."""

from collections.abc import Sequence

NAMED_MAX = 5
SPANS = ((3_600_000, "h"), (60_000, "min"))
UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def counted(count: int, one: str, many: str = "") -> str:
    """Write a number of things."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def size(count: int) -> str:
    """Write a number of bytes as people read it."""
    for unit, name in UNITS:
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} B"


def span(milliseconds: int) -> str:
    """Write a span of time as people read it."""
    for size_ms, name in SPANS:
        if milliseconds >= 2 * size_ms:
            return f"{milliseconds / size_ms:.3g} {name}"
    return f"{milliseconds} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.3g} s"


def spans(milliseconds: Sequence[int]) -> str:
    """Write the range of some spans of time."""
    if not milliseconds:
        return ""
    least, most = span(min(milliseconds)), span(max(milliseconds))
    return least if least == most else f"{least} to {most}"


def listed(names: Sequence[str]) -> str:
    """List names, and count those beyond a few."""
    rest = len(names) - NAMED_MAX
    return ", ".join([*names[:NAMED_MAX], *([f"and {rest} more"] if rest > 0 else [])])
