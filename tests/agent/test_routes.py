"""What routes read of a request and make of an outcome; callers are hostile, and each mistake is told as theirs."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from orchestrator.agent.routes.answers import FAULTS, json_answer, json_line, reply
from orchestrator.agent.routes.bodies import Bodies, decoded
from orchestrator.agent.routes.parameters import (
    deployment_in,
    is_set,
    key_in,
    number_in,
    numbers_in,
    seconds_in,
    selection_in,
    source_name_in,
    target_in,
    text_in,
    timeout_in,
)
from orchestrator.agent.trouble import Trouble
from orchestrator.contract.bodies import NO_REPLY, RunBody
from orchestrator.contract.problem import Problem
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import BadCall, Exited, Outcome, Refused, Replied, Returned, Undelivered
from orchestrator.store.database import DatabaseFault

LONG = "x" * 5_000


def asked(query: str = "", *parts: bytes, namespace: str = "default", name: str = "hello") -> Request:
    """Make a request whose body comes in parts, or never ends where there are none."""
    left = list(parts)

    async def receive() -> Any:
        if not left:
            await asyncio.Event().wait()
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    scope = {
        "type": "http", "method": "POST", "path": "/v1/x", "query_string": query.encode(), "headers": [],
        "path_params": {"namespace": namespace, "name": name},
    }  # fmt: skip
    return Request(scope, receive)


READ: dict[str, tuple[Callable[[Request], Any], str, Any]] = {
    "a key": (key_in, "", DeploymentKey("default", "hello")),
    "a target": (target_in, "to=a/b", ComponentId("default", "hello", "a/b")),
    "a target without an instance": (target_in, "", ComponentId("default", "hello", "")),
    "a deployment": (deployment_in, "deployment=billing/tax", DeploymentKey("billing", "tax")),
    "no deployment": (deployment_in, "", None),
    "a text": (lambda r: text_in(r, "id"), "id=7", "7"),
    "no text": (lambda r: text_in(r, "id"), "", None),
    "numbers": (lambda r: numbers_in(r, "n"), "n=1&n=20", (1, 20)),
    "no numbers": (lambda r: numbers_in(r, "n"), "", None),
    "a number": (lambda r: number_in(r, "n"), "n=0", 0),
    "no number": (lambda r: number_in(r, "n"), "", None),
    "seconds": (lambda r: seconds_in(r, "within"), "within=0", 0.0),
    "a timeout": (timeout_in, "timeout=2.5", 2.5),
    "a timeout that is not given": (timeout_in, "", 30.0),
    "a switch": (lambda r: is_set(r, "force"), "force=true", True),
    "a switch that is off": (lambda r: is_set(r, "force"), "", False),
    "a source": (source_name_in, "name=%2Fsrv%2Fmanifests", "/srv/manifests"),
    "a selection": (lambda r: selection_in(r, ("error",)).level, "level=error&tail=5", "error"),
}
REFUSED: dict[str, tuple[Callable[[Request], Any], str, str]] = {
    "an empty text": (lambda r: text_in(r, "id"), "id=", "`id` has 1 to 256 characters"),
    "a long text": (lambda r: text_in(r, "id"), f"id={LONG}", "`id` has 1 to 256 characters"),
    "a number that is negative": (lambda r: numbers_in(r, "n"), "n=-1", "a n is a whole number"),
    "a number in other digits": (lambda r: numbers_in(r, "n"), "n=%D9%A3", "a n is a whole number"),
    "a number that is huge": (lambda r: numbers_in(r, "n"), f"n={'9' * 30}", "a n is a whole number"),
    "one number of several": (lambda r: numbers_in(r, "n"), "n=1&n=x", "a n is a whole number"),
    "no time at all": (timeout_in, "timeout=0", "a timeout lies between 0 and 3600s"),
    "a negative time": (timeout_in, "timeout=-1", "a timeout lies between 0 and 3600s"),
    "no number of seconds": (timeout_in, "timeout=soon", "a timeout lies between 0 and 3600s"),
    "not a number at all": (timeout_in, "timeout=nan", "a timeout lies between 0 and 3600s"),
    "for ever": (timeout_in, "timeout=inf", "a timeout lies between 0 and 3600s"),
    "no name of a source": (source_name_in, "", "`name` has 1 to 4096 characters"),
    "a level that is none": (
        lambda r: selection_in(r, ("error", "info")),
        "level=loud",
        "a level is one of error, info",
    ),
}


@pytest.mark.parametrize(("read", "query", "found"), READ.values(), ids=READ)
def test_what_a_request_asks_for_is_read(read: Callable[[Request], Any], query: str, found: Any):
    assert read(asked(query)) == found


@pytest.mark.parametrize(("read", "query", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_as_the_callers_mistake(read: Callable[[Request], Any], query: str, said: str):
    with pytest.raises(Trouble, match=re.escape(said)) as raised:
        read(asked(query))
    assert (raised.value.status, raised.value.problem.exit_code) == (400, 64)


@pytest.mark.parametrize("label", ["", "UPPER", "a/b", "..", "a" * 64, "ä", "a\nb", LONG])
def test_a_path_that_names_no_deployment_is_refused_and_repeated_in_part(label: str):
    for request in (asked(name=label), asked(namespace=label)):
        with pytest.raises(Trouble) as raised:
            key_in(request)
        assert raised.value.status == 400
        assert len(raised.value.problem.summary) < 200
        assert raised.value.problem.summary.isprintable()


def test_a_body_is_read_whole_up_to_its_limit_and_not_beyond():
    async def read(limit: int) -> bytes:
        return await Bodies().read(asked("", b"ab", b"", b"cd"), limit)

    assert asyncio.run(read(4)) == b"abcd"
    with pytest.raises(Trouble) as raised:
        asyncio.run(read(3))
    assert raised.value.status == 413


def test_who_never_finishes_sending_does_not_keep_the_agent_from_ending():
    async def read() -> None:
        bodies = Bodies()
        reading = asyncio.ensure_future(bodies.read(asked(), 10))
        await asyncio.sleep(0)
        bodies.closing.set()
        await reading

    with pytest.raises(Trouble) as raised:
        asyncio.run(read())
    assert raised.value.status == 503


@pytest.mark.parametrize("body", [b"", b"{", b'{"arguments": 5}', b"[" * 100_000])
def test_a_body_that_is_something_else_is_the_callers_mistake(body: bytes):
    with pytest.raises(Trouble, match="the request cannot be read") as raised:
        decoded(body, RunBody)
    assert raised.value.status == 400


ENDS: dict[str, tuple[Outcome, int, str]] = {
    "refused": (Refused("no"), 422, "no"),
    "trapped": (Exited(ExitReason(kind=ExitKind.TRAPPED, backtrace=("a", "b"))), 502, "the guest failed"),
    "the host's": (
        Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail="no disk")), 502, "the host failed, and not the guest"
    ),
    "a bad call": (BadCall("no such function"), 400, "no such function"),
    "undelivered": (Undelivered("queue-full", "1000 wait"), 503, "queue-full: 1000 wait"),
}  # fmt: skip


@pytest.mark.parametrize(("outcome", "status", "said"), ENDS.values(), ids=ENDS)
def test_each_outcome_that_is_not_well_has_its_status(outcome: Outcome, status: int, said: str):
    with pytest.raises(Trouble) as raised:
        reply(outcome)
    assert raised.value.status == status
    assert raised.value.problem.summary.startswith(said)


def test_what_went_well_is_answered_as_it_is():
    assert reply(Replied(b"\xff")).body == b"\xff"
    assert reply(Replied(None)).headers[NO_REPLY] == "true"
    assert reply(Returned([1, "a"])).body == b'[1,"a"]'
    assert json_answer({"a": 1}).body + b"\n" == json_line({"a": 1})


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Trouble(409, Problem(summary="not now")), 409),
        (DatabaseFault("no room"), 503),
        (OSError(28, "No space left on device"), 503),
    ],
    ids=["trouble", "the database", "the machine"],
)
def test_what_an_operation_raises_is_answered_as_a_problem(fault: Exception, status: int):
    answer = next(act for kind, act in FAULTS.items() if isinstance(fault, kind))
    response = asyncio.run(answer(asked(), fault))
    assert response.status_code == status
    assert msgspec.json.decode(response.body, type=Problem).summary
