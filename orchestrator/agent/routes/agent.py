"""Serves the agent's own state: who it is, how it is, and the request to stop."""

from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.log import LOG
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.parameters import by_whom, seconds_in
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.documents import AgentView, Done
from orchestrator.contract.problem import Problem


class Stop(Protocol):
    """Asks the agent to stop, or to go on as another process."""

    def __call__(self, limit_s: float | None, *, goes_on: bool) -> None:
        """Ask; `limit_s` is how long instances may take, None for as long as usual."""


class AgentRoutes:
    """The routes of the agent itself."""

    def __init__(self, about: Callable[[], AgentView], stop: Stop, *, may_restart: bool) -> None:
        self._about, self._stop, self._may_restart = about, stop, may_restart

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.AGENT: self.agent,
            endpoints.STOP: self.stop,
            endpoints.RESTART_AGENT: self.restart,
        }

    async def agent(self, _request: Request) -> Response:
        """Say who this is, and what is wrong with it."""
        return json_answer(self._about())

    async def stop(self, request: Request) -> Response:
        """Stop the agent, politely, `within` seconds before calls that still run are ended; once more, to hurry it."""
        LOG.info("asked to stop by %s", await by_whom(request))
        self._stop(seconds_in(request, "within") if "within" in request.query_params else None, goes_on=False)
        return json_answer(Done(message="stopping"))

    async def restart(self, request: Request) -> Response:
        """Go on as another process, of the airs that is installed now; callers wait meanwhile.

        Raises:
            Trouble: it runs in somebody's terminal.
        """
        if not self._may_restart:
            hint = "End it with Ctrl-C where it runs, and start it again."
            summary = "this agent is an `airs up`, which ends with its terminal"
            raise Trouble(409, Problem(summary=summary, suggestion=hint))
        LOG.info("asked to restart by %s", await by_whom(request))
        self._stop(seconds_in(request, "within") if "within" in request.query_params else None, goes_on=True)
        return json_answer(Done(message="restarting"))
