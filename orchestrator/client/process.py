"""A process that does not answer: whether it is busy, and may answer yet, or stands still. Read off /proc."""

from pathlib import Path
from typing import NamedTuple

BUSY_TURNS = 5  # of a core that a main thread had since it was asked; one that waits for something has none
STOPPED = ("T", "t")
AT_WORK = ("R", "D")  # on a core or waiting for one; waiting for a disk


class Pulse(NamedTuple):
    """The state of a process's main thread, as a letter, and how many turns of a core it has had."""

    state: str
    turns: int


def pulse(pid: int) -> Pulse | None:
    """Read it; None where there is no such process, or no such file."""
    try:
        stat = Path(f"/proc/{pid}/task/{pid}/stat").read_text(errors="replace")
        turns = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[-1]
    except (OSError, IndexError):
        return None
    return Pulse(stat.rpartition(")")[2].split()[0], int(turns))


def is_stopped(now: Pulse | None) -> bool:
    """Whether a signal or a debugger has stopped a process."""
    return now is not None and now.state in STOPPED


def is_busy(before: Pulse | None, now: Pulse | None) -> bool:
    """Whether a process that was asked in between is likely to be at work, and not stopped or stuck."""
    if before is None or now is None or is_stopped(now):
        return False
    return now.state in AT_WORK or now.turns - before.turns >= BUSY_TURNS


def why_silent(now: Pulse | None) -> str:
    """Say in words what is known of a process that does not answer."""
    if now is None:
        return "nothing is known of it"
    if is_stopped(now):
        return "it is stopped, by a signal or a debugger"
    return "it is stuck, or has far too much to do"
