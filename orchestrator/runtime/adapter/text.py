"""The adapter's parts beside a guest, as WebAssembly text: callers of its handlers, stand-ins for its imports.

Each part is a component of its own; `wrap` nests them beside the guest. They speak the canonical ABI with the guest
through memories that the host writes and reads (`window`), so that no value is ever spelled out for wasmtime.
"""

from functools import cache

import msgspec
from wasmtime import wat2wasm

from orchestrator.runtime.adapter import window as w

FLAT = "airs:adapter/actor@1.0.0"  # what the outer component exports beside the guest's own exports
HOST = "airs:adapter/host@1.0.0"  # what it imports beside the guest's own imports

_ID = '(record (field "namespace" string) (field "name" string) (field "instance" string))'
TIMEOUT_CASE = 3  # of wasm-error: the case without a text
_DEFINITIONS = {
    "component-id": _ID,
    "timestamp": '(record (field "seconds" u64) (field "nanoseconds" u32))',
    "message-metadata": """(record
        (field "correlation-id" (option string)) (field "reply-to" (option $component-id))
        (field "timestamp" $timestamp) (field "content-type" (option string)))""",
    "component-message": """(record
        (field "sender" $component-id) (field "payload" (list u8)) (field "metadata" $message-metadata))""",
    "wasm-error": """(variant
        (case "component-not-found" string) (case "instantiation-failed" string) (case "export-not-found" string)
        (case "timeout") (case "resource-limit-exceeded" string) (case "invalid-component" string)
        (case "runtime-error" string))""",
    "messaging-error": """(variant
        (case "delivery-failed" string) (case "correlation-timeout" string) (case "invalid-message" string)
        (case "queue-full") (case "target-not-found" $component-id))""",
    "storage-error": """(variant
        (case "not-found" string) (case "already-exists" string) (case "quota-exceeded") (case "invalid-key" string)
        (case "io-error" string))""",
}


def _types_imported(names: tuple[str, ...]) -> str:
    wanted = "\n".join(
        f'(type ${name}-as-defined {_DEFINITIONS[name]})\n(export "{name}" (type ${name} (eq ${name}-as-defined)))'
        for name in names
    )
    aliases = "\n".join(f'(alias export $types "{name}" (type ${name}))' for name in names)
    return f'(import "types" (instance $types\n{wanted}))\n{aliases}'


@cache
def types() -> bytes:
    """Return a component that only exports the types which the other parts import."""
    lines = "\n".join(
        f'(type ${name}-as-defined {text})\n(export ${name} "{name}" (type ${name}-as-defined))'
        for name, text in _DEFINITIONS.items()
    )
    return bytes(wat2wasm(f"(component\n{lines})"))


_PAYLOAD_AT = w.RECORD + w.PAYLOAD_FIELD
# Parts of every adapter: `$own` is its memory, `$handle` hands the message at RECORD in and puts the answer at ANSWER.
REACH = f"""(func $reach (export "reach") (param $end i64)
      (local $missing i64)
      (local.set $missing (i64.sub (local.get $end) (i64.shl (i64.extend_i32_u (memory.size $own)) (i64.const 16))))
      (if (i64.gt_s (local.get $missing) (i64.const 0)) (then
        (if (i64.gt_u (local.get $end) (i64.const {w.MAX_PAGES * w.PAGE_BYTES})) (then (unreachable)))
        (if (i32.eq (i32.const -1) (memory.grow $own (i32.wrap_i64
              (i64.shr_u (i64.add (local.get $missing) (i64.const {w.PAGE_BYTES - 1})) (i64.const 16)))))
          (then (unreachable))))))"""
BATCH = f"""(func (export "batch")
      (local $left i32) (local $entry i32) (local $payload i32) (local $verdict i32) (local $base i32) (local $size i32)
      (local.set $left (i32.load $own (i32.const {w.BATCH})))
      (local.set $entry (i32.load $own offset=4 (i32.const {w.BATCH})))
      (local.set $payload (i32.load $own offset=8 (i32.const {w.BATCH})))
      (local.set $verdict (i32.load $own offset=12 (i32.const {w.BATCH})))
      (local.set $base (i32.load $own (i32.const {w.TOP})))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (i32.store $own (i32.const {w.STARTED}) (i32.add (i32.load $own (i32.const {w.STARTED})) (i32.const 1)))
        (i32.store $own (i32.const {w.TOP}) (local.get $base))
        (i32.store $own (i32.const {_PAYLOAD_AT}) (local.get $payload))
        (i64.store $own (i32.const {w.RECORD + w.TIME_FIELD}) (i64.load $own (local.get $entry)))
        (i32.store $own (i32.const {w.RECORD + w.TIME_FIELD + 8}) (i32.load $own offset=8 (local.get $entry)))
        (i32.store $own (i32.const {_PAYLOAD_AT + 4}) (local.tee $size (i32.load $own offset=12 (local.get $entry))))
        (call $handle)
        (if (i32.eqz (i32.load8_u $own (i32.const {w.ANSWER})))
          (then (i32.store $own (local.get $verdict) (i32.const {w.HANDLED})))
          (else (local.set $base (call $refused (local.get $verdict)))))
        (local.set $payload (i32.add (local.get $payload) (local.get $size)))
        (local.set $entry (i32.add (local.get $entry) (i32.const {w.ENTRY_BYTES})))
        (local.set $verdict (i32.add (local.get $verdict) (i32.const {w.VERDICT_BYTES})))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))
    (func $refused (param $verdict i32) (result i32)
      (local $case i32) (local $size i32)
      (local.set $case (i32.load8_u $own offset=4 (i32.const {w.ANSWER})))
      (if (i32.ne (local.get $case) (i32.const {TIMEOUT_CASE})) (then
        (local.set $size (i32.load $own offset=12 (i32.const {w.ANSWER})))
        (if (i32.gt_u (local.get $size) (i32.const {w.VERDICT_TEXT_MAX}))
          (then (local.set $size (i32.const {w.VERDICT_TEXT_MAX}))))
        (i32.store $own offset=4 (local.get $verdict) (i32.load $own offset=8 (i32.const {w.ANSWER})))
        (i32.store $own offset=8 (local.get $verdict) (local.get $size))))
      (i32.store $own (local.get $verdict) (i32.add (i32.const {w.REFUSED}) (local.get $case)))
      (if (result i32) (local.get $size)
        (then (i32.add (i32.load $own offset=4 (local.get $verdict)) (local.get $size)))
        (else (i32.load $own (i32.const {w.TOP})))))"""

_LIBC = f"""
  (core module $airs-adapter-memory
    (memory $own (export "memory") {w.PAGES} {w.MAX_PAGES})
    {REACH}
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $start i32)
      (if (i32.and (i32.ne (local.get $old-size) (i32.const 0)) (i32.le_u (local.get $size) (local.get $old-size)))
        (then (return (local.get $old))))
      (local.set $start (i32.load (i32.const {w.TOP})))
      (if (i32.eqz (local.get $start)) (then (local.set $start (i32.const {w.SHIM_HEAP}))))
      (local.set $start (i32.and
        (i32.add (local.get $start) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (call $reach (i64.add (i64.extend_i32_u (local.get $start)) (i64.extend_i32_u (local.get $size))))
      (i32.store (i32.const {w.TOP}) (i32.add (local.get $start) (local.get $size)))
      (memory.copy (local.get $start) (local.get $old) (local.get $old-size))
      (local.get $start)))
  (core instance $libc (instantiate $airs-adapter-memory))
"""

_MEMORY = '(memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))'


_CALLBACK = {
    "import": """(export "handle-callback" (func (param "msg" $component-message)
      (result (result (error $wasm-error)))))""",
    "lower": f'(core func $callback (canon lower (func $lifecycle "handle-callback") {_MEMORY}))',
    "core-import": '(import "guest" "callback" (func $callback (param i32 i32)))',
    "core": f"""(func (export "callback") (call $callback (i32.const {w.RECORD}) (i32.const {w.ANSWER})))""",
    "given": '(export "callback" (func $callback))',
    "lift": '(func $callback-flat (canon lift (core func $code "callback")))',
    "export": '(export "callback" (func $callback-flat))',
}


@cache
def actor(*, takes_answers: bool) -> bytes:
    """Return the component that is given a guest's lifecycle, and gives the functions of `FLAT`.

    `handle` hands the guest the message at `window.RECORD` and leaves the answer at `window.ANSWER`; `batch` does so
    for each entry of `window.BATCH` in turn, with the record changed by it. `callback` is `handle` for the outcome of a
    request, where the guest `takes_answers`.
    """
    callback = _CALLBACK if takes_answers else {}
    return bytes(
        wat2wasm(f"""(component
  {_types_imported(("component-id", "timestamp", "message-metadata", "component-message", "wasm-error"))}
  (import "lifecycle" (instance $lifecycle
    (export "handle-message" (func (param "msg" $component-message)
      (result (result (option (list u8)) (error $wasm-error)))))
    {callback.get("import", "")}))
  {_LIBC}
  (core func $handle (canon lower (func $lifecycle "handle-message") {_MEMORY}))
  {callback.get("lower", "")}
  (core module $airs-adapter
    (import "libc" "memory" (memory $own 1))
    (import "guest" "handle" (func $handle-message (param i32 i32)))
    {callback.get("core-import", "")}
    (func $handle (export "handle") (call $handle-message (i32.const {w.RECORD}) (i32.const {w.ANSWER})))
    {callback.get("core", "")}
    {BATCH})
  (core instance $code (instantiate $airs-adapter
    (with "libc" (instance $libc))
    (with "guest" (instance (export "handle" (func $handle)) {callback.get("given", "")}))))
  (func $handle-flat (canon lift (core func $code "handle")))
  (func $batch-flat (canon lift (core func $code "batch")))
  {callback.get("lift", "")}
  (instance $flat
    (export "handle" (func $handle-flat)) (export "batch" (func $batch-flat)) {callback.get("export", "")})
  (export "flat" (instance $flat)))""")
    )


class Stand(msgspec.Struct, frozen=True):
    """One imported function that a shim stands in for: its place in `STANDS` is what the host is called with."""

    interface: str
    function: str
    params: str  # as component types
    core: str  # as core types
    result: str
    answer_bytes: int  # how large the result is in memory
    pointers: tuple[int, ...]  # which of the core parameters point to something; the next one says how much

    @property
    def name(self) -> str:
        """The name that the shim exports it under."""
        return f"{self.interface.removeprefix('airssys:core/').partition('@')[0]}-{self.function}"


_STORAGE, _MESSAGING = "airssys:core/storage@1.0.0", "airssys:core/host-messaging@1.0.0"
_PUBSUB = "airssys:core/host-pubsub@1.0.0"
_TARGET, _PAYLOAD = '(param "target" $component-id)', '(param "payload" (list u8))'
_STORED, _SENT = "(error $storage-error)", "(error $messaging-error)"
_STORED_BYTES, _SENT_BYTES = 16, 32
BROADCAST = Stand(
    _MESSAGING, "broadcast", f'(param "targets" (list $component-id)) {_PAYLOAD}', "i32 i32 i32 i32", _SENT,
    _SENT_BYTES, (0, 2),
)  # fmt: skip
STANDS = (
    Stand(
        _STORAGE, "get", '(param "key" string)', "i32 i32", f"(option (list u8)) {_STORED}", _STORED_BYTES, (0,)
    ),
    Stand(
        _STORAGE, "set", '(param "key" string) (param "value" (list u8))', "i32 i32 i32 i32", _STORED,
        _STORED_BYTES, (0, 2),
    ),
    Stand(
        _MESSAGING, "send", f"{_TARGET} {_PAYLOAD}", "i32 i32 i32 i32 i32 i32 i32 i32", _SENT,
        _SENT_BYTES, (0, 2, 4, 6),
    ),
    Stand(
        _MESSAGING, "request", f'{_TARGET} {_PAYLOAD} (param "timeout-ms" u64)',
        "i32 i32 i32 i32 i32 i32 i32 i32 i64", f"string {_SENT}", _SENT_BYTES, (0, 2, 4, 6),
    ),
    BROADCAST,
    Stand(
        _PUBSUB, "publish", f'(param "topic" string) {_PAYLOAD}', "i32 i32 i32 i32", f"u32 {_SENT}",
        _SENT_BYTES, (0, 2),
    ),
)  # fmt: skip


@cache
def shim(stands: tuple[Stand, ...]) -> bytes:
    """Return the component that stands in for `stands`: it asks the host by `HOST`, the values left in its memory."""
    return bytes(
        wat2wasm(f"""(component
  {_types_imported(("component-id", "messaging-error", "storage-error"))}
  (import "host" (instance $host
    (export "call" (func (param "which" u32) (result u32))) (export "take" (func)) (export "wait" (func))))
  {_LIBC}
  (core func $call (canon lower (func $host "call")))
  (core func $take (canon lower (func $host "take")))
  (core func $wait (canon lower (func $host "wait")))
  (core module $airs-adapter
    (import "libc" "memory" (memory 1))
    (import "libc" "reach" (func $reach (param i64)))
    (import "host" "call" (func $call (param i32) (result i32)))
    (import "host" "take" (func $take))
    (import "host" "wait" (func $wait))
    (func (export "after") (param i32) (i32.store (i32.const {w.TOP}) (i32.const 0)))
    (func $ask (param $which i32) (result i32)
      (local $end i32)
      (if (local.tee $end (call $call (local.get $which))) (then
        (if (i32.eq (local.get $end) (i32.const {w.MUST_WAIT})) (then (call $wait)) (else
          (call $reach (i64.extend_i32_u (local.get $end)))
          (call $take)))))
      (i32.const {w.RESULT}))
    {"".join(map(_core_stand, stands))})
  (core instance $code (instantiate $airs-adapter
    (with "libc" (instance $libc))
    (with "host" (instance (export "call" (func $call)) (export "take" (func $take)) (export "wait" (func $wait))))))
  (alias core export $code "after" (core func $after))
  {"".join(map(_lifted_stand, stands))})""")
    )


def _core_stand(stand: Stand) -> str:
    params = stand.core.split()
    stores = " ".join(
        f"({param}.store (i32.const {w.ARGUMENTS + 8 * index}) (local.get {index}))"
        for index, param in enumerate(params)
    )
    return f"""
    (func (export "{stand.name}") (param {stand.core}) (result i32)
      {stores}
      (call $ask (i32.const {STANDS.index(stand)})))"""


def _lifted_stand(stand: Stand) -> str:
    return f"""
  (func ${stand.name} {stand.params} (result (result {stand.result}))
    (canon lift (core func $code "{stand.name}") {_MEMORY} (post-return (core func $after))))
  (export "{stand.name}" (func ${stand.name}))"""
