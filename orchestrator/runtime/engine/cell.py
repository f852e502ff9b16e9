"""The cell of one instance, which its callbacks read and write: whose call it is, until when, and why it has to end.

Wasmtime's binding keeps a callback's exception in one global, where another thread may find it. Ours never let one
cross: it is kept in the calling instance's own cell, and wasmtime gets an error value.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from orchestrator.concurrency.work import Held, Until
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.runtime.engine.host_import import Wait
from orchestrator.runtime.engine.memory import Memory

OVERTIME_NS = 100_000_000  # beyond its end, for a call to return from where it cannot be interrupted
MAX_HOST_CALLS = 1_000_000  # in one call of a guest; fuel alone would allow more than a deadline has time for


class Cell:
    """One instance's side of its callbacks; written by the thread that runs it, except for `interrupt`.

    Larger than most, as a callback knows nothing but this: each attribute is something it reads or leaves behind.
    """

    __slots__ = (
        "began_ns", "context", "deadline_ns", "ending", "held", "holds_thread", "host_calls", "id", "is_interrupted",
        "keep_ticking", "memories", "number", "pending", "raised", "waiting",
    )  # fmt: skip

    def __init__(
        self, number: int, id: ComponentId, context: object, holds_thread: bool, keep_ticking: Callable[[], None]
    ) -> None:
        self.number = number
        self.id = id
        self.context = context
        self.keep_ticking = keep_ticking
        self.holds_thread = holds_thread  # its calls cannot be set aside
        self.began_ns = self.deadline_ns = 0  # on the monotonic clock
        self.host_calls = 0
        self.is_interrupted = False
        self.held: Held[Any] | None = None  # the running call, where it holds its thread
        self.ending: ExitReason | None = None  # why a callback ended the call
        self.raised: BaseException | None = None  # KeyboardInterrupt and the like, to be raised by the caller
        self.waiting: Until | None = None  # in a host function
        self.memories: Sequence[Memory] = ()  # in the order they were made; a shim has the first
        self.pending: tuple[int, bytes, bytes] | None = None  # a host's answer that the shim has to grow for

    def arm(self, timeout_ms: int) -> None:
        """Begin a call that may take so long."""
        self.ending = self.raised = None
        self.host_calls = 0
        self.began_ns = now_ns = time.monotonic_ns()
        self.deadline_ns = now_ns + timeout_ms * 1_000_000

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Let the guest hold its thread meanwhile, as wasmtime has no other way to run a destructor."""
        usual, self.holds_thread = self.holds_thread, True
        try:
            yield
        finally:
            self.holds_thread = usual

    def began_within(self, span_ns: int) -> bool:
        """Whether the running call began so recently."""
        return time.monotonic_ns() - self.began_ns < span_ns

    def interrupt(self) -> None:
        """Make the running call end soon; from any thread."""
        self.is_interrupted = True
        waiting, held = self.waiting, self.held
        if waiting is not None:
            waiting.wake()
        if held is not None:
            held.over_within(time.monotonic_ns() + OVERTIME_NS)

    def due(self) -> ExitReason | None:
        """Say why the running call has to end now, None while it may go on."""
        if self.is_interrupted:
            return ExitReason(kind=ExitKind.KILLED, detail="interrupted")
        if time.monotonic_ns() >= self.deadline_ns:
            return ExitReason(kind=ExitKind.DEADLINE, detail="the call took longer than its timeout")
        return None

    def is_over_here(self) -> bool:
        """Whether a call has to end that holds its thread; `ending` says why."""
        self.ending = self.ending or self.due()
        return self.ending is not None

    def wait(self, wanted: Wait) -> None:
        """Let the guest wait, at most until its deadline or an interruption."""
        at_ns = time.monotonic_ns() + round(wanted.seconds * 1e9)
        self.waiting = waiting = Until(min(at_ns, self.deadline_ns))
        is_over = wanted.arrange is not None and not wanted.arrange(waiting.wake)
        if is_over or self.is_interrupted:  # looked at after `waiting` is set, so that an interruption is never missed
            waiting.wake()

    def is_over(self) -> bool:
        """Whether what the guest waited for has come; if that is its end, `ending` says so."""
        waiting = self.waiting
        if waiting is not None and not waiting.is_woken and time.monotonic_ns() < waiting.at_ns:
            return False
        self.waiting = None
        self.keep_ticking()  # the tick stops while nobody calls or computes, and nobody else may call for long
        self.ending = self.ending or self.due()
        return True


class Cells:
    """The cells of all living instances by number; the number is what wasmtime hands to a callback."""

    def __init__(self, nudge: Callable[[], None], keep_ticking: Callable[[], None]) -> None:
        self.nudge = nudge  # makes every running call look up soon
        self._keep_ticking = keep_ticking
        self._numbers = itertools.count(1)
        self._cells: dict[int, Cell] = {}

    def add(self, id: ComponentId, context: object, *, holds_thread: bool = False) -> Cell:
        """Make the cell of a new instance."""
        cell = Cell(next(self._numbers), id, context, holds_thread, self._keep_ticking)
        self._cells[cell.number] = cell
        return cell

    def remove(self, cell: Cell) -> None:
        """Forget a cell whose store is gone."""
        self._cells.pop(cell.number, None)

    def __getitem__(self, number: int) -> Cell:
        return self._cells[number]

    def __len__(self) -> int:
        return len(self._cells)


class CallAborted(Exception):
    """Raised inside a host call to end the guest's call for a reason that is not the guest's fault alone."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(str(reason))
        self.reason = reason
