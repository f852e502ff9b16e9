"""Requests over HTTP(S) to hosts that are not trusted: to addresses that were looked at, within limits, step by step.

A host is resolved once and connected to at that address, so that no second answer of its name server leads elsewhere.
Redirects are followed for what is read: never from https to http, never into this machine or its network from outside,
and never with credentials to another host. `url.py` and `oci/registry.py` call it; it retries nothing.
"""

import http.client
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from orchestrator.fetch.guarded import Guarded
from orchestrator.fetch.limits import REDIRECTS_MAX, FetchFailed, FetchSettings
from orchestrator.source.spec import Address, is_forbidden, is_loopback, plain_address

CHUNK_BYTES = 64 << 10
CONNECT_S = 15.0
AGENT = "airs"
_MOVED = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class Target(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host, in brackets where it needs them, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def is_same_host(self, other: "Target") -> bool:
        """Whether the other is the same server, to which the same credentials may go."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


_PORTS = {"https": 443, "http": 80}


def trusted_by(ca: str) -> ssl.SSLContext:
    """Return the encryption for hosts whose certificates an authority signed; for none named, the system's.

    Raises:
        FetchFailed: the file holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise FetchFailed(f"{ca} is no file of certificates", str(error)) from None


def target_of(url: str) -> Target:
    """Read a URL.

    Raises:
        FetchFailed: it is none that is fetched.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise FetchFailed(f"cannot read {_shown(url)}", str(error)) from None
    if parts.scheme not in _PORTS:
        raise FetchFailed(f"{_shown(parts.scheme)}:// is not fetched", "only https is", "Use https://.")
    if parts.username is not None or parts.password is not None:
        raise FetchFailed(f"a URL of {_shown(host)} has credentials in it", "a URL ends up in logs and in the state")
    if not host or not re.fullmatch(r"[A-Za-z0-9._:-]+", host) or not url.isascii() or not url.isprintable():
        raise FetchFailed(f"cannot read {_shown(url)}", "its host or path is not one")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if " " in path:
        raise FetchFailed(f"cannot read {_shown(url)}", "it has a space in it")
    return Target(parts.scheme, host.lower(), port or _PORTS[parts.scheme], path)


class HttpAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, target: Target, response: http.client.HTTPResponse, guarded: Guarded) -> None:
        self.target, self._response, self._guarded = target, response, guarded
        self.status = response.status

    def header(self, name: str) -> str:
        """Return a header's value, empty for none."""
        value = self._response.headers.get(name, "")
        return str(value)

    @property
    def length(self) -> int | None:
        """The bytes that the server promised; None where it did not say."""
        value = self.header("Content-Length")
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 16 else None

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the body.

        Raises:
            FetchFailed: it is larger, slower or shorter than it may be.
        """
        length, taken = self.length, 0
        if length is not None and length > max_bytes:
            raise _too_large(self.target, max_bytes)
        self._guarded.allow(2 * max_bytes)  # pieces of a body have lengths of their own
        while True:
            self._guarded.patience()
            try:
                chunk = self._response.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _broken(self.target, error) from None
            if not chunk:
                break
            taken += len(chunk)
            if taken > max_bytes:
                raise _too_large(self.target, max_bytes)
            yield chunk
        if length is not None and taken < length:
            detail = f"the connection ended after {taken} of {length} bytes"
            raise FetchFailed(f"{self.target.authority} did not send everything", detail, is_passing=True)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def body(self, max_bytes: int) -> bytes:
        """Read the body whole.

        Raises:
            FetchFailed: as `chunks`.
        """
        return b"".join(self.chunks(max_bytes))


class Http:
    """Sends requests, as the settings allow. Safe to use from several threads.

    `plain_http` allows plain HTTP to this machine, besides hosts of which the settings say so.
    """

    def __init__(self, settings: FetchSettings, *, plain_http: bool = False) -> None:
        self._settings, self._plain_http = settings, plain_http

    @contextmanager
    def send(
        self, method: str, url: str, headers: Mapping[str, str], *, authorization: str = "",
        body: bytes | None = None, led_by: str = "",
    ) -> Iterator[HttpAnswer]:  # fmt: skip
        """Send a request and yield the answer, whatever its status; a GET follows redirects.

        `led_by` is the address whose answer named this one, which is then followed to as a redirect is.

        Raises:
            FetchFailed: the host cannot be reached, or is not one to be reached.
        """
        target, deadline = target_of(url), time.monotonic() + self._settings.timeout_s
        first = target
        # whether the first host lies in this machine or its network
        is_inside = self._is_inside(target_of(led_by)) if led_by else None
        for _ in range(REDIRECTS_MAX + 1):
            sent = dict(headers)
            if authorization and target.is_same_host(first):
                sent["Authorization"] = authorization
            connection, guarded, is_inside = self._connected(target, is_inside, deadline)
            asked = self._asked(connection, guarded, method, target, sent, body)
            with closing(connection), closing(asked) as answer:
                if method not in ("GET", "HEAD") or answer.status not in _MOVED or not answer.header("Location"):
                    yield answer
                    return
                target = _next(target, answer.header("Location"))
        raise FetchFailed(f"{first.authority} redirects in circles", f"more than {REDIRECTS_MAX} times")

    def is_plain(self, host: str, port: int | None = None) -> bool:
        """Whether a registry is spoken to without TLS."""
        return self._settings.of(host, port).plain_http or (self._plain_http and is_loopback(host))

    def _asked(
        self, connection: http.client.HTTPConnection, guarded: Guarded, method: str, target: Target,
        headers: Mapping[str, str], body: bytes | None,
    ) -> HttpAnswer:  # fmt: skip
        plain_proxy = self._settings.proxy and target.scheme == "http" and not is_loopback(target.host)
        path = f"http://{target.authority}{target.path}" if plain_proxy else target.path
        own = {"Host": target.authority, "User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"}
        try:
            connection.request(method, path, body=body, headers={**own, **headers})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise _broken(target, error) from None
        except FetchFailed:
            connection.close()
            raise
        return HttpAnswer(target, response, guarded)

    def _connected(
        self, target: Target, is_inside: bool | None, deadline: float
    ) -> tuple[http.client.HTTPConnection, Guarded, bool]:
        """Connect, and return whether the host lies inside, if it is the first."""
        if target.scheme == "http" and not self._may_be_plain(target):
            detail = "http:// is neither encrypted nor authenticated"
            hint = "Use https://, or allow it for this host in the agent's configuration."
            raise FetchFailed(f"{target.authority} is not fetched from by http://", detail, hint)
        connection, encryption = http.client.HTTPConnection(target.host, target.port), self._encryption(target)
        try:
            if self._is_beyond_proxy(target):
                sock = self._through_proxy(target)
                inside = False
            else:
                addresses = addresses_of(target.host, target.port)
                inside = _is_any_inside(addresses)
                if inside and is_inside is False:
                    raise FetchFailed(
                        f"{target.authority} is not followed to", "a host outside leads into this network"
                    )
                sock = _opened([str(address) for address in addresses], target.port)
            sock.settimeout(self._settings.stall_s)
            wire = encryption.wrap_socket(sock, server_hostname=target.host) if encryption else sock
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _broken(target, error) from None
        guarded = Guarded(wire, target.authority, self._settings.stall_s, deadline)
        connection.sock = guarded
        return connection, guarded, inside if is_inside is None else is_inside

    def _is_beyond_proxy(self, target: Target) -> bool:
        return bool(self._settings.proxy) and not is_loopback(target.host)

    def _is_inside(self, target: Target) -> bool:
        return not self._is_beyond_proxy(target) and _is_any_inside(addresses_of(target.host, target.port))

    def _may_be_plain(self, target: Target) -> bool:
        return is_loopback(target.host) or self._settings.of(target.host, target.port).plain_http

    def _encryption(self, target: Target) -> ssl.SSLContext | None:
        if target.scheme == "http":
            return None
        return trusted_by(self._settings.of(target.host, target.port).ca)

    def _through_proxy(self, target: Target) -> socket.socket:
        proxy = target_of(self._settings.proxy)
        sock = socket.create_connection((proxy.host, proxy.port), CONNECT_S)
        if target.scheme == "http":
            return sock
        where = f"{target.host}:{target.port}"
        with closing(http.client.HTTPResponse(sock, method="CONNECT")) as response:
            sock.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode("ascii"))
            response.begin()
            status = response.status
        if status == 200:
            return sock
        sock.close()
        raise FetchFailed(f"the proxy {proxy.authority} does not lead to {where}", f"it answered {status}")


def addresses_of(host: str, port: int) -> list[Address]:
    """Look a host up.

    Raises:
        FetchFailed: it has no address, or one where nothing is fetched.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        hint = "Check the name and the network; it is tried again."
        raise FetchFailed(f"cannot find the host {host}", suggestion=hint, is_passing=True) from None
    names = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    addresses = [plain_address(name) for name in names]
    for address in addresses:
        if is_forbidden(address) or (address.is_loopback and not is_loopback(host)):
            raise FetchFailed(f"{host} is not fetched from", f"it leads to {address}, where no server for others is")
    return addresses


def _is_any_inside(addresses: list[Address]) -> bool:
    """Decide whether one of some addresses is of this machine or of a network around it, and not of the Internet."""
    return any(not address.is_global for address in addresses)


def check_status(answer: HttpAnswer, what: str) -> None:
    """Make a failure of any answer that is none.

    Raises:
        FetchFailed: the status is not 200 or 206.
    """
    if answer.status in (200, 206):
        return
    host = answer.target.authority
    told = {
        401: f"{host} wants credentials for {what}", 403: f"{host} does not give {what} to us",
        404: f"{host} has no {what}", 429: f"{host} was asked too often",
    }  # fmt: skip
    hint = "Name its credentials in the agent's configuration." if answer.status in (401, 403) else ""
    summary = told.get(answer.status, f"{host} did not give {what}")
    raise FetchFailed(summary, f"status {answer.status}", hint, is_passing=answer.status in _PASSING)


def _opened(addresses: list[str], port: int) -> socket.socket:
    """Connect to the first address that answers."""
    fault: OSError = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), CONNECT_S)
        except OSError as error:
            fault = error
    raise fault


def _next(target: Target, location: str) -> Target:
    try:
        moved = target_of(urljoin(f"{target.scheme}://{target.authority}{target.path}", location))
    except ValueError as error:
        raise FetchFailed(f"{target.authority} redirects to nowhere", str(error)) from None
    if target.scheme == "https" and moved.scheme == "http":
        raise FetchFailed(f"{target.authority} redirects to http://", "what comes from there could be anybody's")
    return moved


def _too_large(target: Target, max_bytes: int) -> FetchFailed:
    return FetchFailed(f"{target.authority} sends too much", f"more than {max_bytes} bytes")


def _broken(target: Target, error: Exception) -> FetchFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "Name the authority that signed it in the agent's configuration, as `ca`."
        return FetchFailed(f"the certificate of {target.authority} is not trusted", error.verify_message, hint)
    if isinstance(error, ssl.SSLError) and is_loopback(target.host):
        hint = "If it speaks no TLS, use --plain-http, or write plain-http = true for it in the agent's configuration."
        return FetchFailed(f"{target.authority} cannot be fetched from", str(error.reason or error), hint)
    detail = "it stopped sending" if isinstance(error, TimeoutError) else _shown(str(error) or type(error).__name__)
    return FetchFailed(f"{target.authority} cannot be fetched from", detail, is_passing=True)


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
