"""The capacity of a mailbox: how many messages wait and how long, the fate of one more, senders that wait for room.

For one thread at a time: the route's lock is held. Rules: `mailbox` in a deployment's manifest. Messages that a
deployment sends to itself have half of the places, wait for none and take nobody's, so that others always reach it.
"""

from collections.abc import Callable

from orchestrator.messaging.mailbox.batch import Parcel
from orchestrator.messaging.mailbox.counters import Arrivals
from orchestrator.messaging.mailbox.queues import Queues
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Undelivered
from orchestrator.model.spec import Mailbox, WhenFull

BLOCKED_MAX = 1_000  # messages beyond the capacity, whose senders wait until there is room

Wake = Callable[[], None]


class CapacityLimit:
    """The bounds of one mailbox, which lets in, lets go and counts what it refused or let go."""

    __slots__ = ("_arrivals", "_key", "_queues", "mailbox", "waiters")

    def __init__(self, key: DeploymentKey, mailbox: Mailbox, queues: Queues, arrivals: Arrivals) -> None:
        self._key = key
        self._queues = queues
        self._arrivals = arrivals
        self.mailbox = mailbox
        self.waiters: dict[Wake, int] = {}  # who waits for room, in order, and for how many messages

    @property
    def blocks(self) -> bool:
        """Whether who sends to it when it is full is to wait."""
        return self.mailbox.when_full is WhenFull.BLOCK

    @property
    def is_crowded(self) -> bool:
        """Whether some wait beyond the capacity, whose senders are to wait as well."""
        return self._queues.depth > self.mailbox.capacity and self.blocks

    def why_not(self, *, is_own: bool = False) -> Undelivered | None:
        """Say why there is no room for one message more; None when there is, for which others may have to go."""
        depth, capacity = self._queues.depth, self.mailbox.capacity
        if is_own:
            if self._left_of_own() > 0:
                return None
            self._arrivals.rejected += 1
            return self.full(is_own=True)
        if depth < capacity:
            return None
        if self._drops:
            self._drop(1)
            return None
        if self.blocks and depth < capacity + BLOCKED_MAX:
            return None
        self._arrivals.rejected += 1
        return self.full()

    def count_for(self, parcel: Parcel) -> int:
        """Return how many of a parcel's messages are let in."""
        if parcel.was_let_in:
            return len(parcel)
        if parcel.is_own:
            return max(0, min(len(parcel), self._left_of_own()))
        return self.left(len(parcel), may_wait=parcel.may_wait)

    def left(self, count: int, *, may_wait: bool = False) -> int:
        """Return how many of so many messages there is room for; with `may_wait`, beyond that for who then waits."""
        if self._drops:
            return count
        room = self.mailbox.capacity - self._queues.depth
        if may_wait and self.blocks:
            room += BLOCKED_MAX
        return max(0, min(count, room))

    def make_way(self) -> None:
        """Let the oldest go, if there are too many and that is what a full mailbox does."""
        excess = self._queues.depth - self.mailbox.capacity
        if self._drops and excess > 0:
            self._drop(excess)

    def full(self, *, is_own: bool = False) -> Undelivered:
        """Say that there is no room."""
        if is_own and self._queues.own >= self._share_of_own:
            many = f"{self._queues.own} messages to itself waiting, which may have {self._share_of_own} places"
            return Undelivered("queue-full", f"{self._key} already has {many} of its {self.mailbox.capacity}")
        return Undelivered("queue-full", f"{self._key} already has {self.mailbox.capacity} messages waiting")

    def has_room_for(self, count: int) -> bool:
        """Whether so many messages fit in."""
        return self._queues.depth + count <= self.mailbox.capacity

    def take_waiter(self, *, is_open: bool) -> Wake | None:
        """Take out the first sender that waits for no more room than there is; any, where nothing is let in."""
        fitting = (wake for wake, count in self.waiters.items() if not is_open or self.has_room_for(count))
        wake = next(fitting, None)
        if wake is not None:
            del self.waiters[wake]
        return wake

    def expire(self, now_ms: int) -> None:
        """Let go what has waited too long; only where there is such a time."""
        ttl_ms = self.mailbox.ttl_ms
        if ttl_ms is not None and self._queues.depth:
            why = Undelivered("expired", f"no instance of {self._key} took it within {ttl_ms} ms")
            self._arrivals.expired += self._queues.take_oldest(self._queues.depth, why, now_ms - ttl_ms)

    @property
    def _share_of_own(self) -> int:
        return (self.mailbox.capacity + 1) // 2

    def _left_of_own(self) -> int:
        return min(self._share_of_own - self._queues.own, self.mailbox.capacity - self._queues.depth)

    @property
    def _drops(self) -> bool:
        return self.mailbox.when_full is WhenFull.DROP_OLDEST

    def _drop(self, count: int) -> None:
        why = f"newer messages took its place: {self._key} has room for {self.mailbox.capacity}"
        self._arrivals.dropped += self._queues.take_oldest(count, Undelivered("dropped", why))
