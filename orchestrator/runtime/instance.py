"""One wasmtime store with one instance in it: calls under limits, and what ended it. `guest` gives it a life.

Limits are set anew before every call: fuel, and a deadline on the monotonic clock, which is looked at on every tick of
the epoch. After a trap the instance is dead: every further call answers what the trap was. A call that was refused
memory and then trapped is taken to have failed for want of it, though it may have got over that and failed at something
else.
"""

import threading
import time
import weakref
from collections.abc import Sequence
from ctypes import byref, c_uint64, create_string_buffer, sizeof
from typing import Any

from wasmtime import _ffi as ffi

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.message import Exited
from orchestrator.model.spec import Limits
from orchestrator.runtime import capi, faults
from orchestrator.runtime.call import CallFailed, Entry
from orchestrator.runtime.cell import Cell
from orchestrator.runtime.component import Export
from orchestrator.runtime.loaded import Loaded
from orchestrator.runtime.memory import Allowance
from orchestrator.runtime.wasi import Denied, Wasi, give

MAX_TABLE_ELEMENTS = 200_000  # of each table; 8 bytes each
MAX_TABLES = 64
MAX_MEMORIES = 16
MAX_CORE_INSTANCES = 256
_FUNC_BYTES = sizeof(ffi.wasmtime_component_func_t)
_INSTANCE_BYTES = sizeof(ffi.wasmtime_component_instance_t)


class Instance:
    """One instance. One call at a time, from any thread; `interrupt` at any moment from any other."""

    def __init__(self, loaded: Loaded, cell: Cell, limits: Limits, wasi: Wasi) -> None:
        self._loaded, self._cell, self._limits, self._given = loaded, cell, limits, wasi
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._owner = 0  # the thread that is inside
        self._instance = create_string_buffer(_INSTANCE_BYTES)
        self._fuel_set = 0
        self._allowance = Allowance(limits.memory_bytes)
        self.exited: Exited | None = None
        self._open()

    def _open(self) -> None:
        engine = self._loaded.engine
        store = capi.store_new(engine.address, self._cell.number, None)
        self._context = capi.store_context(store)
        self._free = weakref.finalize(self, _free, store, self._cell, engine, self._loaded)
        self._free.atexit = False  # the process's end frees it as well, in better order
        capi.epoch_callback(store, engine.epoch_callback, self._cell.number, None)
        capi.store_limits(store, -1, MAX_TABLE_ELEMENTS, MAX_CORE_INSTANCES, MAX_TABLES, MAX_MEMORIES)

    def instantiate(self) -> Exited | None:
        """Instantiate the component; None when that went well."""
        with self._entered():
            self._arm(self._limits.timeout_ms)
            denied = self._wasi()
            if denied is not None:
                return denied
            self._loaded.engine.memories.opening.allowance = self._allowance
            linked, component = self._loaded.linked, self._loaded.component_address
            error = capi.instantiate(linked.address, self._context, component, self._instance)
            return self._not_instantiated(capi.take_error(error)) if error else None

    def _not_instantiated(self, text: str) -> Exited:
        exited = self._end(text)
        if exited.reason.kind is ExitKind.TRAPPED and not exited.reason.backtrace:  # no code ran: it does not link
            detail = ": ".join(faults.causes(text))[: faults.MAX_DETAIL]
            self.exited = exited = Exited(ExitReason(kind=ExitKind.INITIALIZE_FAILED, detail=detail))
        return exited

    def invoke(self, export: Export, values: Sequence[Any], timeout_ms: int | None = None) -> Any | Exited:
        """Call an export with plain values that fit its type; its plain result, or why the instance ended."""
        if self.exited is not None:
            return self.exited
        with self._entered():
            entry = self._entries.get(export.name) or self._enter(export)
            self._arm(self._limits.timeout_ms if timeout_ms is None else timeout_ms)
            self._cell.ending = self._cell.due() if self._cell.is_interrupted else None
            if self._cell.ending is not None:
                return self._end("")
            try:
                return entry(values)
            except CallFailed as failure:
                return self._end(str(failure))

    @property
    def fuel_used(self) -> int:
        """What the last call used; 0 once closed."""
        if not self._free.alive:
            return 0
        left = c_uint64()
        error = capi.get_fuel(self._context, byref(left))
        assert not error
        return self._fuel_set - left.value

    def interrupt(self) -> None:
        """Make the running call, or else the next, end as killed."""
        self._cell.interrupt()

    def close(self) -> None:
        """Free the store; a call that is running is interrupted and waited for."""
        self.interrupt()
        with self._entered():
            if self.exited is None:
                self.exited = Exited(ExitReason(kind=ExitKind.KILLED, detail="closed"))
            self._entries.clear()
            self._free()

    def _entered(self) -> "_Entered":
        if self._owner == threading.get_ident():
            raise RuntimeError("a host function called back into the guest that called it")
        return _Entered(self)

    def _arm(self, timeout_ms: int) -> None:
        cell = self._cell
        cell.ending = cell.raised = None
        self._allowance.was_refused = False
        self._fuel_set = self._limits.fuel
        error = capi.set_fuel(self._context, self._limits.fuel)
        assert not error
        cell.deadline_ns = time.monotonic_ns() + timeout_ms * 1_000_000
        capi.set_epoch_deadline(self._context, 1)

    def _wasi(self) -> Exited | None:
        if self._loaded.description.wants_wasi:
            try:
                give(self._context, self._given, self._loaded.world)
            except Denied as denied:
                self.exited = Exited(ExitReason(kind=ExitKind.INITIALIZE_FAILED, detail=str(denied)))
        return self.exited

    def _enter(self, export: Export) -> Entry:
        func = create_string_buffer(_FUNC_BYTES)
        found = capi.get_func(self._instance, self._context, self._loaded.index_of(export), func)
        assert found, f"{export.name} was there when the component was read"
        entry = self._entries[export.name] = Entry(self._context, func, self._loaded.signature_of(export))
        return entry

    def _end(self, text: str) -> Exited:
        cell = self._cell
        reason = faults.exit_reason(text)
        if cell.ending is not None:
            reason = ExitReason(kind=cell.ending.kind, detail=cell.ending.detail, backtrace=reason.backtrace)
        elif reason.kind is ExitKind.TRAPPED and self._allowance.was_refused:
            detail = f"reached its memory limit of {self._limits.memory_bytes} bytes, then: {reason.detail}"
            reason = ExitReason(kind=ExitKind.MEMORY, detail=detail, backtrace=reason.backtrace)
        self.exited = Exited(reason)
        self._entries.clear()
        if cell.raised is not None:
            raise cell.raised
        return self.exited


class _Entered:
    """Holds an instance for one thread."""

    __slots__ = ("_instance",)

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def __enter__(self) -> None:
        self._instance._lock.acquire()
        self._instance._owner = threading.get_ident()

    def __exit__(self, *_exc: object) -> None:
        self._instance._owner = 0
        self._instance._lock.release()


def _free(store: int, cell: Cell, engine: Any, _loaded: Loaded) -> None:
    capi.store_delete(store)
    engine.cells.remove(cell)
