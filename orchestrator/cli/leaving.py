"""Ctrl-C while the command line is only being imported, or taken down: the process ends with exit code 130.

Imported before everything else of the command line, so it imports next to nothing itself. `bin/airs` starts Python with
SIGINT blocked, so that Ctrl-C waits until here; `python -m orchestrator` cannot, and the time before is Python's.
"""

import atexit
import contextlib
import os
import signal
import sys
from typing import NoReturn

from orchestrator.contract.codes import INTERRUPTED


class LeavingAtOnce:
    """A context in which Ctrl-C ends the process without a word: nothing has begun, and half a module is of no use."""

    def __init__(self) -> None:
        self._is_ours = False

    def __enter__(self) -> None:
        self._is_ours = leave_at_once()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # also where it is ignored: children inherit a mask

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_at_once() -> bool:
    """Let Ctrl-C end the process from now on.

    False, and nothing is changed, where it is ignored or somebody else's already, and outside the main thread.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    try:
        signal.signal(signal.SIGINT, _leave)
    except ValueError:  # not the main thread
        return False
    return True


def leave(code: int) -> NoReturn:
    """End the process with an exit code, and leave it to the system to take down all that was imported.

    That takes Python longer than many a command. Where other threads are at work it takes everything down as ever.
    """
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # nobody reads it any more, or there is no room; that was told
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)
