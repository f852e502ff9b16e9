"""Having one instance's actor handle messages through its adapter's memory: write, call, read.

`guest/store` makes a drive for a function of `text.FLAT` where it makes an `Entry` for any other, and calls it
like one.
"""

from collections.abc import Callable, Sequence
from ctypes import Array, c_char
from typing import Any

from orchestrator.model.message import Refused, Replied
from orchestrator.runtime.call import frames
from orchestrator.runtime.call.call import Entry, Signature
from orchestrator.runtime.call.types import FunctionType
from orchestrator.runtime.engine import capi
from orchestrator.runtime.engine.memory import Memory

NO_VALUES = FunctionType((), None)
_NO_SIGNATURE = Signature(NO_VALUES)


class AdapterEntry(Entry):
    """An adapter's function, and its memory."""

    __slots__ = ("_memory",)

    def __init__(self, context: int, func: Array[c_char], memory: Memory) -> None:
        super().__init__(context, func, _NO_SIGNATURE)
        self._memory = memory

    def _place(self) -> int:
        return self._memory.place

    def _drop_arguments(self) -> None:
        """Nothing is wasmtime's: the frame belongs to the adapter."""


class _FramedEntry(AdapterEntry):
    """An entry that takes a message's frame."""

    __slots__ = ("cross",)

    def prepare_crossing(self) -> None:
        """Let the extension write frames and read plain answers."""
        super().prepare_crossing()
        self.cross = self.crossing.handle  # type: ignore[method-assign]  # a slot of its own, for one frame less

    def _lower(self, values: Sequence[Any]) -> None:
        frames.put(self._memory.view, values)


class MessageEntry(_FramedEntry):
    """An entry: a message's frame in, its answer out. All of it is on the hot path."""

    __slots__ = ()
    end = staticmethod(capi.future_delete)  # nothing is wasmtime's: the frame belongs to the adapter

    def begin(self, values: Sequence[Any]) -> int:
        """Begin handling a message."""
        frames.put(self._memory.view, values)
        return (self._start or self._prepared())()

    def result(self) -> Replied | Refused:
        """Take the answer, or raise `CallFailed`."""
        if self._error.value is not None:
            raise self._failed()
        return frames.answer(self._memory.view)

    def _take_result(self) -> Replied | Refused:
        return frames.answer(self._memory.view)


class HandleCallback(_FramedEntry):
    """An entry: the frame of a request's outcome in."""

    __slots__ = ()

    def _take_result(self) -> Replied | Refused:
        return frames.callback_answer(self._memory.view)


class HandleBatch(AdapterEntry):
    """An entry: a batch in, which knows afterwards how far it came, also when the call did not return."""

    __slots__ = ("_batch",)

    def _image(self, values: Sequence[Any]) -> bytes:
        (self._batch,) = values
        data: bytes = self._batch.data
        return data

    def _lower(self, values: Sequence[Any]) -> None:
        data = self._image(values)
        self._memory.view[: len(data)] = data

    def call(self, values: Sequence[Any], is_over: Callable[[], bool]) -> None:
        """Handle a batch on this thread."""
        try:
            super().call(values, is_over)
        finally:
            frames.read_verdicts(self._memory.view, self._batch)

    def result(self) -> None:
        """Learn how far the batch came, and raise `CallFailed` if that was not to its end."""
        try:
            super().result()
        finally:
            frames.read_verdicts(self._memory.view, self._batch)


DRIVES: dict[str, type[AdapterEntry]] = {"handle": MessageEntry, "batch": HandleBatch, "callback": HandleCallback}
