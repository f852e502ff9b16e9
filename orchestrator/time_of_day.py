"""The time of day, read in this one place: for clocks, the audit book, files that were just written, and commands.

Pure packages are handed it as an argument.
"""

import time


def wall_ms() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def wall_ns() -> int:
    """Return nanoseconds since 1970."""
    return time.time_ns()
