"""The optional extension `_crossing`: whether it is there, and its binding to the wasmtime that is loaded.

The extension makes a guest's call, for which ctypes takes five calls, in one. `path` asks here whether it may; the
entries of `call/crossed` are made of its `Call`, the callbacks of `call/link` of its `Callback`. It is built from
`_crossing.c` where there is a compiler, and nothing depends on it.
"""

from ctypes import c_void_p, cast
from functools import cache
from importlib import import_module
from types import ModuleType

from wasmtime import _ffi as ffi

from orchestrator.model.calls import UnknownLayout
from orchestrator.model.message import MESSAGE_MAX_BYTES, Replied
from orchestrator.runtime.adapter import window as w

VERSION = 1  # of `_crossing.c`; one that was built of another is not used
_FUNCTIONS = (
    "wasmtime_call_future_delete", "wasmtime_call_future_poll", "wasmtime_component_func_call_async",
    "wasmtime_component_val_delete", "wasmtime_context_get_data", "wasmtime_context_set_epoch_deadline",
    "wasmtime_context_set_fuel", "wasmtime_error_new",
)  # fmt: skip


class _Instead:
    """Stands for an answer that there is none of yet."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


PENDING = _Instead("PENDING")  # the call has given way; its `future` is the caller's to poll and to drop
ENDED = _Instead("ENDED")  # the call is over and dropped; its entry has the result, or why there is none


@cache
def extension() -> ModuleType:
    """Return the extension, bound to wasmtime.

    Raises:
        UnknownLayout: it was not built, or not from these sources.
    """
    try:
        found = import_module("orchestrator.runtime.engine._crossing")
    except ImportError as problem:
        raise UnknownLayout(f"the extension is not built: {problem}") from None
    if found.VERSION != VERSION:
        raise UnknownLayout(f"the extension is of version {found.VERSION}, expected {VERSION}")
    functions = {name: cast(getattr(ffi.dll, name), c_void_p).value for name in _FUNCTIONS}
    places = (w.TOP, w.RECORD + w.PAYLOAD_FIELD, w.RECORD + w.TIME_FIELD, w.ANSWER, MESSAGE_MAX_BYTES)
    found.bind(functions, places, (PENDING, ENDED, Replied, Replied(None)))
    return found
