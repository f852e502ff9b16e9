"""The tick of an engine: every two milliseconds, while guests run, a call that is running is made to look up.

A thread of Python cannot tick: it waits for the GIL, which a guest's first slice holds. The C library's timer calls
wasmtime from a thread of its own, and does not catch up in bursts when it was late.
"""

import ctypes
import threading
import time
import weakref
from ctypes import c_char, c_int, c_long, c_void_p
from typing import Any

from wasmtime import Engine
from wasmtime import _ffi as ffi

from orchestrator.runtime.engine import capi

TICK_S = 0.002
IDLE_S = 1.0  # without a call for this long, the timer is stopped
_MONOTONIC, _BY_THREAD = 1, 2  # CLOCK_MONOTONIC, SIGEV_THREAD


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", c_void_p), ("signal", c_int), ("notify", c_int), ("function", c_void_p), ("attributes", c_void_p),
        ("rest", c_char * 32),
    )  # fmt: skip


class _Times(ctypes.Structure):
    _fields_ = (("every_s", c_long), ("every_ns", c_long), ("first_s", c_long), ("first_ns", c_long))


_libc = ctypes.PyDLL(None, use_errno=True)
_create, _set, _delete = _libc["timer_create"], _libc["timer_settime"], _libc["timer_delete"]
_create.argtypes = (c_int, c_void_p, c_void_p)
_set.argtypes = (c_void_p, c_int, c_void_p, c_void_p)
_delete.argtypes = (c_void_p,)
_increment = ctypes.cast(ffi.dll.wasmtime_engine_increment_epoch, c_void_p).value
_gone: list[tuple[float, Engine]] = []  # a tick may just be under way when a timer is deleted: kept a little longer
_keeping = threading.Lock()
_hold, _let_go = ctypes.pythonapi.Py_IncRef, ctypes.pythonapi.Py_DecRef
_hold.argtypes = _let_go.argtypes = (ctypes.py_object,)


class Tick:
    """Ticks while it is wanted. `is_on` may be read at any time; a caller that starts a call says so by `want`."""

    def __init__(self, engine: Engine) -> None:
        self.is_on = False
        self.was_wanted = False
        self._engine = engine
        self._lock = threading.Lock()
        self._is_closed = False
        self._turned_on = threading.Event()
        self._timer = _timer(engine)
        threading.Thread(
            target=_watch, args=(weakref.ref(self), self._turned_on), name="airs-epoch", daemon=True
        ).start()

    def want(self) -> None:
        """Keep ticking, or begin to."""
        self.was_wanted = True
        if not self.is_on:
            self._turn(True)

    def rest(self) -> None:
        """Stop ticking unless somebody wanted it since this was called last."""
        if self.was_wanted:
            self.was_wanted = False
            return
        self._turn(False)
        if self.was_wanted:  # by a call that began in between, and saw that it was on
            self._turn(True)

    def close(self) -> None:
        """Stop for good; calls that are still running would no longer be ended."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed, self.is_on = True, False
            _delete(self._timer)
        _keep(self._engine)
        self._turned_on.set()

    def __del__(self) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether it has stopped for good."""
        return self._is_closed

    def _turn(self, on: bool) -> None:
        with self._lock:
            if self._is_closed or on == self.is_on:
                return
            period = round(TICK_S * 1e9) if on else 0
            _set(self._timer, 0, ctypes.byref(_Times(0, period, 0, period)), None)
            self.is_on = on
            if on:
                self._turned_on.set()


def _timer(engine: Engine) -> c_void_p:
    _hold(engine)  # also when Python ends and takes everything else apart, for the timer may still call
    event = _Event(capi.address_of(engine.ptr()), 0, _BY_THREAD, _increment, None, b"")
    timer = c_void_p()
    if _create(_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        raise OSError(ctypes.get_errno(), "the system gives no timer, without which no guest could be interrupted")
    return timer


def _keep(engine: Engine) -> None:
    now = time.monotonic()
    with _keeping:
        for since, one in [*_gone]:
            if now - since >= IDLE_S:
                _gone.remove((since, one))
                _let_go(one)
        _gone.append((now, engine))


def _watch(reference: "weakref.ref[Tick]", turned_on: threading.Event) -> None:
    """Let a tick rest when nobody wants it any more; ends with it."""
    idle: Any = threading.Event()
    while True:
        turned_on.wait()
        idle.wait(IDLE_S)
        tick = reference()
        if tick is None or tick.is_closed:
            return
        tick.rest()
        if not tick.is_on:
            turned_on.clear()
            if tick.is_on:
                turned_on.set()
        del tick  # not kept alive while waiting
