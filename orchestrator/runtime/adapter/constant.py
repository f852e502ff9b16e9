"""A component's bytes → whether its `health()` has but one answer: its code reads nothing that could ever change.

Only that is found to be constant which is seen to be: constants, and calls of functions that are nothing else. A load
from memory, a global, a loop or an import leave the answer open, and so do bytes that are not understood. Code that
runs after the answer (`post-return`) has no part in it.
"""

from collections.abc import Iterator, Sequence

from orchestrator.interface import sections as outer
from orchestrator.interface.sections import ByteReader, Unread
from orchestrator.runtime.adapter import binary
from orchestrator.runtime.adapter.lifted import CORE_FUNC, Layer, lifecycle_lift

HEALTH = b"health"
MAX_STEPS = 100  # instructions, of all functions that are called together
_IMPORT, _EXPORT, _CODE = 2, 7, 10  # sections of a core module
_FUNC_KIND, _TABLE_KIND, _MEMORY_KIND, _GLOBAL_KIND = range(4)
_OPTIONS = frozenset((binary.UTF8, binary.MEMORY, binary.REALLOC, binary.POST_RETURN))  # none makes it asynchronous
_END, _NOP, _RETURN, _CALL, _DROP = 0x0B, 0x01, 0x0F, 0x10, 0x1A
_LOCALS, _I32_CONST = range(0x20, 0x23), 0x41


def has_constant_health(component: bytes) -> bool:
    """Whether `health()` of an actor is seen to give the same answer for ever."""
    try:
        module, name = _source(binary.sections(component))
        return _Module(module).is_constant(name)
    except Unread:
        return False


def _source(sections: Sequence[binary.Section]) -> tuple[bytes, bytes]:
    """Return the core module whose export `health()` is lifted from, and that export's name."""
    layer = Layer(sections)
    lift = lifecycle_lift(layer, HEALTH)
    target = None if lift is None else layer.aliases.get((CORE_FUNC, lift.function))
    if lift is None or target is None or not lift.options.keys() <= _OPTIONS:
        raise Unread("its health is not lifted from what a core instance exports")
    reader = ByteReader(target)
    if reader.byte() != 1:
        raise Unread("its health is no core export")
    instance, name = reader.number(), reader.name()
    return layer.module_of(instance), name


class _Module:
    """A core module: which of its functions are its own, and their code."""

    def __init__(self, data: bytes) -> None:
        self._bodies = {id: data[body] for id, _, body in outer.sections(data)}
        imports = ByteReader(self._bodies.get(_IMPORT, b"\0"))
        self._imported = sum(_imports_function(imports) for _ in range(imports.number()))
        self._codes = [*_CodeReader(self._bodies.get(_CODE, b"\0")).codes()]
        self._left = MAX_STEPS

    def is_constant(self, name: bytes) -> bool:
        """Whether an exported function is constant."""
        exports = ByteReader(self._bodies.get(_EXPORT, b"\0"))
        for _ in range(exports.number()):
            found, kind, index = exports.name(), exports.byte(), exports.number()
            if found == name and kind == _FUNC_KIND:
                return self._is_constant(index)
        return False

    def _is_constant(self, index: int) -> bool:
        if not 0 <= index - self._imported < len(self._codes):  # of others, or of nobody
            return False
        reader = ByteReader(self._codes[index - self._imported])
        reader.many(lambda: (reader.number(), reader.byte()))  # its locals
        while self._left:
            self._left -= 1
            step = reader.byte()
            if step == _END:  # the first there is: nothing that it knows opens a block
                return True
            if step == _I32_CONST or step in _LOCALS:
                reader.number()
            elif step == _CALL:
                if not self._is_constant(reader.number()):
                    return False
            elif step not in (_NOP, _RETURN, _DROP):
                return False
        return False


def _imports_function(reader: ByteReader) -> bool:
    """Read one import of a core module; say whether it is a function."""
    reader.name(), reader.name()
    kind = reader.byte()
    if kind == _FUNC_KIND:
        reader.number()
    elif kind == _GLOBAL_KIND:
        reader.byte(), reader.byte()
    elif kind in (_TABLE_KIND, _MEMORY_KIND):
        if kind == _TABLE_KIND:
            reader.byte()
        has_maximum = reader.byte()
        if has_maximum > 1:
            raise Unread("the limits of what a core module imports are unknown")
        reader.number(), (reader.number() if has_maximum else 0)
    else:
        raise Unread(f"import {kind:#x} of a core module is unknown")
    return kind == _FUNC_KIND


class _CodeReader(ByteReader):
    """Reads a core module's code section."""

    def codes(self) -> Iterator[bytes]:
        """Yield the code of each function."""
        for _ in range(self.number()):
            size = self.number()
            self._at += size
            yield self._data[self._at - size : self._at]
