"""Messages as they lie in an adapter's memory, and the answers found there. Bytes in, bytes out."""

from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct
from struct import error as StructError
from typing import Any

import msgspec

from orchestrator.model.ids import ComponentId
from orchestrator.model.message import MESSAGE_MAX_BYTES, Mail, Message, Refused, Replied
from orchestrator.runtime.adapter import window as w
from orchestrator.runtime.call.layout import UnfitValue

BATCH_MAX_BYTES = 256 << 10  # of payloads in one batch
BATCH_MAX = 1_024  # messages in one batch
FRAME_MAX_BYTES = 20 * w.PAGE_BYTES  # a message of 1 MiB and 256 KiB of names and the like
ERROR_CASES = (
    "component-not-found", "instantiation-failed", "export-not-found", "timeout", "resource-limit-exceeded",
    "invalid-component", "runtime-error",
)  # fmt: skip

_BEFORE_BATCH = w.BATCH - 4
_AFTER_BATCH = w.RECORD - w.BATCH - 16
_PAYLOAD_AT, _TIME_AT = w.RECORD + w.PAYLOAD_FIELD, w.RECORD + w.TIME_FIELD
_OPTIONS = slice(_PAYLOAD_AT + 8, _TIME_AT)
_put_top = Struct("<I").pack_into
_put_rest = Struct(f"<2I{_TIME_AT - _PAYLOAD_AT - 8}sQI").pack_into  # of a record, from its payload to its time
_head = Struct(f"<I{_BEFORE_BATCH}x4I{_AFTER_BATCH}x8I3I7IQI4x3I4x")  # TOP, BATCH, and a whole record
_read_answer = Struct("<B3xB3xII").unpack_from
_verdict = Struct("<III")
_SECOND_NS = 1_000_000_000
_LAST_NS = (1 << 64) * _SECOND_NS - 1
_WORDS = w.ENTRY_BYTES // 4
_ONE_HANDLED = w.HANDLED.to_bytes(w.VERDICT_BYTES, "little")
_TIMEOUT = ERROR_CASES.index("timeout")
_OK = Replied(None)

Frame = tuple[bytes, bytes, int]  # all but the payload and the time, which differ from message to message, and those
_Place = tuple[int, int]  # address and length
_NO_ID = (0, 0, 0, 0, 0, 0, 0)
_NO_TEXT = (0, 0, 0)
_NO_TIME = (0, 0)
_ID_AT = 7  # of a record: behind three places of names, and whether there is an id


class FrameBatch(msgspec.Struct):
    """Messages that are alike, as they lie in memory, and where their verdicts will be.

    `found` are their outcomes, in order: fewer than `count` after a call that did not return, and then the one that
    `started` names last is the one it ended with.
    """

    data: bytes
    verdicts: int
    count: int
    started: int = 0
    found: list[Replied | Refused] = []


def frame(message: Message) -> Frame:
    """Return one message as it is written at the begin of an adapter's memory.

    Raises:
        Unfit: a text is no UTF-8, or the time is not one that WIT can hold.
    """
    if not 0 <= message.timestamp_ns <= _LAST_NS:
        raise UnfitValue(f"a time of {message.timestamp_ns} ns")
    if message.correlation_id is not None:  # a request, or an answer to one
        id = _encoded(message.correlation_id)
        before, after = _around_id(message.sender, message.reply_to, message.content_type, len(id))
        return before + id + after, message.payload, message.timestamp_ns
    if message.reply_to is not None or message.content_type is not None:
        texts, record = _described(message)
        return _headed(texts, record), message.payload, message.timestamp_ns
    global _last_sender  # replaced whole, so that any thread reads one or the other
    known = _last_sender
    if known.sender is not message.sender:  # most messages come in rows, and hashing a sender takes longer than this
        known = _last_sender = _sender(message.sender)
    return known.head, message.payload, message.timestamp_ns


def put(memory: memoryview, frame: Sequence[Any]) -> None:
    """Write a message at the begin of an adapter's memory, which has room for it."""
    head, payload, time_ns = frame
    at = len(head)
    whole = head + payload
    end = len(whole)
    memory[:end] = whole
    _put_top(memory, w.TOP, end)
    _put_rest(memory, _PAYLOAD_AT, at, end - at, head[_OPTIONS], *divmod(time_ns, _SECOND_NS))


def _headed(texts: bytes, record: Sequence[int]) -> bytes:
    return _head.pack(0, 0, 0, 0, 0, *record[:6], 0, 0, *record[6:]) + texts


def batch(mail: Sequence[Mail], count: int) -> FrameBatch:
    """Return `count` messages that are alike, as they are written to be handled one after the other.

    Raises:
        Unfit: as for `frame`.
    """
    texts, record = _described(mail[0].message(0))
    payloads = mail[0].payloads if len(mail) == 1 else [payload for part in mail for payload in part.payloads]
    entries = -(-(w.BODY + len(texts)) // 8) * 8
    first = entries + count * w.ENTRY_BYTES
    joined = b"".join(payloads)
    verdicts = -(-(first + len(joined)) // 8) * 8
    top = verdicts + count * w.VERDICT_BYTES
    try:
        head = _head.pack(top, count, entries, first, verdicts, *record[:6], 0, 0, *record[6:])
        table = _entries(mail, payloads)
    except (StructError, OverflowError) as problem:
        raise UnfitValue(str(problem)) from None
    parts = (head + texts).ljust(entries, b"\0"), table, joined
    return FrameBatch(b"".join(parts).ljust(top, b"\0"), verdicts, count)


def _entries(mail: Sequence[Mail], payloads: Sequence[bytes]) -> "array[int]":
    table = array("I", bytes(w.ENTRY_BYTES * len(payloads)))
    table[3::_WORDS] = array("I", map(len, payloads))
    times = [(_time_words(part.timestamp_ns), len(part.payloads)) for part in mail]
    for place in range(3):
        table[place::_WORDS] = array("I", chain.from_iterable(repeat(word[place], count) for word, count in times))
    return table


def _time_words(timestamp_ns: int) -> tuple[int, int, int]:
    seconds, nanoseconds = divmod(timestamp_ns, _SECOND_NS)
    return seconds & 0xFFFFFFFF, seconds >> 32, nanoseconds


def groups(mail: Sequence[Mail]) -> Iterator[tuple[Sequence[Mail], int]]:
    """Split messages, in order, into those that may cross together, with how many they are."""
    group: list[Mail] = []
    count = size = 0
    for part in mail:
        for piece, length in _pieces(part):
            more = len(piece.payloads)
            if group and (count + more > BATCH_MAX or size + length > BATCH_MAX_BYTES or not piece.is_like(group[0])):
                yield group, count
                group, count, size = [], 0, 0
            group.append(piece)
            count += more
            size += length
    if group:
        yield group, count


def _pieces(mail: Mail) -> Iterator[tuple[Mail, int]]:
    """Split one sender's messages into what may cross at once, with how many bytes that is; one may be larger."""
    lengths = [*map(len, mail.payloads)]
    total = sum(lengths)
    if total <= BATCH_MAX_BYTES and len(lengths) <= BATCH_MAX:
        if lengths:
            yield mail, total
        return
    begin = size = 0
    for index, length in enumerate(lengths):
        if index > begin and (size + length > BATCH_MAX_BYTES or index - begin >= BATCH_MAX):
            yield mail.part(begin, index), size
            begin, size = index, 0
        size += length
    yield mail.part(begin, len(lengths)), size


def answer(memory: memoryview) -> Replied | Refused:
    """Read the guest's answer."""
    is_err, which, at, length = _read_answer(memory, w.ANSWER)
    if is_err:
        return Refused(ERROR_CASES[which], str(memory[at : at + length], "utf-8") if which != _TIMEOUT else "")
    if not which:
        return _OK
    if length > MESSAGE_MAX_BYTES:
        return Refused("resource-limit-exceeded", f"a reply of {length} bytes; it may have {MESSAGE_MAX_BYTES}")
    return Replied(bytes(memory[at : at + length]))


def callback_answer(memory: memoryview) -> Replied | Refused:
    """Read the guest's verdict on an answer; an ok leaves everything but its first byte as it was."""
    return answer(memory) if memory[w.ANSWER] else _OK


def read_verdicts(memory: memoryview, batch: FrameBatch) -> None:
    """Read how far a batch came. Replies are not kept: an ok is `Replied(None)`."""
    verdicts = memory[batch.verdicts : batch.verdicts + w.VERDICT_BYTES * batch.count]
    batch.started = int.from_bytes(memory[w.STARTED : w.STARTED + 4], "little")
    if verdicts == _ONE_HANDLED * batch.count:
        batch.found = [_OK] * batch.count
        return
    batch.found = []
    for mark, at, length in _verdict.iter_unpack(verdicts):
        if not mark:
            return
        if mark == w.HANDLED:
            batch.found.append(_OK)
        else:
            text = str(memory[at : at + length], "utf-8", "ignore")  # cut, perhaps within a character
            batch.found.append(Refused(ERROR_CASES[mark - w.REFUSED], text))


class _Sender:
    """A sender, and the head of a message of it that has nothing else but its payload and its time."""

    __slots__ = ("head", "sender")

    def __init__(self, sender: ComponentId) -> None:
        texts = _Texts()
        names = [*texts.add(sender.namespace), *texts.add(sender.name), *texts.add(sender.instance)]
        self.sender = sender
        self.head = _headed(texts.joined(), [*names, *_NO_TEXT, *_NO_ID, *_NO_TIME, *_NO_TEXT])


_sender = lru_cache(1024)(_Sender)


@lru_cache(1024)
def _around_id(
    sender: ComponentId, reply_to: ComponentId | None, content_type: str | None, length: int
) -> tuple[bytes, bytes]:
    """Return what stands before and after the id in the head of a request or an answer, where ids have this length."""
    texts, record = _described(Message(sender, b"", 0, "0" * length, reply_to, content_type))
    whole = _headed(texts, record)
    at = record[_ID_AT]
    return whole[:at], whole[at + length :]


def _described(message: Message) -> tuple[bytes, tuple[int, ...]]:
    """Return all texts of a message, and its record without the payload's place."""
    texts = _Texts()
    sender, reply_to = message.sender, message.reply_to
    names = [*texts.add(sender.namespace), *texts.add(sender.name), *texts.add(sender.instance)]
    correlation = texts.option(message.correlation_id)
    reply: tuple[int, ...] = _NO_ID
    if reply_to is not None:
        reply = (1, *texts.add(reply_to.namespace), *texts.add(reply_to.name), *texts.add(reply_to.instance))
    content = texts.option(message.content_type)
    time = divmod(message.timestamp_ns, _SECOND_NS)
    return texts.joined(), (*names, *correlation, *reply, *time, *content)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except (UnicodeEncodeError, AttributeError):
        raise UnfitValue(f"expected text, got {text!r:.80}") from None


class _Texts:
    """Texts that are laid one behind the other from `window.BODY` on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = w.BODY

    def add(self, text: str) -> _Place:
        """Lay down a text; return where."""
        part = _encoded(text)
        self._parts.append(part)
        at = self._at
        self._at += len(part)
        return at, len(part)

    def option(self, text: str | None) -> tuple[int, int, int]:
        """Lay down a text that may be absent."""
        return _NO_TEXT if text is None else (1, *self.add(text))

    def joined(self) -> bytes:
        """Return all of it."""
        return b"".join(self._parts)


_last_sender = _Sender(ComponentId("", "", ""))
