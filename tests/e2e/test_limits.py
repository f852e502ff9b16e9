"""What guests may not take, tried through one agent: each ends alone, says why and where it was, and the others go on.

Every deployment here is there from the beginning; a test uses its own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import wasmtime

from orchestrator.contract.problem import Failure
from orchestrator.model.message import MESSAGE_MAX_BYTES

from .stage import ROOT, Ran, Stage, wait_until

SLEEPERS = 1_000
FAST = {"backoff": {"initial": "1ms", "max": "1ms"}, "intensity": 100}
INTERRUPTED = 130

# A callable of which each function does something else that a guest should not; functions have names.
UNRULY = """
(component
  (import "airssys:core/host-services@1.0.0" (instance $services
    (export "sleep-millis" (func (param "duration-ms" u64)))))
  (core func $sleep (canon lower (func $services "sleep-millis")))
  (core module $m
    (import "services" "sleep" (func $sleep (param i64)))
    (memory $one 1) (memory $two 1)
    (table $table 10 funcref)
    (func $spinning (export "spin") (loop (br 0)))
    (func $waiting (export "wait") (call $sleep (i64.const 600000)))
    (func $deeper (export "recurse") (call $deeper))
    (func $wanting-memory (export "grow")
      (loop (if (i32.or (i32.eq (memory.grow $one (i32.const 4)) (i32.const -1))
                        (i32.eq (memory.grow $two (i32.const 4)) (i32.const -1)))
              (then unreachable))
        (br 0)))
    (func (export "pages") (result i32) (i32.add (memory.size $one) (memory.size $two)))
    (func $wanting-elements (export "table") (result i32)
      (table.grow $table (ref.null func) (i32.const 1000000)))
    (func (export "seven") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m (with "services" (instance (export "sleep" (func $sleep))))))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "wait") (canon lift (core func $i "wait")))
  (func (export "recurse") (canon lift (core func $i "recurse")))
  (func (export "grow") (canon lift (core func $i "grow")))
  (func (export "pages") (result u32) (canon lift (core func $i "pages")))
  (func (export "table") (result s32) (canon lift (core func $i "table")))
  (func (export "seven") (result u32) (canon lift (core func $i "seven"))))
"""


def too_many(what: str) -> str:
    """A component that has more of something than one may have, from the beginning."""
    one, each = {
        "memories": ("", "(memory 0)" * 17),
        "tables": ("", "(table 0 funcref)" * 65),
        "elements": ("", "(table 200001 funcref)"),
        "instances": ("(core instance (instantiate $m))" * 256, ""),
        "bytes": ("", "(memory 64) (memory 65)"),
    }[what]
    return f"""
(component
  (core module $m {each} (func (export "seven") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m)) {one}
  (func (export "seven") (result u32) (canon lift (core func $i "seven"))))
"""


EXCESSES = {
    "memories": "memory: has more linear memories than allowed",
    "tables": "memory: has more tables than allowed",
    "elements": "memory: needs larger tables than allowed",
    "instances": "memory: has more core instances than allowed",
    "bytes": "memory: needs more memory at its start than its limit",
}


def write_component(stage: Stage, name: str, text: str) -> None:
    folder = stage.folder / "components" / name
    folder.mkdir(parents=True)
    (folder / "it.wasm").write_bytes(wasmtime.wat2wasm(text))
    (folder / "Component.toml").write_text(
        f'manifest-version = 1\n[package]\nname = "{name}"\nversion = "1.0.0"\n[artifact]\npath = "it.wasm"\n'
        '[resources]\nmemory = "8MiB"\nfuel = 1_000_000_000_000_000\ntimeout = "10m"\n'
    )


def write_patient(stage: Stage) -> None:
    """Write the component that does as it is told, with more time for it.

    Who of many wakes first may take the others' messages as well, and all lines are counted: one may write them all.
    """
    folder = stage.folder / "components" / "patient"
    shutil.copytree(ROOT / "tests" / "components" / "faulty", folder)
    component = folder / "Component.toml"
    component.write_text(component.read_text().replace('timeout = "2s"', f'timeout = "60s"\nlog = {SLEEPERS}'))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("limits"))
    made.start()
    try:
        write_patient(made)
        write_component(made, "unruly", UNRULY)
        made.write("neighbour", "hello-1.0.0")
        made.write("sleepers", "patient", replicas=SLEEPERS)
        made.write("sender", "patient", grants={"messaging.send": ["default/*"]})
        made.write("counting", "patient", restart=FAST)
        made.write("talker", "patient", limits={"log": 20})
        made.write("echoing", "patient", grants={"messaging.send": ["echoing"]}, mailbox={"capacity": 20})
        for what in ("trap", "recurse", "loop"):
            made.write(f"leaving-{what}", "patient", config={"shutdown": what}, limits={"timeout": "300ms"})
        made.write("unruly", "unruly", restart=FAST)
        made.write("hurried", "unruly", limits={"timeout": "100ms"}, restart=FAST)
        made.write("frugal", "unruly", limits={"fuel": 1_000_000}, restart=FAST)
        made.write("temporary", "unruly", restart={"type": "temporary", "intensity": 0})
        made.apply()
        yield made
        made.stop()
    finally:
        made.close()


@pytest.fixture(autouse=True)
def neighbour(stage: Stage) -> Iterator[None]:
    """Whatever happened, the neighbour answers, and no bug of ours showed."""
    yield
    assert stage.ask("neighbour", "Ada") == "Hello, Ada!"
    assert stage.view("neighbour").restarts == 0
    assert "Traceback" not in stage.agent_log


def call(stage: Stage, name: str, function: str, code: int | None = 0) -> Ran:
    return stage.run("call", name, function, code=code)


def seven(stage: Stage, name: str) -> None:
    assert call(stage, name, "seven").out == "7\n"


def logged(stage: Stage, name: str) -> list[str]:
    return [json.loads(line)["text"] for line in stage.run("-o", "json", "logs", name).out.splitlines()]


def told(stage: Stage, name: str, reason: str) -> None:
    """The command line shows why the last instance of a deployment ended, wherever it shows that."""
    for command in ("status", "events"):
        assert reason in " ".join(stage.run(command, name).out.split())
    [instance] = stage.json("get", "instances", name)
    assert f"{instance['lastExit']['kind']}: {instance['lastExit']['detail']}".startswith(reason)


# Waiting and spinning


def test_a_thousand_guests_wait_at_once_without_threads_and_none_keeps_a_neighbour_waiting(stage: Stage):
    threads = Path(f"/proc/{stage.client.about().pid}/task")
    before = len(os.listdir(threads))
    stage.ask("sender", f"repeat {SLEEPERS} send sleepers sleep 2000")
    stage.ask("sender", f"repeat {SLEEPERS} send sleepers log awake")
    assert stage.ask("neighbour", "Bob") == "Hello, Bob!"
    assert len(os.listdir(threads)) < before + 20
    assert stage.view("sleepers").mailbox == SLEEPERS  # all are asleep, so nobody has taken the second message
    wait_until(lambda: logged(stage, "sleepers").count("awake") == SLEEPERS)
    assert stage.view("sleepers").restarts == 0


def test_a_guest_that_spins_ends_at_its_deadline_with_where_it_was(stage: Stage):
    err = call(stage, "hurried", "spin", code=1).err
    assert "the guest failed: deadline: the call took longer than its timeout" in err
    assert "!spinning" in err
    told(stage, "hurried", "deadline: ")
    assert any("!spinning" in line for line in logged(stage, "hurried"))


def test_a_guest_that_computes_for_long_ends_for_want_of_fuel_with_where_it_was(stage: Stage):
    err = call(stage, "frugal", "spin", code=1).err
    assert "the guest failed: out-of-fuel: " in err
    assert "!spinning" in err
    seven(stage, "frugal")
    told(stage, "frugal", "out-of-fuel: ")


@pytest.mark.parametrize(("name", "function"), [("unruly", "spin"), ("unruly", "wait"), ("temporary", "wait")])
def test_a_call_that_is_interrupted_is_cancelled_and_the_next_is_answered(stage: Stage, name: str, function: str):
    before = stage.view(name).restarts
    with airs(stage, "call", name, function) as process:
        wait_until(lambda: is_busy(stage, name))
        assert stage.ask("neighbour", "Bob") == "Hello, Bob!"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)
    assert (process.returncode, *map(str.strip, said)) == (INTERRUPTED, "", "The call is cancelled.")
    seven(stage, name)
    assert stage.view(name).restarts == before + 1
    told(stage, name, "cancelled: its caller gave the call up")
    assert "cancelled: its caller gave the call up; it starts again in 0 ms" in stage.run("events", name).out


def test_a_call_that_nobody_waits_for_any_longer_is_cancelled_too(stage: Stage):
    before = stage.view("unruly").restarts
    late = stage.run("call", "unruly", "spin", "--timeout", "50ms", code=124).err
    assert "the instance that was at work on it was ended; another takes its place" in late
    seven(stage, "unruly")
    assert stage.view("unruly").restarts == before + 1


def test_who_hangs_up_while_waiting_for_their_turn_ends_nobody(stage: Stage):
    before = stage.view("unruly").restarts
    with airs(stage, "call", "unruly", "wait") as at_work:
        wait_until(lambda: is_busy(stage, "unruly"))
        with airs(stage, "call", "unruly", "spin") as waiting:
            wait_until(lambda: stage.view("unruly").mailbox == 1)
            waiting.kill()
        wait_until(lambda: stage.view("unruly").mailbox == 0)
        assert stage.view("unruly").restarts == before
        at_work.kill()
    seven(stage, "unruly")
    assert stage.view("unruly").restarts == before + 1


@contextmanager
def airs(stage: Stage, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Run `airs` beside the test, and end it in any case."""
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(stage.state_dir), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def is_busy(stage: Stage, name: str) -> bool:
    """Whether its instance is at work: somebody with little time is not served, and taken back."""
    ran = stage.run("call", name, "seven", "--timeout", "200ms", code=None)
    return "no instance had started on it" in ran.err


# Too much of something


@pytest.mark.parametrize(
    ("function", "kind", "within"), [("recurse", "stack", "!deeper"), ("grow", "memory", "!wanting-memory")]
)
def test_a_call_that_takes_too_much_ends_with_where_it_was(stage: Stage, function: str, kind: str, within: str):
    err = call(stage, "unruly", function, code=1).err
    assert f"the guest failed: {kind}: " in err
    assert within in err
    seven(stage, "unruly")
    told(stage, "unruly", f"{kind}: ")
    assert any(within in line for line in logged(stage, "unruly"))


def test_all_memories_together_have_the_limit_and_tables_end_at_theirs(stage: Stage):
    assert "8388608 bytes" in call(stage, "unruly", "grow", code=1).err
    assert int(call(stage, "unruly", "pages").out) == 2
    assert call(stage, "unruly", "table").out == "-1\n"  # refused, and got over by the guest


def test_a_call_makes_only_so_many_host_calls(stage: Stage):
    err = stage.run("request", "counting", "repeat 2000000 now", code=1).err
    assert "the guest failed: host-calls: made more than 1000000 host calls in one call" in err
    assert "faulty.wasm!now" in err
    assert stage.ask("counting", "calls") == "1"
    told(stage, "counting", "host-calls: ")


def test_a_message_is_only_so_large_whoever_sends_it(stage: Stage):
    for size in (MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES + 1):
        is_allowed = size == MESSAGE_MAX_BYTES
        order = "echo " + "x" * (size - 5)
        replied = stage.run("request", "talker", f"bytes {size}", code=None)
        requested = stage.run("request", "talker", order, code=None)
        sent = stage.run("send", "talker", order, code=None)
        assert {ran.code == 0 for ran in (replied, requested, sent)} == {is_allowed}
    assert "a reply of 1048577 bytes; it may have 1048576" in replied.err
    assert "at most 1048576 (1 MiB) are sent" in requested.err
    assert "at most 1048576 (1 MiB) are sent" in sent.err
    with closing(stage.new_client()) as client, pytest.raises(Failure, match="the payload is over 1048576 bytes"):
        client.send(stage.key("talker"), bytes(MESSAGE_MAX_BYTES + 1), None, 1.0)  # where nobody looked before
    assert stage.view("talker").restarts == 0


def test_a_guest_that_logs_without_end_loses_its_own_lines_and_is_told_how_many(stage: Stage):
    assert stage.ask("talker", "repeat 5000 log much") == "logged"
    assert stage.ask("sender", "log little") == "logged"
    wait_until(lambda: any("lines dropped: more than 20 a second" in line for line in logged(stage, "talker")))
    assert 200 <= logged(stage, "talker").count("much") < 1_000
    assert "little" in logged(stage, "sender")


# To itself


def test_a_guest_that_sends_to_itself_without_end_keeps_nobody_out_or_busy_and_can_be_stopped(stage: Stage):
    stage.run("send", "echoing", "spread echoing")
    wait_until(lambda: stage.view("echoing").mailbox >= 9)  # its share is full, and what does not fit is refused
    assert [stage.ask("echoing", f"echo {number}") for number in range(20)] == [str(number) for number in range(20)]
    assert stage.view("echoing").mailbox <= 11
    assert stage.view("echoing").traffic.rejected > 0
    assert stage.ask("neighbour", "Bob") == "Hello, Bob!"
    assert stage.view("echoing").restarts == 0
    stage.write("echoing", "patient", replicas=0, mailbox={"capacity": 20})
    stage.apply()
    wait_until(lambda: stage.view("echoing").instances == ())


# At the beginning and at the end

STARTS = {
    "trap": "trapped: wasm `unreachable` instruction executed",
    "div0": "trapped: integer divide by zero",
    "recurse": "stack: call stack exhausted",
    "grow": "memory: reached its memory limit",
    "loop": "deadline: the call took longer than its timeout",
    "sleep 60000": "deadline: the call took longer than its timeout",
    "err no": "initialize-failed: initialize refused: initialization-failed: no",
}


def test_what_goes_wrong_at_the_start_ends_that_alone_and_is_told_by_apply_and_ever_after(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stage, "manifests", stage.folder / "failing")
    stage.manifests.mkdir()
    stage.write("trapping", "faulty-trap-init", restart={"type": "temporary"})
    starts = {"trapping": STARTS["trap"]}
    for number, (order, reason) in enumerate(STARTS.items()):
        name = f"start-{number}"
        timeout = {"timeout": "100ms"} if reason.startswith("deadline") else {}
        stage.write(name, "patient", config={"initialize": order}, restart={"type": "temporary"}, limits=timeout)
        starts[name] = reason
    for name, reason in EXCESSES.items():
        write_component(stage, f"many-{name}", too_many(name))
        stage.write(f"many-{name}", f"many-{name}", restart={"type": "temporary"})
        starts[f"many-{name}"] = reason
    said = stage.apply(code=1).said
    for name, reason in starts.items():
        assert reason in said
        assert reason in stage.run("status", name).out
        assert reason in stage.run("events", name).out
        assert "failed" in stage.events(name)


@pytest.mark.parametrize(
    ("order", "reason"),
    [("trap", "trapped: wasm `unreachable`"), ("recurse", "stack: "), ("loop", "deadline: ")],
)
def test_what_goes_wrong_at_the_end_ends_it_all_the_same_and_is_told(stage: Stage, order: str, reason: str):
    name = f"leaving-{order}"
    stage.run("restart", name)
    wait_until(lambda: "exited" in stage.events(name))
    told(stage, name, reason)
    assert "it was told to end" in stage.run("events", name).out
    assert any("faulty.wasm!" in line for line in logged(stage, name))
    assert stage.ask(name, "calls") == "1"
