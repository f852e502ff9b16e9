"""Calls out of a guest by the adapter within it do as wasmtime does, whatever the guest gives and the host answers."""

from struct import Struct

import pytest

from orchestrator.model.calls import AdaptedAt, Adapter
from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Replied
from orchestrator.runtime import Direct, Err, HostImport, Ok, Wait, digest_of_bytes
from orchestrator.runtime.adapter.outward import FAULTS
from orchestrator.runtime.adapter.window import MAX_PAGES
from tests.runtime.guests import MESSAGING, PUBSUB, STORAGE, message, start, told
from tests.runtime.test_adapter import ways
from tests.runtime.test_within import ALL_IT_GOT, MEMORY_BYTES, REALLOC, actor, answer

SAID, ANSWERED, NO_TEXT, LIST = 32_768, 600, 30_000, 31_000  # where texts, answers and bytes that are no text lie
_BYTES = b"value\x80\xff\0"
_LISTED = Struct("<12I").pack(
    *(word for at, size in ((0, 5), (0, 0), (5, 5), (5, 2), (0, 1), (0, 0)) for word in (SAID + at, size))
)
_TEXTS = f"""
  (data (i32.const {SAID}) "n\\c3\\a4meshortk\\c3\\a9yvalue\\80\\ff\\00and more")
  (data (i32.const {NO_TEXT}) "fine\\ff")
  (data (i32.const {LIST}) "{"".join(f"{chr(92)}{byte:02x}" for byte in _LISTED)}")"""
_NAME, _SHORT, _KEY, _VALUE = (
    f"(i32.const {SAID + at}) (i32.const {size})" for at, size in ((0, 5), (5, 5), (10, 4), (14, 8))
)
_TARGET = f"{_NAME} {_SHORT} (i32.const 7) (i32.const 0)"
_AT = f"(i32.const {ANSWERED})"
CALLS = {
    "get": (f"{_KEY} {_AT}", 16),
    "set": (f"{_KEY} {_VALUE} {_AT}", 16),
    "send": (f"{_TARGET} {_VALUE} {_AT}", 32),
    "request": (f"{_TARGET} {_VALUE} (i64.const 0x1234567890) {_AT}", 32),
    "broadcast": (f"(i32.const {LIST}) (i32.const 2) {_VALUE} {_AT}", 32),
    "publish": (f"{_NAME} {_VALUE} {_AT}", 32),
}
_TARGETED = ComponentId("näme", "short", "")
ASKED = {
    "get": ("kéy",),
    "set": ("kéy", _BYTES),
    "send": (_TARGETED, _BYTES),
    "request": (_TARGETED, _BYTES, 0x1234567890),
    "broadcast": ([ComponentId("näme", "", "short"), ComponentId("sh", "n", "")], _BYTES),
    "publish": ("näme", _BYTES),
}
INTERFACES = {"get": STORAGE, "set": STORAGE, "publish": PUBSUB}
A_B = ComponentId("ä", "", "b" * 9)
STORED = [Err("not-found", "k é"), Err("already-exists", ""), Err("quota-exceeded"), Err("io-error", "x" * 70_000)]
SENT = [Err("delivery-failed", "wh¥"), Err("queue-full"), Err("target-not-found", A_B), Err("invalid-message", "")]
ANSWERS = {
    "get": [Ok(None), Ok(b""), Ok(b"\xff"), Ok(bytes(range(256)) * 300), *STORED],
    "set": [Ok(), *STORED],
    "send": [Ok(), *SENT],
    "request": [Ok("nümber"), Ok(""), *SENT],
    "broadcast": [Ok(), *SENT],
    "publish": [Ok(0), Ok((1 << 32) - 1), *SENT],
}


def calling(function: str, arguments: str | None = None, then: str = ALL_IT_GOT, **given: object) -> bytes:
    """An actor that makes this call for each message, and answers with what it then has."""
    made = f"(call ${function} {CALLS[function][0] if arguments is None else arguments})"
    more = f"{given.pop('more', '')} {_TEXTS}"
    return actor(f"{made} {then}", calls=True, more=more, **given)  # type: ignore[arg-type]


def hosts(asked: list, function: str, said: Ok | Err | Wait) -> list[HostImport]:
    """Every host function, of which this one says so, and keeps what it was asked."""

    def call(_context: object, *values: object) -> Ok | Err | Wait:
        asked.append(values)
        return said

    wanted = INTERFACES.get(function, MESSAGING), function
    return [
        HostImport(
            host.interface,
            host.function,
            *((call, True) if (host.interface, host.function) == wanted else (host.call, host.waits)),
        )
        for host in told()
    ]


@pytest.fixture
def each_way(make_runtime):
    """Start an actor with its adapter at each place, and say what each asked the host."""

    def started(data: bytes, function: str, said: Ok | Err | Wait) -> list[tuple[Direct, list]]:
        guests = []
        for place, form in ways(data).items():
            asked: list = []
            runtime = make_runtime(hosts(asked, function, said))
            found = runtime.load(digest_of_bytes(form), lambda form=form: form).description.adapter
            assert found.place is place, found.why
            guests.append((start(runtime, form), asked))
        return guests

    return started


@pytest.mark.parametrize(("function", "said"), [(name, said) for name, answers in ANSWERS.items() for said in answers])
def test_what_is_asked_and_answered_is_what_it_is_by_wasmtime(each_way, function, said):
    """The guest answers with all the memory it ever gave, and with the place where the call's answer is."""
    sizes = {True: 8 if said.payload is None else 16, False: 8} if isinstance(said, Err) else {False: 16}
    for then in (ALL_IT_GOT, answer(0, 1, ANSWERED, sizes[isinstance(said, Err)])):
        guests = each_way(calling(function, then=then), function, said)
        replies = [guest.handle(message("x")) for guest, _ in guests]
        assert isinstance(replies[0], Replied)
        assert replies == replies[:1] * len(replies)
        assert [asked for _, asked in guests] == [[ASKED[function]]] * len(guests)
    assert replies[0].payload[0] == isinstance(said, Err)


@pytest.mark.parametrize("function", CALLS)
def test_a_call_that_waits_goes_on_with_its_answer(each_way, function):
    said = ANSWERS[function][0]
    for guest, asked in each_way(calling(function, then=answer(0, 1, ANSWERED, 4)), function, Wait(0.001, said)):
        assert [guest.handle(message("x")) for _ in range(3)] == [Replied(bytes(4))] * 3
        assert len(asked) == 3


def at(address: int, size: int) -> str:
    return f"(i32.const {address}) (i32.const {size})"


WRONG_ARGUMENTS = {
    "a key outside": ("get", f"{at(MEMORY_BYTES - 1, 2)} {_AT}", FAULTS["not-there"]),
    "a key of 4 GiB": ("get", f"{at(1, -1)} {_AT}", FAULTS["not-there"]),
    "a key that is no text": ("get", f"{at(NO_TEXT, 5)} {_AT}", "gave the host a text that is not UTF-8"),
    "a name that is no text": (
        "send",
        f"{_NAME} {at(NO_TEXT, 5)} {_NAME} {_VALUE} {_AT}",
        "gave the host a text that is not UTF-8",
    ),
    "a value outside": ("set", f"{_KEY} {at(-1, 2)} {_AT}", FAULTS["not-there"]),
    "a list outside": ("broadcast", f"{at(MEMORY_BYTES - 24, 2)} {_VALUE} {_AT}", FAULTS["not-there"]),
    "a list that is not aligned": ("broadcast", f"{at(LIST + 2, 1)} {_VALUE} {_AT}", FAULTS["unaligned"]),
    "a list of more than there is": ("broadcast", f"{at(LIST, 0x0AAAAAAB)} {_VALUE} {_AT}", FAULTS["not-there"]),
    "a list of names outside": ("broadcast", f"{at(NO_TEXT, 1)} {_VALUE} {_AT}", FAULTS["not-there"]),
    "an answer outside": ("get", f"{_KEY} (i32.const {MEMORY_BYTES})", None),
    "an answer half outside": ("get", f"{_KEY} (i32.const {MEMORY_BYTES - 8})", None),
    "an answer that is not aligned": ("get", f"{_KEY} (i32.const 601)", FAULTS["unaligned"]),
}


@pytest.mark.parametrize(("function", "arguments", "detail"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_a_call_with_what_is_none_ends_the_guest_whichever_way(each_way, function, arguments, detail):
    guests = each_way(calling(function, arguments), function, ANSWERS[function][0])
    ended = [guest.handle(message("x")) for guest, _ in guests]
    assert [one.reason.kind for one in ended] == [ExitKind.TRAPPED] * len(ended)
    assert ended[0].reason.detail == (detail or "out of bounds memory access")
    assert guests[0][0].handle(message("x")) == ended[0]


def once(size: int, does: str) -> str:
    """A realloc that does something else when asked for so much, once the guest is initialised."""
    return (
        f"(if (i32.and (global.get $is-ready) (i32.eq (local.get $size) (i32.const {size}))) (then {does})) {REALLOC}"
    )


WRONG_MEMORY = {
    "traps": (once(77, "unreachable"), "wasm `unreachable` instruction executed"),
    "gives what lies outside": (once(77, f"(return (i32.const {MEMORY_BYTES - 76}))"), "out of bounds memory access"),
    "gives what wraps": (once(77, "(return (i32.const -1))"), "out of bounds memory access"),
    "calls the host": (once(77, "(call_indirect (type $again) (i32.const 0))"), FAULTS["asks"]),
}


@pytest.mark.parametrize(("realloc", "detail"), WRONG_MEMORY.values(), ids=WRONG_MEMORY)
def test_memory_for_an_answer_that_is_none_ends_the_guest_whichever_way(each_way, realloc, detail):
    again = f"(func $again (drop (i32.const 0)) (call $get {CALLS['get'][0]})) (elem (i32.const 0) $again)"
    guests = each_way(calling("get", realloc=realloc, more=again), "get", Ok(b"x" * 77))
    ended = [guest.handle(message("x")) for guest, _ in guests]
    assert [one.reason.kind for one in ended] == [ExitKind.TRAPPED] * len(ended)
    assert ended[0].reason.detail == detail


def test_memory_may_grow_while_it_is_given(each_way):
    """Each text and value lies on a page of its own, which was not there before."""
    grow = "(return (i32.mul (memory.grow (i32.const 2)) (i32.const 65536)))"
    growing = f"(if (global.get $is-ready) (then {grow})) {REALLOC}"
    there = answer(0, 1, f"(i32.load (i32.const {ANSWERED + 8}))", f"(i32.load (i32.const {ANSWERED + 12}))")
    for guest, _ in each_way(calling("get", realloc=growing, then=there), "get", Ok(b"y" * 70_000)):
        assert [guest.handle(message("x" * 70_000)) for _ in range(3)] == [Replied(b"y" * 70_000)] * 3


def place_of(make_runtime, data: bytes) -> Adapter:
    runtime = make_runtime(told())
    guest = start(runtime, data)
    assert isinstance(guest.handle(message("x")), Replied)
    assert isinstance(guest.handle(message("y" * 5_000)), Replied)
    return runtime.load(digest_of_bytes(data), lambda: data).description.adapter


def test_an_import_lowered_in_another_way_keeps_its_calls_beside(make_runtime):
    other = calling("get", get_options='(memory $memory) (realloc (core func $m "realloc")) string-encoding=utf16')
    why = "its binary is not understood: its get is not lowered as UTF-8"
    assert place_of(make_runtime, other.replace(b"\xc3\xa9y", b"key")) == Adapter(place=AdaptedAt.PARTLY, why=why)


def test_an_import_lowered_with_another_allocator_keeps_its_calls_beside(make_runtime):
    other = calling("set", get_options='(memory $memory) (realloc (core func $other "realloc"))')
    why = "its binary is not understood: its imports have memories of their own"
    assert place_of(make_runtime, other) == Adapter(place=AdaptedAt.PARTLY, why=why)


def test_a_guests_own_memory_that_looks_like_an_adapters_is_not_taken_for_one(make_runtime):
    """Which are the adapter's is known by their places: before all of the guest's, and behind them."""
    data = calling("set", more=f"(memory $mine 1 {MAX_PAGES})")
    assert place_of(make_runtime, data) == Adapter(place=AdaptedAt.WITHIN)
