"""Host functions as values, turned into what a component's imports are linked to; done once a component.

A host function is called with the instance's context and plain Python values. Its exceptions stay on this side:
wasmtime gets an error value and the reason waits in the instance's `Cell`. Grants are not known here.
"""

import struct
import traceback
from collections.abc import Callable, Sequence
from ctypes import c_void_p, string_at
from typing import Any

from wasmtime import component as wc

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.runtime.adapter.text import HOST
from orchestrator.runtime.adapter.window import MUST_WAIT
from orchestrator.runtime.call.finish import sit_out
from orchestrator.runtime.call.layout import PAYLOAD, VAL, UnfitValue, lifting, lowering
from orchestrator.runtime.call.stand_ins import StandIn, put, stand_ins
from orchestrator.runtime.call.types import FunctionType, Scalar
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.cell import MAX_HOST_CALLS, CallAborted, Cell, Cells
from orchestrator.runtime.engine.crossing import extension
from orchestrator.runtime.engine.host_import import GuestTrap, HostImport, Wait

ENDED = b"ended by the host"
_CONTINUATION = struct.Struct("QQQ")  # callback, its argument, finalizer
_TOO_MANY = ExitReason(kind=ExitKind.HOST_CALLS, detail=f"made more than {MAX_HOST_CALLS} host calls in one call")

_lower_u32 = lowering(Scalar("u32"))
_ZERO = _lower_u32(0)


class Called:
    """One host function under one function type: the bodies of its callbacks."""

    def __init__(self, host: HostImport, kind: FunctionType, cells: Cells, is_over: int) -> None:
        self._host, self._cells, self._is_over = host, cells, is_over
        self._lift = tuple(lifting(param) for _, param in kind.params)
        self._lower = None if kind.result is None else lowering(kind.result)

    def __call__(
        self, _data: int, context: int, _type: int, arguments: int, count: int, results: int, _results: int
    ) -> int:
        """Answer at once; where a thread is held, after a wait."""
        answer = self.answer(capi.get_data(context), string_at(arguments, count * VAL) if count else b"")
        if answer is None:
            return int(capi.error_new(ENDED))
        if answer:
            capi.copy(results, answer, VAL)
        return 0

    def answer(self, number: int, arguments: Any) -> Any:
        """Answer a call out of an instance, however it came; None ends the guest's call, and no result is empty."""
        cell = self._cells[number]
        answer = self._answered(cell, arguments)
        if answer is not None and cell.waiting is not None and cell.holds_thread:
            sit_out(cell.waiting)
            cell.is_over()
        return answer if cell.ending is None else None

    def begin(
        self, _data: int, context: int, _type: int, arguments: int, count: int, results: int, _results: int,
        error: int, continuation: int,
    ) -> None:  # fmt: skip
        """Answer, and leave behind what says when the guest goes on.

        Larger than most, as wasmtime calls it with these arguments.
        """
        cell = self._cells[capi.get_data(context)]
        answer = self._answered(cell, string_at(arguments, count * VAL) if count else b"")
        if answer is None:
            c_void_p.from_address(error).value = capi.error_new(ENDED)
        elif answer:
            capi.copy(results, answer, VAL)
        capi.copy(continuation, _CONTINUATION.pack(self._is_over, cell.number, 0), _CONTINUATION.size)

    def _answered(self, cell: Cell, arguments: Any) -> Any:
        try:
            cell.host_calls += 1
            if cell.ending is not None or cell.host_calls > MAX_HOST_CALLS:
                raise CallAborted(cell.ending or _TOO_MANY)
            return self._answer(cell, arguments)
        except BaseException as problem:  # noqa: BLE001 — nothing may cross into wasm; `_keep` sorts it
            self._keep(cell, problem, arguments)
            return None

    def _answer(self, cell: Cell, arguments: Any) -> Any:
        """Do what was asked for: arguments as an image of values, and so the result."""
        values = [lift(arguments, index * VAL) for index, lift in enumerate(self._lift)]
        result = served(self._host, cell, values)
        return b"" if self._lower is None else self._lower(result)

    def _name(self, _arguments: Any) -> str:
        """Name the host function that a call is of."""
        return self._host.name

    def _keep(self, cell: Cell, problem: BaseException, arguments: Any) -> None:
        match problem:
            case CallAborted(reason=reason):
                cell.ending = reason
            case GuestTrap():
                cell.ending = ExitReason(kind=ExitKind.TRAPPED, detail=str(problem))
            case Exception():
                cell.ending = ExitReason(kind=ExitKind.HOST_FAULT, detail=_bug(self._name(arguments), problem))
            case _:
                cell.raised = problem


class _Asked(Called):
    """The callback by which a shim calls one function of `adapter.text.STANDS`.

    It answers how far to grow first, or that the guest has to wait before it goes on with the result.
    """

    def __init__(self, stand_ins: Sequence[StandIn], cells: Cells) -> None:
        self._stand_ins, self._cells = stand_ins, cells

    def _answer(self, cell: Cell, arguments: bytes) -> bytes:
        asked, memory = self._asked(arguments), cell.memories[0]
        value = served(asked.host, cell, asked.arguments(memory))
        result = asked.result(value, memory)
        end = put(memory, result)
        cell.pending = result if end else None
        waits = cell.waiting is not None and not cell.holds_thread
        assert not (waits and end), "a function that waits has a short result"
        return _lower_u32(MUST_WAIT if waits else end) if waits or end else _ZERO

    def _name(self, arguments: bytes) -> str:
        return self._asked(arguments).host.name

    def _asked(self, arguments: bytes) -> StandIn:
        return self._stand_ins[arguments[PAYLOAD]]  # of a few, so that the number's first byte is all of it


class _Taken(Called):
    """The callback that a shim calls once it has grown."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def _answer(self, cell: Cell, _arguments: bytes) -> bytes:
        assert cell.pending is not None, "a shim takes what it grew for"
        put(cell.memories[0], cell.pending)
        cell.pending = None
        return b""

    def _name(self, _arguments: bytes) -> str:
        return "of the shim, which takes a result"


class _Waited(Called):
    """The callback that a shim calls once it was told to wait."""

    def __init__(self, cells: Cells, is_over: int) -> None:
        self._cells, self._is_over = cells, is_over

    def _answer(self, _cell: Cell, _arguments: bytes) -> bytes:
        """Leave the wait as it was arranged."""
        return b""

    def _name(self, _arguments: bytes) -> str:
        return "of the shim, which waits"


class Linked:
    """A linker ready for one component. Keep it as long as any of its instances: the callbacks live here.

    With `crosses`, wasmtime calls the extension, which calls the bodies.
    """

    def __init__(self, linker: wc.Linker, *, crosses: bool = False) -> None:
        self.linker, self.crosses = linker, crosses
        self.callbacks: list[Any] = []
        self.address = capi.address_of(linker.ptr())


def link(
    linker: wc.Linker, needed: dict[str, dict[str, FunctionType]], hosts: Sequence[HostImport], cells: Cells,
    *, holds_thread: bool, crosses: bool = False,
) -> Linked:  # fmt: skip
    """Define on `linker` those of `hosts` that are `needed` (interface → function → type); one thread at a time.

    Where a guest holds its thread, a host function that waits does so on that thread.
    """
    linked = Linked(linker, crosses=crosses)
    is_over = capi.IsOver(_watching(cells))
    linked.callbacks.append(is_over)
    for interface, functions in needed.items():
        offered = [host for host in hosts if host.interface == interface and host.function in functions]
        if not offered:
            continue
        with linker.root() as root, root.add_instance(interface) as instance:
            for host in offered:
                body = Called(host, functions[host.function], cells, capi.address_of(is_over))
                in_steps = host.waits and not holds_thread
                _define(linked, capi.address_of(instance.ptr()), host.function, body, in_steps=in_steps)
    return linked


def link_shim(linked: Linked, hosts: Sequence[HostImport], cells: Cells, *, holds_thread: bool) -> None:
    """Define what the shims of adapters import; one thread at a time."""
    is_over = capi.IsOver(_watching(cells))
    linked.callbacks.append(is_over)
    with linked.linker.root() as root, root.add_instance(HOST) as instance:
        address = capi.address_of(instance.ptr())
        _define(linked, address, "call", _Asked(stand_ins(hosts), cells), in_steps=False)
        _define(linked, address, "take", _Taken(cells), in_steps=False)
        _define(linked, address, "wait", _Waited(cells, capi.address_of(is_over)), in_steps=not holds_thread)


def _define(linked: Linked, instance: int, function: str, body: Called, *, in_steps: bool) -> None:
    name, data = function.encode(), None
    callback: Any
    if in_steps:
        callback = capi.AsyncHostCallback(body.begin)
    elif linked.crosses:
        data = extension().Callback(body.answer)
        callback = capi.HostCallback(data.function)
    else:
        callback = capi.HostCallback(body)
    linked.callbacks.append((callback, data))
    add = capi.add_func_async if in_steps else capi.add_func
    error = add(instance, name, len(name), callback, None if data is None else data.address, None)
    if error:
        raise RuntimeError(capi.take_error(error))


def _watching(cells: Cells) -> Callable[[int], bool]:
    def is_over(number: int) -> bool:
        cell = cells[number]
        if not cell.is_over():
            return False
        if cell.ending is not None:
            cells.nudge()  # the guest is going on, to be ended where it looks up
        return True

    return is_over


def served(host: HostImport, cell: Cell, values: Sequence[Any]) -> Any:
    """Call a host function; where it says that the guest waits, that is arranged."""
    result = host.call(cell.context, *values)
    if type(result) is Wait:
        cell.wait(result)
        return result.value
    return result


def _bug(name: str, problem: Exception) -> str:
    if isinstance(problem, UnfitValue):
        return f"host function {name} returned something its type does not allow: {problem}"
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"host function {name} failed: {type(problem).__name__}: {problem}{place}"


def missing_imports(needed: dict[str, dict[str, FunctionType]], hosts: Sequence[HostImport]) -> list[str]:
    """Name every needed function that no host function serves, sorted."""
    offered = {(host.interface, host.function) for host in hosts}
    return sorted(
        f"{interface}#{function}" if function else interface
        for interface, functions in needed.items()
        for function in functions
        if (interface, function) not in offered
    )
