"""One wasmtime store with one instance in it: calls under limits, and what ended it. `guest` gives it a life.

Limits are set anew before every call: fuel, and a deadline on the monotonic clock, which is looked at on every tick
of the epoch. A call is work in steps: at a tick, and while it waits in a host function, it gives way. Its first slice
keeps the GIL, as handing it over costs more than a short call takes; a guest that might be long in one instruction,
as its memory is large, never does. A guest of WASI cannot be set aside: it is called on a thread that it holds, and a
call that does not return in time, as it waits outside of the guest, is given up: it keeps the thread and the store
until it returns, when a guest that goes on meets its end. After a trap the instance is dead: every further call answers
with that trap. A call that was refused memory and then trapped is taken to have failed for want of it, though it may
have got over that and failed at something else.
"""

import weakref
from collections.abc import Callable, Iterable, Sequence
from ctypes import byref, c_void_p, create_string_buffer, sizeof
from typing import Any, TypeVar

from wasmtime import _ffi as ffi

from orchestrator.concurrency.work import GIVE_WAY, GivenUp, Held
from orchestrator.interface.exports import Export
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.message import Exited
from orchestrator.model.spec import Limits
from orchestrator.runtime.adapter import window
from orchestrator.runtime.adapter.text import FLAT
from orchestrator.runtime.call import faults
from orchestrator.runtime.call.call import CallFailed, Entry
from orchestrator.runtime.call.drive import DRIVES
from orchestrator.runtime.call.resources import GuestResource
from orchestrator.runtime.component.loaded import Loaded
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.cell import OVERTIME_NS, Cell
from orchestrator.runtime.engine.memory import Allowance, Memory
from orchestrator.runtime.guest.meter import Meter
from orchestrator.runtime.wasi.config import Denied, Unable, Wasi, give

MAX_TABLE_ELEMENTS = 200_000  # of each table; 8 bytes each
MAX_TABLES = 64
MAX_MEMORIES = 16
MAX_CORE_INSTANCES = 256
JUST_NS = 1_000_000  # since a call began: half a tick
SMALL_MEMORY_BYTES = 16 << 20  # filling it takes one instruction, and two milliseconds
CLOSED = Exited(ExitReason(kind=ExitKind.KILLED, detail="closed"))
_OUTSIDE = "; it still waits outside of the guest, in WASI, and holds a thread until that ends"
T = TypeVar("T")
_FUNC_BYTES = sizeof(ffi.wasmtime_component_func_t)
_INSTANCE_BYTES = sizeof(ffi.wasmtime_component_instance_t)


class GuestStore:
    """One instance. One call at a time, from whatever thread; `interrupt` at any moment from any other.

    Larger than most, as each call asks in one place who is within, why it ended and whether it closes: one object more
    between them costs every message a tenth of a microsecond.
    """

    __slots__ = (
        "__weakref__", "_allowance", "_cell", "_computes_long", "_context", "_entries", "_free", "_given", "_instance",
        "_is_closing", "_is_entered", "_limits", "_loaded", "_much_taken_bytes", "_poll_first", "exited", "meter",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, cell: Cell, limits: Limits, wasi: Wasi) -> None:
        self._loaded, self._cell, self._limits, self._given = loaded, cell, limits, wasi
        self._entries: dict[str, Entry] = {}
        self._is_entered = False
        self._is_closing = False
        self._computes_long = False  # its last call did not end within one slice
        self._poll_first = capi.future_poll_quick if limits.memory_bytes <= SMALL_MEMORY_BYTES else capi.future_poll
        self._instance = create_string_buffer(_INSTANCE_BYTES)
        self._much_taken_bytes = limits.memory_bytes - SMALL_MEMORY_BYTES  # left, when so much is taken
        self._allowance = Allowance(limits.memory_bytes, window.ALLOWANCE_BYTES if loaded.is_adapted else 0)
        self.exited: Exited | None = None
        self._open()
        self.meter = Meter(self._context, cell, loaded.engine.tick, limits.fuel)

    def _open(self) -> None:
        engine = self._loaded.engine
        store = capi.store_new(engine.address, self._cell.number, None)
        self._context = capi.store_context(store)
        self._free = weakref.finalize(self, _free, store, self._cell, engine, self._loaded)
        self._free.atexit = False  # the process's end frees it as well, in better order
        capi.epoch_callback(store, engine.epoch_callback, self._cell.number, None)
        memories, instances = MAX_MEMORIES, MAX_CORE_INSTANCES
        if self._loaded.is_adapted:
            memories, instances = memories + window.MAX_MEMORIES, instances + window.MAX_CORE_INSTANCES
        capi.store_limits(store, -1, MAX_TABLE_ELEMENTS, instances, MAX_TABLES, memories)

    async def instantiate(self) -> Exited | None:
        """Instantiate the component; None when that went well."""
        with _Entered(self) as entered:
            if self._cell.holds_thread:
                return await self._instantiate_apart(entered)
            self.meter.arm(self._limits.timeout_ms)
            self._cell.memories = self._allowance.memories
            self._loaded.engine.memories.opening.allowance = self._allowance
            failure = await self._instantiate_in_steps()
            return None if failure is None else self._not_instantiated(failure)

    async def _instantiate_apart(self, entered: "_Entered") -> Exited | None:
        refusal = self._loaded.engine.stuck.refusal(self._cell.id.deployment)
        if refusal is not None:
            self.exited = Exited(refusal)
            return self.exited
        try:
            failure = await self._apart(entered, self._give_and_instantiate)
        except Denied as denied:
            kind = ExitKind.HOST_FAULT if isinstance(denied, Unable) else ExitKind.INITIALIZE_FAILED
            self.exited = Exited(ExitReason(kind=kind, detail=str(denied)))
            return self.exited
        return failure if failure is None or isinstance(failure, Exited) else self._not_instantiated(failure)

    def _give_and_instantiate(self) -> str | None:
        if self._loaded.description.wants_wasi:
            give(self._context, self._given, self._loaded.world)
        self._cell.memories = self._allowance.memories
        self._loaded.engine.memories.opening.allowance = self._allowance
        return self._instantiate_here()

    async def _apart(
        self, entered: "_Entered", call: Callable[[], T], timeout_ms: int | None = None, fuel_times: int = 1
    ) -> T | Exited:  # fmt: skip
        """Do something of the guest on a thread that it holds; give it up when it does not return in time."""
        cell = self._cell

        def begin(held: Held[T]) -> T:
            self._allowance.was_refused = False
            self.meter.arm(self._limits.timeout_ms if timeout_ms is None else timeout_ms, fuel_times)
            held.over_within(cell.deadline_ns + OVERTIME_NS)
            if cell.is_interrupted:  # looked at after the moment is set, so that an interruption is never missed
                cell.ending = cell.due()
                raise CallFailed("")
            return call()

        cell.held = held = Held(begin)
        try:
            return await held
        except CallFailed as failure:
            return self._end(str(failure))
        except GivenUp:
            entered.stays()
            return self._given_up(held)
        finally:
            cell.held = None

    def _given_up(self, held: Held[Any]) -> Exited:
        cell, stuck = self._cell, self._loaded.engine.stuck
        reason = cell.due() or ExitReason(kind=ExitKind.DEADLINE, detail="")
        cell.ending = reason  # which a guest that goes on after all meets at once
        self.exited = Exited(ExitReason(kind=reason.kind, detail=reason.detail + _OUTSIDE))
        self._entries.clear()
        stuck.enter(cell.id.deployment)
        held.when_back(self._back)
        return self.exited

    def _back(self) -> None:
        """Note that a call that was given up has returned, perhaps years later."""
        self._loaded.engine.stuck.leave(self._cell.id.deployment)
        self._is_entered = False
        if self._is_closing:
            self._release()

    def _instantiate_here(self) -> str | None:
        linked, component = self._loaded.linked, self._loaded.component_address
        error = capi.instantiate(linked.address, self._context, component, self._instance)
        return capi.take_error(error) if error else None

    async def _instantiate_in_steps(self) -> str | None:
        linked, component, error = self._loaded.linked, self._loaded.component_address, c_void_p()
        opening = self._loaded.engine.memories.opening
        future = capi.instantiate_async(linked.address, self._context, component, self._instance, byref(error))
        try:
            while not capi.future_poll(future):
                await (self._cell.waiting or GIVE_WAY)
                opening.allowance = self._allowance  # perhaps on another thread
        finally:
            capi.future_delete(future)
        return capi.take_error(error.value) if error.value else None

    def _not_instantiated(self, text: str) -> Exited:
        exited = self._end(text)
        if exited.reason.kind is ExitKind.TRAPPED and not exited.reason.backtrace:  # no code ran: it does not link
            detail = ": ".join(faults.causes(text))[: faults.MAX_DETAIL]
            self.exited = exited = Exited(ExitReason(kind=ExitKind.INITIALIZE_FAILED, detail=detail))
        return exited

    async def invoke(
        self, export: Export, values: Sequence[Any], timeout_ms: int | None = None, fuel_times: int = 1
    ) -> Any | Exited:  # fmt: skip
        """Call an export with plain values that fit its type; its plain result, or why the instance ended.

        It may use `fuel_times` the fuel of a call, within one timeout.
        """
        # The hot path, in one piece: one call or coroutine more takes a tenth of a microsecond.
        cell = self._cell
        if cell.holds_thread:
            return await self._invoke_here(export, values, timeout_ms, fuel_times)
        if self.exited is not None:
            return self.exited
        if self._is_entered:
            raise busy()
        self._is_entered = True
        try:
            if self._is_closing:  # looked at once entered, so that one side sees the other
                return CLOSED
            self._allowance.was_refused = False
            meter = self.meter
            meter.arm(self._limits.timeout_ms if timeout_ms is None else timeout_ms, fuel_times)
            if cell.is_interrupted:
                return self._interrupted()
            entry = self._entries.get(export.name) or self._enter(export)
            if self._computes_long or self._allowance.left_bytes < self._much_taken_bytes:
                return await self._invoke_in_steps(entry, values, fuel_times)
            future = entry.begin(values)
            try:
                if not self._poll_first(future) and not self._ends_soon(future):
                    await self._rest(future)
            finally:
                entry.end(future)
            meter.unread -= fuel_times
            if meter.unread < 0:
                meter.read(fuel_times)
            return self._outcome(entry)
        finally:
            self._is_entered = False
            if self._is_closing:
                self._release()

    async def _invoke_in_steps(self, entry: Entry, values: Sequence[Any], fuel_times: int) -> Any | Exited:
        """Make a call that is likely to be long: it lets others go first, and never keeps the GIL."""
        await GIVE_WAY
        future = entry.begin(values)
        try:
            if capi.future_poll(future):
                self._computes_long = False
            else:
                await self._rest(future)
        finally:
            entry.end(future)
        self.meter.read(fuel_times)
        return self._outcome(entry)

    def _outcome(self, entry: Entry) -> Any | Exited:
        try:
            result = entry.result()
        except CallFailed as failure:
            return self._end(str(failure))
        return result if self._cell.ending is None else self._end("")  # it was over while the guest waited

    async def _invoke_here(
        self, export: Export, values: Sequence[Any], timeout_ms: int | None, fuel_times: int
    ) -> Any | Exited:  # fmt: skip
        """Make a call that cannot be set aside: it holds a thread until it returns."""
        if self.exited is not None:
            return self.exited
        with _Entered(self) as entered:
            if self._is_closing:
                return CLOSED

            def call() -> Any:
                try:
                    return (self._entries.get(export.name) or self._enter(export)).call(values, self._cell.is_over_here)
                finally:
                    self.meter.read(fuel_times)

            result = await self._apart(entered, call, timeout_ms, fuel_times)
            return result if isinstance(result, Exited) or self._cell.ending is None else self._end("")

    def _interrupted(self) -> Exited:
        self._cell.ending = self._cell.due()
        return self._end("")

    async def drop(self, resources: Iterable[GuestResource]) -> Exited | None:
        """Drop resources of the guest; their destructors share the limits of one call, and hold the thread."""
        if self.exited is not None:
            return self.exited
        with _Entered(self) as entered:
            if self._is_closing:
                return CLOSED
            exited = await self._apart(entered, lambda: self._drop(resources))
            return exited if exited is not None or self._cell.ending is None else self._end("")

    def _drop(self, resources: Iterable[GuestResource]) -> None:
        with self._cell.holding():
            error = next(filter(None, (capi.resource_drop(self._context, one.address) for one in resources)), None)
        if error:
            raise CallFailed(capi.take_error(error))

    def _ends_soon(self, future: int) -> bool:
        """Give a call that had only just begun a whole slice: the tick that it met says nothing of how long it is."""
        return self._cell.waiting is None and self._cell.began_within(JUST_NS) and bool(self._poll_first(future))

    async def _rest(self, future: int) -> None:
        """Go on with a call that did not end within its first slice."""
        while True:
            waiting = self._cell.waiting
            self._computes_long = waiting is None
            await (waiting or GIVE_WAY)
            if capi.future_poll(future):
                return

    @property
    def fuel_used(self) -> int:
        """The fuel that the last call used; 0 once closed."""
        return self.meter.used if self._free.alive else 0

    @property
    def is_stuck(self) -> bool:
        """Whether a call that was given up has not returned, so that nothing of it can be freed."""
        return self._is_entered and self.exited is not None

    @property
    def memory_bytes(self) -> int:
        """How large its linear memories are together, without its adapter's; from any thread."""
        return self._allowance.taken_bytes

    def rest(self) -> None:
        """Drop the entries prepared for calls, as none may come for long; the next call prepares its own again."""
        if self.exited is not None:
            return
        with _Entered(self):
            if not self._is_closing:
                self._entries.clear()
                self.meter.forget()
                for memory in self._memories_of_adapter():
                    memory.forget()

    def interrupt(self) -> None:
        """Make the running call, or else the next, end as killed."""
        self._cell.interrupt()

    def close(self) -> None:
        """Free the store; if a call is under way it is interrupted, and the store freed when it has ended."""
        self.interrupt()
        self._is_closing = True
        if not self._is_entered:
            self._release()

    def _release(self) -> None:
        if self.exited is None:
            self.exited = CLOSED
        self._entries.clear()
        self._free()

    def _enter(self, export: Export) -> Entry:
        func = create_string_buffer(_FUNC_BYTES)
        found = capi.get_func(self._instance, self._context, self._loaded.index_of(export), func)
        assert found, f"{export.name} was there when the component was read"
        if export.interface == FLAT and self._loaded.is_adapted:
            entry: Entry = DRIVES[export.function](self._context, func, self._memories_of_adapter()[-1])
        else:
            entry = Entry(self._context, func, self._loaded.signature_of(export))
        self._entries[export.name] = entry
        return entry

    def _memories_of_adapter(self) -> list[Memory]:
        """Return those of adapter and shim: the shim is instantiated before the guest, the adapter after it."""
        memories, description = self._allowance.memories, self._loaded.description
        return [*memories[: description.has_shim], *memories[-1:]] if description.is_adapted else []

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
    """Holds an instance for one call, which may go on from thread to thread."""

    __slots__ = ("_instance", "_stays")

    def __init__(self, instance: GuestStore) -> None:
        self._instance = instance
        self._stays = False

    def stays(self) -> None:
        """Leave it held: a call that was given up is still in there, and lets it go."""
        self._stays = True

    def __enter__(self) -> "_Entered":
        if self._instance._is_entered:
            raise busy()
        self._instance._is_entered = True
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._stays:
            return
        self._instance._is_entered = False
        if self._instance._is_closing:
            self._instance._release()


def busy() -> RuntimeError:
    """Say that a second call was made at once."""
    return RuntimeError("one call at a time: this instance is at work on another")


def _free(store: int, cell: Cell, engine: Any, _loaded: Loaded) -> None:
    capi.store_delete(store)
    engine.cells.remove(cell)
