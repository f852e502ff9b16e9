"""Actors driven through their adapter answer as they do when driven directly, in every case."""

import itertools
import random
from pathlib import Path

import pytest

from orchestrator.model.calls import AdaptedAt, Adapter
from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import MESSAGE_MAX_BYTES, Exited, Mail, Message, Refused, Replied
from orchestrator.model.world import LIFECYCLE, ArtifactFault
from orchestrator.runtime import Direct, Err, HostImport, Ok, digest_of_bytes
from orchestrator.runtime.adapter import binary
from orchestrator.runtime.adapter.window import ALLOWANCE_BYTES
from orchestrator.runtime.adapter.wrap import Unadapted, wrap
from orchestrator.runtime.call.frames import BATCH_MAX, BATCH_MAX_BYTES
from tests.runtime.guests import FAULTY, MESSAGING, MIB, PUBSUB, ROOT, STORAGE, message, start, told, try_start, wasm

NO_ACTORS = ("calculator", "types", "wordcount", "probe", "wasi_snapshot_preview1")
ACTORS = sorted(
    path
    for folder in ("examples", "tests/components")
    for path in (ROOT / folder).rglob("*.wasm")
    if not path.name.startswith(NO_ACTORS)
)
EVERY_BYTE = bytes(range(256))
SIZES = (0, 1, 15, 16, 255, 256, 1024, 4096, 65_535, 65_536, 65_537, 300_000, MESSAGE_MAX_BYTES - 5)
TEXTS = (None, "", "plain", "ünïcödé – 漢字 🦀", "x" * 5_000)
IDS = (None, ComponentId("default", "client", ""), ComponentId("näme", "space 🦀", "instänce"), ComponentId("", "", ""))


def beside(actor: bytes) -> bytes:
    """The same actor with one more core function, which nobody calls, of a kind that keeps its adapter beside it."""
    return actor + binary.section(binary.CANON, binary.vector([b"\x0a\x7f\0"]))  # context.get


def direct(actor: bytes) -> bytes:
    """The same actor with one more export, of a name that makes `wrap` decline it."""
    (exports,) = (section for section in binary.sections(actor) if section.id == binary.EXPORT)
    found: list[binary.Extern] = []
    reader = binary.SectionReader(exports.body)
    reader.many(lambda: found.append(reader.exported()))
    (lifecycle,) = (export for export in found if export.name == LIFECYCLE.encode())
    again = b"\0" + binary.text(b"airs:adapter/none@1.0.0") + b"\x05" + binary.number(lifecycle.index) + b"\0"
    return actor + binary.section(binary.EXPORT, binary.vector([again]))


def ways(data: bytes) -> dict[AdaptedAt, bytes]:
    """The same actor, as it gets its adapter at each place."""
    handed = binary.section(binary.INSTANCE, binary.vector([_bundle_of_imports(data)]))
    return {
        AdaptedAt.WITHIN: data,
        AdaptedAt.PARTLY: data + handed,
        AdaptedAt.BESIDE: beside(data),
        AdaptedAt.NONE: direct(data),
    }


def _bundle_of_imports(data: bytes) -> bytes:
    """A bundle, which nobody uses, of everything that the actor imports."""
    imported = (section for section in binary.sections(data) if section.id == binary.IMPORT)
    count = sum(binary.SectionReader(section.body).number() for section in imported)
    members = (b"\0" + binary.text(b"i%d" % index) + b"\x05" + binary.number(index) for index in range(count))
    return b"\x01" + binary.vector(members)


class All:
    """The same actor with its adapter at each place and without, and what each had the host do."""

    def __init__(self, make_runtime, data: bytes = FAULTY.read_bytes(), **given: int) -> None:
        self.logs: list[list] = []
        self.values: list[dict] = []
        self.guests = []
        for place, form in ways(data).items():
            self.logs.append([])
            self.values.append({})
            runtime = make_runtime(told(self.logs[-1], self.values[-1]))
            found = runtime.load(digest_of_bytes(form), lambda form=form: form).description.adapter
            assert found.place is place, found.why
            self.guests.append(start(runtime, form, **given))

    def handle(self, sent: Message):
        return self.agreed([guest.handle(sent) for guest in self.guests])

    def agreed(self, answers: list):
        for found in (answers, self.logs, self.values):
            assert all(each == found[0] for each in found)
        return answers[0]


@pytest.fixture
def both(make_runtime) -> All:
    return All(make_runtime)


@pytest.mark.parametrize("path", ACTORS, ids=lambda path: path.stem)
def test_every_actor_here_is_adapted_and_tells_the_same_of_itself(make_runtime, path: Path):
    data = path.read_bytes()
    runtime = make_runtime(told())
    adapted = runtime.load(digest_of_bytes(data), lambda: data)
    plain = runtime.load(digest_of_bytes(direct(data)), lambda: direct(data))
    assert adapted.is_adapted
    assert adapted.description.adapter == Adapter(place=AdaptedAt.WITHIN)
    assert not plain.is_adapted
    assert "airs:adapter/" in plain.description.adapter.why
    assert adapted.world.imports == plain.world.imports
    assert set(adapted.world.exports) == {f for f in plain.world.exports if not f.name.startswith("airs:")}
    assert adapted.description.needed == plain.description.needed


def test_a_component_that_is_no_actor_stays_as_it_is(make_runtime):
    data = (ROOT / "examples/03-calculator/components/calculator-1.0.0/calculator.wasm").read_bytes()
    loaded = make_runtime(told()).load(digest_of_bytes(data), lambda: data)
    assert not loaded.is_adapted
    assert loaded.description.adapter.why == "it exports no component-lifecycle"


@pytest.mark.parametrize("size", SIZES)
def test_payloads_of_every_size_and_every_byte_come_back(both, size):
    for payload in ((EVERY_BYTE * (size // 256 + 1))[:size], random.Random(size).randbytes(size), b"a" * size):
        assert both.handle(message(b"echo " + payload)) == Replied(payload)


def test_each_single_byte_comes_back(both):
    for value in range(256):
        assert both.handle(message(b"echo " + bytes((value,)))) == Replied(bytes((value,)))


def test_every_combination_of_what_is_known_of_a_message_arrives(both):
    for sender, reply_to, correlation, content in itertools.product(IDS[1:], IDS, TEXTS, TEXTS):
        sent = Message(sender, b"message", 1_700_000_000_123_456_789, correlation, reply_to, content)
        answer = both.handle(sent)
        assert isinstance(answer, Replied), answer


@pytest.mark.parametrize("time", [0, 1, 999_999_999, 10**9, (2**64 - 1) * 10**9 + 999_999_999])
def test_times_arrive(both, time):
    sent = Message(ComponentId("a", "b", "c"), b"message", time)
    seconds, nanoseconds = divmod(time, 10**9)
    assert f"time={seconds}.{nanoseconds} ".encode() in both.handle(sent).payload


@pytest.mark.parametrize("time", [-1, 2**64 * 10**9])
def test_a_time_that_no_message_can_hold_is_refused(both, time):
    for guest in both.guests:
        answer = guest.handle(Message(ComponentId("a", "b", "c"), b"message", time))
        assert isinstance(answer, Refused)
        assert answer.detail.startswith("not a message: ")


@pytest.mark.parametrize("given", [{"correlation_id": "\ud800"}, {"content_type": "\udfff"}])
def test_a_text_that_is_no_utf8_is_refused(both, given):
    assert both.handle(message("message", **given)).detail.startswith("not a message: expected text")
    sender = ComponentId("\ud800", "", "")
    assert both.handle(Message(sender, b"message", 0)).detail.startswith("not a message: expected text")


def test_names_too_long_for_a_frame_arrive_all_the_same(both):
    assert both.handle(message("echo hi", correlation_id="é" * MIB)) == Replied(b"hi")
    assert both.handle(message("message", correlation_id="é" * MIB)).case == "resource-limit-exceeded"


@pytest.mark.parametrize("text", ["none", "echo ", "err", "err why – 🦀", "bytes 0", "bytes 1048576", "bytes 1048577"])
def test_every_kind_of_answer_is_the_same(both, text):
    both.handle(message(text))
    assert both.handle(message("echo still there")) == Replied(b"still there")


def test_every_error_case_is_the_same(both):
    for case in range(7):
        assert isinstance(both.handle(message(f"fail {case} because – ü")), Refused)


@pytest.mark.parametrize("text", ["trap", "div0", "recurse", "loop", "grow"])
def test_what_ends_an_instance_ends_it_for_the_same_reason(make_runtime, text):
    both = All(make_runtime, fuel=50_000_000)
    reasons = [guest.handle(message(text)).reason for guest in both.guests]
    for reason in reasons:
        assert (reason.kind, reason.detail) == (reasons[-1].kind, reasons[-1].detail)
        assert not any("airs-adapter" in frame for frame in reason.backtrace)
        assert [line.partition(" - ")[2] for line in reason.backtrace[:3]] == [
            line.partition(" - ")[2] for line in reasons[-1].backtrace[:3]
        ]


@pytest.mark.parametrize("size", [0, 1, 1024, 65_536, MIB - 20])
def test_stored_values_of_every_size_come_back(both, size):
    value = random.Random(size).randbytes(size)
    both.handle(message(b"store k\xc3\xa9y " + value))
    assert both.values[0] == {"kéy": value}
    assert both.handle(message("load kéy")) == Replied(value)


def test_stored_values_errors_and_absences_are_the_same(both):
    assert both.handle(message("load nothing")) == Replied(None)
    assert both.handle(message("load forbidden")) == Replied(b"error: io-error: refused")
    both.handle(message("exists k"))
    both.handle(message("keys"))
    both.handle(message("usage"))


@pytest.mark.parametrize("text", ["self", "list", "now", "log hi", "shout hi – 🦀", "send a/b hello", "request a/b hi",
                                  "cancel 1", "broadcast a,b/c hi", "info x", "publish a.b hello", "publish a ",
                                  "subscribe a.*", "unsubscribe a.*", "topic"])  # fmt: skip
def test_host_calls_are_the_same(both, text):
    both.handle(message(text))


def hosts(**functions) -> list[HostImport]:
    """Every host function, some of them replaced: `storage_get=…`."""
    replaced = {tuple(name.split("_", 1)): call for name, call in functions.items()}
    names = {"storage": STORAGE, "messaging": MESSAGING, "pubsub": PUBSUB}
    wanted = {(names[interface], function): call for (interface, function), call in replaced.items()}
    return [
        HostImport(host.interface, host.function, wanted.get((host.interface, host.function), host.call))
        for host in told()
    ]


ERRORS = [
    (STORAGE, "storage_get", "load k", Err("not-found", "k é")),
    (STORAGE, "storage_get", "load k", Err("quota-exceeded")),
    (STORAGE, "storage_set", "store k v", Err("already-exists", "")),
    (MESSAGING, "messaging_send", "send a/b hi", Err("delivery-failed", "wh¥")),
    (MESSAGING, "messaging_send", "send a/b hi", Err("queue-full")),
    (MESSAGING, "messaging_send", "send a/b hi", Err("target-not-found", ComponentId("ä", "b", "c"))),
    (MESSAGING, "messaging_request", "request a/b hi", Ok("nümber-1")),
    (PUBSUB, "pubsub_publish", "publish a hi", Ok(0)),
    (PUBSUB, "pubsub_publish", "publish a hi", Ok((1 << 32) - 1)),
    (PUBSUB, "pubsub_publish", "publish a hi", Err("invalid-message", "x" * 70_000)),
    (PUBSUB, "pubsub_publish", "publish a hi", Err("queue-full")),
    (PUBSUB, "pubsub_publish", "publish a hi", Err("target-not-found", ComponentId("ä", "b", "c"))),
    (PUBSUB, "pubsub_subscribe", "subscribe a", Err("delivery-failed", "wh¥")),
    (MESSAGING, "messaging_request", "request a/b hi", Err("invalid-message", "x" * 70_000)),
    (MESSAGING, "messaging_broadcast", "broadcast a,b hi", Err("target-not-found", ComponentId("", "", ""))),
]


@pytest.mark.parametrize(("interface", "function", "text", "answer"), ERRORS)
def test_every_answer_of_the_host_arrives(make_runtime, interface, function, text, answer):
    imports = hosts(**{function: lambda *_: answer})
    forms = ways(FAULTY.read_bytes()).values()
    replies = [start(make_runtime(imports), form).handle(message(text)) for form in forms]
    assert all(reply == replies[0] for reply in replies)
    assert isinstance(replies[0], Replied | Refused)


@pytest.mark.parametrize("answer", [None, Ok(5), Ok("text"), Err("no-such-case", "x"), Err("not-found", 5),
                                    Err("not-found", ComponentId("", "", "")), Ok("\ud800")])  # fmt: skip
def test_a_host_that_answers_something_else_is_a_bug_of_ours_and_named(make_runtime, answer):
    guest = start(make_runtime(hosts(storage_get=lambda *_: answer)), FAULTY.read_bytes())
    exited = guest.handle(message("load k"))
    assert exited.reason.kind is ExitKind.HOST_FAULT
    assert "storage@1.0.0#get" in exited.reason.detail


def test_what_the_host_raises_ends_the_instance(make_runtime):
    def broken(*_: object) -> Ok:
        raise OSError("disk gone")

    guest = start(make_runtime(hosts(storage_set=broken)), FAULTY.read_bytes())
    exited = guest.handle(message("store k v"))
    assert exited.reason.kind is ExitKind.HOST_FAULT
    assert "disk gone" in exited.reason.detail


def test_an_answer_for_which_the_shim_has_to_grow_arrives(make_runtime):
    value = random.Random(1).randbytes(5 * MIB)
    for place in (AdaptedAt.WITHIN, AdaptedAt.PARTLY, AdaptedAt.BESIDE):
        form = ways(FAULTY.read_bytes())[place]
        guest = start(make_runtime(hosts(storage_get=lambda *_: Ok(value))), form, memory=64 * MIB)
        assert guest.handle(message("load k")) == Refused(
            "resource-limit-exceeded", f"a reply of {5 * MIB} bytes; it may have {MIB}"
        )
        assert guest.handle(message("echo fine")) == Replied(b"fine")


def test_a_reply_beyond_the_adapters_own_memory_counts_as_the_guests(make_runtime):
    data = FAULTY.read_bytes()
    size = ALLOWANCE_BYTES + 2 * MIB
    guest = start(make_runtime(told()), data, memory=64 * MIB)
    assert guest.handle(message(f"bytes {size}")).case == "resource-limit-exceeded"
    guest = start(make_runtime(told()), data, memory=size + MIB)
    assert guest.handle(message(f"bytes {size}")).reason.kind is ExitKind.MEMORY


@pytest.mark.parametrize("mib", [1, 2, 5, 13, 14, 15, 16, 20])
def test_the_adapter_is_not_charged_to_the_guest(make_runtime, mib):
    both = All(make_runtime, memory=16 * MIB)
    both.handle(message(f"echo {'x' * 1000}"))
    answers = [guest.handle(message(f"grow {mib}")) for guest in both.guests]
    kinds = [answer.reason.kind if isinstance(answer, Exited) else answer for answer in answers]
    assert kinds == kinds[:1] * len(kinds)


def test_the_same_message_takes_the_same_fuel_each_time(make_runtime):
    guest = All(make_runtime).guests[0]
    used = set()
    for _ in range(5):
        guest.handle(message("echo abc"))
        used.add(guest.fuel_used)
    assert len(used) == 1


# ---- several at once ----


def batch_of(*texts: str) -> list[Mail]:
    first = message("")
    return [Mail(first.sender, [text.encode() for text in texts], first.timestamp_ns)]


def one_by_one(sent: list[Message]) -> list[Mail]:
    return [Mail(one.sender, [one.payload], one.timestamp_ns, one.correlation_id, one.content_type) for one in sent]


def test_messages_given_together_are_handled_one_after_the_other(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    handled = guest.handle_many(batch_of(*["none"] * 500))
    assert handled.exited is None
    assert handled.outcomes == [Replied(None)] * 500
    assert guest.handle(message("calls")) == Replied(b"501")


def test_each_of_them_has_its_own_payload_and_time(make_runtime):
    log: list = []
    guest = start(make_runtime(told(log)), FAULTY.read_bytes())
    texts = [f"log {'x' * (number % 50)}{number}" for number in range(300)]
    sent = [Message(ComponentId("a", "b", ""), text.encode(), number) for number, text in enumerate(texts)]
    assert guest.handle_many(one_by_one(sent)).outcomes == [Replied(None)] * 300
    assert [line[1] for line in log] == [text.removeprefix("log ") for text in texts]


def test_a_refusal_among_them_is_told_with_its_text(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    handled = guest.handle_many(
        batch_of("none", "err first", "echo x", "fail 3 x", "err second – ü", "fail 0 " + "y" * 99)
    )
    assert handled.exited is None
    assert handled.outcomes == [
        Replied(None), Refused("runtime-error", "first"), Replied(None), Refused("timeout"),
        Refused("runtime-error", "second – ü"), Refused("component-not-found", "y" * 99),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["trap", "loop", "div0"])
@pytest.mark.parametrize("place", [0, 1, 30, 62, 63])
def test_after_a_trap_each_is_known_to_be_handled_failed_or_not_started(make_runtime, end, place):
    log: list = []
    guest = start(make_runtime(told(log)), FAULTY.read_bytes(), fuel=1_000_000)
    texts = [f"log {number}" for number in range(64)]
    texts[place] = end
    handled = guest.handle_many(batch_of(*texts))
    assert [line[1] for line in log] == [str(number) for number in range(place)]
    assert handled.outcomes[:place] == [Replied(None)] * place
    assert handled.outcomes[place] == handled.exited
    assert isinstance(handled.exited, Exited)
    assert len(handled.outcomes) == place + 1
    assert guest.handle_many(batch_of("none")).outcomes == [handled.exited]


def test_refusals_before_a_trap_are_known(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    handled = guest.handle_many(batch_of("err a", "none", "err b", "trap", "err c"))
    assert handled.outcomes == [
        Refused("runtime-error", "a"), Replied(None), Refused("runtime-error", "b"), handled.exited
    ]  # fmt: skip


def test_what_differs_in_more_than_time_and_payload_still_arrives_in_order(make_runtime):
    log: list = []
    guest = start(make_runtime(told(log)), FAULTY.read_bytes())
    sent = [message(f"log {number}", correlation_id=TEXTS[number // 3 % 3]) for number in range(40)]
    assert guest.handle_many(one_by_one(sent)).exited is None
    assert [line[1] for line in log] == [str(number) for number in range(40)]


MANY = [message(b"echo " + bytes(100_000))] * 7 + [message(b"echo " + bytes(MIB - 5))] + [message("none")] * 3_000


@pytest.mark.parametrize("mail", [one_by_one(MANY), [Mail(MANY[0].sender, [one.payload for one in MANY], 1)]])
def test_long_messages_and_many_are_split(make_runtime, mail):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    handled = guest.handle_many(mail)
    assert handled.exited is None
    assert len(handled.outcomes) == len(MANY) > BATCH_MAX
    assert sum(len(one.payload) for one in MANY) > BATCH_MAX_BYTES
    assert guest.handle(message("calls")) == Replied(str(len(MANY) + 1).encode())


def test_nothing_given_is_nothing_done(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes())
    assert guest.handle_many([]).outcomes == []


def test_a_direct_actor_handles_many_too(make_runtime):
    guest = start(make_runtime(told()), direct(FAULTY.read_bytes()))
    handled = guest.handle_many(batch_of("none", "err a", "trap", "none"))
    assert handled.outcomes == [Replied(None), Refused("runtime-error", "a"), handled.exited]


def test_a_batch_may_use_the_fuel_of_all_its_messages(make_runtime):
    guest = start(make_runtime(told()), FAULTY.read_bytes(), fuel=60_000)
    alone = message("echo " + "x" * 100)
    assert isinstance(guest.handle(alone), Replied)
    assert guest.handle_many(one_by_one([alone] * 500)).exited is None


# ---- what `wrap` makes of other bytes ----


def test_whatever_the_bytes_loading_ends_in_a_component_or_a_fault(make_runtime):
    data = FAULTY.read_bytes()
    begin = data.index(b"\x01", 2_000)  # within the types and imports, which `wrap` reads
    chance = random.Random(7)
    declined = 0
    for _ in range(3_000):
        mutated = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            mutated[chance.randrange(8, begin)] = chance.randrange(256)
        try:
            wrap(bytes(mutated), AdaptedAt.WITHIN)
        except Unadapted:
            declined += 1
    assert 0 < declined < 3_000


def test_an_actor_that_exports_a_type_at_its_root_runs(make_runtime):
    """However odd a component is, it runs: with its adapter or, where that does not compile, without."""
    data = FAULTY.read_bytes()
    odd = data + binary.section(binary.TYPE, binary.vector([b"\x72\x01\x01a\x79"]))
    guest = try_start(make_runtime(told()), odd)
    assert isinstance(guest, Direct)
    assert guest.handle(message("echo hi")) == Replied(b"hi")


def test_bytes_that_only_look_like_an_actor_are_rejected_as_before(make_runtime):
    data = bytearray(FAULTY.read_bytes())
    place = data.index(b"\0asm", 8) + 200
    data[place : place + 50] = b"\xff" * 50
    with pytest.raises(ArtifactFault):
        make_runtime(told()).load(digest_of_bytes(bytes(data)), lambda: bytes(data))


def test_a_component_that_asks_for_the_adapters_imports_itself_gets_nothing(make_runtime):
    text = '(component (import "airs:adapter/host@1.0.0" (instance (export "take" (func)))))'
    loaded = make_runtime(told()).load(digest_of_bytes(wasm(text)), lambda: wasm(text))
    assert loaded.missing == ["airs:adapter/host@1.0.0#take"]


DESK = (ROOT / "examples/06-request-reply/components/desk-1.0.0/desk.wasm").read_bytes()
FAILED = "application/vnd.airs.error"


def answered(both: All, sent: Message):
    return both.agreed([guest.handle_callback(sent) for guest in both.guests])


@pytest.fixture
def desks(make_runtime) -> All:
    return All(make_runtime, DESK)


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_of_every_size_arrives_and_leaves_no_reply_of_an_earlier_message(desks, size):
    assert desks.handle(message("echo earlier")) == Replied(b"earlier")
    assert answered(desks, message(b"a" * size, correlation_id="1")) == Replied(None)
    assert desks.logs[0][-1][1].endswith("replied " + "a" * min(size, 160))


@pytest.mark.parametrize("sender", IDS[1:])
@pytest.mark.parametrize(
    ("content_type", "word"), [(None, "replied"), (FAILED, "failed,"), ("application/vnd.airs.no-reply", "nothing")]
)
def test_what_kind_of_answer_it_is_and_from_whom_arrives(desks, sender, content_type, word):
    sent = Message(sender, b"text", 1, "1" * 32, None, content_type)
    assert answered(desks, sent) == Replied(None)
    assert word in desks.logs[0][-1][1]
    assert desks.logs[0][-1][1].startswith(sender.name + " ")


def test_an_answer_may_be_refused_or_end_the_instance(desks):
    assert answered(desks, message("refuse")) == Refused("runtime-error", "it does not like that answer")
    assert answered(desks, message("fine")) == Replied(None)
    ended = [guest.handle_callback(message("crash")) for guest in desks.guests]
    assert [one.reason.kind for one in ended] == [ExitKind.TRAPPED] * len(ended)


def test_an_answer_that_is_no_message_is_refused(desks):
    sent = Message(ComponentId("a", "b", "c"), b"", -1)
    for guest in desks.guests:
        assert guest.handle_callback(sent).detail.startswith("not a message: ")


def test_a_callable_component_takes_no_answers(make_runtime):
    data = (ROOT / "examples/03-calculator/components/calculator-1.0.0/calculator.wasm").read_bytes()
    assert start(make_runtime(told()), data).handle_callback(message("x")).case == "export-not-found"
