"""The wasmtime engine all guests share, its settings, and the tick that lets running calls be looked at.

The tick only makes a running guest look up; whether its time is over is decided on the monotonic clock, so a tick that
comes early or late never ends a call early. A guest whose time is not over gives way to others.
"""

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from wasmtime import Config, Engine
from wasmtime import _ffi as ffi

from orchestrator.model.calls import Calls
from orchestrator.runtime.adapter import window
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.cell import Cells
from orchestrator.runtime.engine.memory import Memories
from orchestrator.runtime.engine.release import wasmtime_version
from orchestrator.runtime.engine.stacks import Stacks
from orchestrator.runtime.engine.stuck import Stuck
from orchestrator.runtime.engine.tick import Tick

MAX_WASM_STACK_BYTES = 512 << 10  # Python threads have 8 MiB; a guest's recursion ends long before
_CONTINUE, _YIELD = 0, 1  # wasmtime_update_deadline_kind_t

_SETTINGS: dict[str, Any] = {
    "consume_fuel": True,
    "epoch_interruption": True,
    "wasm_component_model": True,
    "wasm_threads": False,  # a shared memory is not counted, and a guest that waits on one cannot be ended
    "max_wasm_stack": MAX_WASM_STACK_BYTES,
    "cranelift_opt_level": "speed",
    "cranelift_nan_canonicalization": True,  # the same answer on every machine
    "wasm_relaxed_simd_deterministic": True,
    "memory_init_cow": False,  # wasmtime refuses copy-on-write data in memories that we make
}
_WITHOUT_GUARDS: dict[str, Any] = {  # every access is checked, so a memory needs no address space around it
    "memory_reservation": 0,
    "memory_reservation_for_growth": 0,
    "memory_guard_size": 0,
}


def settings_text(calls: Calls = Calls.FAST) -> str:
    """Name everything that what is compiled depends on beside the component."""
    settings = sorted(_SETTINGS.items()), sorted(_WITHOUT_GUARDS.items())
    adapter = window.VERSION if calls is Calls.FAST else "none"
    return f"wasmtime {wasmtime_version()} {ffi.filename.parent.name} adapter {adapter} {settings}"


class SharedEngine:
    """The engine, its linear memories, the cells of its instances, and its tick. Every store keeps it alive."""

    def __init__(self, *, guards: bool, calls: Calls, stuck: Stuck) -> None:
        """Make the engine and start its tick; `guards` surround each memory with address space that may not be touched.

        Raises:
            UnknownLayout: with the installed wasmtime no limit could be held.
        """
        capi.check_basics()
        config = Config()
        for name, value in (_SETTINGS if guards else _SETTINGS | _WITHOUT_GUARDS).items():
            setattr(config, name, value)
        self.guards, self.calls, self.stuck = guards, calls, stuck
        self.memories = Memories()
        self.memories.install(config)
        self.stacks = Stacks()
        if calls is Calls.FAST:
            self.stacks.install(config)
        self.engine = Engine(config)
        self.address = capi.address_of(self.engine.ptr())
        self.handles = itertools.count(1)  # for what callers hold of guests: no number is two handles' of a component
        self.cells = Cells(self.engine.increment_epoch)
        self.epoch_callback = capi.EpochCallback(_looking(weakref.ref(self)))
        self.tick = Tick(self.engine)

    def stop(self) -> None:
        """Stop ticking; calls that are still running would no longer be ended."""
        self.tick.close()

    def look(self, number: int, delta: Any, kind: Any) -> int:
        """Decide on a running call: an error ends it, else it gives way where it can."""
        cell = self.cells[number]
        delta[0], kind[0] = 1, _CONTINUE if cell.holds_thread else _YIELD
        self.tick.was_wanted = True
        try:
            cell.ending = cell.ending or cell.due()
        except BaseException as problem:  # noqa: BLE001 — a signal may arrive here; it belongs to the caller
            cell.raised = problem
        if cell.ending is None and cell.raised is None:
            return 0
        return int(capi.error_new(b"ended by the host"))


def _looking(reference: "weakref.ref[SharedEngine]") -> Callable[[int, int, Any, Any], int]:
    def look(_context: int, number: int, delta: Any, kind: Any) -> int:
        shared = reference()
        assert shared is not None, "a store keeps its engine alive"
        return shared.look(number, delta, kind)

    return look
