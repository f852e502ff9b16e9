"""Serves runs of jobs that somebody asks for and watches."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.agent import views
from orchestrator.agent.jobs import Watcher
from orchestrator.agent.operations import Operations
from orchestrator.agent.routes.answers import Serves, json_line
from orchestrator.agent.routes.bodies import Bodies, decoded
from orchestrator.agent.routes.parameters import by_whom, deployment_in, key_in
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import CALL_MAX_BYTES, JSON_LINES, RunBody
from orchestrator.execute.ledger import Ledger


class JobRoutes:
    """The routes of jobs."""

    def __init__(self, operations: Operations, ledger: Callable[[], Ledger], bodies: Bodies) -> None:
        self._operations, self._ledger, self._bodies = operations, ledger, bodies

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.RUN: self.run,
            endpoints.RUNS: self.runs,
        }

    async def run(self, request: Request) -> Response:
        """Run a job again and return what it prints and how it ends, as lines; a caller that hangs up cancels it."""
        body = decoded(await self._bodies.read(request, CALL_MAX_BYTES), RunBody)
        watcher, by = Watcher(), await by_whom(request)
        cancel = await run_in_threadpool(self._operations.run, key_in(request), body.arguments, watcher, by)
        return StreamingResponse(watcher.lines(cancel), media_type=JSON_LINES)

    async def runs(self, request: Request) -> Response:
        """Return runs by schedule or request as lines, of one deployment, also of one that is gone, or of all."""
        of, ledger = deployment_in(request), self._ledger()
        keys = sorted(ledger.records) if of is None else [of]
        lines = (json_line(views.run_view(key, run)) for key in keys for run in ledger.runs(key))
        return StreamingResponse(lines, media_type=JSON_LINES)
