"""The network is opened only where wasmtime's configuration is laid out as it is known."""

from wasmtime import WasiConfig
from wasmtime import _ffi as ffi

from orchestrator.runtime.wasi.sockets import open_network


def test_a_fresh_configuration_is_opened_and_one_that_was_touched_is_left():
    assert open_network(WasiConfig())
    touched = WasiConfig()
    ffi.wasi_config_allow_ip_name_lookup(touched.ptr(), True)
    assert not open_network(touched)
