"""The part of HTTP/1.1 that a client of an agent needs: a request's bytes, an answer's status, headers and body.

The standard library's client costs a command more time to import than everything else that it does.
"""

from collections.abc import Iterator
from io import BufferedIOBase

HEAD_MAX_BYTES = 64 << 10
CHUNK_LINE_MAX_BYTES = 1 << 10
TOO_LARGE = 413
CHUNK_DIGITS_MAX = 16
HEX_DIGITS = b"0123456789abcdefABCDEF"


class NotHttp(Exception):
    """The other end does not keep to HTTP/1.1, or was gone before its answer was whole."""


def request(method: str, target: str, body: bytes | None) -> bytes:
    """Return the bytes of a request."""
    length = "" if body is None and method in ("GET", "DELETE") else f"Content-Length: {len(body or b'')}\r\n"
    head = f"{method} {target} HTTP/1.1\r\nHost: airs\r\n{length}\r\n"
    return head.encode("ascii") + (body or b"")


class AnswerReading:
    """An answer that is being read: the head at once, the body as it comes."""

    def __init__(self, file: BufferedIOBase) -> None:
        """Read the head.

        Raises:
            NotHttp, OSError: there is none.
        """
        self._file = file
        self.status = _status(file)
        self.headers = _headers(file)
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length", "")
        self._left = int(length) if length.isdigit() and not self._chunked else 0  # of the body, or of a chunk
        self.is_over = not self._chunked and not self._left
        # An agent that answers before it has read the whole body hangs up, and may be about to.
        self.is_last = self.headers.get("connection", "").lower() == "close" or self.status == TOO_LARGE

    def more(self, size: int) -> bytes:
        """Return some of the body as soon as there is any; nothing at its end."""
        if self._chunked and not self._left and not self.is_over:
            self._next_chunk()
        if self.is_over:
            return b""
        data = self._file.read1(min(size, self._left))
        if not data:
            raise NotHttp("the answer was cut off")
        self._left -= len(data)
        if not self._left:
            self._end_part()
        return data

    def whole(self, size: int) -> bytes:
        """Return all of the body that is still to come, read in pieces of a size."""
        return b"".join(iter(lambda: self.more(size), b""))

    def _next_chunk(self) -> None:
        digits = _line(self._file, CHUNK_LINE_MAX_BYTES).rstrip(b"\r\n").partition(b";")[0]
        if not 0 < len(digits) <= CHUNK_DIGITS_MAX or digits.strip(HEX_DIGITS):
            raise NotHttp("a chunk does not say how long it is")
        self._left = int(digits, 16)
        if not self._left:
            while _line(self._file, HEAD_MAX_BYTES) != b"\r\n":  # trailers
                pass
            self.is_over = True

    def _end_part(self) -> None:
        if not self._chunked:
            self.is_over = True
        elif _line(self._file, CHUNK_LINE_MAX_BYTES) != b"\r\n":
            raise NotHttp("a chunk is longer than it says")


def _status(file: BufferedIOBase) -> int:
    version, _, rest = _line(file, HEAD_MAX_BYTES).partition(b" ")
    if version != b"HTTP/1.1" or not rest[:3].isdigit() or rest[3:4] not in (b" ", b"\r"):
        raise NotHttp("the answer is no HTTP")
    return int(rest[:3])


def _headers(file: BufferedIOBase) -> dict[str, str]:
    return {name.strip().lower(): value.strip() for name, _, value in map(_split, _head(file))}


def _split(line: bytes) -> tuple[str, str, str]:
    return line.decode("latin-1").partition(":")


def _head(file: BufferedIOBase) -> Iterator[bytes]:
    left = HEAD_MAX_BYTES
    while (line := _line(file, left)) != b"\r\n":
        left -= len(line)
        yield line


def _line(file: BufferedIOBase, limit: int) -> bytes:
    line = file.readline(limit)
    if not line.endswith(b"\r\n"):
        raise NotHttp("the answer was cut off" if len(line) < limit else "the answer's head is too long")
    return line
