import pytest

from orchestrator.model.exits import ExitKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import MESSAGE_MAX_BYTES, BadCall, Exited, Health, Message, Refused, Replied
from orchestrator.runtime import Start, digest_of_bytes, read_metadata
from orchestrator.runtime.call.finish import finish
from tests.runtime.guests import (
    FAULTY,
    ID,
    ROOT,
    SENDER,
    TRAPS,
    limits,
    message,
    revision,
    start,
    told,
    try_start,
    wasm,
)

COMPONENTS = ROOT / "tests/components"


@pytest.fixture
def log():
    return []


@pytest.fixture
def actors(make_runtime, log):
    return make_runtime(told(log))


@pytest.fixture
def faulty(actors):
    return start(actors, FAULTY.read_bytes())


def component(name: str) -> bytes:
    return (COMPONENTS / name / f"{name}.wasm").read_bytes()


def test_a_message_is_answered(faulty):
    assert faulty.handle(message("echo hello")) == Replied(b"hello")


def test_none_is_no_reply(faulty):
    assert faulty.handle(message("none")) == Replied(None)


def test_an_error_is_a_refusal_with_its_case(faulty):
    assert faulty.handle(message("err out of order")) == Refused("runtime-error", "out of order")
    assert faulty.handle(message("echo fine")) == Replied(b"fine")


def test_a_reply_is_a_message_and_no_longer_than_one(faulty):
    assert faulty.handle(message(f"bytes {MESSAGE_MAX_BYTES}")) == Replied(b"x" * MESSAGE_MAX_BYTES)
    refused = faulty.handle(message(f"bytes {MESSAGE_MAX_BYTES + 1}"))
    assert isinstance(refused, Refused)
    assert refused.case == "resource-limit-exceeded"
    assert str(MESSAGE_MAX_BYTES + 1) in refused.detail


def test_an_error_case_without_payload_has_no_detail(faulty):
    refused = [faulty.handle(message(f"fail {n} why")) for n in range(7)]
    assert [answer.case for answer in refused] == [
        "component-not-found",
        "instantiation-failed",
        "export-not-found",
        "timeout",
        "resource-limit-exceeded",
        "invalid-component",
        "runtime-error",
    ]
    assert refused[3].detail == ""


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ("trap", ExitKind.TRAPPED),
        ("div0", ExitKind.TRAPPED),
        ("recurse", ExitKind.STACK),
        ("loop", ExitKind.OUT_OF_FUEL),
        ("grow", ExitKind.MEMORY),
    ],
)
def test_a_message_that_ends_the_guest_says_how(faulty, order, kind):
    exited = faulty.handle(message(order))
    assert isinstance(exited, Exited)
    assert exited.reason.kind is kind
    assert exited.reason.backtrace
    assert faulty.handle(message("echo x")) == faulty.health() == faulty.shutdown() == exited


def test_a_message_arrives_whole(faulty):
    sent = Message(
        sender=SENDER,
        payload=b"message",
        timestamp_ns=1_700_000_000_000_000_005,
        correlation_id="conversation-7",
        reply_to=ComponentId("other", "inbox", "3"),
        content_type="text/plain",
    )
    told_back = faulty.handle(sent).payload
    for part in (b"client", b"conversation-7", b"other", b"inbox", b"1700000000", b"text/plain"):
        assert part in told_back


@pytest.mark.parametrize("wrong", [{"correlation_id": "\ud800"}, {"content_type": "\udfff"}])
def test_a_message_that_is_no_message_is_refused_and_the_guest_lives(faulty, wrong):
    answer = faulty.handle(message("echo x", **wrong))
    assert isinstance(answer, Refused)
    assert "not a message" in answer.detail
    assert faulty.handle(message("echo y")) == Replied(b"y")


def test_every_size_of_payload_comes_back(actors):
    faulty = start(actors, FAULTY.read_bytes(), memory=64 << 20, fuel=1 << 40)
    for size in (0, 1, 15, 16, 17, 1_000, 65_536, (1 << 20) - 5):
        payload = bytes(range(256)) * (size // 256 + 1)
        assert faulty.handle(message(b"echo " + payload[:size])) == Replied(payload[:size])


def test_config_reaches_the_guest_as_data_and_its_scalars_as_variables(actors):
    config = '{"greeting":"hej","loud":true,"nested":{"a":1},"nothing":null,"number":3.5}'
    faulty = start(actors, FAULTY.read_bytes(), config=config)
    assert faulty.handle(message("config")) == Replied(config.encode())
    variables = {name: faulty.handle(message(f"env {name}")).payload for name in ("greeting", "loud", "number")}
    assert variables == {"greeting": b"hej", "loud": b"true", "number": b"3.5"}
    absent = {faulty.handle(message(f"env {name}")).payload for name in ("nested", "nothing", "PATH")}
    assert len(absent) == 1


def test_the_guest_is_told_its_limits(actors):
    faulty = start(actors, FAULTY.read_bytes(), memory=3 << 20, fuel=12_345_678, timeout_ms=4_321)
    shown = faulty.handle(message("limits")).payload
    for limit in (3 << 20, 12_345_678, 4_321):
        assert str(limit).encode() in shown


def test_a_refused_initialize_does_not_start(actors):
    exited = try_start(actors, component("faulty-init"))
    assert exited.reason.kind is ExitKind.INITIALIZE_FAILED
    assert exited.reason.detail == "initialize refused: initialization-failed: told to fail when built"


def test_a_trap_in_initialize_is_a_trap(actors):
    exited = try_start(actors, component("faulty-trap-init"))
    assert exited.reason.kind is ExitKind.TRAPPED
    assert exited.reason.backtrace


def test_an_initialize_beyond_its_limits_does_not_start(actors):
    assert try_start(actors, component("slow-init"), fuel=1_000_000).reason.kind is ExitKind.OUT_OF_FUEL


def test_metadata_that_contradicts_the_manifest_does_not_start(actors):
    exited = try_start(actors, FAULTY.read_bytes(), stateful=True)
    assert exited.reason.kind is ExitKind.INITIALIZE_FAILED
    assert exited.reason.detail == "metadata() says stateful = false, Component.toml says stateful = true"


def test_metadata_can_be_read_without_initializing(actors):
    data = component("faulty-trap-init")
    loaded = actors.load(digest_of_bytes(data), lambda: data)
    said = finish(read_metadata(Start(ID, revision(limits()), loaded)))
    assert (said["name"], said["version"], said["stateful"]) == ("faulty-trap-init", "1.0.0", False)
    assert finish(read_metadata(Start(ID, revision(limits(fuel=10)), loaded))).reason.kind is ExitKind.OUT_OF_FUEL


def test_a_component_that_is_no_actor_has_no_metadata(runtime):
    data = wasm(TRAPS)
    loaded = runtime.load(digest_of_bytes(data), lambda: data)
    assert finish(read_metadata(Start(ID, revision(limits()), loaded))) is None


def test_health_is_what_the_guest_says(actors, faulty):
    assert faulty.health() is Health.HEALTHY
    for word in ("degraded", "unhealthy", "unknown"):
        faulty.handle(message(f"health {word}"))
        assert faulty.health(timeout_ms=1_000).value == word
    assert start(actors, component("unhealthy")).health() is Health.UNHEALTHY


def test_shutdown_lets_the_guest_say_goodbye(faulty, log):
    assert faulty.shutdown() is None
    assert ("info", "shutdown", None) in log


def test_instances_of_one_component_keep_their_own_state(actors):
    first, second = (start(actors, FAULTY.read_bytes()) for _ in range(2))
    for _ in range(3):
        first.handle(message("calls"))
    assert first.handle(message("calls")) == Replied(b"4")
    assert second.handle(message("calls")) == Replied(b"1")


def test_the_lifecycle_is_the_hosts_to_call(faulty):
    answer = faulty.call("airssys:core/component-lifecycle@1.0.0#shutdown", [])
    assert isinstance(answer, BadCall)
    assert isinstance(faulty.call("shutdown", []), BadCall)


def test_a_component_without_lifecycle_takes_no_messages_and_is_healthy(runtime):
    guest = start(runtime, wasm(TRAPS))
    assert guest.handle(message("x")).case == "export-not-found"
    assert guest.health() is Health.HEALTHY
    assert guest.shutdown() is None


def test_the_same_message_costs_the_same_fuel(actors):
    used = set()
    for _ in range(3):
        guest = start(actors, FAULTY.read_bytes())
        guest.handle(message("echo the same"))
        used.add(guest.fuel_used)
    assert len(used) == 1
    assert min(used) > 0


def test_an_answer_to_a_request_of_its_own_is_a_call_under_its_limits(actors, log):
    desk = start(actors, (ROOT / "examples/06-request-reply/components/desk-1.0.0/desk.wasm").read_bytes())
    assert desk.handle_callback(message("yes")) == Replied(None)
    assert log[-1][1].endswith(" replied yes")
    assert desk.fuel_used > 0
    assert desk.handle_callback(message("refuse")) == Refused("runtime-error", "it does not like that answer")
    ended = desk.handle_callback(message("crash"))
    assert isinstance(ended, Exited)
    assert ended.reason.kind is ExitKind.TRAPPED
    assert desk.handle(message("who")) == ended


def test_what_messages_and_calls_take_is_summed_and_nothing_else_is(actors):
    guest = start(actors, FAULTY.read_bytes())
    assert (guest.spent.calls, guest.spent.fuel) == (0, 0)
    used = 0
    for number in range(2):
        guest.handle(message(f"echo {number}"))
        used += guest.fuel_used
        guest.health()
    assert (guest.spent.calls, guest.spent.fuel) == (2, used)


def test_what_ended_an_instance_counts_as_well(actors):
    guest = start(actors, FAULTY.read_bytes())
    guest.handle(message("trap"))
    assert guest.spent.calls == 1
    assert guest.spent.fuel > 0


def test_of_many_messages_in_a_row_some_are_read_and_tell_of_the_others(actors):
    guest = start(actors, FAULTY.read_bytes())
    for _ in range(500):
        guest.handle(message("echo the same"))
    calls, fuel = guest.spent.calls, guest.spent.fuel
    assert 0 < calls <= 500
    assert fuel == calls * guest.fuel_used


def test_memory_is_what_its_linear_memories_have(actors):
    guest = start(actors, FAULTY.read_bytes())
    before = guest.memory_bytes
    assert before >= 1 << 16
    assert before % (1 << 16) == 0
