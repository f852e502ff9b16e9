"""Serves the agent's own state: who it is, how it is, and the request to stop."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.log import LOG
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.parameters import by_whom, seconds_in
from orchestrator.contract import endpoints
from orchestrator.contract.documents import AgentView, Done


class AgentRoutes:
    """The routes of the agent itself."""

    def __init__(self, about: Callable[[], AgentView], stop: Callable[[float | None], None]) -> None:
        self._about, self._stop = about, stop

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.AGENT: self.agent,
            endpoints.STOP: self.stop,
        }

    async def agent(self, _request: Request) -> Response:
        """Say who this is, and what is wrong with it."""
        return json_answer(self._about())

    async def stop(self, request: Request) -> Response:
        """Stop the agent, politely, `within` seconds before calls that still run are ended; once more, to hurry it."""
        LOG.info("asked to stop by %s", await by_whom(request))
        self._stop(seconds_in(request, "within") if "within" in request.query_params else None)
        return json_answer(Done(message="stopping"))
