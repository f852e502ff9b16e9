"""Serves the exported state: all that another machine needs for a plan, signed with the agent's own key."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.exporting import Exporting
from orchestrator.agent.routes.answers import Serves
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import JSON
from orchestrator.contract.problem import Problem
from orchestrator.exported.signed import StateRefused


class ExportRoutes:
    """The route of the exported state."""

    def __init__(self, exporting: Exporting) -> None:
        self._exporting = exporting

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {endpoints.EXPORT: self.export}

    async def export(self, _request: Request) -> Response:
        """Return the bytes of the state's file."""
        try:
            return Response(await run_in_threadpool(self._exporting.sealed), media_type=JSON)
        except StateRefused as refused:
            problem = Problem(summary=refused.summary, detail=refused.detail, suggestion=refused.suggestion)
            raise Trouble(409, problem) from None
