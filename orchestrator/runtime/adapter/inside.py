"""The adapter's code inside a guest's component, as WebAssembly text: it reaches the guest's memory and its own.

It copies as blocks where wasmtime would copy byte by byte from one component's memory to another's. It does what the
canonical ABI says of `handle-message` and `handle-callback`, with the same checks of what the guest gives back.
"""

from collections.abc import Iterable
from functools import cache

from wasmtime import wat2wasm

from orchestrator.runtime.adapter import window as w
from orchestrator.runtime.adapter.text import BATCH, REACH, TIMEOUT_CASE

FAULTS = {  # functions that do nothing but trap → what the guest did
    "unaligned": "gave a pointer that is not aligned",
    "outside": "answered with what lies outside its memory",
    "no-case": "gave an answer of no case that there is",
    "no-text": "answered with a text that is not UTF-8",
}
_SENDER_AND_PAYLOAD = (0, 8, 16, w.PAYLOAD_FIELD)  # each a pointer and a length, within the record
_OPTIONS = {32: (36,), 44: (48, 56, 64), 88: (92,)}  # correlation-id, reply-to, content-type → what they point to
_LAST_ERROR_CASE = 6


def _each_in(fields: Iterable[int]) -> str:
    return " ".join(f"(call $in (local.get $record) (i32.const {field}))" for field in fields)


def _option_in(option: int, fields: tuple[int, ...]) -> str:
    return f"(if (i32.load8_u $own (i32.const {w.RECORD + option})) (then {_each_in(fields)}))"


_ENTER = f"""
    (func $enter (result i32)
      (local $record i32)
      (local.set $record
        (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const {w.RECORD_BYTES})))
      (if (i32.and (local.get $record) (i32.const 7)) (then (call $unaligned)))
      (memory.copy $guest $own (local.get $record) (i32.const {w.RECORD}) (i32.const {w.RECORD_BYTES}))
      {_each_in(_SENDER_AND_PAYLOAD)}
      {" ".join(_option_in(option, fields) for option, fields in _OPTIONS.items())}
      (local.get $record))"""


def _handled(name: str, function: str, after: str, *, has_reply: bool) -> str:
    return f"""
    (func ${name} (export "{name}")
      (local $answer i32)
      (local.set $answer (call ${function} (call $enter)))
      (call $out (local.get $answer) (i32.const {int(has_reply)}))
      (call ${after} (local.get $answer)))"""


# Lengths are read from `$own`: by now the guest may have changed what is in its memory.
_IN = f"""
    (func $in (param $record i32) (param $field i32)
      (local $size i32) (local $to i32)
      (local.set $size (i32.load $own offset={w.RECORD + 4} (local.get $field)))
      (local.set $to (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $size)))
      (memory.copy $guest $own
        (local.get $to) (i32.load $own offset={w.RECORD} (local.get $field)) (local.get $size))
      (i32.store $guest (i32.add (local.get $record) (local.get $field)) (local.get $to)))"""
_OUT = f"""
    (func $out (param $answer i32) (param $has-reply i32)
      (local $is-err i32) (local $case i32) (local $at i32) (local $size i32) (local $to i32)
      (if (i32.and (local.get $answer) (i32.const 3)) (then (call $unaligned)))
      (memory.copy $own $guest (i32.const {w.ANSWER}) (local.get $answer) (i32.const 16))
      (local.set $is-err (i32.load8_u $own (i32.const {w.ANSWER})))
      (if (i32.gt_u (local.get $is-err) (i32.const 1)) (then (call $no-case)))
      (if (i32.eqz (i32.or (local.get $is-err) (local.get $has-reply))) (then (return)))
      (local.set $case (i32.load8_u $own offset=4 (i32.const {w.ANSWER})))
      (if (i32.gt_u (local.get $case) (select (i32.const {_LAST_ERROR_CASE}) (i32.const 1) (local.get $is-err)))
        (then (call $no-case)))
      (if (i32.eq (local.get $case) (select (i32.const {TIMEOUT_CASE}) (i32.const 0) (local.get $is-err)))
        (then (return)))
      (local.set $at (i32.load $own offset=8 (i32.const {w.ANSWER})))
      (local.set $size (i32.load $own offset=12 (i32.const {w.ANSWER})))
      (if (i64.gt_u (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size)))
            (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16)))
        (then (call $outside)))
      (local.set $to (i32.load $own (i32.const {w.TOP})))
      (call $reach (i64.add (i64.extend_i32_u (local.get $to)) (i64.extend_i32_u (local.get $size))))
      (memory.copy $own $guest (local.get $to) (local.get $at) (local.get $size))
      (i32.store $own offset=8 (i32.const {w.ANSWER}) (local.get $to))
      (i32.store $own (i32.const {w.TOP}) (i32.add (local.get $to) (local.get $size)))
      (if (local.get $is-err) (then (call $check-text (local.get $to) (local.get $size)))))"""
_CHECK_TEXT = """
    (func $check-text (param $at i32) (param $size i32)
      (local $end i32) (local $byte i32) (local $more i32) (local $low i32) (local $high i32)
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (block $done (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u $own (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $byte) (i32.const 0x80)))
        (if (i32.or (i32.lt_u (local.get $byte) (i32.const 0xC2)) (i32.gt_u (local.get $byte) (i32.const 0xF4)))
          (then (call $no-text)))
        (local.set $more (i32.add (i32.const 1) (i32.add
          (i32.ge_u (local.get $byte) (i32.const 0xE0)) (i32.ge_u (local.get $byte) (i32.const 0xF0)))))
        (local.set $low (select (i32.const 0xA0)
          (select (i32.const 0x90) (i32.const 0x80) (i32.eq (local.get $byte) (i32.const 0xF0)))
          (i32.eq (local.get $byte) (i32.const 0xE0))))
        (local.set $high (select (i32.const 0x9F)
          (select (i32.const 0x8F) (i32.const 0xBF) (i32.eq (local.get $byte) (i32.const 0xF4)))
          (i32.eq (local.get $byte) (i32.const 0xED))))
        (loop $continued
          (if (i32.eq (local.get $at) (local.get $end)) (then (call $no-text)))
          (local.set $byte (i32.load8_u $own (local.get $at)))
          (if (i32.or (i32.lt_u (local.get $byte) (local.get $low)) (i32.gt_u (local.get $byte) (local.get $high)))
            (then (call $no-text)))
          (local.set $low (i32.const 0x80))
          (local.set $high (i32.const 0xBF))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $continued (local.tee $more (i32.sub (local.get $more) (i32.const 1)))))
        (br $next))))"""


@cache
def code(*, cleans_up: bool, callback_cleans_up: bool | None) -> bytes:
    """Return the core module that calls a guest's `handle-message`, and its post-return if it `cleans_up`.

    The same for `handle-callback`, where that is not None. It imports from `guest` what the guest's own lifts of these
    functions name, and exports the functions of `text.FLAT`.
    """
    imports, own = [], [_handled("handle", "handle-message", "after", has_reply=True)]
    afters = {"after": cleans_up}
    if callback_cleans_up is not None:
        imports.append('(import "guest" "callback" (func $handle-callback (param i32) (result i32)))')
        own.append(_handled("callback", "handle-callback", "after-callback", has_reply=False))
        afters["after-callback"] = callback_cleans_up
    for name, is_there in afters.items():
        if is_there:
            imports.append(f'(import "guest" "{name}" (func ${name} (param i32)))')
        else:
            own.append(f"(func ${name} (param i32))")
    return bytes(
        wat2wasm(f"""(module $airs-adapter
    (import "guest" "memory" (memory $guest 0))
    (import "guest" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "guest" "handle" (func $handle-message (param i32) (result i32)))
    {" ".join(imports)}
    (memory $own {w.PAGES} {w.MAX_PAGES})
    {REACH} {BATCH} {_ENTER} {_IN} {_OUT} {_CHECK_TEXT} {" ".join(own)}
    {" ".join(f"(func ${name} (unreachable))" for name in FAULTS)})""")
    )
