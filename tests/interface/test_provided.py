from pathlib import Path

import pytest
import wasmtime
from wasmtime import component as wc

from orchestrator.interface.provided import HOST, WASI
from orchestrator.model.world import HOST_INTERFACES
from tests.interface.worlds import world_of_bytes

WHOLE = Path(__file__).parents[1] / "guests" / "runtime-host.wasm"
FUNCTIONS = [(interface, function) for interface, functions in WASI.items() for function in sorted(functions)]


def test_the_host_has_what_its_wit_files_say():
    imports = world_of_bytes(WHOLE.read_bytes()).types.imports
    assert {i.name: dict(i.functions) for i in imports if i.functions} == HOST
    assert set(HOST) == set(HOST_INTERFACES)


def refusal(name: str, function: str) -> str:
    """What wasmtime's linker says about a function of a type that it has not."""
    receiver, resource = "", ""
    if function.startswith("["):
        owner = function.partition("]")[2].partition(".")[0]
        resource = f'(export "{owner}" (type $r (sub resource)))'
        receiver = '(param "self" (borrow $r))'
    body = f'{resource} (export "{function}" (func {receiver} (param "unheard-of" (list (list (list u8))))))'
    engine = wasmtime.Engine()
    component = wc.Component(engine, wasmtime.wat2wasm(f'(component (import "{name}" (instance {body})))'))
    linker = wc.Linker(engine)
    linker.add_wasip2()
    with pytest.raises(wasmtime.WasmtimeError) as caught:
        linker.instantiate(wasmtime.Store(engine), component)
    return str(caught.value)


@pytest.mark.parametrize(("interface", "function"), FUNCTIONS)
def test_every_function_of_wasi_that_is_listed_is_linked(interface, function):
    assert "type mismatch" in refusal(f"{interface}@0.2.3", function)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("wasi:clocks/wall-clock@0.3.0", "now"),
        ("wasi:clocks/wall-clock@0.2.0", "later"),
        ("wasi:http/types@0.2.0", "http-error-code"),
    ],
)
def test_what_is_not_listed_is_not_linked(name, function):
    assert "implementation is missing" in refusal(name, function)
