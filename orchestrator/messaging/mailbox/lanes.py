"""The part of a mailbox that belongs to one revision: what waits for its instances, and who of them is free."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from orchestrator.messaging.mailbox.batch import Batch, Part
from orchestrator.messaging.mailbox.counters import Counters
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.mailbox.owners import Members

Waiting = Envelope | Part


class Taker(Protocol):
    """An instance, as a mailbox sees it: it works on one envelope or one batch at a time."""

    lane: str

    @property
    def name(self) -> str:
        """Its name in its deployment, which it keeps when it restarts."""

    def take(self, work: Envelope | Batch) -> None:
        """Start working on it soon; must not block."""


class _Empty(deque[Any]):
    """A queue that nothing is put into."""

    def append(self, _waiting: object) -> None:
        raise AssertionError("this queue is everybody's")

    appendleft = append


EMPTY: Any = _Empty()  # shared by all in which nothing ever waited: a queue takes a kilobyte, and most never need one


class Lane:
    """The queue of one revision, its idle instances (longest idle first) and how many are at work.

    `own` is what waits for one instance alone, by that instance: calls of its sessions, what is addressed to it,
    the keys that it owns. It has no empty queue. `members` are those who take messages, idle or not.
    """

    __slots__ = ("busy", "counters", "idle", "members", "own", "queue")

    def __init__(self) -> None:
        self.queue: deque[Waiting] = EMPTY
        self.own: dict[Taker, deque[Waiting]] = {}
        self.idle: list[Taker] = []  # and no queue, as mostly one is in it
        self.members: Members[Taker] = Members()
        self.busy = 0
        self.counters = Counters()

    def wait(self, waiting: Waiting, *, first: bool = False) -> None:
        """Queue something for any instance, `first` or last."""
        if self.queue is EMPTY:
            self.queue = deque()
        if first:
            self.queue.appendleft(waiting)
        else:
            self.queue.append(waiting)

    def wait_for(self, taker: Taker, waiting: Waiting, *, first: bool = False) -> None:
        """Queue something for one instance, `first` or last of its own."""
        queue = self.own.setdefault(taker, deque())
        if first:
            queue.appendleft(waiting)
        else:
            queue.append(waiting)

    def leave(self, taker: Taker) -> list[Waiting]:
        """Count an instance among those who take messages no more, and take out what waits for it alone."""
        self.members.leave(taker)
        return [*self.own.pop(taker, ())]

    def give_all(self) -> Iterator[Waiting]:
        """Take everything out."""
        yield from self.queue
        self.queue.clear()
        for queue in self.own.values():
            yield from queue
        self.own.clear()

    def queues(self) -> "Iterator[deque[Waiting]]":
        """Yield every queue there is."""
        yield self.queue
        yield from self.own.values()

    def remove(self, envelope: Envelope) -> None:
        """Take one envelope out, which is here."""
        queue = next(queue for queue in self.queues() if envelope in queue)
        queue.remove(envelope)
        self.clean()

    def clean(self) -> None:
        """Forget who has nothing waiting any more."""
        self.own = {taker: queue for taker, queue in self.own.items() if queue}
