"""A socket that holds everything read from it against a time and a number of bytes, whatever its reader waits for.

Python's HTTP client reads lines and trailers until they end, and leaves out any number of interim answers. A server
that sends these slowly, or without an end, would keep a thread for ever. `http.py` puts it under each connection.
"""

import io
import socket
import time

from orchestrator.fetch.limits import FetchFailed

HEAD_MAX_BYTES = 256 << 10  # of all headers before a body
PIECE_BYTES = 64 << 10


class Guarded:
    """The part of a socket that `http.client` uses. Reading and writing end at `deadline` (monotonic seconds).

    A server that is silent for `stall_s` is given up before. `shown` names it for people.
    """

    def __init__(self, sock: socket.socket, shown: str, stall_s: float, deadline: float) -> None:
        self._sock, self._shown, self._stall_s, self._deadline = sock, shown, stall_s, deadline
        self._left = HEAD_MAX_BYTES

    def allow(self, more_bytes: int) -> None:
        """Let so many bytes come, and the headers' share again for what frames them."""
        self._left = more_bytes + HEAD_MAX_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a reader of the socket, which stays open until both are closed."""
        return io.BufferedReader(_Incoming(self, self._sock.makefile("rb", buffering=0)))

    def sendall(self, data: bytes) -> None:
        """Send bytes in pieces: a socket of its own accord allows its time for all of them together."""
        view = memoryview(data)
        for begin in range(0, len(view), PIECE_BYTES):
            self._sock.settimeout(self.patience())
            self._sock.sendall(view[begin : begin + PIECE_BYTES])

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()

    def patience(self) -> float:
        """Return how long to wait for the next bytes.

        Raises:
            FetchFailed: the time is over.
        """
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise FetchFailed(f"{self._shown} is too slow", "the time for one fetch is over", is_passing=True)
        return min(self._stall_s, left_s)

    def before_read(self) -> None:
        """Set the time for another read.

        Raises:
            FetchFailed: the time is over, or too much came.
        """
        if self._left <= 0:
            raise FetchFailed(f"{self._shown} sends too much", "more than belongs to what was asked for")
        self._sock.settimeout(self.patience())

    def took(self, count: int) -> None:
        """Note that so many bytes came."""
        self._left -= count


class _Incoming(io.RawIOBase):
    def __init__(self, guarded: Guarded, raw: io.RawIOBase) -> None:
        self._guarded, self._raw = guarded, raw

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int | None:  # type: ignore[override]  # any buffer, of which it is one
        self._guarded.before_read()
        try:
            count: int | None = self._raw.readinto(into)
        except TimeoutError:
            self._guarded.patience()  # the fetch's time was over, not the server silent
            raise
        self._guarded.took(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
