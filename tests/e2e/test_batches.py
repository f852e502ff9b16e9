"""Messages sent many at a time, from a file or a pipe to a real guest, which takes them in batches or one by one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.client.connection import Answer
from orchestrator.contract.codes import TIMED_OUT, USAGE

from .stage import LIMIT_S, ROOT, Stage, wait_until

AGAIN = {"backoff": {"initial": "1ms"}, "intensity": 100}
BATCHED = {"batch": 64, "capacity": 1000}


def lines(stage: Stage, *messages: str, end: str = "\n") -> str:
    file = stage.folder / "messages"
    file.write_bytes(("\n".join(messages) + end).encode())
    return str(file)


def logged(stage: Stage, name: str) -> list[str]:
    return [json.loads(line)["text"] for line in stage.run("-o", "json", "logs", name).out.splitlines()]


def is_done(stage: Stage, name: str, last: str) -> bool:
    return last in logged(stage, name)


@pytest.mark.parametrize("batch", [1, 64])
def test_after_a_crash_in_the_middle_each_message_was_handled_once_but_the_one_that_crashed(stage: Stage, batch: int):
    stage.have("one", "faulty", mailbox={"batch": batch}, restart=AGAIN)
    messages = [f"log {number}" for number in range(100)]
    messages[17] = "trap"
    messages[18] = "err no"
    messages[71] = "div0"
    assert "queued 100 messages" in stage.run("send", "one", "--lines", lines(stage, *messages)).err
    wait_until(lambda: is_done(stage, "one", "99"))
    numbers = [text for text in logged(stage, "one") if text.isdigit()]  # the crashes are logged too
    assert numbers == [str(number) for number in range(100) if number not in (17, 18, 71)]
    assert stage.view("one").restarts == 2
    assert stage.ask("one", "calls") == str(99 - 71 + 1)  # by the third instance


def test_a_batch_shares_its_timeout_and_one_by_one_each_has_its_own(stage: Stage):
    stage.write("alone", "faulty", limits={"timeout": "500ms"}, restart=AGAIN)
    stage.write("together", "faulty", limits={"timeout": "500ms"}, restart=AGAIN, mailbox=BATCHED)
    stage.apply()
    messages = lines(stage, *["sleep 90"] * 9, "log done")
    for name in ("alone", "together"):
        stage.run("send", name, "--lines", messages)
    for name in ("alone", "together"):
        wait_until(lambda name=name: is_done(stage, name, "done"))
    assert stage.view("alone").restarts == 0
    assert stage.view("together").restarts == 1
    assert stage.view("together").instances[0].last_exit.kind.value == "deadline"


def test_mailbox_batch_is_changed_in_place(stage: Stage):
    stage.have("one", "faulty", limits={"timeout": "500ms"}, restart=AGAIN)
    before = stage.lives("one")
    changed = stage.have("one", "faulty", limits={"timeout": "500ms"}, restart=AGAIN, mailbox=BATCHED)
    assert "mailbox" in changed.said
    assert stage.lives("one") == before
    stage.run("send", "one", "--lines", lines(stage, *["sleep 90"] * 9))
    wait_until(lambda: stage.view("one").restarts == 1)


def test_messages_of_one_guest_to_another_are_taken_in_batches_too(stage: Stage):
    stage.write("target", "faulty", limits={"timeout": "500ms"}, restart=AGAIN, mailbox=BATCHED)
    stage.write("sender", "faulty", grants={"messaging.send": ["default/target"]})
    stage.apply()
    stage.run("send", "target", "sleep 400")
    assert stage.ask("sender", "repeat 9 send target sleep 90") == "sent"
    stage.ask("sender", "send target log done")
    wait_until(lambda: is_done(stage, "target", "done"))
    assert stage.view("target").instances[0].last_exit.kind.value == "deadline"


@pytest.mark.parametrize("delivery", ["at-most-once", "at-least-once"])
def test_more_than_a_mailbox_holds_is_sent_as_room_comes_and_counts_as_nothing_else(stage: Stage, delivery: str):
    stage.have("one", "faulty", mailbox={"capacity": 10, "batch": 4}, delivery=delivery)
    messages = [f"log {number}" for number in range(200)]
    assert "queued 200 messages" in stage.run("send", "one", "--lines", lines(stage, *messages, end="")).err
    wait_until(lambda: is_done(stage, "one", "199"))
    assert logged(stage, "one") == [str(number) for number in range(200)]
    traffic = stage.view("one").traffic
    assert (traffic.received, traffic.rejected) == (200, 0)


def test_a_mailbox_that_stays_full_ends_it_and_it_says_how_many_were_queued(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 2})
    messages = lines(stage, *["sleep 4000"] * 9)
    failed = stage.run("send", "one", "--lines", messages, "--timeout", "100ms", code=None)
    assert failed.code == TIMED_OUT
    assert "the mailbox of default/one stays full" in failed.err
    assert "3 messages were queued before" in failed.err  # one is being worked on
    stage.run("delete", "one", "--no-wait")


def test_what_comes_through_a_pipe_is_sent_before_the_pipe_ends(stage: Stage):
    stage.have("one", "faulty", mailbox=BATCHED)
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(stage.state_dir), "send", "one"]
    with subprocess.Popen([*command, "--lines", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as piped:
        assert piped.stdin is not None
        assert piped.stderr is not None
        piped.stdin.write("log first\nlog zwöl".encode()[:-1])
        piped.stdin.flush()
        wait_until(lambda: is_done(stage, "one", "first"))
        piped.stdin.write(b"f\n\nlog last")
        piped.stdin.close()
        assert b"queued 4 messages" in piped.stderr.read()
        assert piped.wait(30) == 0
    wait_until(lambda: is_done(stage, "one", "last"))


def test_what_cannot_be_sent_is_said_before_or_with_what_was(stage: Stage, tmp_path: Path):
    stage.have("one", "faulty")
    assert "what is to be sent?" in stage.run("send", "one", code=USAGE).err
    assert "PAYLOAD or --lines" in stage.run("send", "one", "x", "--lines", "-", code=USAGE).err
    assert "No such file" in stage.run("send", "one", "--lines", str(tmp_path / "none"), code=USAGE).err
    unknown = stage.run("send", "other", "--lines", lines(stage, "x"), code=1).err
    assert "no deployment default/other" in unknown
    assert "0 messages were queued before" in unknown
    long = stage.run("send", "one", "--lines", lines(stage, "none", "x" * ((1 << 20) + 1), "none"), code=USAGE).err
    assert "line 2 is longer than 1048576 bytes" in long
    assert stage.run("send", "one", "--lines", lines(stage, "x" * (1 << 20))).code == 0


def test_a_request_of_too_many_or_of_nonsense_is_refused(stage: Stage):
    stage.have("one", "faulty")
    path = "/v1/deployments/default/one/send-many"

    def post(body: bytes) -> Answer:
        return stage.client._http.ask("POST", path, body, LIMIT_S)

    for body in (b"", b"\xff", b"\x91\x01", b"\xdd\xff\xff\xff\xff", b"\xdc\x27\x11" + b"\xc4\x00" * 10_001):
        answer = post(body)
        assert answer.status == 400, body[:10]
        assert "cannot be read" in json.loads(answer.content)["summary"]
    assert post(bytes(5 << 20)).status == 413
    assert json.loads(post(b"\x90").content) == {"queued": 0}
