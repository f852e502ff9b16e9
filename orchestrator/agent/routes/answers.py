"""Values and outcomes → responses, and what went wrong → the status and the problem that say so."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from orchestrator.agent.log import LOG
from orchestrator.agent.messages import Pending
from orchestrator.agent.routes.parameters import SHOWN_MAX
from orchestrator.agent.trouble import Trouble
from orchestrator.contract.bodies import JSON, NO_REPLY
from orchestrator.contract.codes import USAGE
from orchestrator.contract.endpoints import Endpoint
from orchestrator.contract.problem import Problem
from orchestrator.model.exits import ExitKind
from orchestrator.model.message import BadCall, Exited, Outcome, Refused, Replied, Returned, Undelivered
from orchestrator.store.database import DatabaseFault

Serves = dict[Endpoint[Any], Callable[[Request], Awaitable[Response]]]


def json_line(value: object) -> bytes:
    """Return a value as JSON on a line of its own."""
    return msgspec.json.encode(value) + b"\n"


def json_list(values: Iterable[object]) -> bytes:
    """Return values as a JSON list, each encoded as it comes."""
    return b"[" + b",".join(map(msgspec.json.encode, values)) + b"]"


def json_answer(value: object) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), media_type=JSON)


async def outcome_of(pending: Pending, request: Request, timeout_s: float) -> Outcome:
    """Wait for an outcome as long as the caller does.

    Raises:
        Trouble: there was none in time.
        ClientDisconnect: the caller has hung up.
    """
    if pending.future.done():
        return pending.future.result()
    # Only waited for: a caller that stops waiting must not cancel a future that a worker is about to settle.
    answered, gone = asyncio.wrap_future(pending.future), asyncio.ensure_future(hung_up(request))
    done, _ = await asyncio.wait((answered, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if answered in done:
        return answered.result()
    trouble = pending.give_up(timeout_s)
    raise ClientDisconnect if gone in done else trouble


async def hung_up(request: Request) -> None:
    """Return when the caller has gone, whose request was read whole."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def reply(outcome: Outcome) -> Response:
    """Answer with what came of a message or a call.

    Raises:
        Trouble: it did not end well.
    """
    match outcome:
        case Replied(payload=None):
            return Response(b"", media_type="application/octet-stream", headers={NO_REPLY: "true"})
        case Replied(payload=payload):
            return Response(payload, media_type="application/octet-stream")
        case Returned(value=value):
            return json_answer(value)
        case Refused():
            raise Trouble(422, Problem(summary=str(outcome)))
        case Exited(reason=reason):
            whose = "the host failed, and not the guest" if reason.kind is ExitKind.HOST_FAULT else "the guest failed"
            raise Trouble(502, Problem(
                summary=f"{whose}: {reason}", detail="\n".join(reason.backtrace),
                suggestion="`airs logs` and `airs status` show what its supervisor did about it.",
            ))  # fmt: skip
        case BadCall(problem=problem, suggestion=suggestion, detail=detail):
            raise Trouble(400, Problem(summary=problem, detail=detail, suggestion=suggestion, exit_code=USAGE))
        case Undelivered():
            raise Trouble(503, Problem(summary=f"{outcome.case}: {outcome.detail}"))


async def _troubled(_request: Request, trouble: Exception) -> Response:
    assert isinstance(trouble, Trouble)
    return Response(msgspec.json.encode(trouble.problem), status_code=trouble.status, media_type=JSON)


async def _not_written(request: Request, fault: Exception) -> Response:
    LOG.error("%s %s was not done: %s", request.method, request.url.path[:SHOWN_MAX], fault)
    problem = Problem(
        summary="the machine refused what the agent needs for this",
        detail=str(fault),
        suggestion="The deployments keep running. Mend that (is the disk full?) and ask again.",
    )
    return Response(msgspec.json.encode(problem), status_code=503, media_type=JSON)


async def _no_such_route(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    summary = f"the API has no {request.method[:20]} {request.url.path[:SHOWN_MAX]}"
    problem = Problem(summary=summary, suggestion="Use an airs of the agent's version.", exit_code=USAGE)
    return Response(msgspec.json.encode(problem), refused.status_code, refused.headers, JSON)


async def _gone(_request: Request, _trouble: Exception) -> Response:
    return Response(status_code=499)


FAULTS = {
    Trouble: _troubled, HTTPException: _no_such_route, ClientDisconnect: _gone,
    DatabaseFault: _not_written, OSError: _not_written,
}  # fmt: skip
