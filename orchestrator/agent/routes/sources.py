"""Serves sources: followed durably or while an `airs up` runs, suspended, resumed and removed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from orchestrator.agent.routes.answers import Serves, json_answer, json_line
from orchestrator.agent.routes.bodies import Bodies, decoded
from orchestrator.agent.routes.parameters import by_whom, source_name_in
from orchestrator.agent.sources import Sources, spec_of
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import CALL_MAX_BYTES, JSON_LINES, RemoveBody, SourceWish
from orchestrator.contract.documents import Done, UpBegan, UpEvent, UpLook
from orchestrator.model.source import place_of, root_of
from orchestrator.model.who import By
from orchestrator.observe.events import Journals
from orchestrator.plan.saved import PLAN_MAX_BYTES


class SourceRoutes:
    """The routes of sources."""

    def __init__(self, sources: Sources, journals: Journals, bodies: Bodies) -> None:
        self._sources, self._journals, self._bodies = sources, journals, bodies

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {
            endpoints.SOURCES: self.sources,
            endpoints.ADD_SOURCE: self.add_source,
            endpoints.READ_SOURCES: self.read_sources,
            endpoints.SUSPEND_SOURCE: self.suspend_source,
            endpoints.RESUME_SOURCE: self.resume_source,
            endpoints.REMOVAL: self.removal,
            endpoints.REMOVE_SOURCE: self.remove_source,
            endpoints.UP: self.up,
        }

    async def sources(self, _request: Request) -> Response:
        """List every source."""
        return json_answer(await run_in_threadpool(self._sources.views))

    async def add_source(self, request: Request) -> Response:
        """Follow a source from now on."""
        wish = decoded(await self._bodies.read(request, CALL_MAX_BYTES), SourceWish)
        spec = await run_in_threadpool(spec_of, wish)
        return json_answer(await run_in_threadpool(self._sources.add, spec, wish, await by_whom(request)))

    async def read_sources(self, request: Request) -> Response:
        """Look at one source, or at all that are watched."""
        name = source_name_in(request) if "name" in request.query_params else None
        return json_answer(await run_in_threadpool(self._sources.look, name))

    async def suspend_source(self, request: Request) -> Response:
        """Stop following a source until it is resumed."""
        return json_answer(Done(message=await run_in_threadpool(self._sources.suspend, *await _named(request))))

    async def resume_source(self, request: Request) -> Response:
        """Follow a suspended source again."""
        return json_answer(Done(message=await run_in_threadpool(self._sources.resume, *await _named(request))))

    async def removal(self, request: Request) -> Response:
        """Say what removing a source would do."""
        prune = request.query_params.get("prune") == "true"
        return json_answer(
            await run_in_threadpool(self._sources.removals.removal, source_name_in(request), prune=prune)
        )

    async def remove_source(self, request: Request) -> Response:
        """Remove a source."""
        body = decoded(await self._bodies.read(request, PLAN_MAX_BYTES), RemoveBody)
        by = await by_whom(request)
        return json_answer(await run_in_threadpool(self._sources.removals.remove, body.shown, by, prune=body.prune))

    async def up(self, request: Request) -> Response:
        """Follow a source as long as the caller stays, and tell as lines what happens meanwhile."""
        wish = decoded(await self._bodies.read(request, CALL_MAX_BYTES), SourceWish)
        spec = await run_in_threadpool(spec_of, wish)
        before = self._journals.events.newest, self._journals.looks.newest
        by = await by_whom(request)
        ends = await run_in_threadpool(self._sources.begin_up, spec, wish, by)
        began = UpBegan(name=spec.identity, reads=place_of(spec), root=root_of(spec), ends=ends)
        ended = partial(self._sources.end_up, began.name, by) if ends else None
        return _UpResponse(self._up_lines(began, *before), ended)

    async def _up_lines(self, began: UpBegan, event: int, look: int) -> AsyncIterator[bytes]:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not woken.is_set():  # lines appended before are read once it is cleared
                loop.call_soon_threadsafe(woken.set)

        events, looks = self._journals.events, self._journals.looks
        leave = events.follow(wake), looks.follow(wake)
        try:
            yield json_line(began)
            while True:
                woken.clear()
                for number, status in looks.since(look):
                    look = number
                    if status.source == began.name:
                        yield json_line(UpLook(status=status))
                for number, happened in events.since(event):
                    event = number
                    yield json_line(UpEvent(event=happened))
                if not await self._more(woken):
                    return
        finally:
            for each in leave:
                each()

    async def _more(self, woken: asyncio.Event) -> bool:
        """Wait for another entry; False when the agent closes."""
        waits = [asyncio.ensure_future(event.wait()) for event in (woken, self._bodies.closing)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self._bodies.closing.is_set()


async def _named(request: Request) -> tuple[str, By]:
    return source_name_in(request), await by_whom(request)


class _UpResponse(StreamingResponse):
    """Lines for an `airs up`; `ended` is called once it has gone, however little of them it took."""

    def __init__(self, lines: AsyncIterator[bytes], ended: Callable[[], None] | None) -> None:
        super().__init__(lines, media_type=JSON_LINES)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._ended is not None:
                self._ended()
