"""One deployment's mailbox and the instances that take from it.

Senders `offer`, instances say `idle`; the route pairs them. It never runs a guest and never calls anyone while its
lock is held. Which revision a message goes to is decided by `traffic`; when the weights change, messages nobody has
started are dealt anew and started ones stay where they are.
"""

import threading
from collections import deque
from typing import Protocol

import msgspec

from orchestrator.messaging.envelope import Envelope, Stage
from orchestrator.messaging.traffic import Conversations
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Exited, Outcome, Refused, Undelivered


class Taker(Protocol):
    """Somebody who can work on one envelope at a time: an instance."""

    lane: str

    def take(self, envelope: Envelope) -> None:
        """Start working on `envelope` soon; must not block."""


class Counters(msgspec.Struct):
    """What one revision did with its messages; errors are err results, traps, exceeded limits and deadlines."""

    handled: int = 0
    errors: int = 0


class _Lane:
    """The queue of one revision, its idle instances (longest idle first) and how many are at work."""

    __slots__ = ("busy", "counters", "idle", "queue")

    def __init__(self) -> None:
        self.queue: deque[Envelope] = deque()
        self.idle: deque[Taker] = deque()
        self.busy = 0
        self.counters = Counters()


Pairs = list[tuple[Taker, Envelope]]
_ERRORS = (Refused, Exited)


class Route:
    """A bounded mailbox with weighted lanes; all methods may be called from any thread."""

    def __init__(self, key: DeploymentKey, capacity: int) -> None:
        self.key = key
        self.capacity = capacity
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}
        self._weights: tuple[tuple[str, int], ...] = ()
        self._held: deque[Envelope] = deque()  # waits for weights: held, or nobody serves yet
        self._hold = False
        self._depth = 0
        self._sequence = 0
        self._refusal: Undelivered | None = None
        self._conversations = Conversations()
        self._at_work = 0
        self._alone = False

    def offer(self, envelope: Envelope) -> Undelivered | None:
        """Queue `envelope`, or say why not; a refused envelope is not settled and stays the caller's."""
        with self._lock:
            if self._refusal is not None:
                return self._refusal
            if self._depth >= self.capacity:
                return Undelivered("queue-full", f"{self.key} already has {self.capacity} messages waiting")
            self._sequence += 1
            envelope.sequence = self._sequence
            self._depth += 1
            pairs = self._place(envelope)
        _hand_over(pairs)
        return None

    def withdraw(self, envelope: Envelope) -> bool:
        """Take a message back; False when a guest has started on it (it then runs to its end, unheard)."""
        with self._lock:
            if envelope.stage is not Stage.QUEUED or not envelope.sequence:  # started, settled or never queued
                return False
            queue = self._held if envelope in self._held else self._lanes[envelope.lane].queue
            queue.remove(envelope)
            self._depth -= 1
            envelope.stage = Stage.SETTLED
            return True

    def idle(self, taker: Taker) -> None:
        """Say that `taker` can take a message."""
        with self._lock:
            lane = self._lane(taker.lane)
            lane.idle.append(taker)
            pairs = self._match(lane) if lane.queue else []
        _hand_over(pairs)

    def claim(self, taker: Taker) -> bool:
        """Take `taker` out of service if it is idle; False when it is at work (or already out)."""
        with self._lock:
            lane = self._lane(taker.lane)
            if taker not in lane.idle:
                return False
            lane.idle.remove(taker)
            return True

    def finished(self, taker: Taker, outcome: Outcome, *, is_idle: bool = False) -> None:
        """Account for the message `taker` took, before the sender is told; `is_idle` when it can take another."""
        with self._lock:
            lane = self._lane(taker.lane)
            lane.busy -= 1
            lane.counters.handled += 1
            lane.counters.errors += isinstance(outcome, _ERRORS)
            self._at_work -= 1
            if is_idle:
                lane.idle.append(taker)
            pairs = self._match_all() if self._alone else self._match(lane) if lane.queue else []
        _hand_over(pairs)

    def work_alone(self, alone: bool) -> None:
        """Have at most one message at work, whichever revisions take: what a stateful component needs."""
        with self._lock:
            if alone == self._alone:
                return
            self._alone = alone
            pairs = self._match_all()
        _hand_over(pairs)

    def direct(self, weights: dict[str, int], *, hold: bool) -> None:
        """Set who takes, in percent by revision; with `hold` (or nobody) messages wait. One atomic step."""
        with self._lock:
            wanted = tuple((lane, weight) for lane, weight in weights.items() if weight > 0)
            if (wanted, hold) == (self._weights, self._hold):
                return
            self._weights, self._hold = wanted, hold
            pairs = self._deal_again()
        _hand_over(pairs)

    def refuse(self, refusal: Undelivered | None) -> None:
        """Answer every waiting and future message with `refusal`; None opens the route again."""
        with self._lock:
            self._refusal = refusal
            dropped = self._take_all() if refusal is not None else []
            self._depth -= len(dropped)
            for envelope in dropped:
                envelope.stage = Stage.REFUSED
        for envelope in dropped:
            assert refusal is not None
            envelope.settle(refusal)

    def forget(self, lane: str) -> None:
        """Drop a revision's lane once its set has gone; what still waits in it is dealt anew."""
        with self._lock:
            gone = self._lanes.pop(lane, None)
            pairs: Pairs = []
            for envelope in gone.queue if gone else ():
                pairs += self._place(envelope)
        _hand_over(pairs)

    def busy(self, lane: str) -> int:
        """Count the instances of a revision that are at work on a message."""
        with self._lock:
            return self._lanes[lane].busy if lane in self._lanes else 0

    def counters(self, lane: str) -> Counters:
        """Copy a revision's counters."""
        with self._lock:
            found = self._lanes.get(lane)
            return Counters(found.counters.handled, found.counters.errors) if found else Counters()

    @property
    def weights(self) -> dict[str, int]:
        """Who takes, in percent by revision; nobody while messages are held."""
        return {} if self._hold else dict(self._weights)

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return self._depth

    def _lane(self, name: str) -> _Lane:
        found = self._lanes.get(name)
        if found is None:
            found = self._lanes[name] = _Lane()
        return found

    def _place(self, envelope: Envelope) -> Pairs:
        weights = self._weights
        if self._hold or not weights:
            self._held.append(envelope)
            return []
        if len(weights) == 1 and envelope.conversation is None:
            envelope.lane = weights[0][0]
        else:
            envelope.lane = self._conversations.lane(weights, envelope.conversation, envelope.sequence)
        lane = self._lane(envelope.lane)
        lane.queue.append(envelope)
        return self._match(lane) if lane.idle else []

    def _match(self, lane: _Lane) -> Pairs:
        pairs: Pairs = []
        queue, idle = lane.queue, lane.idle
        while queue and idle and not (self._alone and self._at_work):
            envelope = queue.popleft()
            envelope.stage = Stage.STARTED
            self._depth -= 1
            self._at_work += 1
            lane.busy += 1
            pairs.append((idle.popleft(), envelope))
        return pairs

    def _match_all(self) -> Pairs:
        return [pair for lane in self._lanes.values() for pair in self._match(lane)]

    def _take_all(self) -> list[Envelope]:
        waiting = [*self._held]
        self._held.clear()
        for lane in self._lanes.values():
            waiting += lane.queue
            lane.queue.clear()
        return sorted(waiting, key=lambda envelope: envelope.sequence)

    def _deal_again(self) -> Pairs:
        pairs: Pairs = []
        for envelope in self._take_all():
            pairs += self._place(envelope)
        return pairs


def _hand_over(pairs: Pairs) -> None:
    for taker, envelope in pairs:
        taker.take(envelope)
