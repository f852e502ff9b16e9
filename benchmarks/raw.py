"""Another side of the comparison of calls: wasmtime's C functions through ctypes, as bare as `handle-message` allows.

Types are asked for once, the message's record is built once, and only its payload changes, moved in and out in bulk.
Fuel and epoch deadline are set anew, and the payload is checked to have come back. It is what a program written for one
function would do: it has no mailbox, no host that answers to it, and one thread.
"""

import ctypes
from ctypes import addressof, byref, c_char, c_size_t, c_uint64, c_void_p, memset, string_at
from typing import Any

from wasmtime import _ffi as ffi

from benchmarks.stock import EPOCHS, FUEL, StockGuest, message_record

NAME = "raw C API"
VAL = ctypes.sizeof(ffi.wasmtime_component_val_t)
_OF = ffi.wasmtime_component_val_t.of.offset
_POINTER = ctypes.sizeof(c_void_p)
_PAYLOAD = 1  # the record's second field
_quick = ctypes.PyDLL(ffi.dll._name)  # these take less than handing the GIL over and back


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    function = library[name]
    function.restype, function.argtypes = result, arguments
    return function


_call = _function(
    ffi.dll, "wasmtime_component_func_call", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t
)
_set_fuel = _function(_quick, "wasmtime_context_set_fuel", c_void_p, c_void_p, c_uint64)
_set_deadline = _function(_quick, "wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
_drop = _function(_quick, "wasmtime_component_val_delete", None, c_void_p)


class RawGuest:
    """The `handle-message` of an instance that stock wasmtime-py started."""

    def __init__(self, guest: StockGuest) -> None:
        self._guest, self._func = guest, guest.function("handle-message")
        self._context = ctypes.cast(guest.store._context(), c_void_p).value
        self._record = (ffi.wasmtime_component_val_t * 1)()
        ((_, kind),) = self._func.type(guest.store).params
        kind.convert_to_c(guest.store, message_record(b""), ctypes.pointer(self._record[0]))
        entries = c_size_t.from_address(addressof(self._record) + _OF + _POINTER).value
        entry = ctypes.sizeof(ffi.wasmtime_component_valrecord_entry_t)
        payload = entries + _PAYLOAD * entry + ffi.wasmtime_component_valrecord_entry_t.val.offset + _OF
        self._count, self._values = c_size_t.from_address(payload), c_size_t.from_address(payload + _POINTER)
        self._result = (c_char * VAL)()
        self._func_at, self._arguments = byref(self._func._func), addressof(self._record)
        self._buffer, self._view = (c_char * 0)(), memoryview(b"")

    def handle(self, payload: bytes) -> bytes:
        """Give it a message; return its reply, which it must have."""
        self._put(payload)
        _set_fuel(self._context, FUEL)
        _set_deadline(self._context, EPOCHS)
        error = _call(self._func_at, self._context, self._arguments, 1, self._result, 1)
        assert not error
        reply = self._reply()
        _drop(self._result)
        memset(self._result, 0, VAL)  # the next call drops whatever lies there
        return reply

    def _put(self, payload: bytes) -> None:
        if len(self._buffer) != len(payload) * VAL:
            self._buffer = (c_char * (len(payload) * VAL))()
            kind = ffi.WASMTIME_COMPONENT_U8.value
            self._view = memoryview(self._buffer).cast("B")
            self._view[::VAL] = bytes([kind]) * len(payload)
            self._count.value, self._values.value = len(payload), addressof(self._buffer)
        if payload:
            self._view[_OF::VAL] = payload

    def _reply(self) -> bytes:
        at = addressof(self._result)
        assert self._result[_OF] == b"\x01", "the guest refused"  # result: whether it is ok, then the value's address
        option = c_size_t.from_address(at + _OF + _POINTER).value
        some = c_size_t.from_address(option + _OF).value
        count = c_size_t.from_address(some + _OF).value
        return string_at(c_size_t.from_address(some + _OF + _POINTER).value, count * VAL)[_OF::VAL]
