"""Host calls that a shim passes on: their arguments are read from its memory, their results written there."""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

from orchestrator.model.ids import ComponentId
from orchestrator.model.plain import Err, Ok
from orchestrator.runtime.adapter import window as w
from orchestrator.runtime.adapter.text import STANDS
from orchestrator.runtime.call.layout import UnfitValue
from orchestrator.runtime.engine.host_import import GuestTrap, HostImport
from orchestrator.runtime.engine.memory import Memory

Result = tuple[int, bytes, bytes]  # where the second bytes belong, the first being for `window.PLACES` and `RESULT`
Load = Callable[["_Args"], list[Any]]
Store = Callable[[Ok | Err, int], tuple[bytes, bytes]]  # a result and where its bytes go → its image and those bytes

_STORAGE_ERRORS = ("not-found", "already-exists", "quota-exceeded", "invalid-key", "io-error")
_MESSAGING_ERRORS = ("delivery-failed", "correlation-timeout", "invalid-message", "queue-full", "target-not-found")
_ID_BYTES = 24

_words = Struct("<" + "I4x" * 8 + "Q")  # the arguments: all are words but the ninth, a timeout
_word = Struct("<I")
_id = Struct("<6I")
_cased = Struct("<IB3xB3xII")  # each begins with its places
_named = Struct("<IB3xB3x6I")
_text = Struct("<IB3xII")
_number = Struct("<IB3xI8x")
_NOTHING = bytes(20)
_NOWHERE, _SECOND, _THIRD, _NAMES = 0, 1 << 1, 1 << 2, 1 << 2 | 1 << 4 | 1 << 6  # places: which words are addresses


class StandIn:
    """One host function that the shims of a linker call, and how its arguments and results lie in memory.

    Shared by every instance that is linked so, and thus by threads: it keeps nothing of a call.
    """

    __slots__ = ("_host", "_load", "_store")

    def __init__(self, host: HostImport | None, load: Load, store: Store) -> None:
        self._host, self._load, self._store = host, load, store

    @property
    def host(self) -> HostImport:
        """The host function itself."""
        assert self._host is not None, "a component that lacks an import is never started"
        return self._host

    def arguments(self, memory: Memory) -> list[Any]:
        """Read the arguments of a call."""
        return self._load(_Args(memory))

    def result(self, value: Ok | Err, memory: Memory) -> Result:
        """Return a call's result as it is in memory, and where that may lie."""
        at = _word.unpack_from(memory.view, w.TOP)[0] or w.SHIM_HEAP
        image, data = self._store(value, at)
        return at, image, data


def stand_ins(hosts: Sequence[HostImport]) -> list[StandIn]:
    """Return the functions that shims call, by their places in `STANDS`."""
    found = {(host.interface, host.function): host for host in hosts}
    named = [found.get((stand.interface, stand.function)) for stand in STANDS]
    return [StandIn(host, *codec) for host, codec in zip(named, _CODECS, strict=True)]


def put(memory: Memory, result: Result) -> int:
    """Write a result; return 0, or how far the memory has to reach before it can be written."""
    at, image, data = result
    end = at + len(data)
    if end > memory.size:
        return end
    view = memory.view
    view[w.PLACES : w.PLACES + len(image)] = image
    if data:
        view[at:end] = data
    return 0


class _Args:
    """The core arguments of a call, and what they point to."""

    __slots__ = ("_view", "words")

    def __init__(self, memory: Memory) -> None:
        self._view = memory.view
        self.words = _words.unpack_from(self._view, w.ARGUMENTS)

    def at(self, at: int, length: int) -> bytes:
        """Read bytes."""
        found = bytes(self._view[at : at + length])
        assert len(found) == length, "the shim's arguments lie within its memory"
        return found

    def text(self, at: int, length: int) -> str:
        """Read a text; of an adapter beside the guest wasmtime has checked it."""
        try:
            return str(self._view[at : at + length], "utf-8")
        except UnicodeDecodeError:
            raise GuestTrap("gave the host a text that is not UTF-8") from None

    def id(self, at: Sequence[int]) -> ComponentId:
        """Read a component-id, of which `at` are the addresses and lengths."""
        a, a_length, b, b_length, c, c_length = at
        text = self.text
        return ComponentId(text(a, a_length), text(b, b_length), text(c, c_length) if c_length else "")

    def ids(self, at: int, count: int) -> list[ComponentId]:
        """Read a list of component-ids."""
        return [self.id(words) for words in _id.iter_unpack(self.at(at, count * _ID_BYTES))]


def _get_args(args: _Args) -> list[Any]:
    at, length = args.words[:2]
    return [args.text(at, length)]


def _set_args(args: _Args) -> list[Any]:
    key, key_length, value, value_length = args.words[:4]
    return [args.text(key, key_length), args.at(value, value_length)]


def _send_args(args: _Args) -> list[Any]:
    return [args.id(args.words[:6]), args.at(args.words[6], args.words[7])]


def _request_args(args: _Args) -> list[Any]:
    return [*_send_args(args), args.words[8]]


def _broadcast_args(args: _Args) -> list[Any]:
    targets, count, payload, length = args.words[:4]
    return [args.ids(targets, count), args.at(payload, length)]


def _nothing(value: Any, _at: int) -> tuple[bytes, bytes]:
    return _NOTHING, b""


def _optional_bytes(value: Any, at: int) -> tuple[bytes, bytes]:
    if value is None:
        return _NOTHING, b""
    if not isinstance(value, bytes):
        raise UnfitValue(f"expected bytes or None, got {type(value).__name__}")
    return _cased.pack(_THIRD, 0, 1, at, len(value)), value


def _u32(value: Any, _at: int) -> tuple[bytes, bytes]:
    if not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise UnfitValue(f"expected u32, got {value!r:.80}")
    return _number.pack(_NOWHERE, 0, value), b""


def _string(value: Any, at: int) -> tuple[bytes, bytes]:
    data = _encoded(value)
    return _text.pack(_SECOND, 0, at, len(data)), data


def _result(ok: Callable[[Any, int], tuple[bytes, bytes]], errors: tuple[str, ...]) -> Store:
    def store(result: Ok | Err, at: int) -> tuple[bytes, bytes]:
        if isinstance(result, Ok):
            return ok(result.value, at)
        if not isinstance(result, Err) or result.case not in errors:
            raise UnfitValue(f"expected Ok, or Err of {', '.join(errors)}, got {result!r:.80}")
        if isinstance(result.payload, ComponentId) != (result.case == "target-not-found"):
            raise UnfitValue(f"{result.case} does not carry {result.payload!r:.80}")
        return _error(errors.index(result.case), result.payload, at)

    return store


def _error(case: int, payload: Any, at: int) -> tuple[bytes, bytes]:
    if isinstance(payload, ComponentId):  # target-not-found
        first, second, third = _encoded(payload.namespace), _encoded(payload.name), _encoded(payload.instance)
        a, b, c = len(first), len(second), len(third)
        return _named.pack(_NAMES, 1, case, at, a, at + a, b, at + a + b, c), first + second + third
    data = b"" if payload is None else _encoded(payload)
    return _cased.pack(_NOWHERE if payload is None else _THIRD, 1, case, at, len(data)), data


def _encoded(text: Any) -> bytes:
    try:
        data: bytes = text.encode()
    except (UnicodeEncodeError, AttributeError):
        raise UnfitValue(f"expected text, got {text!r:.80}") from None
    return data


_CODECS: tuple[tuple[Load, Store], ...] = (  # as STANDS
    (_get_args, _result(_optional_bytes, _STORAGE_ERRORS)),
    (_set_args, _result(_nothing, _STORAGE_ERRORS)),
    (_send_args, _result(_nothing, _MESSAGING_ERRORS)),
    (_request_args, _result(_string, _MESSAGING_ERRORS)),
    (_broadcast_args, _result(_nothing, _MESSAGING_ERRORS)),
    (_set_args, _result(_u32, _MESSAGING_ERRORS)),
)
