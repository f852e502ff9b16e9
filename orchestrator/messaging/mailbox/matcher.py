"""Pairs what waits with who is free, and keeps count of what is at work.

For one thread at a time: the route's lock is held. The pairs it returns are handed over without it.
"""

from collections import deque

from orchestrator.messaging.mailbox.batch import Batch, Part
from orchestrator.messaging.mailbox.dispatcher import Dispatcher
from orchestrator.messaging.mailbox.envelope import Envelope, Stage
from orchestrator.messaging.mailbox.lanes import Lane, Taker, Waiting
from orchestrator.messaging.mailbox.queues import Queues
from orchestrator.messaging.mailbox.sessions import SessionBindings

Pairs = list[tuple[Taker, Envelope | Batch]]


class Matcher:
    """Pairs the longest idle instance with the longest waiting message; one at a time where state is not shared."""

    __slots__ = ("_at_work", "_dispatcher", "_keys_at_work", "_queues", "_sessions", "alone", "batch")

    def __init__(self, queues: Queues, dispatcher: Dispatcher, sessions: SessionBindings, batch: int) -> None:
        self._queues = queues
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._at_work = 0
        self._keys_at_work: dict[str, Taker] = {}  # where instances own keys
        self.alone = False  # at most one message is at work, whichever revisions take
        self.batch = batch  # messages that one may take at once

    def free_taker(self, waiting: Waiting) -> Taker | None:
        """Start on what need not wait, where who takes it is decided by who is idle: a shortcut."""
        lane = self._dispatcher.only
        if lane is None or not lane.idle or lane.queue or lane.own or (self.alone and self._at_work):
            return None
        if waiting.conversation is not None or waiting.session is not None or waiting.to or self._dispatcher.is_owned:
            return None
        self._at_work += 1
        lane.busy += 1
        return lane.idle.pop(0)

    def over(self, lane: Lane, taker: Taker, *, is_idle: bool) -> None:
        """Note that `taker` is done with what it took, and whether it can take something else."""
        lane.busy -= 1
        self._at_work -= 1
        if is_idle:
            lane.idle.append(taker)
        if self._keys_at_work:
            self._keys_at_work = {key: one for key, one in self._keys_at_work.items() if one is not taker}

    @property
    def is_shared(self) -> bool:
        """Whether what one instance is at work on keeps others from working."""
        return self.alone or self._dispatcher.is_keyed

    def match(self, lane: Lane) -> Pairs:
        """Give a lane's idle takers what waits there."""
        pairs: Pairs = self._match_own(lane) if lane.own else []
        queue, idle = lane.queue, lane.idle
        while queue and idle and not (self.alone and self._at_work):
            pairs.append((idle[0], self._take(lane, queue, idle[0])))
            idle.pop(0)
        return pairs

    def match_all(self) -> Pairs:
        """Give all idle takers what waits for them."""
        return [pair for lane in self._queues.lanes.values() for pair in self.match(lane)]

    def _match_own(self, lane: Lane) -> Pairs:
        """Give idle takers what waits for them alone, where nobody has waited for longer."""
        pairs: Pairs = []
        for taker in [taker for taker in lane.idle if taker in lane.own]:
            own = lane.own.get(taker)
            if not own:  # the calls that waited here are of a session whose first call another has just taken
                continue
            is_next = not lane.queue or own[0].sequence < lane.queue[0].sequence
            if (
                not is_next
                or self._dispatcher.hold
                or (self.alone and self._at_work)
                or own[0].to in self._keys_at_work
            ):
                continue
            lane.idle.remove(taker)
            if self._dispatcher.is_keyed:
                self._keys_at_work[own[0].to] = taker
            pairs.append((taker, self._take(lane, own, taker)))
        lane.clean()
        return pairs

    def _take(self, lane: Lane, queue: deque[Waiting], taker: Taker) -> Envelope | Batch:
        """Take what is first in a queue, to be worked on."""
        self._at_work += 1
        lane.busy += 1
        return self._take_batch(queue) if isinstance(queue[0], Part) else self._take_one(queue, taker)

    def _take_one(self, queue: deque[Waiting], taker: Taker) -> Envelope:
        envelope = queue.popleft()
        assert isinstance(envelope, Envelope)
        if envelope.session is not None and envelope.session not in self._sessions:
            self._sessions.bind(envelope.session, taker)
        envelope.stage = Stage.STARTED
        self._queues.left(envelope)
        return envelope

    def _take_batch(self, queue: deque[Waiting]) -> Batch:
        """Take alike messages that wait one behind the other; one at a time while versions are compared."""
        left = self.batch if len(self._dispatcher.weights) == 1 else 1
        parts: list[Part] = []
        while left and queue:
            part = queue[0]
            if not isinstance(part, Part) or (parts and not part.parcel.mail.is_like(parts[0].parcel.mail)):
                break
            taken = queue.popleft() if len(part) <= left else part.split(left)
            assert isinstance(taken, Part)
            parts.append(taken)
            left -= len(taken)
        batch = Batch(parts)
        for part in parts:
            self._queues.left(part)
        return batch
