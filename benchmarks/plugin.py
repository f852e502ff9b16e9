"""Another side of the comparison of calls: Extism's Python SDK, if it is installed (the dependency group `bench`).

Its guests are core modules. This one takes its input into a memory of its own and hands a copy back, eight bytes at a
time, as Extism's kits for guests do; airs's guest gets its message in its memory and hands back what lies there. An
Extism plugin is called on the calling thread; it has no mailbox, no other plugins to talk to, and no supervisor.
"""

from collections.abc import Callable
from importlib import metadata
from typing import Any

from wasmtime import wat2wasm

NAME = "Extism, Python SDK"
ABSENT = "Extism is not installed; `make bench` installs it, or pip install --group bench"
TIMEOUT_MS = 60_000
GUEST = """
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 17)
  (func (export "handle") (result i32)
    (local $size i64) (local $words i64) (local $at i64) (local $reply i64)
    (local.set $size (call $input_length))
    (local.set $words (i64.and (local.get $size) (i64.const -8)))
    (block $taken (loop $take
      (br_if $taken (i64.ge_u (local.get $at) (local.get $words)))
      (i64.store (i32.wrap_i64 (local.get $at)) (call $input_load_u64 (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br $take)))
    (block $taken (loop $take
      (br_if $taken (i64.ge_u (local.get $at) (local.get $size)))
      (i32.store8 (i32.wrap_i64 (local.get $at)) (call $input_load_u8 (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (br $take)))
    (local.set $reply (call $alloc (local.get $size)))
    (local.set $at (i64.const 0))
    (block $given (loop $give
      (br_if $given (i64.ge_u (local.get $at) (local.get $words)))
      (call $store_u64 (i64.add (local.get $reply) (local.get $at)) (i64.load (i32.wrap_i64 (local.get $at))))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br $give)))
    (block $given (loop $give
      (br_if $given (i64.ge_u (local.get $at) (local.get $size)))
      (call $store_u8 (i64.add (local.get $reply) (local.get $at)) (i32.load8_u (i32.wrap_i64 (local.get $at))))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (br $give)))
    (call $output_set (local.get $reply) (local.get $size))
    (i32.const 0)))
"""


def version() -> str | None:
    """Return the version of the SDK that is installed, None when none is."""
    try:
        return metadata.version("extism")
    except metadata.PackageNotFoundError:
        return None


def echoing() -> Callable[[bytes], bytes] | None:
    """Return a call of a plugin that answers its input, under a time limit; None where Extism is not installed."""
    if version() is None:
        return None
    import extism

    manifest: dict[str, Any] = {"wasm": [{"data": bytes(wat2wasm(GUEST))}], "timeout_ms": TIMEOUT_MS}
    plugin = extism.Plugin(manifest, functions=[])

    def call(payload: bytes) -> bytes:
        answer: bytes = plugin.call("handle", payload)
        return answer

    return call
