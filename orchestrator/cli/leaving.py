"""Ctrl-C while the command line is only being imported, or taken down: the process ends with exit code 130.

Imported before everything else of the command line, so it imports next to nothing itself.
"""

import os
import signal

from orchestrator.contract.codes import INTERRUPTED


class LeavingAtOnce:
    """A context in which Ctrl-C ends the process without a word: nothing has begun, and half a module is of no use."""

    def __init__(self) -> None:
        self._is_ours = False

    def __enter__(self) -> None:
        self._is_ours = leave_at_once()

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


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)
