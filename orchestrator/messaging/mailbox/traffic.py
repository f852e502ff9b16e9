"""Decides which version a message goes to: pure arithmetic on weights, conversations and sequence numbers."""

from collections import OrderedDict
from zlib import crc32

PINS_MAX = 10_000  # conversations remembered per deployment; the longest silent is forgotten first
_STRIDE = 37  # coprime to 100, so that any 100 messages in a row split exactly by weight


def bucket(conversation: str | None, sequence: int) -> int:
    """Map a conversation (or, without one, the message's number) to 0..99, evenly."""
    return crc32(conversation.encode()) % 100 if conversation is not None else sequence * _STRIDE % 100


def choose(weights: tuple[tuple[str, int], ...], position: int) -> str:
    """Return the lane that owns `position` (0..99) when the lanes split 100 by `weights`, in their order.

    The last lane is the rest: it gets what the others leave.
    """
    edge = 0
    for lane, weight in weights[:-1]:
        edge += weight
        if position < edge:
            return lane
    return weights[-1][0]


class Conversations:
    """Remembers which version each conversation started on, bounded by `PINS_MAX`."""

    __slots__ = ("_pins",)

    def __init__(self) -> None:
        self._pins: OrderedDict[str, str] | None = None  # until there is a conversation: most deployments have none

    def lane(self, weights: tuple[tuple[str, int], ...], conversation: str | None, sequence: int) -> str:
        """Choose a lane with a positive weight: the conversation's own while it is served, else by weight."""
        if conversation is None:
            return choose(weights, bucket(None, sequence))
        pins = self._pins
        if pins is None:
            pins = self._pins = OrderedDict()
        pinned = pins.get(conversation)
        if pinned is None or all(lane != pinned for lane, _ in weights):
            pinned = choose(weights, bucket(conversation, sequence))
        pins[conversation] = pinned
        pins.move_to_end(conversation)
        if len(pins) > PINS_MAX:
            pins.popitem(last=False)
        return pinned
