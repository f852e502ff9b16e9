"""One prepared call into a guest: plain Python values in, a plain value out. The whole of the hot path is here.

`instance` builds an `Entry` per instance and exported function when it is first called, sets fuel and deadline, and
calls it. Whoever makes calls faster replaces this module and nothing else.
"""

from collections.abc import Sequence
from ctypes import Array, addressof, c_char, create_string_buffer, memmove, memset, string_at
from typing import Any

from orchestrator.runtime import capi
from orchestrator.runtime.layout import VAL, lifting, lowering
from orchestrator.runtime.types import FunctionType


class CallFailed(Exception):
    """The call did not return; the text is wasmtime's."""


class Signature:
    """The conversions of one function type; shared by all instances of a component and by all threads."""

    def __init__(self, kind: FunctionType) -> None:
        self.kind = kind
        self.lower = tuple(lowering(param) for _, param in kind.params)
        self.lift = None if kind.result is None else lifting(kind.result)


class Entry:
    """One exported function of one instance, with the memory its arguments and result pass through."""

    __slots__ = ("_arguments", "_context", "_func", "_result", "_signature")

    def __init__(self, context: int, func: Array[c_char], signature: Signature) -> None:
        self._context, self._func, self._signature = context, func, signature
        self._arguments = create_string_buffer(max(1, VAL * len(signature.lower)))
        self._result = create_string_buffer(VAL)

    def __call__(self, values: Sequence[Any]) -> Any:
        """Call the function.

        Raises:
            CallFailed: it trapped; its instance must not be entered again.
            Unfit: a value does not fit its parameter; nothing ran.
        """
        signature = self._signature
        count = len(signature.lower)
        images = b"".join([lower(value) for lower, value in zip(signature.lower, values, strict=True)])
        memmove(self._arguments, images, len(images))
        result_count = 0 if signature.lift is None else 1
        error = capi.func_call(self._func, self._context, self._arguments, count, self._result, result_count)
        for address in range(addressof(self._arguments), addressof(self._arguments) + VAL * count, VAL):
            capi.val_delete(address)
        if error:
            raise CallFailed(capi.take_error(error))
        return None if signature.lift is None else self._take_result(signature)

    def _take_result(self, signature: Signature) -> Any:
        assert signature.lift is not None
        try:
            return signature.lift(string_at(self._result, VAL), 0)
        finally:
            capi.val_delete(self._result)
            memset(self._result, 0, VAL)  # the next call drops whatever lies in its result slot
