"""What a full mailbox does, how long a message waits, and what becomes of messages that nobody handled well."""

import base64
import json
import threading
from contextlib import closing

import pytest

from orchestrator.contract.codes import FAILED, TIMED_OUT, USAGE

from .stage import Stage, wait_until

AGAIN = {"backoff": {"initial": "1ms"}, "intensity": 100}
LONG = "sleep 4000"


def logged(stage: Stage, name: str) -> list[str]:
    """Return what its guests logged, without what is logged of their ends."""
    lines = [json.loads(line) for line in stage.run("-o", "json", "logs", name).out.splitlines()]
    return [line["text"] for line in lines if line["level"] == "info"]


def letters(stage: Stage, *name: str) -> list[dict]:
    return stage.json("get", "dead-letters", *name)


def payloads(stage: Stage, *name: str) -> list[str]:
    return [base64.b64decode(letter["payload"]).decode() for letter in letters(stage, *name)]


def busy(stage: Stage, name: str, work: str = LONG) -> None:
    """Have the one instance work, so that what is sent from now on waits."""
    stage.run("send", name, work)
    wait_until(lambda: stage.view(name).traffic.waiting == 0)


def test_a_full_mailbox_rejects_unless_told_otherwise_and_counts_it(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 2})
    busy(stage, "one")
    stage.run("send", "one", "a")
    stage.run("send", "one", "b")
    failed = stage.run("send", "one", "c", code=FAILED)
    assert "queue-full: default/one already has 2 messages waiting" in failed.err
    traffic = stage.view("one").traffic
    assert (traffic.received, traffic.waiting, traffic.rejected, traffic.dead_letters) == (3, 2, 1, 0)
    assert "2 waiting, 3 received, 0 handled, 1 rejected" in stage.run("status", "one").out
    stage.run("delete", "one", "--no-wait")


def test_a_full_mailbox_that_drops_makes_room_for_the_newest(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 2, "whenFull": "drop-oldest"})
    busy(stage, "one", "sleep 1500")
    for number in range(5):
        stage.run("send", "one", f"log {number}")
    wait_until(lambda: "4" in logged(stage, "one"))
    assert logged(stage, "one") == ["3", "4"]
    traffic = stage.view("one").traffic
    assert (traffic.received, traffic.dropped, traffic.dead_letters, traffic.rejected) == (6, 3, 3, 0)
    assert payloads(stage, "one") == ["log 0", "log 1", "log 2"]
    assert {letter["reason"] for letter in letters(stage)} == {"dropped"}


def test_a_full_mailbox_that_blocks_has_the_command_line_wait(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 1, "whenFull": "block"})
    busy(stage, "one", "sleep 500")
    stage.run("send", "one", "log 1")
    stage.run("send", "one", "log 2")  # waits until the sleeper is done
    assert stage.view("one").traffic.rejected == 0
    stage.run("send", "one", LONG)
    wait_until(lambda: logged(stage, "one") == ["1", "2"])
    wait_until(lambda: stage.view("one").traffic.waiting == 0)
    stage.run("send", "one", "log 3")
    full = stage.run("send", "one", "log 4", "--timeout", "50ms", code=TIMED_OUT)
    assert "the mailbox of default/one stays full" in full.err
    stage.run("delete", "one", "--no-wait")


def test_a_full_mailbox_that_blocks_has_a_guest_wait_and_loses_nothing(stage: Stage):
    stage.write("target", "faulty", mailbox={"capacity": 1, "whenFull": "block"})
    stage.write("sender", "faulty", grants={"messaging.send": ["default/target"]})
    stage.apply()
    busy(stage, "target", "sleep 300")
    for number in range(4):
        assert stage.ask("sender", f"send target log {number}") == "sent"
    wait_until(lambda: logged(stage, "target") == ["0", "1", "2", "3"])
    assert stage.view("sender").restarts == 0


def test_a_guest_that_waits_for_room_longer_than_its_call_may_take_is_ended(stage: Stage):
    stage.write("target", "faulty", mailbox={"capacity": 1, "whenFull": "block"})
    stage.write("sender", "faulty", grants={"messaging.send": ["default/target"]}, limits={"timeout": "200ms"})
    stage.apply()
    busy(stage, "target")
    assert stage.ask("sender", "send target log 0") == "sent"
    assert "deadline" in stage.run("request", "sender", "send target log 1", code=FAILED).err
    stage.run("delete", "target", "--no-wait")


def test_a_message_that_waits_too_long_is_a_dead_letter_though_nobody_comes_for_it(stage: Stage):
    stage.have("one", "faulty", mailbox={"ttl": "50ms"})
    busy(stage, "one")
    stage.run("send", "one", "log late")
    wait_until(lambda: stage.view("one").traffic.expired == 1)
    refused = stage.run("request", "one", "log never", code=FAILED)
    assert "expired: no instance of default/one took it within 50 ms" in refused.err
    (letter,) = letters(stage, "one")  # who asked was told
    assert letter["reason"] == "expired"
    stage.run("delete", "one", "--no-wait")


def test_how_a_mailbox_behaves_is_changed_in_place(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 1})
    before = stage.lives("one")
    busy(stage, "one")
    stage.run("send", "one", "log 1")
    stage.run("send", "one", "log 2", code=FAILED)
    said = stage.have("one", "faulty", mailbox={"capacity": 1, "whenFull": "drop-oldest"}).said
    assert "mailbox" in said
    stage.run("send", "one", "log 2")
    assert stage.lives("one") == before
    assert payloads(stage) == ["log 1"]
    stage.run("delete", "one", "--no-wait")


def test_what_was_not_handled_well_is_kept_with_why(stage: Stage):
    stage.have("one", "faulty", restart=AGAIN)
    for message in ("err not now", "log well", "trap", "nonsense"):
        stage.run("send", "one", message)
    wait_until(lambda: len(letters(stage)) == 3)
    told = [(letter["reason"], letter["sender"], letter["attempts"]) for letter in letters(stage)]
    assert told == [
        ("runtime-error", "airs/client", 1),
        ("trapped", "airs/client", 1),
        ("runtime-error", "airs/client", 1),
    ]
    assert stage.view("one").traffic.dead_letters == 3
    shown = stage.run("get", "dead-letters").out
    assert "not now" in shown
    assert "default/one" in shown
    assert "undelivered" in stage.events("one")


def test_status_and_top_count_the_dead_letters_that_there_are(stage: Stage):
    def counted() -> set[int]:
        shown = {stage.view("one").traffic.dead_letters, len(letters(stage)), len(stage.json("get", "dead-letters"))}
        return shown | {row["deadLetters"] for row in stage.json("top", "--once")["deployments"]}

    stage.have("one", "faulty", restart=AGAIN)
    for message in ("err once", "trap", "err again", "log well"):
        stage.run("send", "one", message)
    wait_until(lambda: counted() == {3})
    assert stage.view("one").traffic.lost == 3
    stage.stop()
    stage.start()
    assert counted() == {3}
    assert "3 dead letters" in stage.run("status", "one").out
    first = letters(stage)[0]["number"]
    stage.run("replay", "one", str(first), "--discard")
    assert counted() == {2}
    stage.run("replay", "one")  # neither is handled well this time
    wait_until(lambda: [letter["attempts"] for letter in letters(stage)] == [2, 2])
    assert counted() == {2}
    stage.run("replay", "one", "--discard")
    assert counted() == {0}
    assert "dead letters" not in stage.run("status", "one").out


def test_letters_sent_again_are_gone_once_handled_and_stay_with_a_new_reason_if_not(stage: Stage):
    stage.have("one", "faulty", restart=AGAIN, mailbox={"capacity": 1, "whenFull": "drop-oldest"})
    busy(stage, "one", "sleep 1500")
    for message in ("log first", "err always", "log last"):
        stage.run("send", "one", message)
    wait_until(lambda: logged(stage, "one") == ["last"])
    assert payloads(stage) == ["log first", "err always"]
    first, second = (letter["number"] for letter in letters(stage))
    assert "1 dead letter is on its way again" in stage.run("replay", "one", str(first)).err
    wait_until(lambda: [letter["number"] for letter in letters(stage)] == [second])
    assert logged(stage, "one") == ["last", "first"]
    stage.run("replay", "one")
    wait_until(lambda: letters(stage)[0]["attempts"] == 2)
    assert letters(stage)[0]["reason"] == "runtime-error"
    assert "no dead letter 999" in stage.run("replay", "one", "999", code=FAILED).err
    assert "1 dead letter discarded" in stage.run("replay", "one", "--discard").err
    acts = [each["verb"] for each in stage.json("history", "one") if each["kind"] == "Act"]
    assert "no dead letters are on their way again" in stage.run("replay", "one").err
    assert "no dead letters discarded" in stage.run("replay", "one", "--discard").err
    after = [each["verb"] for each in stage.json("history", "one") if each["kind"] == "Act"]
    assert after == acts, "nothing was done"
    assert "No dead letters." in stage.run("get", "dead-letters", "one").out
    stage.run("replay", "one", "0", code=USAGE)


def test_letters_survive_the_kill_of_the_agent_and_one_that_was_on_its_way_again_does_too(stage: Stage):
    stage.have("one", "faulty", restart=AGAIN)
    stage.run("send", "one", "err no")
    wait_until(lambda: payloads(stage) == ["err no"])
    (number,) = (letter["number"] for letter in letters(stage))
    busy(stage, "one")
    stage.run("replay", "one")
    assert letters(stage)[0]["sentAgain"]
    stage.kill()
    stage.start()
    assert [(letter["number"], letter["sentAgain"]) for letter in letters(stage)] == [(number, False)]


def test_what_waits_when_the_agent_stops_is_kept_and_can_be_sent_when_it_is_back(stage: Stage):
    stage.have("one", "faulty", restart=AGAIN)
    busy(stage, "one", "sleep 1500")
    stage.run("send", "one", "log later")
    stage.stop()
    stage.start()
    assert payloads(stage) == ["log later"]
    wait_until(lambda: stage.view("one").phase == "running")
    stage.run("replay", "one")
    wait_until(lambda: logged(stage, "one")[-1:] == ["later"])
    wait_until(lambda: letters(stage) == [])


@pytest.mark.parametrize("verb", [[], ["--discard"]])
def test_letters_of_a_deployment_that_is_gone_are_kept(stage: Stage, verb: list[str]):
    stage.have("one", "faulty")
    stage.run("send", "one", "err x")
    wait_until(lambda: letters(stage))
    stage.run("delete", "one", "--no-wait")
    wait_until(lambda: "default/one" not in stage.run("get", "deployments").out)
    assert len(letters(stage, "one")) == 1
    ran = stage.run("replay", "one", *verb, code=None)
    assert ("target-not-found" in ran.err) is (not verb)
    assert len(letters(stage, "one")) == (0 if verb else 1)


def test_many_senders_that_wait_for_room_all_get_some(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 1, "whenFull": "block"})
    busy(stage, "one", "sleep 200")

    def send() -> None:
        with closing(stage.new_client()) as client:
            client.send(stage.key("one"), b"log x", None, 30.0)

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: logged(stage, "one") == ["x"] * 20)
