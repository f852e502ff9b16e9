"""The meter of one store: the fuel that calls may use and have used, and the tick by which a running call looks up.

The moment by which a call has to end is the `Cell`'s. Reading fuel takes a tenth of a short call, so each call's
is read only where calls are far apart.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_uint64, c_void_p
from typing import Any

from orchestrator.model.observed import Spent
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.cell import Cell
from orchestrator.runtime.engine.tick import Tick

UNREAD_CALLS = 60  # while they come fast, between two whose fuel is read
OFTEN_NS = 1_000_000  # where calls are further apart than this, the fuel of each is read
_MAX_FUEL = (1 << 63) - 1


class Meter:
    """The fuel of one store; used by the thread within, except `spent`, which is replaced and read by any thread."""

    __slots__ = ("_arming", "_cell", "_context", "_fuel", "_limit", "_read_ns", "_set", "_tick", "spent", "unread")

    def __init__(self, context: int, cell: Cell, tick: Tick, fuel: int) -> None:
        """Meter the store at `context`; `fuel` is what one call may use."""
        self._context, self._cell, self._tick, self._limit = context, cell, tick, fuel
        self._fuel = self._set = min(fuel, _MAX_FUEL)
        self._arming: tuple[Callable[[], Any], Callable[[], Any]] | None = None  # sets fuel and the next tick
        self.spent = Spent()
        self.unread = self._read_ns = 0

    def arm(self, timeout_ms: int, fuel_times: int = 1) -> None:
        """Begin a call: it may use `fuel_times` the fuel of one, and ends within its timeout."""
        if self._arming is None:
            self._arming = self._prepared()
        set_fuel, look_up = self._arming
        if fuel_times == 1:
            self._set = self._fuel
            error = set_fuel()
        else:
            self._set = min(self._limit * fuel_times, _MAX_FUEL)
            error = capi.set_fuel(self._context, self._set)
        assert not error
        tick = self._tick
        tick.was_wanted = True
        if not tick.is_on:
            tick.want()
        self._cell.arm(timeout_ms)
        look_up()

    def begin(self, timeout_ms: int, fuel_times: int) -> int:
        """Begin a call as `arm` does, but for fuel and next tick, which its crossing sets; returns the fuel."""
        self._set = self._fuel if fuel_times == 1 else min(self._limit * fuel_times, _MAX_FUEL)
        tick = self._tick
        tick.was_wanted = True
        if not tick.is_on:
            tick.want()
        self._cell.arm(timeout_ms)
        return self._set

    def _prepared(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        context = c_void_p(self._context)
        return (
            capi.bound("wasmtime_context_set_fuel", c_void_p, context, c_uint64(self._fuel)),
            capi.bound("wasmtime_context_set_epoch_deadline", None, context, c_uint64(1)),
        )

    def forget(self) -> None:
        """Drop what was prepared for calls; the next one prepares it again."""
        self._arming = None

    @property
    def used(self) -> int:
        """The fuel that the last call used; the store must still be there."""
        left = c_uint64()
        error = capi.get_fuel(self._context, byref(left))
        assert not error
        return self._set - left.value

    def read(self, calls: int) -> None:
        """Count what the last call used, for so many messages, and choose when to look again."""
        spent, began_ns = self.spent, self._cell.began_ns
        self.spent = Spent(calls=spent.calls + calls, fuel=spent.fuel + self.used)
        self.unread = UNREAD_CALLS if began_ns - self._read_ns < OFTEN_NS else 0
        self._read_ns = began_ns

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave calls that are not for messages out of the counts."""
        kept = self.spent, self.unread, self._read_ns
        try:
            yield
        finally:
            self.spent, self.unread, self._read_ns = kept
