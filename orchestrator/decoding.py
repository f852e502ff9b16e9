"""Bytes into values, from any thread: the only caller of msgspec's decoders.

msgspec reads a class when it is first asked for a value of it, and notes on the class itself what it has read so far: a
thread that decodes one meanwhile follows a null pointer, and the process is gone. So a decoder is made by one thread at
a time, is whole before anybody sees it, and is kept.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_making = threading.Lock()
_json: dict[Any, Any] = {}
_msgpack: dict[Any, Any] = {}


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Decode JSON, strictly.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or of the wrong type.
        msgspec.DecodeError: `data` is not JSON.
    """
    found: T = (_json.get(kind) or _made(_json, msgspec.json.Decoder, kind)).decode(data)
    return found


def plain_from_json(data: bytes | str) -> Any:
    """Decode JSON into dicts, lists, strings and numbers.

    Raises:
        msgspec.DecodeError: `data` is not JSON.
    """
    return msgspec.json.decode(data)


def from_msgpack(data: bytes | memoryview, kind: type[T]) -> T:
    """Decode MessagePack, strictly.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or of the wrong type.
        msgspec.DecodeError: `data` is not MessagePack.
    """
    found: T = (_msgpack.get(kind) or _made(_msgpack, msgspec.msgpack.Decoder, kind)).decode(data)
    return found


def from_plain(value: Any, kind: type[T]) -> T:
    """Make a value of dicts, lists, strings and numbers that are read already.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or of the wrong type.
    """
    if kind not in _json:
        _made(_json, msgspec.json.Decoder, kind)
    return msgspec.convert(value, kind)


def _made(decoders: dict[Any, Any], make: Any, kind: Any) -> Any:
    with _making:
        return decoders.setdefault(kind, make(kind))
