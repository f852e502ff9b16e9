"""A deployment's `spec.health` → how its instances are asked how they are, or what is wrong with the call it names."""

from collections.abc import Iterator
from typing import Any

from orchestrator.manifest.component import Component
from orchestrator.manifest.job import is_job
from orchestrator.manifest.node import Node, Unplaced, find, nearest, plain
from orchestrator.manifest.units import duration_ms
from orchestrator.model.spec import CheckCall, CheckMessage, HealthPolicy
from orchestrator.model.world import Drive

_CALL = ("spec", "health", "call")
_EITHER = "write `function` for a typed call, or `message` for a message to an actor"


def health_problems(root: Node, component: Component) -> Iterator[Unplaced]:
    """Yield what is wrong with `spec.health.call`; a part that is malformed is passed over."""
    call = find(root, *_CALL)
    if call is None or not isinstance(call.value, dict) or is_job(root, component):  # the last is told so
        return
    if ("function" in call.value) == ("message" in call.value):
        both = "has both `function` and `message`" if "function" in call.value else "says neither what nor whom to call"
        yield Unplaced(*nearest(root, *_CALL), f"`spec.health.call` {both}", suggestion=_EITHER)
    elif "message" in call.value:
        yield from _message_problems(root, call, component)
    else:
        from orchestrator.manifest.health_call import function_problems  # with typed values: few ask so

        yield from function_problems(root, call, component)


def _message_problems(root: Node, call: Node, component: Component) -> Iterator[Unplaced]:
    if Drive.ACTOR not in component.drives:
        summary = f"component {component.name} is no actor: its health cannot be asked by a message"
        yield Unplaced(*_place(root, "message"), summary, suggestion="write `function` for a typed call")
    if "args" in call.value:  # type: ignore[operator]
        summary = "`spec.health.call.args` are those of a function; a message has none"
        yield Unplaced(*_place(root, "args"), summary, suggestion="remove `args`")
    expect = find(call, "expect")
    if expect is not None and not isinstance(expect.value, str):
        summary = "`spec.health.call.expect` of a message is the text of its reply"
        yield Unplaced(*_place(root, "expect"), summary, suggestion="put it in quotes")


def _place(root: Node, field: str) -> tuple[int, int]:
    return nearest(root, *_CALL, field)


def health_of(root: Node, component: Component) -> HealthPolicy:
    """Return how a sound deployment's instances are asked how they are."""
    written: Any = plain(node) if (node := find(root, "spec", "health")) is not None else {}
    given: dict[str, Any] = {
        name: duration_ms(written[field])
        for name, field in (("interval_ms", "interval"), ("timeout_ms", "timeout"))
        if field in written
    }
    if "failureThreshold" in written:
        given["failure_threshold"] = written["failureThreshold"]
    call = find(root, *_CALL)
    return HealthPolicy(**given, call=None if call is None else _call_of(call, component))


def _call_of(call: Node, component: Component) -> CheckCall | CheckMessage:
    written: Any = plain(call)
    if "message" in written:
        return CheckMessage(message=written["message"], expect=written.get("expect"))
    from orchestrator.manifest.health_call import function_call

    return function_call(call, component)
