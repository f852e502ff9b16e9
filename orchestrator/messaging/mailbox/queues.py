"""Messages that wait, and where: in a revision's lane, there for one instance alone, or for a revision that takes.

For one thread at a time: the route's lock is held.
"""

import itertools
from collections import deque

from orchestrator.messaging.mailbox.counters import Counters
from orchestrator.messaging.mailbox.envelope import Envelope, Stage
from orchestrator.messaging.mailbox.lanes import EMPTY, Lane, Taker, Waiting
from orchestrator.model.message import Undelivered

Gone = list[tuple[Waiting, Undelivered]]  # out of the mailbox, and its sender is about to be told


class Queues:
    """The queues, how many messages wait in them, and those taken out whose senders are still to be told."""

    __slots__ = ("depth", "gone", "held", "lanes", "own", "past")

    def __init__(self) -> None:
        self.held: deque[Waiting] = EMPTY  # messages are held, or nobody serves yet
        self.lanes: dict[str, Lane] = {}
        self.past = Counters()  # of revisions that have gone
        self.depth = 0
        self.own = 0  # of those, messages that the deployment has sent to itself
        self.gone: Gone = []

    def came(self, waiting: Waiting) -> None:
        """Count what waits from now on."""
        self.depth += len(waiting)
        if waiting.is_own:
            self.own += len(waiting)

    def left(self, waiting: Waiting) -> None:
        """Count what waits no more."""
        self.depth -= len(waiting)
        if waiting.is_own:
            self.own -= len(waiting)

    def lane(self, name: str) -> Lane:
        """Return the lane of a revision, which is there from then on."""
        found = self.lanes.get(name)
        if found is None:
            found = self.lanes[name] = Lane()
        return found

    def hold(self, waiting: Waiting, *, first: bool = False) -> None:
        """Queue something for a revision that takes, `first` or last."""
        if self.held is EMPTY:
            self.held = deque()
        if first:
            self.held.appendleft(waiting)
        else:
            self.held.append(waiting)

    def wait_in(self, name: str, waiting: Waiting) -> Lane:
        """Queue something for any instance of a revision."""
        lane = self.lane(name)
        if type(waiting) is Envelope:
            waiting.lane = name
        lane.wait(waiting)
        return lane

    def wait_for(self, taker: Taker, waiting: Waiting, *, first: bool = False) -> Lane:
        """Queue something for one instance alone, `first` or last of its own."""
        lane = self.lane(taker.lane)
        if type(waiting) is Envelope:
            waiting.lane = taker.lane
        lane.wait_for(taker, waiting, first=first)
        return lane

    def remove(self, envelope: Envelope) -> None:
        """Take one envelope out, which is here."""
        if envelope in self.held:
            self.held.remove(envelope)
        else:
            self.lanes[envelope.lane].remove(envelope)
        self.left(envelope)

    def refuse_all(self, gone: Gone) -> None:
        """Note who was taken out of its queue, to be told once the lock is free."""
        for waiting, _ in gone:
            self.left(waiting)
            if isinstance(waiting, Envelope):
                waiting.stage = Stage.REFUSED
        self.gone += gone

    def take_all(self) -> list[Waiting]:
        """Take everything out, the oldest first, to be placed anew or let go."""
        waiting: list[Waiting] = [*self.held]
        self.held.clear()
        for lane in self.lanes.values():
            waiting += lane.give_all()
        return sorted(waiting, key=lambda one: one.sequence)

    def take_lane(self, name: str) -> list[Waiting]:
        """Drop a revision's lane, and take out what waits in it, to be placed anew."""
        gone = self.lanes.pop(name, None)
        if gone is None:
            return []
        self.past.add(gone.counters)
        return [*gone.give_all()]

    def take_session(self, session: str) -> list[Envelope]:
        """Take out the calls of a session that wait for anybody or somebody, the oldest first, to wait elsewhere."""
        moved: list[Envelope] = []
        for queue in (self.held, *(queue for lane in self.lanes.values() for queue in lane.queues())):
            for waiting in [waiting for waiting in queue if waiting.session == session] if queue else ():
                assert isinstance(waiting, Envelope)
                queue.remove(waiting)
                moved.append(waiting)
        for lane in self.lanes.values():
            lane.clean()
        return sorted(moved, key=lambda envelope: envelope.sequence)

    def take_oldest(self, count: int, why: Undelivered, since_ms: int | None = None) -> int:
        """Let go up to `count` of the oldest messages, or of those that came by `since_ms`; how many there were."""
        left = count
        while left > 0 and (queue := self._oldest()) is not None:
            waiting = queue[0]
            if since_ms is not None and waiting.since_ms > since_ms:
                break
            whole = len(waiting) <= left
            gone = queue.popleft() if whole or isinstance(waiting, Envelope) else waiting.split(left)
            left -= len(gone)
            self.refuse_all([(gone, why)])
        for lane in self.lanes.values():
            lane.clean()
        return count - left

    def _oldest(self) -> deque[Waiting] | None:
        """Return the queue whose first message waits for the longest."""
        queues = itertools.chain([self.held], *(lane.queues() for lane in self.lanes.values()))
        return min(filter(None, queues), key=lambda queue: queue[0].sequence, default=None)
