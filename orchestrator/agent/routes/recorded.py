"""Puts calls that change something into the audit book before they are carried out, with the caller as the kernel says.

A call that cannot be recorded is not carried out; a request to stop is: an agent on a full disk has to end, too.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.agent.auditing import Auditing
from orchestrator.agent.routes.answers import Serves, json_answer
from orchestrator.agent.routes.parameters import by_whom
from orchestrator.agent.trouble import Trouble
from orchestrator.contract import endpoints
from orchestrator.contract.endpoints import Endpoint
from orchestrator.model.audit import AuditKind, Note
from orchestrator.observe.events import printable

RECORDED: frozenset[Endpoint[Any]] = frozenset({
    endpoints.STOP, endpoints.RESTART_AGENT, endpoints.APPLY, endpoints.ADD_SOURCE, endpoints.SUSPEND_SOURCE,
    endpoints.RESUME_SOURCE,
    endpoints.REMOVE_SOURCE, endpoints.UP, endpoints.DELETE, endpoints.RUN, endpoints.DROP_HANDLES, endpoints.RESTART,
    endpoints.ROLLBACK, endpoints.APPROVE, endpoints.ROLLOUT, endpoints.SEND_AGAIN, endpoints.DISCARD,
    endpoints.COLLECT_COMPONENTS, endpoints.TEST_NOTIFY,
})  # fmt: skip
QUERY_MAX = 200  # characters of a query in an entry
Act = Callable[[Request], Awaitable[Response]]


class AuditRoutes:
    """The route of the book itself."""

    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing

    @property
    def serves(self) -> Serves:
        """Return what answers each endpoint."""
        return {endpoints.AUDIT: self.head}

    async def head(self, _request: Request) -> Response:
        """Bring everything that waits into the book, and return its end."""
        return json_answer(await run_in_threadpool(self._auditing.flush))


def recorded(serves: Serves, auditing: Auditing) -> Serves:
    """Return the same answers, those that change something recorded."""
    return {
        endpoint: _recording(endpoint, act, auditing) if endpoint in RECORDED else act
        for endpoint, act in serves.items()
    }


def _recording(endpoint: Endpoint[Any], act: Act, auditing: Auditing) -> Act:
    async def answer(request: Request) -> Response:
        note = await _note_of(request)
        with contextlib.suppress(*((OSError,) if endpoint == endpoints.STOP else ())):
            await run_in_threadpool(auditing.record, note)
        try:
            return await act(request)
        except Trouble as trouble:
            await _refused(auditing, note, trouble)
            raise

    return answer


async def _note_of(request: Request) -> Note:
    by = await by_whom(request)
    path, query = request.path_params, request.query_params
    subject = f"{path['namespace']}/{path['name']}" if "namespace" in path else query.get("name", "")
    call = f"{request.method} {request.url.path}"
    facts = {"call": call, "query": "&".join(f"{k}={v}" for k, v in query.items() if k not in ("name", "reason"))}
    said = {name: printable(text)[:QUERY_MAX] for name, text in facts.items() if text}
    return Note(kind=AuditKind.CALL, subject=printable(subject), by=by.peer, why=by.why, facts=said)


async def _refused(auditing: Auditing, note: Note, trouble: Trouble) -> None:
    facts = note.facts | {"status": str(trouble.status), "because": trouble.problem.summary}
    with contextlib.suppress(OSError):  # a condition of the agent by now, and nothing was changed
        await run_in_threadpool(
            auditing.record, Note(kind=AuditKind.REFUSED, subject=note.subject, by=note.by, facts=facts)
        )
