"""A component's machine code, made from its bytes, read and written: without copying it, and without holding the GIL.

wasmtime's binding copies the bytes on the way in and out while no other thread may run, which large guests make long.
Compiling gives way to everything else: the threads that do it have a lower priority, so that messages are answered
meanwhile. `loaded` calls this, and decides what may be deserialized.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from ctypes import c_char, c_void_p

from wasmtime import Engine
from wasmtime import _ffi as ffi
from wasmtime import component as wc

from orchestrator.runtime.component import artifact as artifacts
from orchestrator.runtime.engine import capi

NICENESS = 10


def compile(engine: Engine, data: bytes) -> wc.Component:
    """Compile a component; wasmtime does it on all cores.

    Raises:
        ArtifactFault: wasmtime refuses these bytes.
    """
    done: Future[wc.Component] = Future()
    threading.Thread(target=_settle, args=(done, engine, data), name="airs-compile", daemon=True).start()
    return done.result()


def _settle(done: "Future[wc.Component]", engine: Engine, data: bytes) -> None:
    # Wasmtime's own threads are made by the first that compiles, and inherit its priority.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    try:
        done.set_result(_compiled(engine, data))
    except BaseException as problem:  # noqa: BLE001 — it belongs to the caller that waits
        done.set_exception(problem)


def _compiled(engine: Engine, data: bytes) -> wc.Component:
    out = c_void_p()
    error = capi.component_new(capi.address_of(engine.ptr()), data, len(data), ctypes.byref(out))
    if error:
        raise artifacts.rejected(capi.take_error(error))
    return _component(out)


def deserialize(engine: Engine, code: memoryview) -> wc.Component | None:
    """Return the component whose authenticated code this is; None when it is for another processor or engine."""
    out = c_void_p()
    address = ctypes.addressof(c_char.from_buffer(code)) if code else None
    error = capi.component_deserialize(capi.address_of(engine.ptr()), address, len(code), ctypes.byref(out))
    if error:
        capi.take_error(error)
        return None
    return _component(out)


@contextmanager
def serialized(component: wc.Component) -> Iterator[memoryview]:
    """Lend a component's code, where wasmtime has put it."""
    vec = ffi.wasm_byte_vec_t()
    error = capi.component_serialize(capi.address_of(component.ptr()), ctypes.byref(vec))
    if error:
        raise RuntimeError(capi.take_error(error))
    try:
        yield memoryview((c_char * vec.size).from_address(capi.address_of(vec.data))).cast("B")
    finally:
        capi.bytes_delete(ctypes.byref(vec))


def _component(address: c_void_p) -> wc.Component:
    found: wc.Component = wc.Component._from_ptr(ctypes.cast(address, ctypes.POINTER(ffi.wasmtime_component_t)))
    return found
