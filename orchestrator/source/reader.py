"""Reads one source on a thread of its own, so that nobody waits for a slow one; the agent has one reader per source.

One read at a time. Its answer waits until it is taken; a newer one takes its place. It decides nothing about answers.
"""

import logging
import threading
from collections.abc import Callable, Collection

from orchestrator.model.snapshot import SourceAnswer, SourceFailure, Unknown
from orchestrator.source.changes import Changed, PendingLook

LOG = logging.getLogger("source")
Read = Callable[[Changed, Callable[[], Changed]], SourceAnswer]


class SourceReader:
    """A thread that calls `read` whenever it is asked to, and `answered` after each answer.

    `read` is told what to look at, and what tells what else is asked for while it reads. `taken` is the number of the
    last question that the answers taken so far have answered.
    """

    def __init__(self, name: str, read: Read, answered: Callable[[], None], now_ms: Callable[[], int]) -> None:
        self._name, self._read, self._answered, self._now_ms = name, read, answered, now_ms
        self._asked = PendingLook()
        self._lock = threading.Lock()
        self._answer: tuple[SourceAnswer, int, int] | None = None  # when its reading began, and what it answers
        self.looked_ms = 0  # when the reading of the answer began that was taken last
        self.taken = 0
        self._is_closed = False
        self._thread = threading.Thread(target=self._go, name="airs-read-source", daemon=True)
        self._thread.start()

    def ask(self, changed: Collection[str] | None = None) -> int:
        """Ask for a reading of the source, one more if it is being read now; from any thread.

        With `changed`, the files that may have changed since the last, below the root. Returns the number of the
        question: it is answered once `taken` is no less.
        """
        return self._asked.add(changed)

    def take(self) -> SourceAnswer | None:
        """Return the newest answer, once; None while there is no new one."""
        with self._lock:
            taken, self._answer = self._answer, None
        if taken is None:
            return None
        answer, self.looked_ms, self.taken = taken
        return answer

    def close(self) -> None:
        """Read no more; an answer still to come is dropped. It does not wait for the read that is going on."""
        self._is_closed = True
        self._asked.add(())

    def _go(self) -> None:
        while True:
            self._asked.wait()
            if self._is_closed:
                return
            began_ms, changed = self._now_ms(), self._asked.take()
            answer = self._attempt(changed)
            if self._is_closed:
                return
            with self._lock:
                self._answer = answer, began_ms, self._asked.taken
            self._answered()

    def _attempt(self, changed: Changed) -> SourceAnswer:
        try:
            return self._read(changed, self._asked.take)
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
