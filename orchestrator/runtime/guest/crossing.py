"""An instance whose calls are each one crossing of the extension, which sets limits, calls, and takes the answer out.

All else is `guest/store`'s: a call that is long, holds its thread or is refused, and the rest of one that gives way.
"""

from collections.abc import Sequence
from typing import Any

from orchestrator.interface.exports import Export
from orchestrator.model.message import Exited
from orchestrator.model.spec import Limits
from orchestrator.runtime.call.call import Entry
from orchestrator.runtime.component.loaded import Loaded
from orchestrator.runtime.engine.cell import Cell
from orchestrator.runtime.engine.crossing import ENDED, PENDING
from orchestrator.runtime.guest.store import CLOSED, SMALL_MEMORY_BYTES, GuestStore, busy
from orchestrator.runtime.wasi.config import Wasi


class CrossingStore(GuestStore):
    """One instance; where a short call takes five calls of ctypes in `GuestStore`, it takes one of C."""

    __slots__ = ("_keeps_lock",)

    def __init__(self, loaded: Loaded, cell: Cell, limits: Limits, wasi: Wasi) -> None:
        super().__init__(loaded, cell, limits, wasi)
        self._keeps_lock = limits.memory_bytes <= SMALL_MEMORY_BYTES

    async def invoke(
        self, export: Export, values: Sequence[Any], timeout_ms: int | None = None, fuel_times: int = 1
    ) -> Any | Exited:  # fmt: skip
        """Call an export with plain values that fit its type; its plain result, or why the instance ended."""
        # The hot path, in one piece.
        cell = self._cell
        if cell.holds_thread or self._computes_long or self._allowance.left_bytes < self._much_taken_bytes:
            return await super().invoke(export, values, timeout_ms, fuel_times)
        if self.exited is not None:
            return self.exited
        if self._is_entered:
            raise busy()
        self._is_entered = True
        try:
            if self._is_closing:  # looked at once entered, so that one side sees the other
                return CLOSED
            self._allowance.was_refused = False
            meter = self.meter
            fuel = meter.begin(self._limits.timeout_ms if timeout_ms is None else timeout_ms, fuel_times)
            if cell.is_interrupted:
                return self._interrupted()
            entry = self._entries.get(export.name) or self._enter(export)
            answer = entry.cross(values, fuel, self._keeps_lock)
            if answer is PENDING:
                await self._go_on(entry)
                answer = ENDED
            meter.unread -= fuel_times
            if meter.unread < 0:
                meter.read(fuel_times)
            if answer is ENDED:
                return self._outcome(entry)
            return answer if cell.ending is None else self._end("")
        finally:
            self._is_entered = False
            if self._is_closing:
                self._release()

    async def _go_on(self, entry: Entry) -> None:
        """Go on with a call that gave way, to its end."""
        future = entry.crossing.future
        try:
            if not self._ends_soon(future):
                await self._rest(future)
        finally:
            entry.end(future)

    def _enter(self, export: Export) -> Entry:
        entry = super()._enter(export)
        entry.prepare_crossing()
        return entry
