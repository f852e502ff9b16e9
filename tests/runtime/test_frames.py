"""Messages as they lie in an adapter's memory: each text where its record says, however the head was put together."""

import itertools

import pytest

from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Message
from orchestrator.runtime.adapter import window as w
from orchestrator.runtime.call import frames
from orchestrator.runtime.call.layout import UnfitValue

SENDERS = (ComponentId("default", "shop"), ComponentId("n", "ähm", "a1-0"))
IDS = (None, "", "0" * 32, "ordnungsgemäß")


def written(head: bytes, message: Message) -> bytes:
    memory = bytearray(1024)
    frames.put(memoryview(memory), (head, message.payload, message.timestamp_ns))
    return bytes(memory)


@pytest.mark.parametrize("id", IDS, ids=repr)
def test_a_message_lies_there_as_if_each_of_its_texts_were_laid_down_anew(id: str | None):
    for sender, reply_to, content in itertools.product(SENDERS, (None, *SENDERS), (None, "text/plain")):
        message = Message(sender, b"payload", 1_700_000_000_000_000_001, id, reply_to, content)
        for _ in range(2):  # of the second, all but the id and the payload is known
            head, payload, time_ns = frames.frame(message)
            assert (payload, time_ns) == (message.payload, message.timestamp_ns)
            assert written(head, message) == written(frames._headed(*frames._described(message)), message)


def test_another_id_of_the_same_length_takes_the_place_of_the_one_before():
    one, other = (frames.frame(Message(SENDERS[0], b"", 0, id)) for id in ("abc", "xyz"))
    assert one[0].replace(b"abc", b"xyz") == other[0]
    assert one[0][w.BODY :].endswith(b"abc")


def test_an_id_that_is_no_text_is_refused():
    with pytest.raises(UnfitValue):
        frames.frame(Message(SENDERS[0], b"", 0, "\ud800"))
