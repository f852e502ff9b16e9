"""The wasmtime engine all guests share, its settings, and the tick that lets running calls be looked at.

The tick only makes a running guest ask; whether its time is over is decided on the monotonic clock, so a tick that
comes early or late never ends a call early.
"""

import threading
import weakref
from importlib.metadata import version
from typing import Any

from wasmtime import Config, Engine
from wasmtime import _ffi as ffi

from orchestrator.runtime import capi
from orchestrator.runtime.cell import Cells
from orchestrator.runtime.memory import Memories

TICK_S = 0.01
MAX_WASM_STACK_BYTES = 512 << 10  # Python threads have 8 MiB; a guest's recursion ends long before
_CONTINUE = 0  # wasmtime_update_deadline_kind_t

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


def settings_text() -> str:
    """Name everything that compiled code depends on beside the component."""
    settings = sorted(_SETTINGS.items()), sorted(_WITHOUT_GUARDS.items())
    return f"wasmtime {version('wasmtime')} {ffi.filename.parent.name} {settings}"


class SharedEngine:
    """The engine, its linear memories, the cells of its instances, and its tick. Every store keeps it alive."""

    def __init__(self, *, guards: bool) -> None:
        """Make the engine and start its tick; `guards` surround each memory with address space that may not be touched.

        Raises:
            UnknownLayout: the installed wasmtime is not the one this was written for.
        """
        capi.check_layout()
        config = Config()
        for name, value in (_SETTINGS if guards else _SETTINGS | _WITHOUT_GUARDS).items():
            setattr(config, name, value)
        self.guards = guards
        self.memories = Memories()
        self.memories.install(config)
        self.engine = Engine(config)
        self.address = capi.address_of(self.engine.ptr())
        self.cells = Cells()
        self.epoch_callback = capi.EpochCallback(self._look)
        self._stopping = threading.Event()
        arguments = (weakref.ref(self), self._stopping)
        threading.Thread(target=_tick, args=arguments, name="airs-epoch", daemon=True).start()

    def stop(self) -> None:
        """Stop ticking; calls that are still running would no longer be ended."""
        self._stopping.set()

    def _look(self, _context: int, number: int, delta: Any, kind: Any) -> int:
        delta[0], kind[0] = 1, _CONTINUE
        cell = self.cells[number]
        try:
            cell.ending = cell.due()
        except BaseException as problem:  # noqa: BLE001 — a signal may arrive here; it belongs to the caller
            cell.raised = problem
        if cell.ending is None and cell.raised is None:
            return 0
        return int(capi.error_new(b"ended by the host"))


def _tick(reference: "weakref.ref[SharedEngine]", stopping: threading.Event) -> None:
    while not stopping.wait(TICK_S):
        shared = reference()
        if shared is None:
            return
        shared.engine.increment_epoch()
        del shared  # not kept alive while waiting
