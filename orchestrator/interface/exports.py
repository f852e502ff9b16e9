"""The functions that a component exports, one by one."""

from collections.abc import Iterator

import msgspec

from orchestrator.model.wit import FunctionType
from orchestrator.model.world import WorldTypes


class Export(msgspec.Struct, frozen=True):
    """One exported function: its full name, where it lies (None: at the component's root), and its type."""

    name: str
    interface: str | None
    function: str
    kind: FunctionType


def exported(types: WorldTypes) -> Iterator[Export]:
    """Yield every exported function, in the component's order."""
    for interface in types.exports:
        for function, kind in interface.functions:
            full = f"{interface.name}#{function}" if interface.name else function
            yield Export(full, interface.name or None, function, kind)
