"""A port → connections, each served by a task of its own: so many a second, so many at a time, none for ever.

Those beyond the rate wait in the kernel, and then with their senders: a flood costs the agent a small share of a core,
whoever sends it. Of too many at a time, the one that takes longest makes way, so that those who say nothing keep nobody
out who has something to say.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from orchestrator.agent.webhook_requests import CHUNK_BYTES, Link
from orchestrator.concurrency.clock import Clock
from orchestrator.notify.pace import SendRate

CONNECTIONS_MAX = 64  # at a time; the next takes the place of the one that takes longest
PER_MINUTE = 3_000  # in the long run, a sixth of them at once; each takes a millisecond of a core at most
HANDSHAKE_S = 5.0
BACKLOG = 128
NO_ROOM_S = 0.2  # until it is tried again where the process may open no more


def bound(address: str) -> socket.socket:
    """Listen at an address and port.

    Raises:
        OSError: that is not possible.
    """
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as fault:
        listener.close()
        raise OSError(str(fault)) from None
    return listener


def shown_address(listener: socket.socket) -> str:
    """Write the address that a socket is bound to."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class WebhookConnections:
    """The connections to one listener, for its event loop alone; `crowded` is told of each that has to make way."""

    def __init__(
        self, serve: Callable[[Link], Awaitable[None]], crowded: Callable[[], None], clock: Clock
    ) -> None:  # fmt: skip
        self._serve, self._crowded, self._clock = serve, crowded, clock
        self._tasks: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._rate = SendRate(PER_MINUTE, clock.monotonic_ms())

    async def accept(self, listener: socket.socket, encryption: ssl.SSLContext | None) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                while wait_ms := self._rate.wait_ms(self._clock.monotonic_ms()):
                    await asyncio.sleep(wait_ms / 1000)
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError:  # the process or the machine has no room for another
                    await asyncio.sleep(NO_ROOM_S)
                    continue
                self._rate.take()
                self._begin(self._served(connection, encryption))
                await asyncio.sleep(0)  # those that wait in the kernel are taken without a pause otherwise
        finally:
            listener.close()

    def end(self) -> None:
        """Cut every connection."""
        for task in [*self._tasks]:
            task.cancel()

    def _begin(self, serving: Awaitable[None]) -> None:
        while len(self._tasks) >= CONNECTIONS_MAX:
            oldest = next(iter(self._tasks))
            del self._tasks[oldest]
            oldest.cancel()
            self._crowded()
        task = asyncio.ensure_future(serving)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _served(self, connection: socket.socket, encryption: ssl.SSLContext | None) -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(CHUNK_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=encryption, ssl_handshake_timeout=HANDSHAKE_S if encryption else None
            )
        except (OSError, asyncio.CancelledError):  # no TLS, it has gone, or makes way: ssl.SSLError is an OSError
            connection.close()
            return
        link = Link(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
        try:
            await self._serve(link)
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            link.cut()
