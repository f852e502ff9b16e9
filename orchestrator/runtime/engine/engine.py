"""The wasmtime engine all guests share, and the tick that lets running calls be looked at.

The tick only makes a running guest look up; whether its time is over is decided on the monotonic clock, so a tick that
comes early or late never ends a call early. A guest whose time is not over gives way to others.
"""

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from wasmtime import Config, Engine

from orchestrator.compiled.settings import SETTINGS, WITHOUT_GUARDS
from orchestrator.model.calls import Calls
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.cell import Cells
from orchestrator.runtime.engine.memory import Memories
from orchestrator.runtime.engine.stacks import Stacks
from orchestrator.runtime.engine.stuck import Stuck
from orchestrator.runtime.engine.tick import Tick

_CONTINUE, _YIELD = 0, 1  # wasmtime_update_deadline_kind_t


class SharedEngine:
    """The engine, its linear memories, the cells of its instances, and its tick. Every store keeps it alive."""

    def __init__(self, *, guards: bool, calls: Calls, stuck: Stuck) -> None:
        """Make the engine and start its tick; `guards` surround each memory with address space that may not be touched.

        Raises:
            UnknownLayout: with the installed wasmtime no limit could be held.
        """
        capi.check_basics()
        config = Config()
        for name, value in (SETTINGS if guards else SETTINGS | WITHOUT_GUARDS).items():
            setattr(config, name, value)
        self.guards, self.calls, self.stuck = guards, calls, stuck
        self.memories = Memories()
        self.memories.install(config)
        self.stacks = Stacks()
        if calls is not Calls.STOCK:
            self.stacks.install(config)
        self.engine = Engine(config)
        self.address = capi.address_of(self.engine.ptr())
        self.handles = itertools.count(1)  # for what callers hold of guests: no number is two handles' of a component
        self.tick = Tick(self.engine)
        self.cells = Cells(self.engine.increment_epoch, self.tick.want)
        self.epoch_callback = capi.EpochCallback(_looking(weakref.ref(self)))

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
