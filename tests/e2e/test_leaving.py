"""What is told to end: guests that finish, hang or cling, and what whoever waits for an answer is told meanwhile."""

import threading
from typing import NamedTuple

import pytest

from orchestrator.contract.problem import Failure

from .stage import Stage, key, wait_until
from .test_limits import write_patient

CEILING_S = 30.0
MANY = 16
AGAIN = {"intensity": 100, "backoff": {"initial": "1ms"}}


class Asked(NamedTuple):
    """A request under way on a thread of its own; what came of it is appended to `answers`."""

    thread: threading.Thread
    answers: list[str]

    def answer(self) -> str:
        """Wait for it."""
        self.thread.join(CEILING_S)
        assert not self.thread.is_alive(), "a request was neither answered nor refused"
        return self.answers[0]


def ask(stage: Stage, name: str, payload: str) -> Asked:
    answers: list[str] = []

    def work() -> None:
        client = stage.new_client()
        try:
            answers.append((client.request(key(name), payload.encode(), None, CEILING_S) or b"").decode())
        except Failure as failure:
            answers.append(f"{failure.summary} {failure.detail}")
        finally:
            client.close()

    asked = Asked(threading.Thread(target=work), answers)
    asked.thread.start()
    return asked


def ask_many(stage: Stage, name: str, payload: str) -> list[Asked]:
    """Have more asked of it than it can answer soon."""
    asked = [ask(stage, name, payload) for _ in range(MANY)]
    wait_until(lambda: stage.view(name).traffic.received == MANY)
    return asked


def ending(said: str, *known: str) -> str:
    return next((word for word in known if word in said), said)


@pytest.mark.parametrize(
    ("component", "payload", "answer"), [("faulty", "sleep 900", "slept"), ("worker-1.0.0", "hang", "deadline")]
)
@pytest.mark.parametrize(
    ("command", "refusal"),
    [(("agent", "stop"), "the agent is stopping"), (("delete", "one", "--no-wait"), "default/one is being removed")],
    ids=["agent-stop", "delete"],
)
def test_what_was_begun_is_finished_or_ended_and_everyone_who_waits_is_told(
    stage: Stage, component: str, payload: str, answer: str, command: tuple[str, ...], refusal: str
):
    stage.have("one", component, restart=AGAIN)
    asked = ask_many(stage, "one", payload)
    stage.run(*command)
    ended = [ending(one.answer(), answer, refusal) for one in asked]
    assert set(ended) == {answer, refusal}  # it may have begun several before it was told
    if command == ("agent", "stop"):
        stage.wait_for_end()
    else:
        wait_until(lambda: stage.client.deployments() == [])


def test_a_guest_that_clings_when_it_is_told_to_end_is_killed_and_it_is_told(stage: Stage):
    stage.have("one", "worker-1.0.0")
    stage.ask("one", "cling")
    stage.run("restart", "one")
    wait_until(lambda: stage.ask("one", "count") == "message 1 of this instance")
    said = stage.run("events", "one").out
    assert "deadline: " in said
    assert "it was told to end" in said
    stage.ask("one", "cling")
    stage.run("agent", "stop")
    stage.wait_for_end()


@pytest.mark.parametrize("hurried", [False, True], ids=["at-once", "while-it-stops"])
def test_who_does_not_finish_in_the_time_that_is_given_is_ended_and_told(stage: Stage, hurried: bool):
    write_patient(stage)
    stage.have("one", "patient")
    asked = ask_many(stage, "one", "sleep 60000")
    if hurried:
        stage.client.stop()
        assert "the agent is stopping" in refused(stage, "one")
    stage.run("agent", "stop", "--within", "0s")
    ended = [ending(one.answer(), "killed: interrupted", "the agent is stopping") for one in asked]
    assert sorted(ended) == ["killed: interrupted"] + ["the agent is stopping"] * (MANY - 1)
    stage.wait_for_end()


def refused(stage: Stage, name: str) -> str:
    """Say why a message is not taken, once that is so."""
    return wait_until(lambda: (said := stage.run("send", name, "echo x", code=None)).code and said.err)
