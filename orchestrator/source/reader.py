"""Reads one source on a thread of its own, so that nobody waits for a slow one; the agent has one reader per source.

One read at a time. Its answer waits until it is taken; a newer one takes its place. It decides nothing about answers.
"""

import logging
import threading
from collections.abc import Callable

from orchestrator.model.snapshot import SourceAnswer, SourceFailure, Unknown

LOG = logging.getLogger("source")


class SourceReader:
    """A thread that calls `read` whenever it is asked to, and `answered` after each answer."""

    def __init__(self, name: str, read: Callable[[], SourceAnswer], answered: Callable[[], None]) -> None:
        self._name, self._read, self._answered = name, read, answered
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._answer: SourceAnswer | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._go, name="airs-read-source", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Ask for a reading of the source, one more if it is being read now; from any thread."""
        self._asked.set()

    def take(self) -> SourceAnswer | None:
        """Return the newest answer, once; None while there is no new one."""
        with self._lock:
            answer, self._answer = self._answer, None
        return answer

    def close(self) -> None:
        """Read no more; an answer still to come is dropped. It does not wait for the read that is going on."""
        self._is_closed = True
        self._asked.set()

    def _go(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._is_closed:
                return
            answer = self._attempt()
            if self._is_closed:
                return
            with self._lock:
                self._answer = answer
            self._answered()

    def _attempt(self) -> SourceAnswer:
        try:
            return self._read()
        except Exception as bug:
            LOG.exception("%s could not be read for a fault of airs itself", self._name)
            return Unknown(
                SourceFailure(
                    source=self._name,
                    summary=f"cannot read {self._name}",
                    detail=f"airs failed at it: {type(bug).__name__}: {bug}",
                    suggestion="This is a bug of airs; the agent's log says where. It is tried again.",
                )
            )
