"""Bodies of requests → bytes within a limit, and values decoded strictly."""

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request

from orchestrator.agent.trouble import Trouble
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Problem
from orchestrator.decoding import from_json

T = TypeVar("T")


class Bodies:
    """Reads bodies until the agent closes, which `closing` tells the answers that take long as well."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()

    async def read(self, request: Request, limit: int) -> bytes:
        """Read a body whole, or until the agent closes: an unfinished body must not keep it from ending."""
        reading = asyncio.ensure_future(_whole(request, limit))
        closing = asyncio.ensure_future(self.closing.wait())
        await asyncio.wait((reading, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not reading.done():
            reading.cancel()
            raise Trouble(503, Problem(summary="the agent is stopping"))
        return reading.result()


async def _whole(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Trouble(413, Problem(summary=f"the payload is over {limit} bytes", exit_code=USAGE))
        parts.append(part)
    return b"".join(parts)


def decoded(data: bytes, kind: type[T]) -> T:
    """Return the value that a body is the JSON of."""
    try:
        return from_json(data, kind)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise unreadable(problem) from None


def unreadable(why: Exception) -> Trouble:
    """Say that a body is not what is expected."""
    return Trouble(400, Problem(summary="the request cannot be read", detail=str(why), exit_code=USAGE))
