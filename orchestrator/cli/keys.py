"""Keys that end what is shown live: `q`, where the input is a terminal; Ctrl-C ends it anywhere."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial

Pause = Callable[[float], bool]  # waits so many seconds; False when whoever watches has had enough
READ_BYTES = 64


@contextlib.contextmanager
def pausing() -> Iterator[Pause]:
    """Give a way to wait between two looks. Keys that are typed meanwhile are not shown."""
    if not _is_ours():
        yield _sleep
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield partial(_until_q, terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _is_ours() -> bool:
    """Whether the input is a terminal, and this no job in its background, which would be stopped for touching it."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # no terminal of this session
        return False


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _until_q(terminal: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            typed = os.read(terminal, READ_BYTES)
            if not typed or b"q" in typed.lower():  # nothing: the terminal is gone
                return False
    return True
