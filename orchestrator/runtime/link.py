"""Host functions as values, turned into what a component's imports are linked to; done once a component.

A host function is called with the instance's context and plain Python values. Whatever it raises stays on this side:
wasmtime gets an error value and the reason waits in the instance's `Cell`. Which grants an instance has is not known
here.
"""

import traceback
from collections.abc import Sequence
from ctypes import memmove, string_at
from typing import Any

from wasmtime import component as wc

from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.runtime import capi
from orchestrator.runtime.cell import Cell, Cells, Ending, running
from orchestrator.runtime.layout import VAL, Unfit, lifting, lowering
from orchestrator.runtime.types import FunctionType
from orchestrator.runtime.values import GuestTrap, HostImport


class _Linked:
    """One host function under one function type: the body of its callback."""

    def __init__(self, host: HostImport, kind: FunctionType, cells: Cells) -> None:
        self._host, self._cells = host, cells
        self._lift = tuple(lifting(param) for _, param in kind.params)
        self._lower = None if kind.result is None else lowering(kind.result)

    def __call__(
        self, _data: int, context: int, _type: int, arguments: int, count: int, results: int, _results: int
    ) -> int:
        cell = self._cells[capi.get_data(context)]
        outer, running.cell = getattr(running, "cell", None), cell
        try:
            self._run(cell, arguments, count, results)
        except BaseException as problem:  # noqa: BLE001 — nothing may cross into wasm; `_keep` sorts it
            self._keep(cell, problem)
            return int(capi.error_new(b"ended by the host"))
        finally:
            running.cell = outer
        return 0

    def _run(self, cell: Cell, arguments: int, count: int, results: int) -> None:
        image = string_at(arguments, count * VAL) if count else b""
        values = [lift(image, index * VAL) for index, lift in enumerate(self._lift)]
        result = self._host.call(cell.context, *values)
        if self._lower is not None:
            memmove(results, self._lower(result), VAL)

    def _keep(self, cell: Cell, problem: BaseException) -> None:
        match problem:
            case Ending(reason=reason):
                cell.ending = reason
            case GuestTrap():
                cell.ending = ExitReason(kind=ExitKind.TRAPPED, detail=str(problem))
            case Exception():
                cell.ending = ExitReason(kind=ExitKind.HOST_FAULT, detail=self._bug(problem))
            case _:
                cell.raised = problem

    def _bug(self, problem: Exception) -> str:
        if isinstance(problem, Unfit):
            return f"host function {self._host.name} returned something its type does not allow: {problem}"
        frames = traceback.extract_tb(problem.__traceback__)
        place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        return f"host function {self._host.name} failed: {type(problem).__name__}: {problem}{place}"


class Linked:
    """A linker ready for one component. Keep it as long as any of its instances: the callbacks live here."""

    def __init__(self, linker: wc.Linker) -> None:
        self.linker = linker
        self.callbacks: list[Any] = []
        self.address = capi.address_of(linker.ptr())


def link(
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
                callback = capi.HostCallback(_Linked(host, functions[host.function], cells))
                linked.callbacks.append(callback)
                name = host.function.encode()
                address = capi.address_of(instance.ptr())
                error = capi.add_func(address, name, len(name), callback, None, None)
                if error:
                    raise RuntimeError(capi.take_error(error))
    return linked


def missing_imports(needed: dict[str, dict[str, FunctionType]], hosts: Sequence[HostImport]) -> list[str]:
    """Name every needed function that no host function serves, sorted."""
    offered = {(host.interface, host.function) for host in hosts}
    return sorted(
        f"{interface}#{function}" if function else interface
        for interface, functions in needed.items()
        for function in functions
        if (interface, function) not in offered
    )
