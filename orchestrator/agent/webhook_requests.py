"""One connection of a stranger → at most one request, within limits of size and time, and a short answer.

Nothing of a body is taken before its headers name a path and claim to know its secret; nothing of it is parsed before
that claim holds. `webhooks.py` listens, counts and looks at sources. Each connection is for one request: whatever
follows it is not read.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum
from typing import NamedTuple

import h11

from orchestrator.agent.framing import doubt
from orchestrator.model.settings import WebhookEndpoint
from orchestrator.notify.hints import HINT_MAX_BYTES
from orchestrator.notify.signatures import Proof, claim_of

HEAD_MAX_BYTES = 16 << 10  # of the request line and all headers
HEAD_CHUNK_BYTES = 4 << 10  # read at once, as a head that comes whole is never held against that limit
HEAD_PIECES_MAX = 256  # that a head may come in
CHUNK_BYTES = 64 << 10
PIECES_FREE, PIECE_BYTES = 1_000, 256  # a body may come in so many pieces, and then in one for each so many bytes
REQUEST_S = 10.0  # for a whole request, which is what GitHub waits for an answer
LINGER_S = 1.0  # for a sender to read its answer, while the rest of its body is thrown away
LINGER_MAX_BYTES = 1 << 20


class RequestFault(Enum):
    """Why a request is not heeded; the word is what is counted."""

    SIGNATURE = "wrong-signature"
    NO_SECRET = "no-secret"  # noqa: S105 — of the endpoint: its file is not there
    PATH = "unknown-path"
    METHOD = "wrong-method"
    TOO_LARGE = "too-large"
    NOT_HTTP = "not-http"
    TOO_SLOW = "too-slow"
    CROWDED = "crowded-out"  # by later connections


_STATUSES = {
    RequestFault.SIGNATURE: 401,
    RequestFault.NO_SECRET: 503,
    RequestFault.PATH: 404,
    RequestFault.METHOD: 405,
    RequestFault.TOO_LARGE: 413,
    RequestFault.NOT_HTTP: 400,
    RequestFault.TOO_SLOW: 408,
}
_REASONS = {202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
            408: "Request Timeout", 413: "Content Too Large", 431: "Request Header Fields Too Large",
            503: "Service Unavailable"}  # fmt: skip


class RequestRefused(Exception):
    """A request is not heeded; `endpoint` is the one that it named, where it named one."""

    def __init__(self, why: RequestFault, endpoint: WebhookEndpoint | None = None, status: int = 0) -> None:
        super().__init__(why.value)
        self.why, self.endpoint, self.status = why, endpoint, status or _STATUSES[why]


class Rules(NamedTuple):
    """The rules of a listener: its endpoints by path, the secrets of each, the largest body, and the time."""

    endpoints: dict[str, WebhookEndpoint]
    secrets: Callable[[WebhookEndpoint], Sequence[str]]
    max_bytes: int
    now_s: Callable[[], float]


class ProvenRequest(NamedTuple):
    """A request whose sender knows the secret; the body is empty where it is too large to be looked at for a hint."""

    endpoint: WebhookEndpoint
    body: bytes


async def asked_on(link: "Link", rules: Rules) -> ProvenRequest:
    """Read a request and check that its sender knows the secret.

    Raises:
        RequestRefused: it is not to be heeded.
        ConnectionError: the sender has gone.
    """
    head = await link.head()
    path = head.target.decode("latin-1").partition("?")[0]
    endpoint = rules.endpoints.get(path)
    if endpoint is None:
        raise RequestRefused(RequestFault.PATH)
    if head.method != b"POST":
        raise RequestRefused(RequestFault.METHOD, endpoint)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(list(head.headers))}
    length = headers.get("content-length", "")
    if doubt(head.http_version.decode("latin-1"), frozenset(name for name, _ in head.headers)) is not None:
        raise RequestRefused(RequestFault.NOT_HTTP, endpoint)
    if length and int(length) > rules.max_bytes:
        raise RequestRefused(RequestFault.TOO_LARGE, endpoint)
    proof = _proof_of(endpoint, headers, rules)
    return ProvenRequest(endpoint, await _proven(link, endpoint, proof, rules.max_bytes))


def _proof_of(endpoint: WebhookEndpoint, headers: dict[str, str], rules: Rules) -> Proof:
    claim = claim_of(endpoint.kind, endpoint.header, headers, rules.now_s())
    if claim is None:
        raise RequestRefused(RequestFault.SIGNATURE, endpoint)
    secrets = rules.secrets(endpoint)
    if not secrets:
        raise RequestRefused(RequestFault.NO_SECRET, endpoint)
    proof = claim.against(secrets)
    if proof.is_told and not proof.holds():
        raise RequestRefused(RequestFault.SIGNATURE, endpoint)
    return proof


async def _proven(link: "Link", endpoint: WebhookEndpoint, proof: Proof, max_bytes: int) -> bytes:
    """Take the body; only as much of it is kept as is looked at for a hint."""
    kept, taken = bytearray(), 0
    async for chunk in link.body():
        taken += len(chunk)
        if taken > max_bytes:
            raise RequestRefused(RequestFault.TOO_LARGE, endpoint)
        proof.update(chunk)
        if taken <= HINT_MAX_BYTES:
            kept += chunk
        else:
            kept.clear()
    if not proof.holds():
        raise RequestRefused(RequestFault.SIGNATURE, endpoint)
    return bytes(kept) if taken <= HINT_MAX_BYTES else b""


class Link:
    """A connection, as far as one request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX_BYTES)

    @property
    def peer(self) -> str:
        """Name the other end."""
        address = self._writer.get_extra_info("peername")
        return str(address[0]) if isinstance(address, tuple) else "a neighbour"

    async def head(self) -> h11.Request:
        """Read the request line and the headers.

        Raises:
            RequestRefused: they are none, or too many.
        """
        found = await self._next(HEAD_CHUNK_BYTES, HEAD_PIECES_MAX)
        if not isinstance(found, h11.Request):
            raise ConnectionResetError("it said nothing")
        return found

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body; one in crumbs costs more than it says, and is none.

        Raises:
            RequestRefused: it is not framed as it says, or in too many pieces.
        """
        pieces, taken = 0, 0
        if self._http.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(found := await self._next(CHUNK_BYTES, PIECES_FREE), h11.Data):
            pieces, taken = pieces + 1, taken + len(found.data)
            if pieces > PIECES_FREE + taken // PIECE_BYTES:
                raise RequestRefused(RequestFault.NOT_HTTP)
            yield bytes(found.data)

    async def _next(self, most_bytes: int, pieces_max: int) -> object:
        pieces = 0
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                pieces += 1
                if pieces > pieces_max:
                    raise RequestRefused(RequestFault.NOT_HTTP)
                self._http.receive_data(await self._reader.read(most_bytes))
        except h11.RemoteProtocolError as error:
            raise RequestRefused(RequestFault.NOT_HTTP, status=error.error_status_hint) from None
        return event

    async def answer(self, status: int, words: str) -> None:
        """Answer, and wait a little for the sender to take it in; its connection is cut afterwards."""
        body = f"{words}\n".encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))),
                   ("connection", "close"), *([("allow", "POST")] if status == 405 else [])]  # fmt: skip
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        self._write(h11.Response(status_code=status, headers=headers, reason=_REASONS[status].encode()))
        self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LINGER_S):
                await self._linger()

    def _write(self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _linger(self) -> None:
        """Throw away the rest: a connection that is cut with bytes unread takes the answer with it."""
        await self._writer.drain()
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = LINGER_MAX_BYTES
        while left > 0 and (chunk := await self._reader.read(CHUNK_BYTES)):
            left -= len(chunk)

    def cut(self) -> None:
        """End the connection, whatever it is at."""
        self._writer.transport.abort()
