"""Serves traces: the records of conversations."""

from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.parameters import key_in, numbers_in, text_in
from orchestrator.contract import endpoints
from orchestrator.model.hop import Hop
from orchestrator.observe.events import Journals
from orchestrator.observe.trace import conversation_of, latest


class TraceRoutes:
    """The routes of traces."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.TRACE: self.trace,
            endpoints.LAST_TRACES: self.last_traces,
        }

    async def trace(self, request: Request) -> Response:
        """Return what is recorded of a conversation: a list of one, or of none."""
        id = text_in(request, "id")
        found = None if id is None else await run_in_threadpool(conversation_of, self._hops(), id)
        return json_answer([] if found is None else [found])

    async def last_traces(self, request: Request) -> Response:
        """Return the last conversations that a deployment took part in."""
        key, numbers = key_in(request), numbers_in(request, "last")
        return json_answer(await run_in_threadpool(latest, self._hops(), key, numbers[0] if numbers else 1))

    def _hops(self) -> Iterator[Hop]:
        return (hop for _, hop in self._journals.hops.since(0))
