"""HTTP/1.1 over a Unix socket: answers whole or line by line, on connections that are kept for the next request."""

import contextlib
import http.client
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

CONNECT_S = 5.0
READ_BYTES = 64 << 10
KEPT_MAX = 8  # idle connections
_PEER = struct.Struct("3i")  # pid, uid, gid


class Unreachable(Exception):
    """Nobody listens, or whoever does went away without an answer."""


class Silent(Unreachable):
    """A process listens and does not answer in time; `pid` is 0 where it is not known."""

    def __init__(self, pid: int) -> None:
        super().__init__("it took too long")
        self.pid = pid


class Answer(NamedTuple):
    """An answer, read whole."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether what was asked was done."""
        return 200 <= self.status < 300


class Stream(NamedTuple):
    """An answer that is read line by line."""

    status: int
    lines: Iterator[bytes]
    read: Callable[[], bytes]

    @property
    def is_success(self) -> bool:
        """Whether what was asked was done."""
        return 200 <= self.status < 300


class Connections:
    """Connections to one socket; any number of threads may ask at once, each on one of its own."""

    def __init__(self, path: Path, tell: Callable[[str], None] | None = None) -> None:
        self._path, self._tell = path, tell
        self._lock = threading.Lock()
        self._idle: list[_UnixConnection] = []

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def ask(self, method: str, target: str, body: bytes | None, timeout_s: float) -> Answer:
        """Ask, and read the answer whole.

        Raises:
            Unreachable: there is none, or it was cut off.
        """
        connection, answer = self._begin(method, target, body, timeout_s)
        try:
            content = _whole(answer)
        except BaseException:  # Ctrl-C, too: what is half read is no use to the next
            connection.close()
            raise
        self._give_back(connection, answer)
        return Answer(answer.status, answer.headers, content)

    @contextlib.contextmanager
    def stream(self, method: str, target: str, body: bytes | None) -> Iterator[Stream]:
        """Ask, and give the answer's lines as they come, however long that takes; who leaves ends it.

        Raises:
            Unreachable: there is no answer, or it was cut off.
        """
        connection, answer = self._begin(method, target, body, None)
        try:
            yield Stream(answer.status, _lines(answer), partial(_whole, answer))
        finally:
            if answer.isclosed():
                self._give_back(connection, answer)
            else:
                answer.close()
                connection.close()

    def _begin(
        self, method: str, target: str, body: bytes | None, timeout_s: float | None
    ) -> tuple["_UnixConnection", http.client.HTTPResponse]:
        connection = self._take()
        try:
            connection.wait_for(timeout_s)
            # An agent that answers before it has read a large body, and hangs up, has said why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, body)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            raise _unreachable(problem, connection.peer) from None
        except BaseException:  # Ctrl-C: what is half asked is no use to the next
            connection.close()
            raise
        if self._tell is not None:
            self._tell(f"{method} {target} → {answer.status}")
        return connection, answer

    def _take(self) -> "_UnixConnection":
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _connected(self._path)
            if not connection.is_stale():
                return connection
            connection.close()

    def _give_back(self, connection: "_UnixConnection", answer: http.client.HTTPResponse) -> None:
        with self._lock:
            if not answer.will_close and connection.sock is not None and len(self._idle) < KEPT_MAX:
                self._idle.append(connection)
                return
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """A connection whose other end is a file."""

    def __init__(self, path: Path) -> None:
        super().__init__("airs")
        self._path = path
        self.peer = 0  # the process that listens

    def connect(self) -> None:
        """Connect."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(CONNECT_S)
            made.connect(str(self._path))
        except BaseException:
            made.close()
            raise
        self.sock = made
        self.peer = _PEER.unpack(made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[0]

    def wait_for(self, timeout_s: float | None) -> None:
        """Set how long each send and receive may take; None for ever."""
        self.sock.settimeout(timeout_s)

    def is_stale(self) -> bool:
        """Whether the other end has hung up since: an idle connection has nothing to say but that."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))


def _connected(path: Path) -> _UnixConnection:
    connection = _UnixConnection(path)
    try:
        connection.connect()
    except OSError as problem:
        raise _unreachable(problem) from None
    return connection


def _whole(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise _unreachable(problem) from None


def _more(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(READ_BYTES)
    except (OSError, http.client.HTTPException) as problem:
        raise _unreachable(problem) from None


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    rest = b""
    while data := _more(answer):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _unreachable(problem: Exception, peer: int = 0) -> Unreachable:
    if isinstance(problem, TimeoutError | BlockingIOError):  # the latter: so many wait that one more may not
        return Silent(peer)
    return Unreachable(str(problem) or type(problem).__name__)
