"""The bytes of a component → numbers, names and sections, for everything that reads more of it than that. Pure.

Its callers know what a section holds: `definitions` reads all of them, `runtime/adapter/binary` those it rewrites.
"""

from collections.abc import Callable, Iterator

HEADER = b"\0asm\x0d\0\x01\0"
MAX_NAME_BYTES = 1 << 16


class Unread(Exception):
    """Bytes that their reader does not know."""


class ByteReader:
    """Reads bytes from their begin to their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def byte(self) -> int:
        """Read one byte."""
        if self._at >= len(self._data):
            raise Unread("it is cut off")
        self._at += 1
        return self._data[self._at - 1]

    def peek(self) -> int:
        """Return the byte that is read next."""
        if self._at >= len(self._data):
            raise Unread("it is cut off")
        return self._data[self._at]

    def number(self) -> int:
        """Read an unsigned LEB128; of a signed one, whose value nobody here wants, it reads as many bytes."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Unread("a number is too long")

    def name(self) -> bytes:
        """Read a text."""
        size = self.number()
        end = self._at + size
        if size > MAX_NAME_BYTES or end > len(self._data):
            raise Unread("a name is cut off or too long")
        text, self._at = self._data[self._at : end], end
        return text

    def many(self, read: Callable[[], object]) -> int:
        """Read a vector by calling `read` for each element; return how many there were."""
        count = self.number()
        for _ in range(count):
            read()
        return count

    def raw(self, read: Callable[[], object]) -> bytes:
        """Return the bytes of what is read."""
        begin = self._at
        read()
        return self._data[begin : self._at]


def sections(component: bytes | memoryview) -> Iterator[tuple[int, int, slice]]:
    """Yield of each section its id, where it begins, and where its body is.

    Raises:
        Unread: the last one is cut off.
    """
    at = len(HEADER)
    while at < len(component):
        reader = ByteReader(bytes(component[at + 1 : at + 6]))
        size = reader.number()
        body = at + 1 + reader._at
        if body + size > len(component):
            raise Unread("it is cut off")
        yield component[at], at, slice(body, body + size)
        at = body + size
