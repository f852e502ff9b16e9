"""Linear memories, made by us, so that a limit means all memories of an instance together and a refusal is known.

Wasmtime's own limiter counts each memory by itself and does not tell when it refused one. Here every memory is a
mapping reserved in full, of which a guest may use what its instance's `Allowance` still has. Wasmtime calls these
functions while it instantiates, grows a memory, or drops a store.
"""

import ctypes
import itertools
import threading
from ctypes import c_int, c_long, c_size_t, c_void_p
from typing import Any

from wasmtime import Config
from wasmtime import _ffi as ffi

from orchestrator.runtime import capi

_PROT_NONE, _PROT_READ_WRITE = 0, 1 | 2
_FLAGS = 0x02 | 0x20 | 0x4000  # private, anonymous, noreserve
_MAP_FAILED = (1 << 64) - 1

OVER_LIMIT = "over the memory limit"
NO_ADDRESS_SPACE = "no address space is left for another linear memory"

_libc = ctypes.PyDLL(None, use_errno=True)
_mmap, _mprotect, _munmap = _libc["mmap"], _libc["mprotect"], _libc["munmap"]
_mmap.restype, _mmap.argtypes = c_void_p, (c_void_p, c_size_t, c_int, c_int, c_int, c_long)
_mprotect.argtypes = (c_void_p, c_size_t, c_int)
_munmap.argtypes = (c_void_p, c_size_t)


class Allowance:
    """How much memory one instance may still take, and whether it was ever refused some."""

    __slots__ = ("left_bytes", "was_refused")

    def __init__(self, limit_bytes: int) -> None:
        self.left_bytes = limit_bytes
        self.was_refused = False

    def take(self, size: int) -> bool:
        """Take `size` bytes if they are there."""
        if size > self.left_bytes:
            self.was_refused = True
            return False
        self.left_bytes -= size
        return True


class _Memory:
    """One mapping: `reserved` bytes of address space, the first `size` of which can be used."""

    __slots__ = ("address", "allowance", "reserved", "size", "usable")

    def __init__(self, allowance: Allowance, address: int, reserved: int, usable: int) -> None:
        self.allowance, self.address, self.reserved, self.usable, self.size = allowance, address, reserved, usable, 0

    def grow(self, size: int) -> bool:
        """Make the first `size` bytes usable, within the allowance."""
        more = size - self.size
        if size > self.usable or not self.allowance.take(more):
            return False
        if more and _mprotect(self.address, size, _PROT_READ_WRITE):
            self.allowance.left_bytes += more
            return False
        self.size = size
        return True


class Memories:
    """All linear memories of one engine. `opening` is whose allowance this thread instantiates under."""

    def __init__(self) -> None:
        self.opening = threading.local()
        self._numbers = itertools.count(1)
        self._memories: dict[int, _Memory] = {}
        # Wasmtime copies these pointers; the objects behind them must live as long as the engine.
        self._get = ffi.wasmtime_memory_get_callback_t(self._get_memory)
        self._grow = ffi.wasmtime_memory_grow_callback_t(self._grow_memory)
        self._drop = ctypes.CFUNCTYPE(None, c_void_p)(self._drop_memory)
        self._new = ffi.wasmtime_new_memory_callback_t(self._new_memory)
        nothing = ctypes.cast(0, ctypes.CFUNCTYPE(None, c_void_p))  # an engine may outlive this: no call at its end
        self._creator = ffi.wasmtime_memory_creator_t(None, self._new, nothing)

    def __len__(self) -> int:
        return len(self._memories)

    def install(self, config: Config) -> None:
        """Have an engine's memories made here."""
        ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(self._creator))

    def _new_memory(
        self, _env: Any, _type: Any, minimum: int, _maximum: int, reserved: int, guard: int, out: Any
    ) -> int:
        allowance: Allowance = self.opening.allowance
        if minimum > allowance.left_bytes:
            allowance.was_refused = True
            return int(capi.error_new(OVER_LIMIT.encode()))
        usable = max(minimum, reserved)
        address = _mmap(None, usable + guard, _PROT_NONE, _FLAGS, -1, 0)
        memory = None if address in (None, _MAP_FAILED) else _Memory(allowance, address, usable + guard, usable)
        if memory is None or not memory.grow(minimum):
            return int(capi.error_new(NO_ADDRESS_SPACE.encode()))
        number = next(self._numbers)
        self._memories[number] = memory
        out[0].env, out[0].get_memory, out[0].grow_memory, out[0].finalizer = number, self._get, self._grow, self._drop
        return 0

    def _get_memory(self, number: int, size: Any, capacity: Any) -> int:
        memory = self._memories[number]
        size[0], capacity[0] = memory.size, memory.usable
        return memory.address

    def _grow_memory(self, number: int, size: int) -> int:
        return 0 if self._memories[number].grow(size) else int(capi.error_new(OVER_LIMIT.encode()))

    def _drop_memory(self, number: int) -> None:
        memory = self._memories.pop(number)
        _munmap(memory.address, memory.reserved)
