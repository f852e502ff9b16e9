"""Delivery at least once: what was acknowledged is handled, wherever the agent is killed."""

import random

import pytest

from orchestrator.contract.codes import FAILED, USAGE

from .stage import COUNTER_GRANTS, Stage, wait_until
from .test_mailboxes import AGAIN, LONG, busy, letters, logged, payloads

DURABLE = {"delivery": "at-least-once", "restart": AGAIN}


def is_there(stage: Stage, name: str) -> bool:
    return stage.view(name).phase == "running"


def nothing_left(stage: Stage) -> None:
    """Stop the agent, start another, and see that it is handed nothing."""
    stage.stop()
    stage.start()
    wait_until(lambda: is_there(stage, "one"))
    assert stage.view("one").traffic.received == 0


def again(stage: Stage, phase: str = "running") -> None:
    """Kill the agent, and start another."""
    stage.kill()
    stage.start()
    wait_until(lambda: stage.view("one").phase == phase)


def test_what_waits_when_the_agent_is_killed_is_handled_by_the_next(stage: Stage):
    stage.have("one", "faulty", **DURABLE)
    busy(stage, "one", "sleep 1500")  # is at work, and handled again
    for number in range(5):
        stage.run("send", "one", f"log {number}")
    again(stage)
    wait_until(lambda: logged(stage, "one") == ["0", "1", "2", "3", "4"])
    nothing_left(stage)
    assert letters(stage) == []


def test_what_waits_when_the_agent_stops_is_no_dead_letter(stage: Stage):
    stage.have("one", "faulty", **DURABLE)
    busy(stage, "one", "sleep 1500")
    stage.run("send", "one", "log later")
    stage.stop()
    stage.start()
    wait_until(lambda: logged(stage, "one") == ["later"])
    assert letters(stage) == []


def test_nothing_that_was_acknowledged_is_lost_however_often_the_agent_is_killed(stage: Stage):
    stage.have("one", "faulty", grants=COUNTER_GRANTS, mailbox={"batch": 8, "capacity": 10_000}, **DURABLE)
    chance = random.Random(7)
    for round in range(4):
        lines = stage.folder / "lines"
        lines.write_text("".join(f"store {round}-{number} x\n" for number in range(chance.randrange(50, 400))))
        stage.run("send", "one", "--lines", str(lines))
        sent = len(lines.read_text().splitlines())
        wanted = {f"{round}-{number}" for number in range(sent)}
        again(stage)
        wait_until(lambda wanted=wanted, round=round: wanted <= set(stage.ask("one", f"keys {round}-").split()))
    assert letters(stage) == []


def test_what_fails_is_tried_again_and_then_a_dead_letter(stage: Stage):
    stage.have("one", "faulty", mailbox={"attempts": 3}, **DURABLE)
    for message in ("err no", "trap", "log fine"):
        stage.run("send", "one", message)
    wait_until(lambda: len(letters(stage)) == 2)
    assert sorted(payloads(stage)) == ["err no", "trap"]
    assert {letter["attempts"] for letter in letters(stage)} == {3}
    assert logged(stage, "one") == ["fine"]
    traffic = stage.view("one").traffic
    assert (traffic.received, traffic.sent_again, traffic.dead_letters) == (3 + 4, 4, 2)
    nothing_left(stage)
    assert len(letters(stage)) == 2


def test_how_often_a_message_failed_is_known_to_the_next_agent(stage: Stage):
    stage.have("one", "faulty", mailbox={"attempts": 4}, **DURABLE)
    stage.run("send", "one", "err no")
    wait_until(lambda: stage.view("one").traffic.sent_again >= 2)
    assert stage.view("one").traffic.kept == 1
    again(stage)
    wait_until(lambda: letters(stage))
    assert letters(stage)[0]["attempts"] == 4
    assert stage.view("one").traffic.kept == 0
    assert stage.view("one").traffic.received <= 2


def test_a_message_of_the_same_id_is_taken_once_also_by_the_next_agent(stage: Stage):
    stage.have("one", "faulty", **DURABLE)
    for _ in range(2):
        stage.run("send", "one", "log once", "--id", "order-7")
    stage.run("send", "one", "log other", "--id", "order-8")
    wait_until(lambda: logged(stage, "one") == ["once", "other"])
    again(stage)
    stage.run("send", "one", "log once", "--id", "order-7")
    stage.run("send", "one", "log more")
    wait_until(lambda: logged(stage, "one")[-1:] == ["more"])
    assert logged(stage, "one") == ["more"]


def test_ids_are_refused_where_nobody_remembers_them(stage: Stage):
    stage.have("one", "faulty")
    refused = stage.run("send", "one", "x", "--id", "a", code=FAILED)
    assert "its `spec.delivery` is at-most-once" in refused.err
    assert "--id names one message" in stage.run("send", "one", "--lines", "/dev/null", "--id", "a", code=USAGE).err


def test_a_message_that_was_rejected_is_not_kept_and_neither_is_its_id(stage: Stage):
    stage.have("one", "faulty", mailbox={"capacity": 1}, **DURABLE)
    busy(stage, "one", "sleep 1500")
    stage.run("send", "one", "log 1")
    assert "queue-full" in stage.run("send", "one", "log 2", "--id", "a", code=FAILED).err
    assert stage.view("one").traffic.kept == 2
    wait_until(lambda: logged(stage, "one") == ["1"])
    stage.run("send", "one", "log again", "--id", "a")
    wait_until(lambda: logged(stage, "one") == ["1", "again"])
    nothing_left(stage)


def test_messages_to_what_was_suspended_meanwhile_are_handled_once_it_goes_on(stage: Stage):
    stage.have("one", "faulty", **DURABLE)
    busy(stage, "one", "sleep 1500")
    stage.run("send", "one", "log later")
    stage.have("one", "faulty", suspend=True, **DURABLE)
    wait_until(lambda: stage.view("one").phase == "suspended")
    assert letters(stage) == []
    wait_until(lambda: stage.view("one").traffic.kept == 1)  # what was at work has been handled
    again(stage, "suspended")
    assert ", 1 kept until handled well" in stage.run("status", "one").out
    again_there = stage.have("one", "faulty", **DURABLE)
    assert again_there.code == 0
    wait_until(lambda: "later" in logged(stage, "one"))
    wait_until(lambda: stage.view("one").traffic.kept == 0)


def test_what_a_guest_sends_is_kept_as_well(stage: Stage):
    stage.write("one", "faulty", **DURABLE)
    stage.write("sender", "faulty", grants={"messaging.send": ["default/one"]})
    stage.apply()
    busy(stage, "one", LONG)
    assert stage.ask("sender", "send one log kept") == "sent"
    again(stage)
    wait_until(lambda: "kept" in logged(stage, "one"))


@pytest.mark.parametrize("then", ["expired", "dropped"])
def test_what_its_manifest_lets_go_is_a_dead_letter_at_once(stage: Stage, then: str):
    mailbox = {"ttl": "50ms"} if then == "expired" else {"capacity": 1, "whenFull": "drop-oldest"}
    stage.have("one", "faulty", mailbox=mailbox, **DURABLE)
    busy(stage, "one")
    stage.run("send", "one", "log first")
    stage.run("send", "one", "log second")
    wait_until(lambda: letters(stage))
    assert letters(stage)[0]["reason"] == then
    assert payloads(stage)[0] == "log first"
    stage.run("delete", "one", "--no-wait")


def test_delivery_is_changed_in_place_and_what_was_kept_is_still_delivered(stage: Stage):
    stage.have("one", "faulty", **DURABLE)
    before = stage.lives("one")
    busy(stage, "one")
    stage.run("send", "one", "log kept")
    said = stage.have("one", "faulty", restart=AGAIN).said
    assert "mailbox" in said
    assert stage.lives("one") == before
    again(stage)
    wait_until(lambda: "kept" in logged(stage, "one"))
