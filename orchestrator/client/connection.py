"""Connections to an agent's Unix socket: answers whole or line by line; those that are idle are kept for the next."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from orchestrator.client.http import AnswerReading, NotHttp, request
from orchestrator.contract.endpoints import ASK_AGAIN

CONNECT_S = 5.0
READ_BYTES = 64 << 10
UNAVAILABLE = 503
KEPT_MAX = 8  # idle connections
_PEER = struct.Struct("3i")  # pid, uid, gid


class Unreachable(Exception):
    """No agent listens, or it went away without an answer."""


class Silent(Unreachable):
    """A process listens and does not answer in time; `pid` is 0 where it is not known."""

    def __init__(self, pid: int) -> None:
        super().__init__("it took too long")
        self.pid = pid


class Answer(NamedTuple):
    """An answer, read whole."""

    status: int
    headers: dict[str, str]
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
        self._idle: list[_Connection] = []

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def ask(self, method: str, target: str, body: bytes | None, timeout_s: float) -> Answer:
        """Ask, and read the answer whole; each send and each receive may take so long.

        Raises:
            Unreachable: there is no answer, or it was cut off.
        """
        with self._asked(method, target, body, timeout_s) as reading:
            return Answer(reading.status, reading.headers, _whole(reading))

    @contextlib.contextmanager
    def stream(self, method: str, target: str, body: bytes | None) -> Iterator[Stream]:
        """Ask, and give the answer's lines as they come, however long that takes; leaving the context ends it.

        Raises:
            Unreachable: there is no answer, or it was cut off.
        """
        with self._asked(method, target, body, None) as reading:
            yield Stream(reading.status, _lines(reading), partial(_whole, reading))

    @contextlib.contextmanager
    def _asked(self, method: str, target: str, body: bytes | None, timeout_s: float | None) -> Iterator[AnswerReading]:
        """Ask on a connection, which is kept for the next if the answer was read to its end, and closed otherwise."""
        connection, reading = self._take(), None
        try:
            with _reached(connection.peer):
                reading = connection.ask(request(method, target, body), timeout_s)
                while reading.status == UNAVAILABLE and ASK_AGAIN in reading.headers:
                    connection.close()
                    connection = _Connection(self._path)
                    reading = connection.ask(request(method, target, body), timeout_s)
            if self._tell is not None:
                self._tell(f"{method} {target} → {reading.status}")
            yield reading
        finally:
            self._give_back(connection, reading)

    def _take(self) -> "_Connection":
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                with _reached():
                    return _Connection(self._path)
            if not connection.is_stale():
                return connection
            connection.close()

    def _give_back(self, connection: "_Connection", reading: AnswerReading | None) -> None:
        if reading is not None and reading.is_over and not reading.is_last:
            with self._lock:
                if len(self._idle) < KEPT_MAX:
                    self._idle.append(connection)
                    return
        connection.close()


class _Connection:
    """One connection, on which one question is asked after another. `peer` is the process that listens."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(CONNECT_S)
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise
        self.peer = _PEER.unpack(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[0]
        self._file = BufferedReader(socket.SocketIO(self._socket, "r"), READ_BYTES)

    def ask(self, data: bytes, timeout_s: float | None) -> AnswerReading:
        """Send a request and read the head of its answer."""
        self._socket.settimeout(timeout_s)
        # An agent that answers before it has read a large body, and hangs up, has said why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)
        return AnswerReading(self._file)

    def is_stale(self) -> bool:
        """Whether the other end has hung up since: an idle connection has nothing to say but that."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def _whole(reading: AnswerReading) -> bytes:
    with _reached():
        return reading.whole(READ_BYTES)


def _lines(reading: AnswerReading) -> Iterator[bytes]:
    rest = b""
    while True:
        with _reached():
            data = reading.more(READ_BYTES)
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        yield rest


@contextlib.contextmanager
def _reached(peer: int = 0) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, BlockingIOError):  # the latter: so many wait that one more may not
        raise Silent(peer) from None
    except (OSError, NotHttp) as problem:
        raise Unreachable(str(problem) or type(problem).__name__) from None
