"""An adapter within a guest speaks the canonical ABI with it as wasmtime does, whatever the guest answers."""

import msgspec
import pytest

from orchestrator.interface.sections import Unread
from orchestrator.model.calls import AdaptedAt, Adapter
from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Mail, Message, Refused, Replied
from orchestrator.runtime import Direct, digest_of_bytes
from orchestrator.runtime.adapter import binary, lifted
from orchestrator.runtime.adapter.inside import FAULTS
from tests.runtime.guests import MESSAGING, PUBSUB, SENDER, STORAGE, message, start, told, wasm
from tests.runtime.test_adapter import beside, direct

HIGH = bytes(range(0x80, 0x100))
_TYPES = """
  (import "airssys:core/types@1.0.0" (instance $types
    (type $id' (record (field "namespace" string) (field "name" string) (field "instance" string)))
    (export "component-id" (type $id (eq $id')))
    (type $time' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "timestamp" (type $time (eq $time')))
    (type $meta' (record (field "correlation-id" (option string)) (field "reply-to" (option $id))
      (field "timestamp" $time) (field "content-type" (option string))))
    (export "message-metadata" (type $meta (eq $meta')))
    (type $message' (record (field "sender" $id) (field "payload" (list u8)) (field "metadata" $meta)))
    (export "component-message" (type (eq $message')))
    (type $limits' (record (field "max-memory-bytes" u64) (field "max-execution-time-ms" u64)
      (field "max-fuel" (option u64))))
    (export "resource-limits" (type $limits (eq $limits')))
    (type $config' (record (field "env-vars" (list (tuple string string))) (field "config-data" (option (list u8)))
      (field "resource-limits" $limits)))
    (export "component-config" (type (eq $config')))
    (type $status' (enum "healthy" "degraded" "unhealthy" "unknown"))
    (export "health-status" (type (eq $status')))))
  (import "airssys:core/errors@1.0.0" (instance $errors
    (type $wasm' (variant
      (case "component-not-found" string) (case "instantiation-failed" string) (case "export-not-found" string)
      (case "timeout") (case "resource-limit-exceeded" string) (case "invalid-component" string)
      (case "runtime-error" string)))
    (export "wasm-error" (type (eq $wasm')))
    (type $component' (variant (case "initialization-failed" string) (case "already-initialized")
      (case "not-initialized") (case "shutdown-failed" string) (case "invalid-state" string)))
    (export "component-error" (type (eq $component')))))
  (alias export $types "component-message" (type $message))
  (alias export $types "component-config" (type $config))
  (alias export $types "health-status" (type $status))
  (alias export $errors "wasm-error" (type $wasm))
  (alias export $errors "component-error" (type $component))
"""
# Never frees, never moves: it ends the guest if it is asked for anything but new memory.
REALLOC = """
      (if (i32.or (local.get $old) (local.get $old-size)) (then unreachable))
      (global.set $top (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (local.get $size)))"""

# An allocator as strings of other encodings need it: it aligns, and gives the same memory where less will do.
EVEN = f"""
      (if (i32.and (i32.ne (local.get $old) (i32.const 0)) (i32.le_u (local.get $size) (local.get $old-size)))
        (then (return (local.get $old))))
      (local.set $old (i32.const 0)) (local.set $old-size (i32.const 0)) {REALLOC}"""


_SENT = "(error $messaging-error)"
_CALLS = {  # interface → function → parameters and result, and as core types
    STORAGE: {
        "get": ('(param "key" string) (result (result (option (list u8)) (error $storage-error)))', "i32 i32 i32"),
        "set": (
            '(param "key" string) (param "value" (list u8)) (result (result (error $storage-error)))',
            "i32 i32 i32 i32 i32",
        ),
    },
    MESSAGING: {
        "send": (
            f'(param "target" $id) (param "payload" (list u8)) (result (result {_SENT}))',
            "i32 i32 i32 i32 i32 i32 i32 i32 i32",
        ),
        "request": (
            '(param "target" $id) (param "payload" (list u8)) (param "timeout-ms" u64) '
            f"(result (result string {_SENT}))",
            "i32 i32 i32 i32 i32 i32 i32 i32 i64 i32",
        ),
        "broadcast": (
            f'(param "targets" (list $id)) (param "payload" (list u8)) (result (result {_SENT}))',
            "i32 i32 i32 i32 i32",
        ),
    },
    PUBSUB: {
        "publish": (
            f'(param "topic" string) (param "payload" (list u8)) (result (result u32 {_SENT}))',
            "i32 i32 i32 i32 i32",
        )
    },
}
_ERRORS = """
    (type $storage' (variant (case "not-found" string) (case "already-exists" string) (case "quota-exceeded")
      (case "invalid-key" string) (case "io-error" string)))
    (export "storage-error" (type $storage-error (eq $storage')))
    (type $id' (record (field "namespace" string) (field "name" string) (field "instance" string)))
    (export "component-id" (type $id (eq $id')))
    (type $messaging' (variant (case "delivery-failed" string) (case "correlation-timeout" string)
      (case "invalid-message" string) (case "queue-full") (case "target-not-found" $id)))
    (export "messaging-error" (type $messaging-error (eq $messaging')))"""


def _imported(options: str, get_options: str) -> tuple[str, str, str]:
    """What imports every function that has a stand-in: of the component, of its code, and what that is given."""
    interfaces, imports, lowers, named = [], [], [], []
    for number, (interface, functions) in enumerate(_CALLS.items()):
        exports = "".join(f'(export "{name}" (func {kind}))' for name, (kind, _) in functions.items())
        interfaces.append(f'(import "{interface}" (instance $calls{number} {_ERRORS} {exports}))')
        for name, (_, core) in functions.items():
            interfaces.append(f'(alias export $calls{number} "{name}" (func $typed-{name}))')
            imports.append(f'(import "host" "{name}" (func ${name} (param {core})))')
            of = get_options if name == "get" else options
            lowers.append(f"(core func $lowered-{name} (canon lower (func $typed-{name}) {of}))")
            named.append(f'(export "{name}" (func $lowered-{name}))')
    arguments = f"{''.join(lowers)} (core instance $host {''.join(named)})"
    return "".join(interfaces), "".join(imports), arguments


def actor(
    handle: str,
    realloc: str = REALLOC,
    options: str = "",
    cleans_up: bool = True,
    callback: str | None = None,
    calls: bool = False,
    get_options: str = '(memory $memory) (realloc (core func $m "realloc"))',
    more: str = "",
    health: str = "(i32.const 0)",
) -> bytes:
    """An actor in text, of these bodies: `handle` and `callback` are given `$m`, where the message lies.

    Its code may call the functions of the host that have stand-ins if it `calls`; `more` is other code.
    """
    has_callback = callback is not None
    lifted = """(func $callback (param "msg" $message) (result (result (error $wasm)))
    (canon lift (core func $i "callback") {lift} {after}))"""
    exported = '(export "handle-callback" (func $callback))' if has_callback else ""
    after = '(post-return (core func $i "after"))' if cleans_up else ""
    lift = f'(memory $memory) (realloc (core func $m "realloc")) {options}'
    imports = _imported(lift, get_options) if calls else ("", "", "(core instance $host)")
    return wasm(f"""
(component
  {_TYPES}
  {imports[0]}
  (core module $m
    (type $again (func))
    (memory (export "memory") 64)
    (table (export "table") 1 funcref)
    (global $top (export "top") (mut i32) (i32.const 65537))
    (global $is-ready (export "is-ready") (mut i32) (i32.const 0))
    (func $realloc (export "realloc")
      (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      {realloc}))
  (core instance $m (instantiate $m))
  (core instance $other (instantiate $m))
  (alias core export $m "memory" (core memory $memory))
  {imports[2]}
  (core module $handlers
    (import "m" "memory" (memory 64))
    (import "m" "table" (table $table 1 funcref))
    (import "m" "top" (global $top (mut i32)))
    (import "m" "is-ready" (global $is-ready (mut i32)))
    {imports[1]}
    (global $cleaned (mut i32) (i32.const 0))
    {more}
    (func (export "handle") (param $m i32) (result i32) {handle})
    {f'(func (export "callback") (param $m i32) (result i32) {callback})' if has_callback else ""}
    (func (export "after") (param $answer i32)
      (global.set $cleaned (i32.add (global.get $cleaned) (local.get $answer))))
    (func (export "initialize")
      (param i32 i32 i32 i32 i32 i64 i64 i32 i64) (result i32)
      (global.set $is-ready (i32.const 1)) (i32.const 1024))
    (func (export "metadata") (result i32) (i32.const 1024))
    (func (export "health") (result i32) {health})
    (func (export "shutdown") (result i32) (i32.const 1024)))
  (core instance $i (instantiate $handlers (with "m" (instance $m)) (with "host" (instance $host))))
  (func $handle (param "msg" $message) (result (result (option (list u8)) (error $wasm)))
    (canon lift (core func $i "handle") {lift} {after}))
  {lifted.format(lift=lift, after=after) if has_callback else ""}
  (func $initialize (param "config" $config) (result (result (error $component)))
    (canon lift (core func $i "initialize") {lift}))
  (func $health (result $status) (canon lift (core func $i "health")))
  (func $shutdown (result (result (error $component))) (canon lift (core func $i "shutdown") {lift}))
  (component $exported
    (type $about' (record (field "name" string) (field "version" string) (field "description" string)
      (field "author" string) (field "license" string) (field "supported-operations" (list string))
      (field "stateful" bool)))
    (export $about "component-metadata" (type $about')))
  (instance $named (instantiate $exported))
  (alias export $named "component-metadata" (type $about))
  (func $metadata (result $about) (canon lift (core func $i "metadata") {lift}))
  (instance $lifecycle
    (export "component-metadata" (type $about))
    (export "handle-message" (func $handle)) {exported} (export "initialize" (func $initialize))
    (export "metadata" (func $metadata)) (export "health" (func $health)) (export "shutdown" (func $shutdown)))
  (export "airssys:core/component-lifecycle@1.0.0" (instance $lifecycle)))""")


def answer(tag: int, case: int, at: str | int, size: str | int, place: int = 512) -> str:
    """A body that answers so."""
    words = (tag, case, at, size)
    stores = (
        f"(i32.store offset={4 * index} (i32.const 512) {f'(i32.const {word})' if isinstance(word, int) else word})"
        for index, word in enumerate(words)
    )
    return f"{' '.join(stores)} (i32.const {place})"


ECHO = answer(0, 1, "(i32.load offset=24 (local.get $m))", "(i32.load offset=28 (local.get $m))")
REFUSE = answer(1, 6, "(i32.load offset=24 (local.get $m))", "(i32.load offset=28 (local.get $m))")
ALL_IT_GOT = answer(0, 1, 65_536, "(i32.sub (global.get $top) (i32.const 65536))")
FULL = {"correlation_id": "größe", "reply_to": ComponentId("ä", "", "ß"), "content_type": "é/ü"}


@pytest.fixture
def each_way(make_runtime):
    """Start an actor with its adapter within, with one beside it, and without any."""

    def started(data: bytes) -> list[Direct]:
        guests = []
        for form, place in (
            (data, AdaptedAt.WITHIN),
            (beside(data), AdaptedAt.BESIDE),
            (direct(data), AdaptedAt.NONE),
        ):
            runtime = make_runtime(told())
            description = runtime.load(digest_of_bytes(form), lambda form=form: form).description
            assert description.adapter.place is place, description.adapter.why
            guests.append(start(runtime, form))
        return guests

    return started


@pytest.mark.parametrize("size", [0, 1, 2, 3, 127, 128, 4_096, 65_537, 1 << 20])
def test_a_guest_that_only_ever_gives_new_memory_gets_and_gives_every_byte(each_way, size):
    """Strings cross as Latin-1 by shrinking what was allocated, and only where they lie even; bytes must not."""
    for guest in each_way(actor(ECHO)):
        for payload in ((HIGH * (size // 128 + 1))[:size], bytes(size), bytes(range(256))):
            assert guest.handle(message(payload)) == Replied(payload)


def test_a_refusal_comes_back_with_its_text_wherever_it_lies(each_way):
    for guest in each_way(actor(REFUSE)):
        for text in ("", "a", "ab", "größe – 漢字 🦀", "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"):
            assert guest.handle(message(text)) == Refused("runtime-error", text)


@pytest.mark.parametrize("given", [{}, FULL, {"reply_to": SENDER}, {"content_type": ""}], ids=str)
def test_a_message_lies_in_the_guests_memory_as_wasmtime_lays_it_there(each_way, given):
    sent = Message(ComponentId("näme", "", "n"), HIGH + b"abc", 1_700_000_000_123_456_789, **given)
    within, beside, without = (guest.handle(sent).payload for guest in each_way(actor(ALL_IT_GOT)))
    assert len(within) > 104 + len(HIGH)
    assert within == beside == without


NO_TEXTS = [b"\x80", b"\xc1\xbf", b"\xc3", b"\xe0\x9f\xbf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"fine \xe2\x28\xa1", b"\xf0\x9f\xa6"]  # fmt: skip


@pytest.mark.parametrize("text", NO_TEXTS, ids=str)
def test_a_refusal_whose_text_is_no_utf8_ends_the_guest(each_way, text):
    for guest in each_way(actor(REFUSE)):
        ended = guest.handle(message(text))
        assert isinstance(ended, Exited)
        assert ended.reason.kind is ExitKind.TRAPPED
        assert guest.handle(message("fine")) == ended


@pytest.mark.parametrize("text", NO_TEXTS, ids=str)
def test_it_ends_a_batch_too_at_that_message(each_way, text):
    guest, *_ = each_way(actor(REFUSE))
    handled = guest.handle_many([Mail(SENDER, [b"a", "é".encode(), text, b"never"], 1)])
    assert handled.outcomes == [Refused("runtime-error", "a"), Refused("runtime-error", "é"), handled.exited]
    assert handled.exited is not None
    assert handled.exited.reason.detail == FAULTS["no-text"]


MEMORY_BYTES = 64 << 16
ODD_ANSWERS = {
    "no result": (answer(2, 0, 0, 0), "no-case"),
    "no option": (answer(0, 2, 0, 0), "no-case"),
    "no error": (answer(1, 7, 0, 0), "no-case"),
    "not aligned": (answer(0, 0, 0, 0, 514), "unaligned"),
    "a reply that begins outside": (answer(0, 1, MEMORY_BYTES + 1, 0), "outside"),
    "a reply that ends outside": (answer(0, 1, MEMORY_BYTES - 1, 2), "outside"),
    "a reply of 4 GiB": (answer(0, 1, 1, -1), "outside"),
    "a length with a tag": (answer(0, 1, 512, 0x80000004), "outside"),
    "an address that wraps": (answer(0, 1, -1, 2), "outside"),
    "a text that ends outside": (answer(1, 0, MEMORY_BYTES - 1, 2), "outside"),
    "an answer outside": (answer(0, 0, 0, 0, MEMORY_BYTES), None),
    "an answer half outside": (answer(0, 0, 0, 0, MEMORY_BYTES - 8), None),
}


@pytest.mark.parametrize(("body", "fault"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_an_answer_that_is_none_ends_the_guest_whichever_way(each_way, body, fault):
    ended = [guest.handle(message("x")).reason for guest in each_way(actor(body))]
    assert [reason.kind for reason in ended] == [ExitKind.TRAPPED] * 3
    assert ended[0].detail == (FAULTS[fault] if fault else "out of bounds memory access")


def at_last(*, size: int, returns: int) -> str:
    """A realloc that gives this address when asked for so much, once the guest is initialised."""
    asked = f"(i32.and (global.get $is-ready) (i32.eq (local.get $size) (i32.const {size})))"
    return f"(if {asked} (then (return (i32.const {returns})))) {REALLOC}"


ODD_MEMORY = {
    "a record that is not aligned": (at_last(size=104, returns=65_540), "unaligned"),
    "a record outside": (at_last(size=104, returns=MEMORY_BYTES), None),
    "a record half outside": (at_last(size=104, returns=MEMORY_BYTES - 96), None),
    "a payload outside": (at_last(size=50, returns=MEMORY_BYTES - 49), None),
    "a payload whose end wraps": (at_last(size=50, returns=-1), None),
    "nothing outside": (at_last(size=0, returns=-1), None),
}


@pytest.mark.parametrize(("realloc", "fault"), ODD_MEMORY.values(), ids=ODD_MEMORY)
def test_memory_that_is_none_ends_the_guest_whichever_way(each_way, realloc, fault):
    sent = Message(ComponentId("a", "", "b"), b"x" * 50, 1)
    ended = [guest.handle(sent).reason for guest in each_way(actor(ECHO, realloc))]
    assert [reason.kind for reason in ended] == [ExitKind.TRAPPED] * 3
    assert ended[0].detail == (FAULTS[fault] if fault else "out of bounds memory access")


def test_an_allocator_that_traps_is_the_guests_fault_and_told_with_its_place(each_way):
    at_ready = f"(if (global.get $is-ready) (then unreachable)) {REALLOC}"
    reasons = [guest.handle(message("x")).reason for guest in each_way(actor(ECHO, at_ready))]
    assert [reason.kind for reason in reasons] == [ExitKind.TRAPPED] * 3
    assert all("unreachable" in reason.detail for reason in reasons)
    assert "m!realloc" in reasons[0].backtrace[0]


def test_an_allocator_that_writes_over_the_message_changes_only_what_the_guest_sees(each_way):
    """What it is given next is as long as what the host sent, whatever the guest says meanwhile."""
    scribble = "(memory.fill (i32.const 65540) (i32.const -1) (i32.const 104))"
    fixed = answer(0, 1, "(i32.load offset=24 (local.get $m))", 3)
    for guest in each_way(actor(fixed, f"{scribble} {REALLOC}")):
        outcome = guest.handle(message("abc"))
        assert outcome == Replied(b"abc") or isinstance(outcome, Exited)


def test_each_answer_is_cleaned_up_once(each_way):
    told_so = answer(0, 1, 256, "(i32.div_u (global.get $cleaned) (i32.const 512))")
    for guest in each_way(actor(told_so)):
        assert [len(guest.handle(message("x")).payload) for _ in range(4)] == [0, 1, 2, 3]


def test_a_guest_that_cleans_nothing_up_is_called_all_the_same(each_way):
    for guest in each_way(actor(ECHO, cleans_up=False)):
        assert guest.handle(message(HIGH)) == Replied(HIGH)


@pytest.mark.parametrize("encoding", ["utf16", "latin1+utf16"])
def test_a_guest_of_another_encoding_has_its_adapter_beside_it(make_runtime, encoding):
    data = actor(ECHO, options=f"string-encoding={encoding}", realloc=EVEN)
    runtime = make_runtime(told())
    description = runtime.load(digest_of_bytes(data), lambda: data).description
    assert description.adapter == Adapter(
        place=AdaptedAt.BESIDE,
        why="its binary is not understood: its handle-message is not lifted by itself, as UTF-8",
    )
    assert start(runtime, data).handle(message(HIGH)) == Replied(HIGH)


CALLBACKS = {
    "well": (answer(0, 9, -1, -1), Replied(None)),
    "badly": (answer(1, 6, "(i32.load offset=24 (local.get $m))", 3), Refused("runtime-error", "abc")),
    "with a timeout": (answer(1, 3, -1, -1), Refused("timeout")),
    "with no case": (answer(2, 0, 0, 0), FAULTS["no-case"]),
    "with no error": (answer(1, 7, 0, 0), FAULTS["no-case"]),
    "with a text outside": (answer(1, 0, MEMORY_BYTES, 1), FAULTS["outside"]),
    "with no text": (answer(1, 0, "(i32.load offset=24 (local.get $m))", 4), FAULTS["no-text"]),
    "nowhere": (answer(0, 0, 0, 0, MEMORY_BYTES), "out of bounds memory access"),
}


@pytest.mark.parametrize(("body", "expected"), CALLBACKS.values(), ids=CALLBACKS)
def test_an_answer_to_a_request_is_taken_the_same_whichever_way(each_way, body, expected):
    outcomes = [guest.handle_callback(message(b"abc\xff")) for guest in each_way(actor(ECHO, callback=body))]
    if isinstance(expected, str):
        assert [outcome.reason.kind for outcome in outcomes] == [ExitKind.TRAPPED] * 3
        assert outcomes[0].reason.detail == expected
    else:
        assert outcomes == [expected] * 3


@pytest.mark.parametrize("cleans_up", [True, False])
def test_messages_and_answers_take_turns_and_each_is_cleaned_up_after(each_way, cleans_up):
    cleaned = answer(0, 1, "(i32.store (i32.const 600) (global.get $cleaned)) (i32.const 600)", 4)
    told = "(global.set $cleaned (i32.add (global.get $cleaned) (i32.const 1))) " + answer(0, 0, 0, 0)
    for guest in each_way(actor(cleaned, cleans_up=cleans_up, callback=told)):
        first = guest.handle(message("x"))
        assert guest.handle_callback(message("y")) == Replied(None)
        second = guest.handle(message("x"))
        grown = int.from_bytes(second.payload, "little") - int.from_bytes(first.payload, "little")
        assert grown == 1 + (2 * 512 if cleans_up else 0)


def test_handlers_with_memories_of_their_own_have_their_adapter_beside_them():
    layer = lifted.Layer(binary.sections(actor(ECHO, callback=answer(0, 0, 0, 0))))
    has_memory = binary.MEMORY
    lifts = [one for one in layer.functions if isinstance(one, lifted.LiftedFunction) and has_memory in one.options]
    moved = {**lifts[1].options, binary.REALLOC: lifts[1].options[binary.REALLOC] + 1}
    other = msgspec.structs.replace(lifts[1], options=moved)
    layer.functions[layer.functions.index(lifts[1])] = other
    with pytest.raises(Unread, match="memories of their own"):
        lifted.handlers(layer)
