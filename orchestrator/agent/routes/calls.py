"""Serves typed calls, and the sessions that hold what they returned."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent import views
from orchestrator.agent.messages import Messages
from orchestrator.agent.routes.answers import Serves, json_answer, outcome_of, reply
from orchestrator.agent.routes.bodies import Bodies, unreadable
from orchestrator.agent.routes.parameters import LABEL, SHOWN_MAX, key_in, numbers_in, target_in, timeout_in
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import CALL_MAX_BYTES, CallBody
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Problem
from orchestrator.decoding import from_plain
from orchestrator.encoding.strict_json import NotJson, read_json
from orchestrator.model.ids import NAME_MAX_LENGTH

QUICK_BYTES = 64 << 10  # of JSON, which take about a millisecond to read


class CallRoutes:
    """The routes of typed calls."""

    def __init__(self, messages: Messages, bodies: Bodies) -> None:
        self._messages, self._bodies = messages, bodies

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.CALL: self.call,
            endpoints.SESSIONS: self.sessions,
            endpoints.DROP_HANDLES: self.drop_handles,
        }

    async def call(self, request: Request) -> Response:
        """Make a typed call and return its result as JSON."""
        timeout_s = timeout_in(request)
        data = await self._bodies.read(request, CALL_MAX_BYTES)
        body = _call(data) if len(data) <= QUICK_BYTES else await run_in_threadpool(_call, data)
        pending = self._messages.call(target_in(request), body.function, body.arguments, body.session)
        return reply(await outcome_of(pending, request, timeout_s))

    async def sessions(self, request: Request) -> Response:
        """List a deployment's sessions."""
        key = key_in(request)
        return json_answer([views.session_view(key, seen) for seen in self._messages.sessions(key)])

    async def drop_handles(self, request: Request) -> Response:
        """End a session, or drop some of its handles; returns how many were dropped."""
        key, handles, timeout_s = key_in(request), numbers_in(request, "handle"), timeout_in(request)
        session = request.path_params["session"]
        if len(session) > NAME_MAX_LENGTH or not LABEL.fullmatch(session):
            raise Trouble(400, Problem(summary=f"{session[:SHOWN_MAX]!a} names no session", exit_code=USAGE))
        pending = self._messages.drop_handles(key, session, handles)
        return reply(await outcome_of(pending, request, timeout_s))


def _call(data: bytes) -> CallBody:
    try:
        return from_plain(read_json(data), CallBody)
    except (NotJson, msgspec.ValidationError) as problem:
        raise unreadable(problem) from None
