"""Host functions on the stock path: the same bodies as in `call/link`, behind callbacks that the binding declares.

The binding's own callback lets a function's exception out through one global of the process, where another thread's
call may pick it up. Here it never leaves the function: it is kept in the cell of the instance whose call it is.
"""

from collections.abc import Sequence
from ctypes import CFUNCTYPE, c_void_p, cast, create_string_buffer
from typing import Any

from wasmtime import WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime import component as wc

from orchestrator.runtime.call.link import ENDED, Called, Linked, served
from orchestrator.runtime.call.types import FunctionType
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.cell import Cell, Cells
from orchestrator.runtime.engine.host_import import HostImport
from orchestrator.runtime.stock import values

_NO_FINALIZER = cast(0, CFUNCTYPE(None, c_void_p))


class _StockCalled(Called):
    """One host function under one function type."""

    def __init__(self, host: HostImport, kind: FunctionType, cells: Cells) -> None:
        self._host, self._cells = host, cells
        self._lift_each = tuple(values.lifting(param) for _, param in kind.params)
        self._lower_into = None if kind.result is None else values.lowering(kind.result)

    def stock(self, _data: Any, context: Any, _kind: Any, arguments: Any, _count: int, results: Any, _n: int) -> int:
        """Answer as wasmtime's binding has it."""
        answer = self.answer(capi.get_data(capi.address_of(context)), arguments)
        if answer is None:
            return int(capi.error_new(ENDED))
        if answer:
            results[0] = answer[0]  # wasmtime's from here on
        return 0

    def _answer(self, cell: Cell, arguments: Any) -> Any:
        result = served(self._host, cell, [lift(arguments[index]) for index, lift in enumerate(self._lift_each)])
        if self._lower_into is None:
            return ()
        lowered = values.blank(1)
        try:
            self._lower_into(result, lowered[0])
        except BaseException:
            values.drop(lowered[0])
            raise
        return lowered


def link_stock(
    linker: wc.Linker, needed: dict[str, dict[str, FunctionType]], hosts: Sequence[HostImport], cells: Cells
) -> Linked:
    """Define on `linker` those of `hosts` that are `needed` (interface → function → type); one thread at a time."""
    linked = Linked(linker)
    for interface, functions in needed.items():
        offered = [host for host in hosts if host.interface == interface and host.function in functions]
        if not offered:
            continue
        with linker.root() as root, root.add_instance(interface) as instance:
            for host in offered:
                _define(linked, instance, host.function, _StockCalled(host, functions[host.function], cells))
    return linked


def _define(linked: Linked, instance: wc.LinkerInstance, function: str, body: _StockCalled) -> None:
    callback = ffi.wasmtime_component_func_callback_t(body.stock)
    linked.callbacks.append(callback)
    name = function.encode()
    error = ffi.wasmtime_component_linker_instance_add_func(
        instance.ptr(), create_string_buffer(name), len(name), callback, None, _NO_FINALIZER
    )
    if error:
        raise WasmtimeError._from_ptr(error)
