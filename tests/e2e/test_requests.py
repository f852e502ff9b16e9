"""Requests between components: real guests of `06-request-reply` that ask each other, through the command line."""

import json
import re

import pytest
import wasmtime

from tests.interface.worlds import ASKS

from .stage import Stage, wait_until

CALLABLE = """
  (core module $m (func (export "f"))) (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f")))"""
AGAIN = {"backoff": {"initial": "1ms"}, "intensity": 100}


@pytest.fixture
def office(stage: Stage) -> Stage:
    """A desk that may ask a clerk and itself."""
    stage.write("desk", "desk-1.0.0", grants={"messaging.send": ["clerk", "desk", "nobody"]}, restart=AGAIN)
    stage.write("clerk", "clerk-1.0.0", restart=AGAIN)
    stage.apply()
    return stage


def answers(stage: Stage, count: int) -> list[str]:
    """Return what the desk was told, once that is so much."""
    return wait_until(lambda: len(said := stage.ask("desk", "answers").splitlines()) >= count and said)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("square 12", "clerk replied 144"),
        ("nothing", "clerk replied nothing"),
        ("refuse", "clerk failed, runtime-error: not today"),
        ("crash", "clerk failed, failed: trapped"),
    ],
)
def test_an_answer_comes_to_who_asked_in_a_call_of_its_own(office: Stage, asked: str, told: str):
    id = office.ask("desk", f"ask clerk {asked}")
    assert len(id) == 32
    assert answers(office, 1) == [told]


def test_answers_come_in_whatever_order_they_are_given(office: Stage):
    office.write("clerk", "clerk-1.0.0", replicas=2)
    office.apply()
    office.ask("desk", "ask clerk wait 300 slow")
    office.ask("desk", "ask clerk say quick")
    assert answers(office, 2) == ["clerk replied quick", "clerk replied slow"]


def test_who_is_not_answered_in_time_is_told_so_and_the_late_answer_is_dropped(office: Stage):
    office.ask("desk", "ask-within 50 clerk wait 400 late")
    assert answers(office, 1) == ["clerk failed, correlation-timeout: no answer within 50 ms"]
    office.ask("desk", "ask clerk say next")  # answered after that
    assert answers(office, 2)[1:] == ["clerk replied next"]
    assert "undelivered" in office.events("clerk")


def test_who_asks_itself_goes_on_and_is_answered_afterwards(office: Stage):
    office.ask("desk", "ask desk echo hello")
    assert answers(office, 1) == ["desk replied hello"]


def test_a_request_needs_a_grant_for_whom_it_asks(office: Stage):
    denied = office.run("request", "desk", "ask stranger say hello", code=1).err
    assert "capability denied: default/desk was not granted messaging.send: [default/stranger]" in denied
    office.write("desk", "desk-1.0.0")
    office.apply()
    assert "capability denied" in office.run("request", "desk", "ask clerk say hello", code=1).err


def test_who_is_not_there_is_named_at_once(office: Stage):
    assert "target-not-found: default/nobody" in office.run("request", "desk", "ask nobody hello", code=1).err


def test_a_request_that_was_cancelled_has_no_answer(office: Stage):
    id = office.ask("desk", "ask clerk wait 200 never heard")
    assert office.ask("desk", f"cancel {id}") == "cancelled"
    assert f"no request {id} of this instance" in office.run("request", "desk", f"cancel {id}", code=1).err
    office.ask("desk", "ask clerk say heard")
    assert answers(office, 1) == ["clerk replied heard"]


def test_nobody_else_can_cancel_a_request(office: Stage):
    office.write("other", "desk-1.0.0")
    office.apply()
    id = office.ask("desk", "ask clerk wait 100 mine")
    assert "no request" in office.run("request", "other", f"cancel {id}", code=1).err
    assert answers(office, 1) == ["clerk replied mine"]


def test_an_answer_is_a_call_like_any_other_that_may_trap_or_be_refused(office: Stage):
    office.ask("desk", "ask clerk say refuse")
    wait_until(lambda: "undelivered" in office.events("desk"))
    assert office.view("desk").restarts == 0
    office.ask("desk", "ask clerk say crash")
    wait_until(lambda: office.view("desk").restarts == 1)
    assert office.view("desk").instances[0].last_exit.kind.value == "trapped"


def test_an_instance_that_starts_again_is_not_told_what_the_one_before_it_asked(office: Stage):
    office.ask("desk", "ask clerk wait 300 too late")
    office.run("request", "desk", "crash", code=1)
    wait_until(lambda: office.view("desk").ready == 1)
    office.ask("desk", "ask clerk say mine")
    assert answers(office, 1) == ["clerk replied mine"]


def test_a_desk_that_is_stopped_hears_that_its_requests_failed(office: Stage):
    office.ask("desk", "ask clerk wait 2000 unheard")
    office.run("restart", "desk")
    wait_until(lambda: "is told to end" in office.run("logs", "desk").out)
    assert "clerk failed, delivery-failed: instance" in office.run("logs", "desk").out


def test_an_agent_with_requests_under_way_stops_politely(office: Stage):
    for _ in range(20):
        office.ask("desk", "ask clerk wait 100 x")
    office.stop()


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_component_that_asks_and_takes_no_answers_is_named_before_anything_changes(stage: Stage, command: str):
    folder = stage.folder / "components" / "asks"
    folder.mkdir(parents=True)
    (folder / "it.wasm").write_bytes(wasmtime.wat2wasm(f"(component {ASKS} {CALLABLE})"))
    (folder / "Component.toml").write_text(
        'manifest-version = 1\n[package]\nname = "asks"\nversion = "1.0.0"\n[artifact]\npath = "it.wasm"\n'
        '[resources]\nmemory = "8MiB"\nfuel = 1_000_000\ntimeout = "1s"\n'
        '[capabilities]\nmessaging.send = ["default/*"]\n'
    )
    stage.write("asks", "asks")
    said = stage.run(command, str(stage.manifests), code=None)
    assert said.code not in (0, 2)
    assert "the component makes requests, and could not be given their answers" in said.said
    assert "export `handle-callback`, or use `send`, which has no answer" in said.said


def test_a_broadcast_reaches_everybody_or_names_who_did_not_take_it(office: Stage):
    office.write("archive", "clerk-1.0.0")
    office.write("desk", "desk-1.0.0", grants={"messaging.send": ["clerk", "archive", "gone"]})
    office.apply()
    assert office.ask("desk", "tell clerk,archive news") == "told"
    refused = office.run("request", "desk", "tell clerk,gone,archive more", code=1).err
    assert "target-not-found: default/gone" in refused
    denied = office.run("request", "desk", "tell clerk,stranger,archive secret", code=1).err
    assert "was not granted messaging.send: [default/stranger]" in denied
    for name in ("clerk", "archive"):  # the second one too, as it is queued for each; the third one for nobody
        wait_until(lambda name=name: office.ask(name, "kept") == "2")
    many = office.run("request", "desk", "tell " + ",".join(["clerk"] * 257) + " x", code=1).err
    assert "257 targets; a broadcast has at most 256" in many


def test_what_became_of_requests_is_counted(office: Stage):
    office.ask("desk", "ask clerk say hello")
    office.ask("desk", "ask clerk refuse")
    office.ask("desk", "ask-within 50 clerk wait 150 late")
    id = office.ask("desk", "ask clerk wait 10 never heard")
    office.ask("desk", f"cancel {id}")
    office.run("request", "desk", "ask nobody hello", code=1)  # never was on its way
    answers(office, 3)
    wait_until(lambda: office.view("desk").requests.late >= 1)
    seen = office.view("desk").requests
    assert (seen.waiting, seen.sent, seen.answered, seen.failed) == (0, 4, 1, 1)
    assert (seen.timed_out, seen.cancelled) == (1, 1)
    assert "4 sent, 1 answered, 1 failed, 1 timed out, 1 cancelled" in office.run("status", "desk").out


def test_requests_of_an_instance_that_crashed_are_cancelled_and_their_answers_late(office: Stage):
    office.ask("desk", "ask clerk wait 150 too late")
    office.run("request", "desk", "crash", code=1)
    assert office.view("desk").requests.cancelled == 1
    wait_until(lambda: office.view("desk").requests.late == 1)


def hops(conversation: dict[str, object]) -> list[tuple[str, str, str, str]]:
    return [(hop["kind"], hop["sender"]["name"], hop["target"]["name"], hop["outcome"]) for hop in conversation["hops"]]


OFFICE_HOPS = [
    ("request", "client", "desk", "replied 32 bytes"),
    ("request", "desk", "clerk", "replied 3 bytes"),
    ("send", "clerk", "archive", "handled"),
    ("answer", "clerk", "desk", "handled"),
]


@pytest.fixture
def big_office(office: Stage) -> Stage:
    """A desk, a clerk and an archive that gets a copy of every answer."""
    office.write("clerk", "clerk-1.0.0", config={"copies": "archive"}, grants={"messaging.send": ["archive"]})
    office.write("archive", "clerk-1.0.0")
    office.apply()
    return office


def traced(stage: Stage, *what: str) -> list[dict[str, object]]:
    return wait_until(
        lambda: (
            (ran := stage.run("-o", "json", "trace", *what, code=None)).code == 0
            and (found := json.loads(ran.out))
            and len(found[-1]["hops"]) == len(OFFICE_HOPS)
            and found
        )
    )


def test_a_conversation_is_followed_through_every_component(big_office: Stage):
    big_office.run("request", "desk", "ask clerk square 12", "--conversation", "about squares")
    (conversation,) = traced(big_office, "about squares")
    assert conversation["conversation"] == "about squares"
    assert sorted(hops(conversation)) == sorted(OFFICE_HOPS)
    assert [hop["atUs"] for hop in conversation["hops"]] == sorted(hop["atUs"] for hop in conversation["hops"])


def test_a_conversation_without_a_name_is_found_by_a_request_and_by_who_took_part(big_office: Stage):
    id = big_office.ask("desk", "ask clerk square 12")
    (by_request,) = traced(big_office, id)
    assert sorted(hops(by_request)) == sorted(OFFICE_HOPS)
    assert traced(big_office, "--last", "1", "archive") == [by_request]
    shown = big_office.run("trace", id).out
    assert "default/archive" in shown
    assert "replied 3 bytes" in shown


def test_a_request_shows_its_own_conversation_on_standard_error(big_office: Stage):
    ran = big_office.run("request", "desk", "who", "--trace")
    assert ran.out.startswith("default/desk/")
    assert "airs/client" in ran.err
    name = re.search("airs trace ([0-9a-f]+)", ran.err)[1]
    assert [hop[:3] for hop in hops(json.loads(big_office.run("-o", "json", "trace", name).out)[0])] == [
        ("request", "client", "desk")
    ]
    failed = big_office.run("request", "desk", "nonsense", "--trace", code=1).err
    assert failed.index("runtime-error") < failed.index("error: ")


def test_a_conversation_shows_what_came_late_and_what_reached_nobody(office: Stage):
    office.run("request", "desk", "ask-within 50 clerk wait 150 late", "--conversation", "late")
    wait_until(lambda: "nobody waits for it any more" in office.run("trace", "late").out)
    kinds = [kind for kind, *_ in hops(json.loads(office.run("-o", "json", "trace", "late").out)[0])]
    assert kinds == ["request", "request", "timeout", "late"]
    office.run("request", "desk", "ask nobody hello", "--conversation", "nobody", code=1)
    assert "target-not-found" in office.run("trace", "nobody").out


def test_of_a_conversation_that_is_not_known_nothing_is_shown(office: Stage):
    assert "nothing is recorded of a conversation x" in office.run("trace", "x", code=1).err
    assert office.run("trace", "--last", "3", "nobody").out.strip() == "No conversations."
    assert "names no deployment" in office.run("trace", "--last", "3", "No Name", code=64).err
