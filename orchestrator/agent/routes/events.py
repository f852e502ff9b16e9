"""Serves events and log lines: those that are kept, and with `follow` those to come."""

from collections.abc import Collection
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.agent.following import FOLLOWERS_MAX, Following, TooManyFollow
from orchestrator.agent.peer import hang_up
from orchestrator.agent.routes.answers import Serves
from orchestrator.agent.routes.parameters import selection_in
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.bodies import JSON_LINES
from orchestrator.contract.problem import Problem
from orchestrator.model.event import Announce, Event, LogLine
from orchestrator.model.selection import EVENT_LEVELS, LOG_LEVELS
from orchestrator.observe.events import Journals

E = TypeVar("E", Event, LogLine)


class EventRoutes:
    """The routes of events and logs."""

    def __init__(self, journals: Journals, announce: Announce) -> None:
        self._logs = Following(journals.logs, partial(_dropped, announce, "logs"))
        self._events = Following(journals.events, partial(_dropped, announce, "events"))

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {endpoints.LOGS: self.logs, endpoints.EVENTS: self.events}

    async def logs(self, request: Request) -> Response:
        """Return the log lines that are asked for; with `follow`, those to come as well."""
        return self._lines(request, self._logs, LOG_LEVELS)

    async def events(self, request: Request) -> Response:
        """Return the events that are asked for; with `follow`, those to come as well."""
        return self._lines(request, self._events, EVENT_LEVELS)

    def _lines(self, request: Request, following: Following[E], levels: Collection[str]) -> Response:
        chosen = selection_in(request, levels)
        if request.query_params.get("follow") != "true":
            return StreamingResponse(following.kept(chosen), media_type=JSON_LINES)
        try:
            lines = following.follow(chosen, hang_up(request))
        except TooManyFollow:
            summary, hint = f"{FOLLOWERS_MAX} follow already", "End one of them, or ask without -f."
            raise Trouble(503, Problem(summary=summary, suggestion=hint)) from None
        return StreamingResponse(lines, media_type=JSON_LINES)

    def close(self) -> None:
        """End the answers that follow something."""
        self._logs.close()
        self._events.close()


def _dropped(announce: Announce, what: str, count: int) -> None:
    many = "one who follows" if count == 1 else f"{count} who follow"
    announce(None, "follower-dropped", f"hung up on {many} the {what} and did not read: they would have missed lines")
