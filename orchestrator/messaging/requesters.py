"""Instances as senders, and the answers that wait for them.

An instance sends in the conversation of the message that it is at work on; a guest chooses none.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from orchestrator.messaging.endings import Ending, RequestCounters
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Message

_KINDS = {
    Ending.ANSWERED: HopKind.ANSWER, Ending.FAILED: HopKind.FAILURE, Ending.TIMED_OUT: HopKind.TIMEOUT,
}  # fmt: skip


class WaitingAnswer(msgspec.Struct, frozen=True, eq=False):
    """The ending of a request, as the message that its requester is given."""

    message: Message
    ending: Ending
    conversation: str | None
    key: str | None = None

    @property
    def kind(self) -> HopKind:
        """Its kind as a hop of a conversation."""
        return _KINDS[self.ending]


class Requester:
    """One life of an instance as a sender. `answers` wait for it; only `Requests` changes them.

    `conversation`, `trace` and `key` are of what it is at work on: the name that keeps messages on one version, what
    they are recorded under (None while that is not decided, empty where they are not), and the key that it has there,
    None where there are no keys. It alone touches those.
    """

    __slots__ = ("answers", "bytes_waiting", "conversation", "counters", "id", "key", "trace", "wake", "why_closed")

    def __init__(self, id: ComponentId, counters: RequestCounters, wake: Callable[[], None]) -> None:
        self.id = id
        self.counters = counters
        self.wake = wake
        self.why_closed = ""  # to further requests
        self.answers: Sequence[WaitingAnswer] = ()
        self.bytes_waiting = 0
        self.conversation: str | None = None
        self.trace: str | None = None
        self.key: str | None = None

    def put(self, answer: WaitingAnswer) -> None:
        """Let an answer wait."""
        if not isinstance(self.answers, deque):  # the first: a queue takes a kilobyte, and most never ask
            self.answers = deque()
        self.answers.append(answer)

    def take(self) -> WaitingAnswer:
        """Take out the answer that has waited the longest."""
        assert isinstance(self.answers, deque)
        answer: WaitingAnswer = self.answers.popleft()
        return answer

    def drop(self, *dropped: WaitingAnswer) -> None:
        """Forget some answers."""
        self.answers = deque(one for one in self.answers if one not in dropped)

    @property
    def address(self) -> ComponentId:
        """Where answers to what it sends reach it: the key that it is at work on, whoever owns that then."""
        return self.id if self.key is None else ComponentId(self.id.namespace, self.id.name, self.key)

    def works_on(self, conversation: str | None, trace: str | None, key: str | None = None) -> None:
        """Say what it is at work on next."""
        self.conversation, self.trace, self.key = conversation, trace, key


def mute(id: ComponentId) -> Requester:
    """Return a sender that cannot ask, as nothing could give it an answer."""
    requester = Requester(id, RequestCounters(), _no_wake)
    requester.why_closed = "it is no actor that exports handle-callback"
    return requester


def _no_wake() -> None:
    return
