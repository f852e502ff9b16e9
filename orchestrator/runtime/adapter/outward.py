"""The adapter's code for calls out of a guest, inside its component: it stands where the guest's imports stood.

It copies the data that a call points to as blocks into its own memory, asks the host, which reads and answers there,
and copies the answer into memory that the guest gives for it.
"""

from collections.abc import Sequence
from functools import cache

from wasmtime import wat2wasm

from orchestrator.runtime.adapter import window as w
from orchestrator.runtime.adapter.text import BROADCAST, REACH, STANDS, Stand

FAULTS = {  # functions that do nothing but trap → what the guest did
    "unaligned": "gave a pointer that is not aligned",
    "not-there": "gave the host what lies outside its memory",
    "asks": "called the host while it gave memory for an answer",
}
_ID_BYTES, _TEXT_BYTES = 24, 8  # of a component-id, and of the place of each text within


_COPIED = f"""
    (func $copied (param $at i32) (param $size i32) (result i32)
      (local $to i32)
      (if (i64.gt_u (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size)))
            (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16)))
        (then (call $not-there)))
      (local.set $to (i32.load $own (i32.const {w.TOP})))
      (call $reach (i64.add (i64.extend_i32_u (local.get $to)) (i64.extend_i32_u (local.get $size))))
      (memory.copy $own $guest (local.get $to) (local.get $at) (local.get $size))
      (i32.store $own (i32.const {w.TOP}) (i32.add (local.get $to) (local.get $size)))
      (local.get $to))"""
_IDS = f"""
    (func $ids (param $at i32) (param $count i32) (result i32)
      (local $first i32) (local $next i32) (local $end i32)
      (if (i32.and (local.get $at) (i32.const 3)) (then (call $unaligned)))
      (if (i32.gt_u (local.get $count) (i32.const {(1 << 32) // _ID_BYTES - 1})) (then (call $not-there)))
      (local.set $next (local.tee $first
        (call $copied (local.get $at) (i32.mul (local.get $count) (i32.const {_ID_BYTES})))))
      (local.set $end (i32.load $own (i32.const {w.TOP})))
      (block $done (loop $each
        (br_if $done (i32.eq (local.get $next) (local.get $end)))
        (i32.store $own (local.get $next)
          (call $copied (i32.load $own (local.get $next)) (i32.load $own offset=4 (local.get $next))))
        (local.set $next (i32.add (local.get $next) (i32.const {_TEXT_BYTES})))
        (br $each)))
      (local.get $first))"""
_ASK = f"""
    (func $ask (param $which i32) (param $answer i32) (param $size i32)
      (local $end i32) (local $places i32)
      (if (local.tee $end (call $call (local.get $which))) (then
        (if (i32.eq (local.get $end) (i32.const {w.MUST_WAIT})) (then (call $wait)) (else
          (call $reach (i64.extend_i32_u (local.get $end)))
          (call $take)))))
      (if (i32.and (local.get $answer) (i32.const 3)) (then (call $unaligned)))
      (local.set $places (i32.load $own (i32.const {w.PLACES})))
      (global.set $is-given (i32.const 1))
      (block $done (loop $each
        (br_if $done (i32.eqz (local.get $places)))
        (call $give (i32.mul (i32.ctz (local.get $places)) (i32.const 4)))
        (local.set $places
          (i32.and (local.get $places) (i32.sub (local.get $places) (i32.const 1))))
        (br $each)))
      (global.set $is-given (i32.const 0))
      (memory.copy $guest $own (local.get $answer) (i32.const {w.RESULT}) (local.get $size)))"""
_GIVE = f"""
    (func $give (param $place i32)
      (local $size i32) (local $to i32)
      (local.set $size (i32.load $own offset={w.RESULT + 4} (local.get $place)))
      (local.set $to (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $size)))
      (memory.copy $guest $own
        (local.get $to) (i32.load $own offset={w.RESULT} (local.get $place)) (local.get $size))
      (i32.store $own offset={w.RESULT} (local.get $place) (local.get $to)))"""


def _stand(stand: Stand) -> str:
    params = stand.core.split()
    answer, is_list = len(params), stand is BROADCAST
    stores = []
    for index, kind in enumerate(params):
        value = f"(local.get {index})"
        if index in stand.pointers:
            value = f"(call ${'ids' if is_list and not index else 'copied'} {value} (local.get {index + 1}))"
        stores.append(f"({kind}.store $own (i32.const {w.ARGUMENTS + 8 * index}) {value})")
    return f"""
    (func (export "{stand.name}") (param {stand.core} i32)
      (if (global.get $is-given) (then (call $asks)))
      (i32.store $own (i32.const {w.TOP}) (i32.const {w.SHIM_HEAP}))
      {" ".join(stores)}
      (call $ask (i32.const {STANDS.index(stand)}) (local.get {answer}) (i32.const {stand.answer_bytes})))"""


@cache
def memory() -> bytes:
    """Return the core module that has the memory for calls out; it is the first to be instantiated."""
    return bytes(wat2wasm(f'(module $airs-adapter (memory (export "memory") {w.PAGES} {w.MAX_PAGES}))'))


@cache
def code(stands: Sequence[Stand]) -> bytes:
    """Return the core module whose functions stand where those of `stands` stood, lowered.

    From `guest` it imports what their lowers name, from `host` the functions of `text.HOST`, from `own` its memory.
    """
    return bytes(
        wat2wasm(f"""(module $airs-adapter
    (import "own" "memory" (memory $own 1))
    (import "guest" "memory" (memory $guest 0))
    (import "guest" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "call" (func $call (param i32) (result i32)))
    (import "host" "take" (func $take))
    (import "host" "wait" (func $wait))
    (global $is-given (mut i32) (i32.const 0))
    {REACH} {_COPIED} {_IDS} {_ASK} {_GIVE} {"".join(map(_stand, stands))}
    {" ".join(f"(func ${name} (unreachable))" for name in FAULTS)})""")
    )
