"""One prepared call into a guest: plain Python values in, a plain value out. The whole of the hot path is here.

`guest/store` builds an `Entry` per instance and exported function when it is first called, sets fuel and deadline,
begins the call and polls it; `guest/crossing` lets the extension do all of that by `Entry.cross`.
"""

from collections.abc import Callable, Sequence
from ctypes import Array, addressof, byref, c_char, c_size_t, c_void_p, create_string_buffer, memmove, memset, string_at
from typing import Any

from orchestrator.runtime.call.layout import VAL, lifting, lowering
from orchestrator.runtime.call.types import FunctionType
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.crossing import extension


class CallFailed(Exception):
    """The call did not return; the text is wasmtime's."""


class Signature:
    """The conversions of one function type; shared by all instances of a component and by all threads."""

    def __init__(self, kind: FunctionType) -> None:
        self.kind = kind
        self.lower = tuple(lowering(param) for _, param in kind.params)
        self.lift = None if kind.result is None else lifting(kind.result)


def polled_to_end(future: int, is_over: Callable[[], bool], end: Callable[[int], None]) -> None:
    """Poll a call on this thread until it has returned, and drop it.

    Raises:
        CallFailed: it `is_over` before; nothing may be read of its result.
    """
    try:
        while not capi.future_poll(future):
            if is_over():
                raise CallFailed("ended by the host")
    finally:
        end(future)


class Entry:
    """One exported function of one instance, with the memory its arguments and result pass through."""

    __slots__ = ("_arguments", "_context", "_error", "_func", "_result", "_signature", "_sizes", "_start", "crossing")

    def __init__(self, context: int, func: Array[c_char], signature: Signature) -> None:
        self._context, self._func, self._signature = context, func, signature
        self._arguments = create_string_buffer(max(1, VAL * len(signature.lower)))
        self._result = create_string_buffer(VAL)
        self._error = c_void_p()
        self._sizes = len(signature.lower), 0 if signature.lift is None else 1
        self._start: Callable[[], int] | None = None

    def prepare_crossing(self) -> None:
        """Let the extension make its calls, by `cross`."""
        count, results = self._sizes
        self.crossing = extension().Call(
            self._context, addressof(self._func), addressof(self._arguments), count, addressof(self._result), results,
            addressof(self._error), self._place(),
        )  # fmt: skip

    def cross(self, values: Sequence[Any], fuel: int, keeps_lock: bool) -> Any:
        """Set the limits, begin a call and run its first slice, in one crossing: `PENDING`, `ENDED`, or its answer.

        Raises:
            Unfit: a value does not fit its parameter; nothing ran.
        """
        return self.crossing.run(self._image(values), fuel, keeps_lock)

    def begin(self, values: Sequence[Any]) -> int:
        """Begin a call; returns its future, which is the caller's to poll, and to give to `end`, before `result`.

        Raises:
            Unfit: a value does not fit its parameter; nothing ran.
        """
        self._lower(values)
        return (self._start or self._prepared())()

    def _prepared(self) -> Callable[[], int]:
        """Convert the arguments of a beginning once; of a call that crosses only where it is long."""
        count, results = self._sizes
        self._start = capi.bound(
            "wasmtime_component_func_call_async", c_void_p,
            self._func, c_void_p(self._context), self._arguments, c_size_t(count), self._result, c_size_t(results),
            byref(self._error),
        )  # fmt: skip
        return self._start

    def end(self, future: int) -> None:
        """Drop a call, whether it has ended or not."""
        capi.future_delete(future)
        self._drop_arguments()  # the call reads them when it is polled first

    def result(self) -> Any:
        """Take the result of the call whose future is ready.

        Raises:
            CallFailed: it trapped; its instance must not be entered again.
        """
        if self._error.value is not None:
            raise self._failed()
        return self._take_result()

    def _failed(self) -> CallFailed:
        error, self._error.value = self._error.value, None
        assert error is not None
        return CallFailed(capi.take_error(error))

    def call(self, values: Sequence[Any], is_over: Callable[[], bool]) -> Any:
        """Call the function on this thread, which it holds until it returns.

        An asynchronous one is polled until then, as wasmtime refuses to call it in another way, or until `is_over`.

        Raises:
            CallFailed: it trapped, or did not return in time; its instance must not be entered again.
            Unfit: a value does not fit its parameter; nothing ran.
        """
        if self._signature.kind.is_async:
            polled_to_end(self.begin(values), is_over, self.end)
            return self.result()
        self._lower(values)
        count, results = self._sizes
        error = capi.func_call(self._func, self._context, self._arguments, count, self._result, results)
        self._drop_arguments()
        if error:
            raise CallFailed(capi.take_error(error))
        return self._take_result()

    def _image(self, values: Sequence[Any]) -> bytes:
        return b"".join([lower(value) for lower, value in zip(self._signature.lower, values, strict=True)])

    def _place(self) -> int:
        """Return where it stands how the memory lies that images belong in; 0 where they are arguments."""
        return 0

    def _lower(self, values: Sequence[Any]) -> None:
        images = self._image(values)
        memmove(self._arguments, images, len(images))

    def _drop_arguments(self) -> None:
        first = addressof(self._arguments)
        for address in range(first, first + VAL * self._sizes[0], VAL):
            capi.val_delete(address)

    def _take_result(self) -> Any:
        lift = self._signature.lift
        if lift is None:
            return None
        try:
            return lift(string_at(self._result, VAL), 0)
        finally:
            capi.val_delete(self._result)
            memset(self._result, 0, VAL)  # the next call drops whatever lies in its result slot
