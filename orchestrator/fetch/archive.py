"""A `.tar.gz` as it streams in → the files of a component; nothing is ever written to the disk.

This reads the little of the format that packers write for plain files: ustar headers, pax and GNU records of long
names. Everything else is refused: links, devices, sparse files, names that leave the folder, names twice. Python's own
`tarfile` unpacks whole members into memory and follows records that say how long they are; here every length is held
against a limit before a byte of it is taken.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from orchestrator.fetch.limits import ENTRIES_MAX, RATIO_FREE_BYTES, RATIO_MAX, FetchFailed
from orchestrator.manifest.paths import BadPathError, join_confined

BLOCK = 512
RECORD_MAX_BYTES = 64 << 10  # of a pax header or a long name
_FILE, _FOLDER = (b"0", b"\0", b"7"), b"5"
_APPLE_DOUBLE = "._"  # what macOS writes beside a file: its extended attributes, which are no part of a component
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"


class ArchiveMember(NamedTuple):
    """One header of an archive: what follows it, by its name, in so many bytes."""

    name: str
    kind: bytes
    size: int


def unpacked(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Unpack gzip, as it comes.

    Raises:
        FetchFailed: it is none, is cut off, or becomes more than `max_bytes` or than `RATIO_MAX` times as many bytes.
    """
    unpack = zlib.decompressobj(wbits=31)
    taken = made = 0
    for chunk in chunks:
        taken += len(chunk)
        while chunk and not unpack.eof:
            try:
                data = unpack.decompress(chunk, 64 << 10)
            except zlib.error as error:
                raise FetchFailed("the archive is no gzip file", str(error)) from None
            chunk = unpack.unconsumed_tail
            made += len(data)
            if made > max_bytes or (made > RATIO_FREE_BYTES and made > taken * RATIO_MAX):
                raise FetchFailed("the archive is too large unpacked", f"{made} bytes of {taken}, and more to come")
            yield data
    if not unpack.eof:
        raise FetchFailed("the archive is cut off", f"gzip did not end within {taken} bytes")


class _Stream:
    """Bytes by the number, of chunks as they come."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, bytearray()

    def take(self, count: int) -> bytes:
        """Return exactly so many bytes."""
        while len(self._held) < count:
            try:
                self._held += next(self._chunks)
            except StopIteration:
                raise FetchFailed("the archive is cut off", "it ends within a file") from None
        data = bytes(self._held[:count])
        del self._held[:count]
        return data

    def padded(self, size: int) -> bytes:
        """Return the content of a member; the zeros behind it are passed over."""
        data = self.take(size)
        self.take(-size % BLOCK)
        return data


def files_of(chunks: Iterator[bytes], max_bytes: int) -> dict[str, bytes]:
    """Return the files of an unpacked archive by their names, each as large as `max_bytes` at most.

    Raises:
        FetchFailed: it is no archive, or holds something that a component's archive does not.
    """
    stream, found, seen = _Stream(chunks), dict[str, bytes](), set[str]()
    for _ in range(ENTRIES_MAX):
        member = _next_member(stream, max_bytes)
        if member is None:
            return found
        name = _confined(member.name)
        if name in seen:
            raise FetchFailed("the archive holds a name twice", name)
        seen.add(name)
        data = stream.padded(member.size)
        if member.kind in _FILE and not name.rpartition("/")[2].startswith(_APPLE_DOUBLE):
            found[name] = data
    raise FetchFailed(f"the archive holds more than {ENTRIES_MAX} files")


def _next_member(stream: _Stream, max_bytes: int) -> ArchiveMember | None:
    """Read headers up to that of a file or a folder; None at the end."""
    name, size = "", -1
    for _ in range(8):  # records in front of one member: a name, a pax header, a global one
        header = _header(stream.take(BLOCK))
        if header is None:
            return None
        if header.kind in (_PAX, _PAX_GLOBAL, _LONG_NAME):
            if header.size > RECORD_MAX_BYTES:
                raise FetchFailed("the archive is not well formed", "a record of a name is longer than any name")
            record = stream.padded(header.size)
            name, size = _with_record(header.kind, record, name, size)
            continue
        member = ArchiveMember(name or header.name, header.kind, size if size >= 0 else header.size)
        if member.kind not in (*_FILE, _FOLDER):
            what = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe"}
            raise FetchFailed(f"the archive holds {what.get(member.kind, 'something that is no file')}", member.name)
        if member.size > max_bytes or (member.kind == _FOLDER and member.size):
            raise FetchFailed("the archive holds too large a file", f"{member.name} has {member.size} bytes")
        return member
    raise FetchFailed("the archive is not well formed", "many records stand in front of one file")


def _header(block: bytes) -> ArchiveMember | None:
    if not block.strip(b"\0"):
        return None
    if int(_octal(block[148:156])) != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise FetchFailed("the archive is no tar file", "the sum of a header is wrong")
    prefix = _text(block[345:500]) if block[257:262] == b"ustar" and block[263:265] == b"00" else ""
    name = _text(block[:100])
    return ArchiveMember(f"{prefix}/{name}" if prefix else name, block[156:157], _octal(block[124:136]))


def _with_record(kind: bytes, record: bytes, name: str, size: int) -> tuple[str, int]:
    if kind == _LONG_NAME:
        return _text(record), size
    if kind == _PAX_GLOBAL:
        return name, size
    for key, value in _pax(record):
        if key == "path":
            name = value
        elif key == "size":
            size = int(value) if value.isascii() and value.isdecimal() and len(value) < 13 else 1 << 62
        elif key == "linkpath" or key.startswith("GNU.sparse"):
            raise FetchFailed("the archive holds something that is no file", key)
    return name, size


def _pax(record: bytes) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a pax record: LENGTH KEY=VALUE and a line's end, the length counting all of it."""
    while record:
        digits, space, _ = record[:8].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        if not space or length <= len(digits) + 1 or length > len(record) or record[length - 1 : length] != b"\n":
            raise FetchFailed("the archive is not well formed", "a pax record does not end where it says")
        key, _, value = record[len(digits) + 1 : length - 1].partition(b"=")
        yield _text(key), _text(value)
        record = record[length:]


def _octal(field: bytes) -> int:
    text = field.strip(b"\0 ")
    if text.strip(b"01234567"):
        raise FetchFailed("the archive is not well formed", "a header holds no number where one belongs")
    return int(text or b"0", 8)


def _text(data: bytes) -> str:
    try:
        return data.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise FetchFailed("the archive is not well formed", "a name in it is not UTF-8") from None


def _confined(name: str) -> str:
    plain = name.rstrip("/")
    if plain in ("", "."):
        return "."
    try:
        return join_confined("", plain)
    except BadPathError as error:
        shown = "".join(c if c.isprintable() else "?" for c in name)[:80]
        raise FetchFailed("the archive holds a name that leaves it", f"{shown}: {error}") from None
