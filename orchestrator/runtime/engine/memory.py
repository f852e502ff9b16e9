"""Linear memories, made by us, so that a limit means all memories of an instance together and a refusal is known.

Wasmtime's own limiter counts each memory by itself and does not tell when it refused one. Here every memory is a
mapping of our own, of which a guest may use what its instance's `Allowance` still has. Wasmtime calls these functions
while it instantiates, grows a memory, or drops a store.

An engine with guards asks for a reservation: it is mapped in full, and the part in use made accessible. One without
asks for none: such a memory is an accessible mapping with some room to grow, and moves when it has outgrown that. The
kernel joins accessible neighbours into one map, of which a process may only have so many.
"""

import ctypes
import itertools
import threading
from collections import defaultdict
from ctypes import c_char, c_int, c_long, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from wasmtime import Config
from wasmtime import _ffi as ffi

from orchestrator.runtime.adapter import window
from orchestrator.runtime.engine import capi

ADAPTER_MAX_BYTES = window.MAX_PAGES * window.PAGE_BYTES  # by which an adapter's memory is known, see `Allowance`
ROOM_BYTES = 1 << 20  # beside what a memory starts with: address space, which costs nothing until it is touched

_PAGE_BYTES = 4096
_PROT_NONE, READ_WRITE = 0, 1 | 2
_FLAGS = 0x02 | 0x20 | 0x4000  # private, anonymous, noreserve
_MAY_MOVE = 1
_DONT_NEED, _NO_HUGE_PAGES = 4, 15
_MAP_FAILED = (1 << 64) - 1

OVER_LIMIT = "over the memory limit"
NO_ADDRESS_SPACE = "no address space is left for another linear memory"

_libc = ctypes.PyDLL(None, use_errno=True)
_mmap, _mprotect, _munmap = _libc["mmap"], _libc["mprotect"], _libc["munmap"]
_mremap, _madvise = _libc["mremap"], _libc["madvise"]
_mmap.restype, _mmap.argtypes = c_void_p, (c_void_p, c_size_t, c_int, c_int, c_int, c_long)
_mprotect.argtypes = (c_void_p, c_size_t, c_int)
_munmap.argtypes = (c_void_p, c_size_t)
_mremap.restype, _mremap.argtypes = c_void_p, (c_void_p, c_size_t, c_size_t, c_int)
_madvise.argtypes = (c_void_p, c_size_t, c_int)


class Allowance:
    """The memory that one instance may still take, whether it was ever refused some, and its memories in order.

    `adapter_bytes` are for the memories of its adapter, which count as the guest's beyond them. A guest that gives a
    memory of its own an adapter's odd maximum gets at most those bytes more, and its adapter as many less.
    """

    __slots__ = ("_limit_bytes", "adapter_bytes", "left_bytes", "memories", "was_refused")

    def __init__(self, limit_bytes: int, adapter_bytes: int = 0) -> None:
        self._limit_bytes = self.left_bytes = limit_bytes
        self.adapter_bytes = adapter_bytes
        self.was_refused = False
        self.memories: list[Memory] = []

    @property
    def taken_bytes(self) -> int:
        """The bytes that the instance has, without its adapter."""
        return self._limit_bytes - self.left_bytes

    def has(self, size: int, *, for_adapter: bool) -> bool:
        """Say whether `size` bytes are there, and remember when they were not."""
        is_there = size <= self.left_bytes + (self.adapter_bytes if for_adapter else 0)
        self.was_refused = self.was_refused or not is_there
        return is_there

    def take(self, size: int, *, for_adapter: bool) -> None:
        """Take `size` bytes that are there."""
        apart = min(size, self.adapter_bytes) if for_adapter else 0
        self.adapter_bytes -= apart
        self.left_bytes -= size - apart


class Memory:
    """One mapping of `mapped` bytes: a guest uses the first `size`, and may use `usable` before it has to move."""

    __slots__ = ("_place", "_view", "address", "allowance", "is_adapter", "mapped", "size", "usable")

    def __init__(self, allowance: Allowance, address: int, mapped: int, usable: int) -> None:
        self.allowance, self.address, self.mapped, self.usable, self.size = allowance, address, mapped, usable, 0
        self.is_adapter = False
        self._view: memoryview | None = None
        self._place: Any = None

    @property
    def place(self) -> int:
        """The address of two words, which say where it is and how large, as long as this lives: for the extension."""
        if self._place is None:
            self._place = (c_size_t * 2)(self.address, self.size)
        return ctypes.addressof(self._place)

    @property
    def view(self) -> memoryview:
        """The part in use by the guest, to be read and written while nothing grows it; not beyond the store's life."""
        if self._view is None:
            self._view = memoryview((c_char * self.size).from_address(self.address)).cast("B")
        return self._view

    def grow(self, size: int) -> bool:
        """Let the guest use the first `size` bytes, within the allowance."""
        more = size - self.size
        if not self.allowance.has(more, for_adapter=self.is_adapter) or not self._reach(size):
            return False
        self.allowance.take(more, for_adapter=self.is_adapter)
        self.size = size
        self._view = None  # it may have moved, too
        if self._place is not None:
            self._place[:] = self.address, size
        return True

    def forget(self) -> None:
        """Give back what was written to it; it reads as zeros afterwards."""
        advise(self.address, self.size, _DONT_NEED)

    def _reach(self, size: int) -> bool:
        """Make the first `size` bytes accessible."""
        raise NotImplementedError


class _Reserved(Memory):
    """A memory that has all the address space it may ever need, of which only what is used is accessible."""

    __slots__ = ()

    def _reach(self, size: int) -> bool:
        return size <= self.usable and not (size and _mprotect(self.address, size, READ_WRITE))


class _Roomy(Memory):
    """A memory that is accessible as far as it is mapped, and moves when that is too little."""

    __slots__ = ()

    def _reach(self, size: int) -> bool:
        if size <= self.usable:
            return True
        mapped = _with_room(size, self.allowance)
        address = _mremap(self.address, self.mapped, mapped, _MAY_MOVE)
        if address in (None, _MAP_FAILED):
            return False
        self.address, self.mapped, self.usable = address, mapped, mapped
        return True


class Memories:
    """All linear memories of one engine. `opening` is whose allowance this thread instantiates under."""

    def __init__(self) -> None:
        self.opening = threading.local()
        self._numbers = itertools.count(1)
        self._memories: dict[int, Memory] = {}
        self._spare: defaultdict[int, list[int]] = defaultdict(list)  # length → mappings the kernel would not take back
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
        """Make the memories of an engine from here on."""
        ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(self._creator))

    def _new_memory(
        self, _env: Any, _type: Any, minimum: int, maximum: int, reserved: int, guard: int, out: Any
    ) -> int:
        allowance: Allowance = self.opening.allowance
        is_adapter = maximum == ADAPTER_MAX_BYTES
        if not allowance.has(minimum, for_adapter=is_adapter):
            return int(capi.error_new(OVER_LIMIT.encode()))
        memory = self._made(allowance, minimum, reserved, guard, is_adapter=is_adapter)
        if memory is None:
            return int(capi.error_new(NO_ADDRESS_SPACE.encode()))
        number = next(self._numbers)
        allowance.memories.append(memory)
        self._memories[number] = memory
        out[0].env, out[0].get_memory, out[0].grow_memory, out[0].finalizer = number, self._get, self._grow, self._drop
        return 0

    def _made(
        self, allowance: Allowance, minimum: int, reserved: int, guard: int, *, is_adapter: bool
    ) -> Memory | None:
        needs_reserve = reserved or guard
        memory = _reserve(allowance, max(minimum, reserved), guard) if needs_reserve else self._map(allowance, minimum)
        if memory is None:
            return None
        memory.is_adapter = is_adapter
        if memory.grow(minimum):
            return memory
        self._release(memory)
        return None

    def _map(self, allowance: Allowance, minimum: int) -> Memory | None:
        size = _with_room(minimum, allowance)
        spare = self._spare.get(size) if self._spare else None
        address = spare.pop() if spare else mapped(size, READ_WRITE)
        if address is None:
            return None
        advise(address, size, _NO_HUGE_PAGES)  # a huge page would span memories that use a few bytes each
        return _Roomy(allowance, address, size, size)

    def _release(self, memory: Memory) -> None:
        if _munmap(memory.address, memory.mapped):  # as a hole in a map needs one more map, and there are no more
            advise(memory.address, memory.mapped, _DONT_NEED)
            self._spare[memory.mapped].append(memory.address)

    def _get_memory(self, number: int, size: Any, capacity: Any) -> int:
        memory = self._memories[number]
        size[0], capacity[0] = memory.size, memory.usable
        return memory.address

    def _grow_memory(self, number: int, size: int) -> int:
        return 0 if self._memories[number].grow(size) else int(capi.error_new(OVER_LIMIT.encode()))

    def _drop_memory(self, number: int) -> None:
        self._release(self._memories.pop(number))


def _reserve(allowance: Allowance, usable: int, guard: int) -> Memory | None:
    address = mapped(usable + guard, _PROT_NONE)
    return None if address is None else _Reserved(allowance, address, usable + guard, usable)


def mapped(size: int, protection: int) -> int | None:
    """Map some memory; None when the kernel has no room."""
    address: int | None = _mmap(None, size, protection, _FLAGS, -1, 0)
    return None if address in (None, _MAP_FAILED) else address


def _with_room(size: int, allowance: Allowance) -> int:
    """Return how much to map for `size` bytes: some more, but not what the instance may never have."""
    room = 0 if _counts_mapped() else min(max(size, ROOM_BYTES), allowance.left_bytes)
    return max(size + room, _PAGE_BYTES)


def advise(address: int, size: int, advice: int) -> bool:
    """Tell the kernel how memory is used; False when it does not know such advice."""
    return not _madvise(address, size, advice)


@cache
def _counts_mapped() -> bool:
    """Whether the kernel counts what is mapped as if it were used (`vm.overcommit_memory` 2)."""
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2"
    except OSError:
        return False
