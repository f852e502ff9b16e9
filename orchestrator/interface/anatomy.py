"""A component's bytes → its parts: core modules, and the tools that say they made it. Pure.

It reads sections only, never their code. Whether the bytes are valid is wasmtime's to say, and was said before; custom
sections it does not check, so those are read as hostile.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.model.base import Value

MAX_SECTIONS = 100_000  # looked at
MAX_DEPTH = 32  # components within components
MAX_PRODUCERS = 100
MAX_NAME = 100  # characters of one producer's name or version
_HEADER = 8
_CUSTOM, _CORE_MODULE, _COMPONENT = 0, 1, 4
_COMPONENT_LAYER = b"\x01\x00"
_Bytes = memoryview


class Producer(Value, frozen=True, order=True):
    """One tool or language; `role` is `language`, `processed-by`, `sdk`, or what its maker calls it."""

    role: str
    name: str
    version: str


class Anatomy(Value, frozen=True):
    """How many core modules a component holds, how large they are together, and its producers, sorted."""

    core_modules: int
    core_bytes: int
    producers: tuple[Producer, ...]


class _Found(msgspec.Struct):
    modules: int = 0
    module_bytes: int = 0
    producers: set[Producer] = set()
    left: int = MAX_SECTIONS


def anatomy(data: bytes) -> Anatomy:
    """Read the parts of a component; beyond the limits, only the first ones."""
    found = _Found()
    _look(memoryview(data), found, 0)
    return Anatomy(core_modules=found.modules, core_bytes=found.module_bytes, producers=tuple(sorted(found.producers)))


def _look(binary: _Bytes, found: _Found, depth: int) -> None:
    is_component = bytes(binary[6:_HEADER]) == _COMPONENT_LAYER
    for number, body in _sections(binary, found):
        if number == _CUSTOM:
            found.producers |= set(_producers(body)[: MAX_PRODUCERS - len(found.producers)])
        elif is_component and number == _CORE_MODULE:
            found.modules += 1
            found.module_bytes += len(body)
            _look(body, found, depth + 1)
        elif is_component and number == _COMPONENT and depth < MAX_DEPTH:
            _look(body, found, depth + 1)


def _sections(binary: _Bytes, found: _Found) -> Iterator[tuple[int, _Bytes]]:
    at = _HEADER
    while at < len(binary) and found.left:
        found.left -= 1
        size, begin = leb(binary, at + 1)
        yield binary[at], binary[begin : begin + size]
        at = begin + size


def leb(data: bytes | _Bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 of at most five bytes; return it and where it ended, beyond the data if cut off."""
    value = shift = 0
    for index in range(at, at + 5):
        if index >= len(data):
            return 0, len(data) + 1
        value |= (data[index] & 0x7F) << shift
        if data[index] < 0x80:
            return value, index + 1
        shift += 7
    return value, at + 5


def _producers(body: _Bytes) -> list[Producer]:
    title, at = _text(body, 0)
    if title != "producers":
        return []
    found: list[Producer] = []
    fields, at = leb(body, at)
    for _ in range(min(fields, MAX_PRODUCERS)):
        role, at = _text(body, at)
        count, at = leb(body, at)
        for _ in range(min(count, MAX_PRODUCERS)):
            name, at = _text(body, at)
            version, at = _text(body, at)
            if at > len(body):
                return found
            found.append(Producer(role=role, name=name, version=version))
    return found


def _text(body: _Bytes, at: int) -> tuple[str, int]:
    size, begin = leb(body, at)
    return bytes(body[begin : begin + min(size, 4 * MAX_NAME)]).decode(errors="replace")[:MAX_NAME], begin + size
