"""A health check by a typed call: what is wrong with it beside the component's functions, and what is called.

`health` imports it for a deployment that has one: reading typed values takes more imports than all other fields.
"""

from collections.abc import Iterator
from typing import Any

from orchestrator.interface import typed
from orchestrator.interface.exports import Export
from orchestrator.manifest.component import Component
from orchestrator.manifest.node import Node, Unplaced, find, nearest, plain
from orchestrator.manifest.printable import excerpt
from orchestrator.model.base import canonical_json
from orchestrator.model.spec import CheckCall

CALL = ("spec", "health", "call")


def function_problems(root: Node, call: Node, component: Component) -> Iterator[Unplaced]:
    """Yield what is wrong with a call of a function."""
    name = find(call, "function")
    if name is None or not isinstance(name.value, str):
        return
    try:
        export = typed.find(name.value, component.exports)
    except typed.Unsuitable as wrong:
        yield _problem(root, "function", f"{excerpt(component.name)}: {wrong.problem}", wrong)
        return
    if typed.needs_session(export):
        summary = f"{excerpt(name.value)} takes or returns a resource, for which a health call has no session"
        yield Unplaced(*nearest(root, *CALL, "function"), summary, suggestion="name a function without resources")
        return
    try:
        typed.arguments(export, _args(call))
    except typed.Unsuitable as wrong:
        yield _problem(root, "args", wrong.problem, wrong)
    try:
        _expected(export, call)
    except typed.Unsuitable as wrong:
        yield _problem(root, "expect", wrong.problem, wrong)


def _problem(root: Node, field: str, summary: str, wrong: typed.Unsuitable) -> Unplaced:
    return Unplaced(
        *nearest(root, *CALL, field), f"`spec.health.call.{field}`: {summary}", wrong.detail, wrong.suggestion
    )


def function_call(call: Node, component: Component) -> CheckCall:
    """Return the call that a sound manifest asks for."""
    written: Any = plain(call)
    export = typed.find(written["function"], component.exports)
    args = canonical_json(_args(call)).decode()
    return CheckCall(function=export.name, args=args, expect=_expected(export, call))


def _args(call: Node) -> list[Any]:
    args = find(call, "args")
    written = [] if args is None else plain(args)
    return written if isinstance(written, list) else []


def _expected(export: Export, call: Node) -> str | None:
    expect = find(call, "expect")
    return None if expect is None else canonical_json(typed.expected(export, plain(expect))).decode()
