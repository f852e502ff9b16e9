"""The peer of a connection, and how it is cut: in the scope of each request.

The ASGI extension `airs.peer` holds the user id, as the kernel tells, and `airs.hang-up` what ends the connection at
once, for a peer that does not take what it is sent. Names are looked up elsewhere than on the loop's thread: that may
ask a directory server.
"""

import asyncio
import pwd
import socket
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.model.who import Peer

EXTENSION = "airs.peer"
HANG_UP = "airs.hang-up"
NAMES_KEPT = 1_024
_CREDENTIALS = struct.Struct("iII")  # struct ucred: process, user and group when it connected


class PeerProtocol(H11Protocol):
    """HTTP over a Unix socket; every request of a connection says whose it is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        uid = uid_of(transport.get_extra_info("socket"))
        self.app = _Connected(self.app, {EXTENSION: uid, HANG_UP: transport.abort})


class _Connected:
    """An application that is told who asks, and how to hang up."""

    def __init__(self, application: Any, extensions: dict[str, Any]) -> None:
        self._application: ASGIApp = application
        self._extensions = extensions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._application({**scope, "extensions": self._extensions}, receive, send)


def uid_of(connection: socket.socket) -> int:
    """Return the user whose process connected."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


def hang_up(request: Request) -> Callable[[], None]:
    """Return the function that cuts a request's connection, with all that it was not sent yet."""
    cut: Callable[[], None] = request.scope["extensions"][HANG_UP]
    return cut


@lru_cache(NAMES_KEPT)
def peer_of(uid: int) -> Peer:
    """Name a user; may block."""
    try:
        return Peer(uid=uid, user=pwd.getpwuid(uid).pw_name)
    except KeyError:
        return Peer(uid=uid)
