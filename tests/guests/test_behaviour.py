"""What each example does when it is called, with stock wasmtime-py and no part of airs."""

import tomllib
from pathlib import Path

import pytest
from wasmtime import Trap, WasmtimeError
from wasmtime.component import Variant

from .stage import ROOT, Fields, Stage, identity

HELLO = "examples/01-hello/components/hello-1.{}.0/hello.wasm"
COUNTER = "examples/02-counter/components/counter-1.{}.0/counter.wasm"
CALCULATOR = "examples/03-calculator/components/calculator-1.0.0/calculator.wasm"
FAULTY = "tests/components/{0}/{0}.wasm"
ACTORS = [
    *(HELLO.format(minor) for minor in range(3)),
    *(COUNTER.format(minor) for minor in range(2)),
    *(FAULTY.format(name) for name in ("faulty", "faulty-init", "faulty-trap-init", "slow-init", "unhealthy")),
]
INITIAL_MEMORY_BYTES = 2 * 65536  # what the linker gives every guest here


def started(path, **options):
    stage = Stage(path, **options)
    assert stage.initialize() is None
    return stage


@pytest.mark.parametrize("path", ACTORS)
def test_metadata_agrees_with_component_toml(path):
    package = tomllib.loads(((ROOT / path).parent / "Component.toml").read_text())["package"]
    metadata = Stage(path).call("metadata")
    assert (metadata.name, metadata.version) == (package["name"], package["version"])
    assert metadata.stateful == package.get("stateful", False)
    assert (metadata.author, metadata.license) == (package["authors"][0], package["license"])


@pytest.mark.parametrize("path", [HELLO.format(0), COUNTER.format(0), FAULTY.format("faulty")])
def test_actor_goes_through_its_life_once(path):
    stage = Stage(path)
    assert stage.handle(b"early") == Variant("runtime-error", "a message before initialize")
    assert stage.call("shutdown") == Variant("not-initialized")
    assert stage.initialize() is None
    assert stage.initialize() == Variant("already-initialized")
    assert stage.call("health") == "healthy"
    assert stage.handle(b"answer", "handle-callback") is None
    assert stage.call("shutdown") is None


@pytest.mark.parametrize(
    ("minor", "grace", "nobody"),
    [
        (0, b"Hello, Grace!", b"Hello, world!"),
        (1, b"Good day, Grace! (hello 1.1.0)", b"Good day, world! (hello 1.1.0)"),
        (2, b"Good day, Grace! (hello 1.2.0)", b"Good day, world! (hello 1.2.0)"),
    ],
)
def test_hello_greets(minor, grace, nobody):
    stage = started(HELLO.format(minor))
    assert stage.handle(b"Grace") == grace
    assert stage.handle(b"") == nobody
    assert stage.host.lines == [("info", "greeting Grace"), ("info", "greeting world")]


def test_hello_logs_one_line_of_valid_text_whatever_it_is_sent():
    stage = started(HELLO.format(0))
    assert stage.handle(b"a\nb\xff\xc3\xa9\xed\xa0\x80") == b"Hello, a\nb\xff\xc3\xa9\xed\xa0\x80!"
    stage.handle("é".encode() * 100)
    assert stage.host.lines == [("info", "greeting a?b?é???"), ("info", "greeting " + "é" * 40)]


def test_bad_hello_fails_one_request_in_five_and_always_the_same_ones():
    payloads = [f"request-{n}".encode() for n in range(500)]
    one, other = started(HELLO.format(2)), started(HELLO.format(2))
    failed = [p for p in payloads if isinstance(one.handle(p), Variant)]
    assert 80 <= len(failed) <= 120
    assert failed == [p for p in reversed(payloads) if isinstance(other.handle(p), Variant)][::-1]
    assert one.handle(b"Ada") == Variant("runtime-error", "hello 1.2.0 cannot greet Ada")


@pytest.mark.parametrize("minor", [0, 1])
def test_good_hello_never_fails(minor):
    stage = started(HELLO.format(minor))
    assert all(isinstance(stage.handle(f"request-{n}".encode()), bytes) for n in range(50))


def test_thousands_of_messages_fit_in_the_memory_of_the_first():
    stage = started(
        HELLO.format(0), memory_bytes=INITIAL_MEMORY_BYTES
    )  # 62 KiB to lose: 13 bytes a message are noticed
    assert {stage.handle(b"x" * 16) for _ in range(5_000)} == {b"Hello, " + b"x" * 16 + b"!"}


def test_the_largest_message_is_answered_twice_in_the_same_memory():
    stage = started(HELLO.format(0), memory_bytes=3 << 20)
    for _ in range(2):
        reply = stage.handle(b"x" * (1 << 20))
        assert len(reply) <= 1 << 20
        assert reply.startswith(b"Hello, xxx")


@pytest.mark.parametrize(("minor", "label"), [(0, b""), (1, b"count=")])
def test_counter_counts_in_storage(minor, label):
    stage = started(COUNTER.format(minor))
    replies = [stage.handle(p) for p in (b"get", b"", b"increment", b"add 40", b"add 0", b"get")]
    assert replies == [label + n for n in (b"0", b"1", b"2", b"42", b"42", b"42")]
    assert stage.host.stored == {"count": b"42"}


def test_counter_remembers_nothing_between_messages():
    stage = started(COUNTER.format(0))
    stage.handle(b"add 5")
    stage.host.stored["count"] = b"100"
    assert stage.handle(b"increment") == b"101"


@pytest.mark.parametrize(
    ("stored", "payload", "why"),
    [
        (b"1", b"substract 1", "unknown operation `substract 1`; try add N, increment, get or crash"),
        (b"1", b"add -1", "add takes a whole number, 0 to 2^64 - 1"),
        (b"1", b"add 18446744073709551616", "add takes a whole number, 0 to 2^64 - 1"),
        (b"1", b"add 18446744073709551615", "the count would pass 2^64 - 1"),
        (b"many", b"increment", "the stored count is not a number"),
    ],
)
def test_counter_refuses_and_leaves_the_count(stored, payload, why):
    stage = started(COUNTER.format(0))
    stage.host.stored["count"] = stored
    assert stage.handle(payload) == Variant("runtime-error", why)
    assert stage.host.stored == {"count": stored}


def test_counter_passes_on_why_it_could_not_write():
    stage = started(COUNTER.format(0))
    stage.host.write_refusal = Variant("io-error", "storage.write is not granted")
    assert stage.handle(b"add 1") == Variant(
        "runtime-error", "cannot write the count: io-error: storage.write is not granted"
    )


def test_counter_crashes_when_told_to():
    stage = started(COUNTER.format(0))
    with pytest.raises(WasmtimeError, match=r"counter\.wasm!airs_on_message"):
        stage.handle(b"crash")
    assert stage.host.stored == {}


INVALID = "the square root of a negative number"
CALLS = [
    ("add", (2, 3), 5),
    ("add", (2**31 - 1, 1), -(2**31)),
    ("divide", (7, -2), -3),
    ("divide", (7, 0), Variant("division-by-zero")),
    ("divide", (-(2**63), -1), Variant("overflow")),
    ("divide-with-remainder", (2**64 - 1, 10), (1844674407370955161, 5)),
    ("divide-with-remainder", (1, 0), None),
    ("evaluate", (Variant("pi"),), 3.141592653589793),
    ("evaluate", (Variant("square-root", 2.25),), 1.5),
    ("evaluate", (Variant("square-root", -1.0),), Variant("invalid", INVALID)),
    ("evaluate", (Variant("difference", Fields(left=5.0, right=7.5)),), -2.5),
    ("evaluate", (Variant("quotient", Fields(left=1.0, right=8.0)),), 0.125),
    ("evaluate", (Variant("quotient", Fields(left=1.0, right=0.0)),), Variant("division-by-zero")),
    ("evaluate", (Variant("sum", [1.0, 2.5, 3.0]),), 6.5),
    ("evaluate", (Variant("sum", [1e308, 1e308]),), Variant("overflow")),
    ("round", (2.5, "nearest"), 3),
    ("round", (-2.5, "nearest"), -3),
    ("round", (0.49999999999999994, "nearest"), 0),
    ("round", (-2.1, "down"), -3),
    ("round", (2.1, "up"), 3),
    ("round", (1e19, "down"), Variant("overflow")),
    ("round", (float("nan"), "up"), Variant("invalid", "NaN")),
    ("summarise", ([1.0, 2.0, 6.0],), Fields(count=3, mean=3.0, minimum=1.0, maximum=6.0)),
    ("summarise", ([],), None),
    ("scale", ([Fields(x=1.0, y=-0.5)], 2.0), [Fields(x=2.0, y=-1.0)]),
    ("scale", ([], 2.0), []),
    ("format", (1234567, {"grouped", "signed"}), "+1,234,567"),
    ("format", (-(2**63), {"grouped"}), "-9,223,372,036,854,775,808"),
    ("format", (0, {"signed"}), "0"),
    ("parse", ("-9223372036854775808",), -(2**63)),
    ("parse", ("9223372036854775808",), Variant("overflow")),
    ("parse", ("1x",), Variant("invalid", "1x")),
]


@pytest.mark.parametrize(("function", "arguments", "expected"), CALLS)
def test_calculator_calculates(function, arguments, expected):
    stage = Stage(CALCULATOR)
    assert stage.call(function, *arguments, interface="example:calculator/operations@1.0.0") == expected


def test_calculator_says_its_version():
    assert Stage(CALCULATOR).call("version", interface="") == "1.0.0"


def test_calculator_returns_the_memory_of_its_arguments():
    stage = Stage(CALCULATOR, memory_bytes=INITIAL_MEMORY_BYTES)
    texts = {
        stage.call("format", 10**9, {"grouped"}, interface="example:calculator/operations@1.0.0") for _ in range(4_000)
    }
    assert texts == {"1,000,000,000"}


ORDERS = [
    (b"echo hi there", b"hi there"),
    (b"none", None),
    (b"err", Variant("runtime-error", "asked to fail")),
    (b"err why", Variant("runtime-error", "why")),
    (b"fail 0 gone", Variant("component-not-found", "gone")),
    (b"fail 3 -", Variant("timeout")),
    (b"bytes 3", b"xxx"),
    (b"calls", b"1"),
    (b"config", b'{"a":1}'),
    (b"env b", b"two"),
    (b"env c", None),
    (b"limits", b"memory=16777216 time=2000 fuel=1000000000"),
    (b"message", b"sender=default/requester/ correlation=c-1 reply-to=default/requester/ time=1.0 type=none"),
    (b"log a line", b"logged"),
    (b"sleep 20", b"slept"),
    (b"now", b"1000"),
    (b"clock", b"1 2"),
    (b"list", b"default/hello/hello-0\ndefault/counter/counter-0"),
    (b"info hello", b"default/hello/ hello 1.0.0 healthy"),
    (b"self", b"default/guest/guest-0"),
    (b"send other hi there", b"sent"),
    (b"request other hi", b"other-1000"),
    (b"cancel x", b"cancelled"),
    (b"broadcast a,b hi", b"sent"),
    (b"publish orders.new hi there", b"1"),
    (b"subscribe orders.*", b"subscribed"),
    (b"unsubscribe orders.*", b"unsubscribed"),
    (b"topic", b"orders.new"),
    (b"heard hi", b"logged"),
    (b"store k v w", b"stored"),
    (b"load old", b"value"),
    (b"load new", None),
    (b"delete old", b"deleted"),
    (b"exists old", b"yes"),
    (b"exists new", b"no"),
    (b"keys", b"old"),
    (b"keys z", b""),
    (b"usage", b"used=7 quota=1099511627776 keys=1"),
    (b"health degraded", b"degraded"),
    (b"bogus", Variant("runtime-error", "unknown order; tests/components/src/faulty.c has the list")),
]


@pytest.mark.parametrize(("order", "answer"), ORDERS)
def test_faulty_does_what_it_is_told(order, answer):
    stage = Stage(FAULTY.format("faulty"))
    stage.host.stored["old"] = b"value"
    assert stage.initialize([("a", "1"), ("b", "two")], b'{"a":1}') is None
    assert stage.handle(order) == answer


def test_what_faulty_is_told_reaches_the_host():
    stage = started(FAULTY.format("faulty"))
    for order in (
        b"log a line",
        b"shout b",
        b"sleep 20",
        b"send ns/other hi there",
        b"broadcast a,b hi",
        b"publish orders.new hi",
        b"heard it",
        b"store k v w",
    ):
        stage.handle(order)
    assert stage.host.lines == [("info", "a line"), ("error", "b"), ("info", "orders.new: it")]
    assert stage.host.slept == [20]
    assert stage.host.sent == [("other", b"hi there"), ("a", b"hi"), ("b", b"hi"), ("orders.new", b"hi")]
    assert stage.host.stored == {"k": b"v w"}
    stage.handle(b"health unhealthy")
    assert stage.call("health") == "unhealthy"


@pytest.mark.parametrize(
    ("refusal", "orders", "reply"),
    [
        (Variant("quota-exceeded"), [b"store k v", b"exists k", b"keys", b"usage"], b"error: quota-exceeded"),
        (Variant("invalid-key", "k"), [b"store k v", b"exists k", b"keys", b"usage"], b"error: invalid-key: k"),
        (
            Variant("queue-full"),
            [
                b"send a b",
                b"cancel x",
                b"broadcast a x",
                b"request a b",
                b"publish a b",
                b"subscribe a",
                b"unsubscribe a",
            ],
            b"error: queue-full",
        ),
        (
            Variant("target-not-found", identity("nobody")),
            [b"send a b", b"request a b"],
            b"error: target-not-found: default/nobody",
        ),
        (Variant("invalid-state", "no such"), [b"info x"], b"error: invalid-state: no such"),
    ],
)
def test_faulty_replies_with_the_hosts_refusal(refusal, orders, reply):
    stage = started(FAULTY.format("faulty"))
    stage.host.refusal = refusal
    assert [stage.handle(order) for order in orders] == [reply] * len(orders)


@pytest.mark.parametrize(
    ("order", "cause"),
    [
        (b"trap", "`unreachable` instruction executed"),
        (b"div0", "integer divide by zero"),
        (b"recurse", "call stack exhausted"),
        (b"loop", "all fuel consumed"),
        (b"grow", "`unreachable` instruction executed"),
    ],
)
def test_faulty_ends_as_it_is_told(order, cause):
    stage = started(FAULTY.format("faulty"))
    with pytest.raises((Trap, WasmtimeError), match=cause):
        stage.handle(order)
    with pytest.raises((Trap, WasmtimeError), match="cannot enter component instance"):
        stage.handle(b"echo")


def test_faulty_grows_by_as_much_as_it_is_told():
    stage = started(FAULTY.format("faulty"))
    assert 2 << 20 <= int(stage.handle(b"grow 2")) < 3 << 20


def test_faulty_init_returns_its_error():
    assert Stage(FAULTY.format("faulty-init")).initialize() == Variant(
        "initialization-failed", "told to fail when built"
    )


def test_faulty_trap_init_traps():
    with pytest.raises((Trap, WasmtimeError), match="unreachable"):
        Stage(FAULTY.format("faulty-trap-init")).initialize()


def test_slow_init_burns_fuel_and_then_works():
    stage = started(FAULTY.format("slow-init"))
    assert 100_000_000 < stage.spent() < 500_000_000
    assert stage.handle(b"echo up") == b"up"


def test_unhealthy_says_so():
    assert started(FAULTY.format("unhealthy")).call("health") == "unhealthy"


def test_no_guest_is_larger_than_its_world_explains():
    sizes = {path: (ROOT / path).stat().st_size for path in (*ACTORS, CALCULATOR)}
    assert {
        path: size for path, size in sizes.items() if size > (32 << 10 if "tests" in Path(path).parts else 12 << 10)
    } == {}
