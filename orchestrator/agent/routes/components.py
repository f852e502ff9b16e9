"""Serves the collection of the component store on demand."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.collection import Collector
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.codes import USAGE
from orchestrator.contract.documents import CollectedView
from orchestrator.contract.problem import Problem


class ComponentRoutes:
    """The route of the component store."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {endpoints.COLLECT_COMPONENTS: self.collect}

    async def collect(self, request: Request) -> Response:
        """Remove what nothing has needed for `retain` milliseconds."""
        retain = request.query_params.get("retain", "")
        if not (retain.isascii() and retain.isdecimal() and len(retain) < 13):
            raise Trouble(400, Problem(summary="`retain` takes milliseconds", exit_code=USAGE))
        collected, kept = await run_in_threadpool(self._collector.collect_packages, int(retain))
        return json_answer(CollectedView.of(collected.packages, kept))
