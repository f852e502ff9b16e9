"""What the callbacks of one instance know and leave behind: whose call it is, until when, and why it has to end.

Wasmtime's binding keeps a callback's exception in one global, where another thread may find it. Ours never let one
cross: it is kept in the calling instance's own cell, and wasmtime gets an error value.
"""

import itertools
import threading
import time

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId


class Cell:
    """One instance's side of its callbacks; written by the thread that runs it, except for `interrupt`."""

    __slots__ = ("context", "deadline_ns", "ending", "id", "is_interrupted", "number", "raised", "waiting")

    def __init__(self, number: int, id: ComponentId, context: object) -> None:
        self.number = number
        self.id = id
        self.context = context
        self.deadline_ns = 0  # on the monotonic clock
        self.is_interrupted = False
        self.ending: ExitReason | None = None  # why a callback ended the call
        self.raised: BaseException | None = None  # KeyboardInterrupt and the like, to be raised by the caller
        self.waiting: threading.Event | None = None

    def interrupt(self) -> None:
        """Make the running call end soon; from any thread."""
        self.is_interrupted = True
        waiting = self.waiting
        if waiting is not None:
            waiting.set()

    def due(self) -> ExitReason | None:
        """Say why the running call has to end now, None while it may go on."""
        if self.is_interrupted:
            return ExitReason(kind=ExitKind.KILLED, detail="interrupted")
        if time.monotonic_ns() >= self.deadline_ns:
            return ExitReason(kind=ExitKind.DEADLINE, detail="the call took longer than its timeout")
        return None

    def wait(self, seconds: float) -> ExitReason | None:
        """Wait, at most until the deadline or an interruption; say which of those ended it, None for neither."""
        left = (self.deadline_ns - time.monotonic_ns()) / 1e9
        self.waiting = threading.Event()
        if not self.is_interrupted:  # looked at after `waiting` is set, so that an interruption is never missed
            self.waiting.wait(max(0.0, min(seconds, left)))
        self.waiting = None
        return self.due()


class Cells:
    """The cells of all living instances by number; the number is what wasmtime hands to a callback."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._cells: dict[int, Cell] = {}

    def add(self, id: ComponentId, context: object) -> Cell:
        """Make the cell of a new instance."""
        cell = Cell(next(self._numbers), id, context)
        self._cells[cell.number] = cell
        return cell

    def remove(self, cell: Cell) -> None:
        """Forget a cell whose store is gone."""
        self._cells.pop(cell.number, None)

    def __getitem__(self, number: int) -> Cell:
        return self._cells[number]

    def __len__(self) -> int:
        return len(self._cells)


class Ending(Exception):
    """Raised inside a host call to end the guest's call for a reason that is not the guest's fault alone."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(str(reason))
        self.reason = reason


running = threading.local()  # `.cell` while a host function runs on this thread


def sleep(seconds: float) -> None:
    """Wait inside a host function; the guest's deadline and an interruption end the wait and the call."""
    due = running.cell.wait(seconds)
    if due is not None:
        raise Ending(due)


def remaining_ms() -> int:
    """Return how long the call that runs this host function may still take, in milliseconds, at least 0."""
    left: int = running.cell.deadline_ns - time.monotonic_ns()
    return max(0, left // 1_000_000)
