"""The linker is asked what it makes of WASI imports; guests that really use them are never refused."""

import pytest
from wasmtime import Engine

from orchestrator.runtime.component.probe import refused
from tests.runtime.guests import ROOT, wasm

GUESTS = sorted([*ROOT.glob("examples/*/components/*/*.wasm"), *ROOT.glob("tests/components/*/*.wasm")])
STREAMS = """
(component
  (import "wasi:io/error@0.2.0" (instance $e (export "error" (type (sub resource)))))
  (alias export $e "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance
    (export "input-stream" (type $in (sub resource)))
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (type $s0 (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $s (eq $s0)))
    (export "[method]input-stream.read"
      (func (param "self" (borrow $in)) (param "len" {}) (result (result (list u8) (error $s))))))))
"""


@pytest.mark.parametrize("guest", GUESTS, ids=lambda path: path.stem)
def test_no_guest_that_runs_is_refused(runtime, guest):
    assert runtime.inspect(guest.read_bytes()).refused == ()


def test_resources_and_types_of_other_interfaces_stay_what_they_are(runtime):
    assert runtime.inspect(wasm(STREAMS.format("u64"))).refused == ()
    ((name, why),) = runtime.inspect(wasm(STREAMS.format("u32"))).refused
    assert name == "wasi:io/streams@0.2.0#[method]input-stream.read"
    assert "type mismatch" in why


def test_what_cannot_be_asked_about_is_not_refused(runtime):
    types = runtime.inspect(wasm('(component (import "a:b/c" (instance (export "f" (func)))))')).types
    assert refused(types, Engine()) == ()
