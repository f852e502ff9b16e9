"""Serves tests of receivers: forges and notifications that are told of what happens."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.notifying import Notifying
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.parameters import text_in
from orchestrator.contract import endpoints
from orchestrator.contract.documents import Done


class NotifyRoutes:
    """The routes of receivers."""

    def __init__(self, notifying: Notifying) -> None:
        self._notifying = notifying

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {endpoints.TEST_NOTIFY: self.test}

    async def test(self, request: Request) -> Response:
        """Send something to a receiver now."""
        name = text_in(request, "name") or ""
        return json_answer(Done(message=await run_in_threadpool(self._notifying.send_test, name)))
