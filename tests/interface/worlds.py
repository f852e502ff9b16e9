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


_CALLABLE = """
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f")))
"""
