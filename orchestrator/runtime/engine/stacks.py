"""The stacks that guests run on, side by side, so that any number of them is one map of the kernel's.

A call in steps has a stack of its own, which a store keeps for the next call. Wasmtime would map each with a guard of
its own: two maps an instance, of which a process may have 65 530 altogether. A guest cannot overrun a stack, as its
recursion is checked and ends at a quarter of it; the rest is for our host functions. Where the kernel can guard a page
without another map (Linux 6.13), the lowest page of each is guarded even so. Wasmtime leaves a fiber on a stack between
calls, so its pages cannot be given back while the store lives.
"""

import ctypes
import threading
from ctypes import c_void_p
from typing import Any

from wasmtime import Config
from wasmtime import _ffi as ffi

from orchestrator.runtime.engine import capi, memory

STACK_BYTES = 2 << 20
_CHUNK = 16  # stacks mapped at once: address space, which costs nothing until it is touched
_PAGE_BYTES = 4096
_DONT_NEED, _NO_HUGE_PAGES, _GUARD_INSTALL = 4, 15, 102


class Stacks:
    """All stacks of one engine; those of stores that are gone are used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[int] = []  # where each begins
        # Wasmtime copies these pointers; the objects behind them must live as long as the engine.
        self._get = ffi.wasmtime_stack_memory_get_callback_t(_top)
        self._drop = ctypes.CFUNCTYPE(None, c_void_p)(self._drop_stack)
        self._new = ffi.wasmtime_new_stack_memory_callback_t(self._new_stack)
        nothing = ctypes.cast(0, ctypes.CFUNCTYPE(None, c_void_p))
        self._creator = ffi.wasmtime_stack_creator_t(None, self._new, nothing)

    def install(self, config: Config) -> None:
        """Make the stacks of an engine from here on."""
        ffi.wasmtime_config_async_stack_size_set(config.ptr(), STACK_BYTES)
        ffi.wasmtime_config_host_stack_creator_set(config.ptr(), ctypes.byref(self._creator))

    def _new_stack(self, _env: Any, size: int, _zeroed: bool, out: Any) -> int:
        assert size <= STACK_BYTES
        with self._lock:
            if not self._free and not self._map():
                return int(capi.error_new(memory.NO_ADDRESS_SPACE.encode()))
            address = self._free.pop()
        out[0].env, out[0].get_stack_memory, out[0].finalizer = address, self._get, self._drop
        return 0

    def _map(self) -> bool:
        address = memory.mapped(STACK_BYTES * _CHUNK, memory.READ_WRITE)
        if address is None:
            return False
        memory.advise(address, STACK_BYTES * _CHUNK, _NO_HUGE_PAGES)
        for stack in range(address, address + STACK_BYTES * _CHUNK, STACK_BYTES):
            memory.advise(stack, _PAGE_BYTES, _GUARD_INSTALL)  # an older kernel refuses, and there is no guard
            self._free.append(stack)
        return True

    def _drop_stack(self, address: int) -> None:
        memory.advise(address + _PAGE_BYTES, STACK_BYTES - _PAGE_BYTES, _DONT_NEED)
        with self._lock:
            self._free.append(address)


def _top(address: int, length: Any) -> int:
    length[0] = STACK_BYTES
    return address + STACK_BYTES
