"""An instance on the stock path: instantiated and called by the binding's own declarations, each call on its thread.

`guest/store` decides the limits of a call, why it ended and the life of the store, as on the fast path.
"""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import byref
from typing import Any

from wasmtime import StoreContext, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime import component as wc

from orchestrator.interface.exports import Export
from orchestrator.runtime.call.call import CallFailed, Entry, polled_to_end
from orchestrator.runtime.call.types import FunctionType
from orchestrator.runtime.engine import capi
from orchestrator.runtime.guest.store import GuestStore
from orchestrator.runtime.stock import values


class StockStore(GuestStore):
    """One instance; its calls cannot be set aside."""

    __slots__ = ("_of_component", "_store")

    def _instantiate_here(self) -> str | None:
        linker, component = self._loaded.linked.linker, self._loaded.prepared.component
        self._store = StoreContext(ctypes.cast(self._context, ctypes.POINTER(ffi.wasmtime_context_t)))
        try:
            self._of_component = linker.instantiate(self._store, component)
        except WasmtimeError as problem:
            return str(problem)
        return None

    def _enter(self, export: Export) -> "StockEntry":
        func = self._of_component.get_func(self._store, self._loaded.export_index(export))
        assert func is not None, f"{export.name} was there when the component was read"
        entry = self._entries[export.name] = StockEntry(self._store, func, export.kind)
        return entry


class StockEntry(Entry):
    """One exported function of one instance; it is called, never begun."""

    __slots__ = ("_is_async", "_lift", "_lower_each", "_stock", "_store")

    def __init__(self, store: StoreContext, func: wc.Func, kind: FunctionType) -> None:
        self._store, self._stock = store, func
        self._is_async = kind.is_async
        self._lower_each = tuple(values.lowering(param) for _, param in kind.params)
        self._lift = None if kind.result is None else values.lifting(kind.result)

    def call(self, given: Sequence[Any], is_over: Callable[[], bool]) -> Any:
        """Call the function on this thread, which it holds until it returns, or until an asynchronous one `is_over`.

        Raises:
            CallFailed: it trapped, or did not return in time; its instance must not be entered again.
            Unfit: a value does not fit its parameter; nothing ran.
        """
        arguments, result = values.blank(len(self._lower_each)), values.blank(1)
        try:
            for index, (lower, value) in enumerate(zip(self._lower_each, given, strict=True)):
                lower(value, arguments[index])
            (self._poll if self._is_async else self._run)(arguments, result, is_over)
            return None if self._lift is None else self._lift(result[0])
        finally:
            for value in (*arguments, result[0]):
                values.drop(value)

    def _run(self, arguments: Any, result: Any, _is_over: Callable[[], bool]) -> None:
        count, results = len(self._lower_each), 0 if self._lift is None else 1
        error = ffi.wasmtime_component_func_call(
            byref(self._stock._func), self._store._context(), arguments, count, result, results
        )
        if error:
            raise CallFailed(str(WasmtimeError._from_ptr(error)))

    def _poll(self, arguments: Any, result: Any, is_over: Callable[[], bool]) -> None:
        count, results = len(self._lower_each), 0 if self._lift is None else 1
        error = ctypes.POINTER(ffi.wasmtime_error_t)()
        future = ffi.wasmtime_component_func_call_async(
            byref(self._stock._func), self._store._context(), arguments, count, result, results, byref(error)
        )
        polled_to_end(capi.address_of(future), is_over, capi.future_delete)
        if error:
            raise CallFailed(str(WasmtimeError._from_ptr(error)))
