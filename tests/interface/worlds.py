"""Worlds made of text: a component written as WAT, read by the real runtime."""

import functools

import wasmtime

from orchestrator.model.world import World
from orchestrator.runtime import Runtime

_RUNTIME = Runtime(None)


@functools.cache
def world_of(text: str) -> World:
    """Read the world of a component written as WAT."""
    return _RUNTIME.inspect(bytes(wasmtime.wat2wasm(text)))


def world_of_bytes(data: bytes) -> World:
    """Read the world of a component."""
    return _RUNTIME.inspect(data)


def importing(*imports: str) -> World:
    """Read the world of a component that imports this, and exports one function."""
    return world_of(f"(component {' '.join(imports)} {_CALLABLE})")


ASKS = """
  (import "airssys:core/host-messaging@1.0.0" (instance
    (type $id' (record (field "namespace" string) (field "name" string) (field "instance" string)))
    (export "component-id" (type $id (eq $id')))
    (type $error' (variant
      (case "delivery-failed" string) (case "correlation-timeout" string) (case "invalid-message" string)
      (case "queue-full") (case "target-not-found" $id)))
    (export "messaging-error" (type $error (eq $error')))
    (export "request" (func (param "target" $id) (param "payload" (list u8)) (param "timeout-ms" u64)
      (result (result string (error $error)))))))"""
_CALLABLE = """
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f")))
"""
