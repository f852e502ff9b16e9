"""Opens TCP and UDP to a WASI guest, which wasmtime's C interface cannot: its switch for the network leaves both shut.

Since wasmtime shuts sockets by default (its pull request 13936), `wasi_config_inherit_network` allows every address and
still no socket. The two switches lie right behind the one for looking up names, which the C interface can set; so that
one is found by setting it, and nothing is written unless everything is where it is known to be. `wasi` calls it when
the network was granted; a test connects.
"""

import ctypes
from typing import Any

from wasmtime import _ffi as ffi

from orchestrator.compiled.settings import wasmtime_version
from orchestrator.runtime.engine import capi

KNOWN = "50.0.1"  # the wasmtime whose configuration is laid out like this
_LOOKUP_AT, _SWITCHES = 0x108, 3  # whether names may be looked up, UDP used, TCP used: a byte each
_SHUT, _LOOKUP_OPEN, _OPEN = b"\0\0\0", b"\1\0\0", b"\1\1\1"


def open_network(config: Any) -> bool:
    """Allow every address, TCP, UDP and name lookup in a fresh `WasiConfig`; False when that cannot be done safely."""
    if wasmtime_version() != KNOWN:
        return False
    switches = capi.address_of(config.ptr()) + _LOOKUP_AT
    was = ctypes.string_at(switches, _SWITCHES)
    ffi.wasi_config_inherit_network(config.ptr())
    ffi.wasi_config_allow_ip_name_lookup(config.ptr(), True)
    if (was, ctypes.string_at(switches, _SWITCHES)) != (_SHUT, _LOOKUP_OPEN):
        return False
    ctypes.memmove(switches, _OPEN, _SWITCHES)
    return True
