"""An actor's component → the same component with an adapter of its own behind it, which exports `text.FLAT`.

Everything is added after the guest's last section, so that no index of the guest's changes.
"""

from orchestrator.runtime.adapter import binary, inside, lifted, text
from orchestrator.runtime.adapter.binary import Section
from orchestrator.runtime.adapter.lifted import (
    CORE_FUNC,
    CORE_INSTANCE,
    CORE_MODULE,
    FUNC,
    INSTANCE,
    TYPE,
    Handlers,
    Layer,
)

_FUNCTIONS, _CALLBACK = (b"handle", b"batch"), (b"callback",)
_FUNC_IN_CORE, _MEMORY_IN_CORE, _INSTANCE_IN_CORE = b"\0", b"\2", b"\x12"  # sorts where only those of the core may be
_NO_VALUES = b"\x40\0\x01\0"  # a function without parameters and results


def extended(guest: bytes, sections: list[Section]) -> bytes:
    """Return the guest with its adapter behind it.

    Raises:
        Unread: how its handlers are made is not known here.
    """
    layer = Layer(sections)
    found = lifted.handlers(layer)
    functions = _FUNCTIONS if found.callback is None else _FUNCTIONS + _CALLBACK
    return b"".join((guest, *_core_parts(layer, found, functions), *_lifts(layer, functions)))


def _core_parts(layer: Layer, found: Handlers, functions: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Write the adapter's code and its instance, which is given what the guest's lifts name."""
    counts = layer.counts
    guest, code = counts[CORE_INSTANCE], counts[CORE_INSTANCE] + 1
    argument = _named(b"guest", _INSTANCE_IN_CORE, guest)
    made = b"\0" + binary.number(counts[CORE_MODULE]) + binary.vector([argument])
    aliases = [CORE_FUNC + b"\x01" + binary.number(code) + binary.text(name) for name in functions]
    callback_cleans_up = None if found.callback is None else found.callback.after is not None
    module = inside.code(cleans_up=found.message.after is not None, callback_cleans_up=callback_cleans_up)
    return (
        binary.section(binary.CORE_MODULE, module),
        binary.section(binary.CORE_INSTANCE, binary.vector([b"\x01" + binary.vector(_given(found)), made])),
        binary.section(binary.ALIAS, binary.vector(aliases)),
    )


def _given(found: Handlers) -> list[bytes]:
    """Name what of the guest the adapter's code imports."""
    message, callback = found.message, found.callback
    functions = {b"realloc": message.realloc, b"handle": message.function, b"after": message.after}
    if callback is not None:
        functions |= {b"callback": callback.function, b"after-callback": callback.after}
    named = [_named(name, _FUNC_IN_CORE, index) for name, index in functions.items() if index is not None]
    return [_named(b"memory", _MEMORY_IN_CORE, message.memory), *named]


def _lifts(layer: Layer, functions: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Write what lifts the adapter's functions, and exports them in an instance."""
    core, function, kind = (layer.counts[sort] for sort in (CORE_FUNC, FUNC, TYPE))
    lifts = [b"\0\0" + binary.number(core + at) + b"\0" + binary.number(kind) for at in range(len(functions))]
    members = [b"\0" + _named(name, FUNC, function + at) for at, name in enumerate(functions)]
    export = b"\0" + binary.text(text.FLAT.encode()) + INSTANCE + binary.number(layer.counts[INSTANCE]) + b"\0"
    return (
        binary.section(binary.TYPE, binary.vector([_NO_VALUES])),
        binary.section(binary.CANON, binary.vector(lifts)),
        binary.section(binary.INSTANCE, binary.vector([b"\x01" + binary.vector(members)])),
        binary.section(binary.EXPORT, binary.vector([export])),
    )


def _named(name: bytes, sort: bytes, index: int) -> bytes:
    return binary.text(name) + sort + binary.number(index)
