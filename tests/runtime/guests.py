"""Guests for these tests: components written as text here, and the one in C that does what a message tells it to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wasmtime

from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Message
from orchestrator.model.spec import Limits, Revision
from orchestrator.runtime import Direct, Err, HostImport, Ok, Runtime, Start, Wait, digest_of_bytes, start_here

ROOT = Path(__file__).parents[2]
FAULTY = ROOT / "tests/components/faulty/faulty.wasm"
MIB = 1 << 20
ID = ComponentId("default", "guest", "0")
SENDER = ComponentId("default", "client", "")

SERVICES = "airssys:core/host-services@1.0.0"
MESSAGING = "airssys:core/host-messaging@1.0.0"
PUBSUB = "airssys:core/host-pubsub@1.0.0"
STORAGE = "airssys:core/storage@1.0.0"


def wasm(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def limits(memory: int = 16 * MIB, fuel: int = 1_000_000_000, timeout_ms: int = 5_000) -> Limits:
    return Limits(memory_bytes=memory, fuel=fuel, timeout_ms=timeout_ms)


def revision(limits: Limits, stateful: bool = False, config: str = "{}") -> Revision:
    return Revision(
        id="0" * 64,
        component="guest",
        version="1.0.0",
        artifact="",
        stateful=stateful,
        config=config,
        grants=(),
        limits=limits,
    )


def try_start(
    runtime: Runtime, data: bytes, context: object = None, stateful: bool = False, config: str = "{}", **given: int
) -> Direct | Exited:
    loaded = runtime.load(digest_of_bytes(data), lambda: data)
    return start_here(Start(ID, revision(limits(**given), stateful, config), loaded, context))


def start(runtime: Runtime, data: bytes, context: object = None, **given: Any) -> Direct:
    guest = try_start(runtime, data, context, **given)
    assert isinstance(guest, Direct), guest
    return guest


def message(text: str | bytes, **given: Any) -> Message:
    payload = text.encode() if isinstance(text, str) else text
    return Message(sender=SENDER, payload=payload, timestamp_ns=1_700_000_000_123_456_789, **given)


def told(log: list[Any] | None = None, values: dict[str, bytes] | None = None) -> Sequence[HostImport]:
    """Every airssys host function, as simple as can be; what was logged and stored is left in the arguments."""
    log = [] if log is None else log
    values = {} if values is None else values

    def get(_context: object, key: str) -> Ok | Err:
        return Err("io-error", "refused") if key == "forbidden" else Ok(values.get(key))

    def put(_context: object, key: str, value: bytes) -> Ok:
        values[key] = value
        return Ok()

    functions = {
        (SERVICES, "log"): lambda _c, level, text, pairs: log.append((level, text, pairs)),
        (SERVICES, "current-time"): lambda _c: {"seconds": 12, "nanoseconds": 34},
        (SERVICES, "current-time-millis"): lambda _c: 1234,
        (SERVICES, "sleep-millis"): lambda _c, milliseconds: Wait(milliseconds / 1000),
        (SERVICES, "list-components"): lambda _c: [ID, SENDER],
        (SERVICES, "get-component-metadata"): lambda _c, id: Err("invalid-state", f"no {id}"),
        (MESSAGING, "send"): lambda _c, target, payload: log.append(("send", target, payload)) or Ok(),
        (MESSAGING, "request"): lambda _c, *_: Err("delivery-failed", "not here"),
        (MESSAGING, "cancel-request"): lambda _c, *_: Err("queue-full"),
        (MESSAGING, "broadcast"): lambda _c, targets, _payload: Err("target-not-found", targets[0]),
        (MESSAGING, "self-id"): lambda _c: ID,
        (PUBSUB, "publish"): lambda _c, topic, payload: log.append(("publish", topic, payload)) or Ok(len(topic)),
        (PUBSUB, "subscribe"): lambda _c, pattern: log.append(("subscribe", pattern)) or Ok(),
        (PUBSUB, "unsubscribe"): lambda _c, pattern: Err("delivery-failed", f"no {pattern}"),
        (PUBSUB, "current-topic"): lambda context: getattr(context, "topic", None),
        (STORAGE, "get"): get,
        (STORAGE, "set"): put,
        (STORAGE, "delete"): lambda _c, key: Ok(values.pop(key, None)),
        (STORAGE, "exists"): lambda _c, key: Ok(key in values),
        (STORAGE, "list-keys"): lambda _c, prefix: Ok([key for key in sorted(values) if key.startswith(prefix or "")]),
        (STORAGE, "usage"): lambda _c: Ok({"used-bytes": 1, "quota-bytes": 2, "key-count": 3}),
    }
    return [
        HostImport(interface, function, call, waits=function == "sleep-millis")
        for (interface, function), call in functions.items()
    ]


TRAPS = """
(component
  (core module $m
    (memory 1)
    (func $recurse (export "recurse") (call $recurse))
    (func (export "unreachable") unreachable)
    (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
    (func (export "outside") (drop (i32.load (i32.const 1000000))))
    (func (export "spin") (loop (br 0)))
    (func (export "count") (param i32)
      (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "seven") (result i32) (i32.const 7))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "grow-or-trap")
      (loop (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (br 0))))
  (core instance $i (instantiate $m))
  (func (export "recurse") (canon lift (core func $i "recurse")))
  (func (export "unreachable") (canon lift (core func $i "unreachable")))
  (func (export "divide") (canon lift (core func $i "divide")))
  (func (export "outside") (canon lift (core func $i "outside")))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "count") (param "rounds" u32) (canon lift (core func $i "count")))
  (func (export "seven") (result u32) (canon lift (core func $i "seven")))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "grow-or-trap") (canon lift (core func $i "grow-or-trap"))))
"""


def big(functions: int, lines: int = 60, imports: str = "") -> bytes:
    """A component of so many functions that compiling it takes a while; `seven` answers."""
    rounds = "".join(
        f"(local.set 0 (i32.mul (i32.xor (local.get 0) (i32.const {line * 7919})) (i32.add (local.get 1)"
        f" (i32.load (i32.and (local.get 0) (i32.const 65532))))))"
        for line in range(lines)
    )
    body = "".join(
        f"(func $f{n} (param i32 i32) (result i32) {rounds} (i32.add (local.get 0) (i32.const {n})))"
        for n in range(functions)
    )
    table = " ".join(f"$f{n}" for n in range(functions))
    return wasm(f"""
(component
  {imports}
  (core module $m
    (memory 2) (table funcref (elem {table}))
    {body}
    (func (export "seven") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m))
  (func (export "seven") (result u32) (canon lift (core func $i "seven"))))
""")


LIBC = """
  (core module $libc
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (block $room
        (loop $more
          (br_if $room (i32.ge_u (i32.mul (memory.size) (i32.const 65536)) (global.get $top)))
          (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
          unreachable))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
"""


def echoing(kind: str, types: str = "") -> bytes:
    """A component whose `echo(v: list<kind>) -> list<kind>` returns what it was given, bit for bit."""
    return wasm(f"""
(component
  {LIBC}
  (core module $m
    (import "libc" "memory" (memory 1))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "libc" (instance $libc))))
  {types}
  (type $list (list {kind}))
  (type $echo (func (param "v" $list) (result $list)))
  (func (export "echo") (type $echo) (canon lift (core func $i "echo")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))
""")


def passing_on(kind: str, types: str = "") -> bytes:
    """A component whose `echo` asks the host function `test:host/echo#echo` for its answer."""
    return wasm(f"""
(component
  {types}
  (type $list (list {kind}))
  (type $echo (func (param "v" $list) (result $list)))
  (import "test:host/echo" (instance $host (export "echo" (func (param "v" (list {kind})) (result (list {kind}))))))
  {LIBC}
  (core func $asked (canon lower (func $host "echo")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "libc" "memory" (memory 1))
    (import "host" "echo" (func $asked (param i32 i32 i32)))
    (func (export "echo") (param i32 i32) (result i32)
      (call $asked (local.get 0) (local.get 1) (i32.const 0))
      (i32.const 0)))
  (core instance $i (instantiate $m
    (with "libc" (instance $libc)) (with "host" (instance (export "echo" (func $asked))))))
  (func (export "echo") (type $echo) (canon lift (core func $i "echo")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))
""")


CALLS_HOST = """
(component
  (import "test:host/calls" (instance $host (export "call" (func (param "n" u32) (result u32)))))
  (core func $call (canon lower (func $host "call")))
  (core module $m
    (import "host" "call" (func $call (param i32) (result i32)))
    (func (export "call") (param i32) (result i32) (call $call (local.get 0)))
    (func (export "spin") (drop (call $call (i32.const 0))) (loop (br 0))))
  (core instance $i (instantiate $m (with "host" (instance (export "call" (func $call))))))
  (func (export "call") (param "n" u32) (result u32) (canon lift (core func $i "call")))
  (func (export "spin") (canon lift (core func $i "spin"))))
"""


def calls(call: Any, waits: bool = False) -> Sequence[HostImport]:
    return [HostImport("test:host/calls", "call", call, waits)]
