"""`airssys:core/host-services`: log, clock, sleep and a look at the own namespace. Nothing here needs a grant."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orchestrator.host.context import GuestContext
from orchestrator.model.ids import ComponentId
from orchestrator.runtime import Err, HostImport, Ok, Wait

INTERFACE = "airssys:core/host-services@1.0.0"


class Surroundings(Protocol):
    """The process around the guest, as far as the services show it."""

    def now_ns(self) -> int:
        """Return wall-clock nanoseconds since 1970."""

    def components(self) -> Sequence[ComponentId]:
        """Name every running instance."""

    def component_info(self, target: ComponentId) -> tuple[str, str, str] | None:
        """Return name, version and health of a deployment, None when there is none."""


def service_imports(around: Surroundings) -> Sequence[HostImport]:
    """Return the interface's functions."""

    def log(context: GuestContext, level: str, message: str, pairs: Sequence[tuple[str, str]] | None) -> None:
        context.log(level, message, pairs)

    def current_time(_context: GuestContext) -> dict[str, int]:
        seconds, nanoseconds = divmod(around.now_ns(), 1_000_000_000)
        return {"seconds": seconds, "nanoseconds": nanoseconds}

    def current_time_millis(_context: GuestContext) -> int:
        return around.now_ns() // 1_000_000

    def sleep_millis(context: GuestContext, duration_ms: int) -> Wait:
        # The wait counts against the call's deadline: a longer one ends there, and the call with it.
        return Wait(min(duration_ms, context.limits.timeout_ms) / 1000)

    def list_components(context: GuestContext) -> Sequence[ComponentId]:
        return [one for one in around.components() if one.namespace == context.id.namespace]

    def get_component_metadata(context: GuestContext, target: ComponentId) -> Ok | Err:
        found = around.component_info(target) if target.namespace == context.id.namespace else None
        if found is None:
            return Err("invalid-state", f"no deployment {target.deployment}")
        name, version, health = found
        return Ok({"id": target, "name": name, "version": version, "health": health})

    functions: dict[str, Callable[..., Any]] = {
        "log": log, "current-time": current_time, "current-time-millis": current_time_millis,
        "sleep-millis": sleep_millis, "list-components": list_components,
        "get-component-metadata": get_component_metadata,
    }  # fmt: skip
    return [HostImport(INTERFACE, name, call, waits=name == "sleep-millis") for name, call in functions.items()]
