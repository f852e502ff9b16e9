"""Refuses requests whose end two readers would see in different places, before anything of them is read.

The parser below refuses other contradictions: lengths that differ, codings other than `chunked`, two hosts. It lets
pass `Transfer-Encoding` beside `Content-Length` and in HTTP/1.0, and goes by the former (RFC 9112, section 6.1).
"""

from collections.abc import Callable, Collection

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.contract.codes import USAGE
from orchestrator.contract.endpoints import ASK_AGAIN
from orchestrator.contract.problem import Problem

_LENGTH, _CODING = b"content-length", b"transfer-encoding"


def doubt(version: str, names: frozenset[bytes]) -> str | None:
    """Say why the end of a request is in doubt, by its HTTP version and its headers' names; None when it is not."""
    if _CODING not in names:
        return None
    if _LENGTH in names:
        return "the request has a Content-Length and a Transfer-Encoding, of which either says where it ends"
    if version == "1.0":
        return "the request has a Transfer-Encoding, which HTTP/1.0 does not know"
    return None


class Framed:
    """An application that is given only requests whose end is in no doubt; others are answered 400, and hung up on.

    While another process is about to go on in its place, nothing more is begun: who asks is told to ask that one.
    `under_way` counts the requests that are served, but for those of `followed` paths, which nobody waits for.
    """

    def __init__(
        self, application: ASGIApp, is_leaving: Callable[[], bool] = lambda: False,
        followed: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._application, self._is_leaving, self._followed = application, is_leaving, followed
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        why = doubt(scope["http_version"], frozenset(name for name, _ in scope["headers"]))
        if why is not None:
            await _refuse(send, 400, _in_doubt(why))
        elif self._is_leaving():
            await _refuse(send, 503, _LEAVING, (ASK_AGAIN.encode(), b"1"))
        elif scope.get("path") in self._followed:
            await self._application(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.under_way += 1
        try:
            await self._application(scope, receive, send)
        finally:
            self.under_way -= 1


async def _refuse(send: Send, status: int, problem: Problem, *more: tuple[bytes, bytes]) -> None:
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), (_LENGTH, b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _in_doubt(why: str) -> Problem:
    hint = "Say it once: by a Content-Length, or by chunks in HTTP/1.1."
    return Problem(summary=why, suggestion=hint, exit_code=USAGE)


_LEAVING = Problem(summary="the agent goes on as another process", suggestion="Ask again, on another connection.")
