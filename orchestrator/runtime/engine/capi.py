"""The wasmtime C functions that the call path uses, declared a second time with plain addresses as arguments.

Stock declarations build a ctypes pointer object for every argument. `raw` ones release the GIL, so that guests run on
all cores; `quick` ones keep it: they take well under a microsecond, and handing the GIL over costs more than that.
"""

import ctypes
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from ctypes import c_bool, c_char_p, c_int64, c_size_t, c_uint8, c_uint64, c_void_p
from functools import cache, partial
from typing import Any

from wasmtime import _ffi as ffi

from orchestrator.compiled.settings import wasmtime_version
from orchestrator.model.calls import UnknownLayout

LAYOUT = (32, 8, 48, 16, 8, 8, 16, 16)  # what `found_layout` finds in the wasmtime that `layout` was written for
_MEMORY_CALLBACKS = (7, 3, 2)  # how many arguments the callbacks for memories have: making, finding, growing
_LOOKING = 4  # and the one at a tick
_quick_library = ctypes.PyDLL(ffi.dll._name)
_unlike: set[str] = set()  # functions that are missing, or take other arguments
BOTH = frozenset({
    "wasm_byte_vec_delete", "wasmtime_call_future_delete", "wasmtime_call_future_poll",
    "wasmtime_component_deserialize", "wasmtime_component_new",
    "wasmtime_component_resource_any_clone", "wasmtime_component_resource_any_delete",
    "wasmtime_component_resource_any_drop", "wasmtime_component_serialize", "wasmtime_context_get_data",
    "wasmtime_context_get_fuel", "wasmtime_context_set_epoch_deadline", "wasmtime_context_set_fuel",
    "wasmtime_context_set_wasi", "wasmtime_error_delete", "wasmtime_error_message", "wasmtime_error_new",
    "wasmtime_store_context", "wasmtime_store_delete", "wasmtime_store_epoch_deadline_callback",
    "wasmtime_store_limiter", "wasmtime_store_new",
})  # fmt: skip  # what the stock path calls by these declarations too: addresses and numbers, no values


def found_layout() -> tuple[int, ...]:
    """Return sizes and offsets of wasmtime's component values, as its own binding declares them."""
    val: Any = ffi.wasmtime_component_val_t
    entry: Any = ffi.wasmtime_component_valrecord_entry_t
    return (
        ctypes.sizeof(val),
        val.of.offset,
        ctypes.sizeof(entry),
        entry.val.offset,
        ffi.wasmtime_component_vallist_t.data.offset,  # type: ignore[attr-defined]
        ffi.wasmtime_component_valresult_t.val.offset,  # type: ignore[attr-defined]
        ffi.wasmtime_component_valvariant_t.val.offset,  # type: ignore[attr-defined]
        ctypes.sizeof(ffi.wasm_byte_vec_t),
    )


def check_layout() -> None:
    """Compare wasmtime's value layout, as its own binding declares it, with the one `layout` writes.

    Raises:
        UnknownLayout: they differ, or a function is missing; no call may be made through `layout` then.
    """
    if _unlike:
        raise UnknownLayout(_declares_otherwise(_unlike))
    found = found_layout()
    if found != LAYOUT:
        raise UnknownLayout(f"wasmtime {wasmtime_version()} lays component values out as {found}, expected {LAYOUT}")


def _declares_otherwise(functions: AbstractSet[str]) -> str:
    return f"wasmtime {wasmtime_version()} lacks or declares otherwise {', '.join(sorted(functions))}"


def check_basics() -> None:
    """Compare what both ways of calling use, and the callbacks that hold memory and time, with wasmtime's own binding.

    Raises:
        UnknownLayout: they differ; nothing may run then, as its limits could not be held.
    """
    if _unlike & BOTH:
        raise UnknownLayout(f"{_declares_otherwise(_unlike & BOTH)}; install the wasmtime that airs pins")
    callbacks: Any = (
        ffi.wasmtime_new_memory_callback_t, ffi.wasmtime_memory_get_callback_t, ffi.wasmtime_memory_grow_callback_t
    )  # fmt: skip
    found = tuple(len(each._argtypes_) for each in callbacks)
    looking: Any = ffi.dll.wasmtime_store_epoch_deadline_callback.argtypes[1]
    if found != _MEMORY_CALLBACKS or len(looking._argtypes_) != _LOOKING:
        raise UnknownLayout(
            f"wasmtime {wasmtime_version()} calls back for memory and time in another way, so that no limit could be "
            "held; "
            "install the wasmtime that airs pins"
        )


def _declare(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    try:
        function = library[name]  # by item, not by attribute: a fresh object, the stock declaration stays as it is
    except AttributeError:  # `check_layout` says so
        _unlike.add(name)
        return None
    if [*map(ctypes.sizeof, getattr(ffi.dll, name).argtypes or ())] != [*map(ctypes.sizeof, arguments)]:
        _unlike.add(name)
    function.restype, function.argtypes = result, arguments
    return function


@cache
def _untyped(name: str, result: Any) -> Any:
    function = _quick_library[name]
    function.restype = result
    return function


def bound(name: str, result: Any, *arguments: Any) -> Callable[[], Any]:
    """Return a `quick` function with its arguments, which are ctypes objects: it is called with none.

    Converting arguments takes longer than a short function: seven take 0.6 us.
    """
    return partial(_untyped(name, result), *arguments)


func_call = _declare(
    ffi.dll, "wasmtime_component_func_call", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t
)
call_async = _declare(
    _quick_library, "wasmtime_component_func_call_async", c_void_p,
    c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p,
)  # fmt: skip
instantiate_async = _declare(
    _quick_library, "wasmtime_component_linker_instantiate_async", c_void_p,
    c_void_p, c_void_p, c_void_p, c_void_p, c_void_p,
)  # fmt: skip
future_poll = _declare(ffi.dll, "wasmtime_call_future_poll", c_bool, c_void_p)
future_poll_quick = _declare(_quick_library, "wasmtime_call_future_poll", c_bool, c_void_p)
future_delete = _declare(_quick_library, "wasmtime_call_future_delete", None, c_void_p)

instantiate = _declare(
    ffi.dll, "wasmtime_component_linker_instantiate", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p
)
component_new = _declare(ffi.dll, "wasmtime_component_new", c_void_p, c_void_p, c_char_p, c_size_t, c_void_p)
component_serialize = _declare(ffi.dll, "wasmtime_component_serialize", c_void_p, c_void_p, c_void_p)
component_deserialize = _declare(
    ffi.dll, "wasmtime_component_deserialize", c_void_p, c_void_p, c_void_p, c_size_t, c_void_p
)
get_func = _declare(
    _quick_library, "wasmtime_component_instance_get_func", c_bool, c_void_p, c_void_p, c_void_p, c_void_p
)

val_new = _declare(_quick_library, "wasmtime_component_val_new", c_void_p, c_void_p)
val_delete = _declare(_quick_library, "wasmtime_component_val_delete", None, c_void_p)
bytes_new = _declare(_quick_library, "wasm_byte_vec_new", None, c_void_p, c_size_t, c_char_p)
bytes_delete = _declare(_quick_library, "wasm_byte_vec_delete", None, c_void_p)
list_new = _declare(_quick_library, "wasmtime_component_vallist_new_uninit", None, c_void_p, c_size_t)
record_new = _declare(_quick_library, "wasmtime_component_valrecord_new_uninit", None, c_void_p, c_size_t)
record_copy = _declare(_quick_library, "wasmtime_component_valrecord_copy", None, c_void_p, c_void_p)
record_delete = _declare(_quick_library, "wasmtime_component_valrecord_delete", None, c_void_p)
tuple_new = _declare(_quick_library, "wasmtime_component_valtuple_new_uninit", None, c_void_p, c_size_t)
flags_new = _declare(_quick_library, "wasmtime_component_valflags_new_uninit", None, c_void_p, c_size_t)

resource_clone = _declare(_quick_library, "wasmtime_component_resource_any_clone", c_void_p, c_void_p)
resource_delete = _declare(_quick_library, "wasmtime_component_resource_any_delete", None, c_void_p)
resource_drop = _declare(ffi.dll, "wasmtime_component_resource_any_drop", c_void_p, c_void_p, c_void_p)

error_new = _declare(_quick_library, "wasmtime_error_new", c_void_p, c_char_p)
error_message = _declare(_quick_library, "wasmtime_error_message", None, c_void_p, c_void_p)
error_delete = _declare(_quick_library, "wasmtime_error_delete", None, c_void_p)

store_new = _declare(_quick_library, "wasmtime_store_new", c_void_p, c_void_p, c_void_p, c_void_p)
store_context = _declare(_quick_library, "wasmtime_store_context", c_void_p, c_void_p)
store_delete = _declare(ffi.dll, "wasmtime_store_delete", None, c_void_p)
store_limits = _declare(
    _quick_library, "wasmtime_store_limiter", None, c_void_p, c_int64, c_int64, c_int64, c_int64, c_int64
)
get_data = _declare(_quick_library, "wasmtime_context_get_data", c_void_p, c_void_p)
set_fuel = _declare(_quick_library, "wasmtime_context_set_fuel", c_void_p, c_void_p, c_uint64)
get_fuel = _declare(_quick_library, "wasmtime_context_get_fuel", c_void_p, c_void_p, c_void_p)
set_epoch_deadline = _declare(_quick_library, "wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
set_wasi = _declare(_quick_library, "wasmtime_context_set_wasi", c_void_p, c_void_p, c_void_p)

EpochCallback = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, ctypes.POINTER(c_uint64), ctypes.POINTER(c_uint8))
epoch_callback = _declare(
    _quick_library, "wasmtime_store_epoch_deadline_callback", None, c_void_p, EpochCallback, c_void_p, c_void_p
)

copy = ctypes.PyDLL(None)["memmove"]  # bytes to an address; `ctypes.memmove` lets go of the GIL, if only for this
copy.restype, copy.argtypes = None, (c_void_p, c_char_p, c_size_t)

HostCallback = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
add_func = _declare(
    _quick_library,
    "wasmtime_component_linker_instance_add_func",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    HostCallback,
    c_void_p,
    c_void_p,
)

AsyncHostCallback = ctypes.CFUNCTYPE(
    None, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p
)
IsOver = ctypes.CFUNCTYPE(c_bool, c_void_p)
add_func_async = _declare(
    _quick_library, "wasmtime_component_linker_instance_add_func_async", c_void_p,
    c_void_p, c_char_p, c_size_t, AsyncHostCallback, c_void_p, c_void_p,
)  # fmt: skip


def address_of(pointer: Any) -> int:
    """Return the address a ctypes pointer holds."""
    return ctypes.cast(pointer, c_void_p).value or 0


def take_error(error: int) -> str:
    """Return the text of a wasmtime error and free it."""
    message = ffi.wasm_byte_vec_t()
    error_message(error, ctypes.byref(message))
    text = ctypes.string_at(message.data, message.size).decode("utf-8", "replace")
    bytes_delete(ctypes.byref(message))
    error_delete(error)
    return text
