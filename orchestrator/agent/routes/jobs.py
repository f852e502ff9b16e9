"""Serves runs of jobs that somebody asks for and watches."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.agent.jobs import Watcher
from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves
from orchestrator.agent.routes.bodies import Bodies, decoded
from orchestrator.agent.routes.parameters import by_whom, key_in
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import CALL_MAX_BYTES, JSON_LINES, RunBody


class JobRoutes:
    """The routes of jobs."""

    def __init__(self, operations: Operations, bodies: Bodies) -> None:
        self._operations, self._bodies = operations, bodies

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.RUN: self.run,
        }

    async def run(self, request: Request) -> Response:
        """Run a job again and return what it prints and how it ends, as lines; a caller that hangs up cancels it."""
        body = decoded(await self._bodies.read(request, CALL_MAX_BYTES), RunBody)
        watcher, by = Watcher(), await by_whom(request)
        cancel = await run_in_threadpool(self._operations.run, key_in(request), body.arguments, watcher, by)
        return StreamingResponse(watcher.lines(cancel), media_type=JSON_LINES)
