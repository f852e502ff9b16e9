"""The door of one deployment's mailbox, with the one lock of all that is behind it.

Senders `offer` and `post`, instances say `idle` and `finished`; the route pairs them. It never runs a guest, and never
calls anyone while its lock is held: it decides under the lock, and hands over without it.
"""

import threading
from collections.abc import Callable, Iterable

from orchestrator.concurrency.clock import Clock
from orchestrator.messaging.endings import RequestCounters
from orchestrator.messaging.mailbox.batch import Batch, Parcel, Part
from orchestrator.messaging.mailbox.capacity_limit import CapacityLimit, Wake
from orchestrator.messaging.mailbox.counters import Arrivals, Counters
from orchestrator.messaging.mailbox.dispatcher import Dispatcher
from orchestrator.messaging.mailbox.envelope import Envelope, Stage
from orchestrator.messaging.mailbox.lanes import Lane, Taker, Waiting
from orchestrator.messaging.mailbox.matcher import Matcher, Pairs
from orchestrator.messaging.mailbox.queues import Queues
from orchestrator.messaging.mailbox.sessions import SessionBindings
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Handled, Message, Outcome, Undelivered
from orchestrator.model.observed import Traffic
from orchestrator.model.spec import Mailbox, Routing

_ANY: frozenset[str] = frozenset()  # one for all: a set that is empty takes 200 bytes as well


class Route:
    """A bounded mailbox with weighted lanes; all methods may be called from any thread.

    Larger than most, as each method is one step under the one lock, for senders, instances or the controller. Parts of
    its own decide in them; a second door would need the same lock, and its order.
    """

    def __init__(self, key: DeploymentKey, mailbox: Mailbox, clock: Clock) -> None:
        self.key = key
        self.arrivals = Arrivals()
        self.requests = RequestCounters()  # of those that its instances made
        self.accepts = _ANY  # codecs; none is any
        self.on_open: Callable[[Route], None] = _nothing  # called when it takes messages again
        self._clock = clock
        self._lock = threading.Lock()
        self._refusal: Undelivered | None = None
        self._sequence = 0
        self._is_looking = False  # a call is due that looks for what has waited too long
        self._queues = Queues()
        self._capacity = CapacityLimit(key, mailbox, self._queues, self.arrivals)
        self._sessions = SessionBindings(key, self._queues)
        self._dispatcher = Dispatcher(key, self._queues, self._sessions)
        self._matcher = Matcher(self._queues, self._dispatcher, self._sessions, mailbox.batch)

    @property
    def mailbox(self) -> Mailbox:
        """The limits on waiting: how many messages, for how long, and the fate of one more."""
        return self._capacity.mailbox

    @mailbox.setter
    def mailbox(self, mailbox: Mailbox) -> None:
        if mailbox == self._capacity.mailbox:
            return
        with self._lock:
            self._capacity.mailbox = mailbox
            self._matcher.batch = mailbox.batch
            self._look_later()
        self._let_in()

    @property
    def routing(self) -> Routing:
        """The rule by which instances take messages."""
        return self._dispatcher.routing

    @routing.setter
    def routing(self, routing: Routing) -> None:
        if routing == self._dispatcher.routing:
            return
        with self._lock:
            self._dispatcher.route_by(routing)
            pairs = self._dispatch_again()
        self._hand_over(pairs)

    def offer(self, envelope: Envelope) -> Undelivered | None:
        """Queue `envelope`, or say why not; a refused envelope is not settled and stays the caller's."""
        pairs: Pairs = []
        work = envelope.work
        envelope.is_own = type(work) is Message and self._is_own(work.sender)
        with self._lock:
            if (refusal := self._why_not(envelope)) is not None:
                return refusal
            self._sequence += 1
            self.arrivals.received += 1
            envelope.sequence = self._sequence
            taker = self._matcher.free_taker(envelope)
            if taker is None:
                pairs = self._came(envelope)
            else:
                envelope.stage = Stage.STARTED
        if taker is not None:
            taker.take(envelope)
        else:
            self._hand_over(pairs)
        return None

    def _why_not(self, envelope: Envelope) -> Undelivered | None:
        if self._refusal is not None:
            return self._refusal
        if (refusal := self._capacity.why_not(is_own=envelope.is_own)) is not None:
            return refusal
        if envelope.session is not None and (refusal := self._sessions.why_not(envelope)) is not None:
            return refusal
        return self._dispatcher.why_nobody(envelope.to) if envelope.to else None

    def post(self, parcel: Parcel) -> tuple[int, Undelivered | None]:
        """Queue as many of a parcel's messages as there is room for; how many, and why not the others.

        Those that are not queued, its last ones, stay the caller's. Where the oldest make way, all are queued.
        """
        parcel.is_own = self._is_own(parcel.mail.sender)
        pairs: Pairs = []
        with self._lock:
            if self._refusal is not None:
                return 0, self._refusal
            if parcel.mail.to and (refusal := self._dispatcher.why_nobody(parcel.mail.to)) is not None:
                return 0, refusal
            count = self._capacity.count_for(parcel)
            self.arrivals.received += count
            self.arrivals.rejected += len(parcel) - count
            if not count:
                return 0, self._capacity.full(is_own=parcel.is_own)
            part = Part(parcel, 0, count, self._sequence + 1)
            self._sequence += count
            taker = self._matcher.free_taker(part) if count <= self._matcher.batch else None
            if taker is None:
                pairs = self._came(part)
                self._capacity.make_way()
        if taker is not None:
            taker.take(Batch([part]))
        else:
            self._hand_over(pairs)
        return count, None if count == len(parcel) else self._capacity.full(is_own=parcel.is_own)

    def _is_own(self, sender: ComponentId) -> bool:
        return sender.name == self.key.name and sender.namespace == self.key.namespace

    def _came(self, waiting: Waiting) -> Pairs:
        self._queues.came(waiting)
        if self.mailbox.ttl_ms is not None:
            waiting.since_ms = self._clock.monotonic_ms()
            self._look_later()
        return self._match(self._dispatcher.place(waiting))

    def withdraw(self, envelope: Envelope) -> bool:
        """Take a message back; False when a guest has started on it (it then runs to its end, unheard)."""
        with self._lock:
            if envelope.stage is not Stage.QUEUED or not envelope.sequence:  # started, settled or never queued
                return False
            self._queues.remove(envelope)
            envelope.stage = Stage.SETTLED
        self._let_in()
        return True

    def cancel(self, envelope: Envelope) -> bool:
        """Take a message back, True then; or have who is at work on it end that, if it is a call."""
        if self.withdraw(envelope):
            return True
        if envelope.cancellation is not None:
            envelope.cancellation.want()
        return False

    def when_room(self, wake: Wake) -> bool:
        """Call `wake` once there is room for a message, or none is taken any more; False when that is so now."""
        return self._when_room_for(1, wake)

    def when_within(self, wake: Wake) -> bool:
        """Call `wake` once nothing waits beyond the capacity any more; False when that is so now."""
        return self._when_room_for(0, wake)

    def _when_room_for(self, count: int, wake: Wake) -> bool:
        with self._lock:
            if not self.is_open or self._capacity.has_room_for(count):
                return False
            self._capacity.waiters[wake] = count
            return True

    def forget_waiter(self, wake: Wake) -> None:
        """Call `wake` no more: the sender that waited has given up."""
        with self._lock:
            self._capacity.waiters.pop(wake, None)

    def room_for(self, count: int) -> int:
        """Return how many of so many messages would be let in now; all of them, where none is taken at all."""
        return self._capacity.left(count) if self.is_open else count

    @property
    def has_senders_wait(self) -> bool:
        """Whether who sends to it when it is full is to wait."""
        return self._capacity.blocks

    @property
    def is_crowded(self) -> bool:
        """Whether some wait beyond the capacity, whose senders are to wait as well."""
        return self._capacity.is_crowded

    def idle(self, taker: Taker) -> None:
        """Say that `taker` can take a message."""
        with self._lock:
            lane = self._queues.lane(taker.lane)
            lane.idle.append(taker)
            is_new = taker not in lane.members
            if is_new:
                lane.members.join(taker)
            pairs = self._dispatch_again() if is_new and self._dispatcher.is_owned else self._match([lane])
        self._hand_over(pairs)

    def claim(self, taker: Taker) -> bool:
        """Take `taker` out of service if it is idle; False when it is at work (or already out)."""
        with self._lock:
            lane = self._queues.lane(taker.lane)
            if taker not in lane.idle:
                return False
            lane.idle.remove(taker)
            return True

    def finished(self, taker: Taker, outcome: Outcome, *, is_idle: bool = False) -> None:
        """Account for the message `taker` took, before the sender is told; `is_idle` when it can take another."""
        with self._lock:
            lane = self._queues.lane(taker.lane)
            lane.counters.count(outcome)
            self._matcher.over(lane, taker, is_idle=is_idle)
            pairs = self._match_after(lane)
        if pairs or self._queues.gone or self._capacity.waiters:
            self._hand_over(pairs)

    def finished_batch(self, taker: Taker, batch: Batch, handled: Handled, *, is_idle: bool = False) -> None:
        """Account for a batch, before its senders are told; messages no guest was given go back to the front."""
        rest = batch.rest(len(handled.outcomes)) if len(handled.outcomes) < len(batch) else []
        with self._lock:
            lane = self._queues.lane(taker.lane)
            lane.counters.count_batch(handled)
            self._matcher.over(lane, taker, is_idle=is_idle)
            if self._refusal is not None:
                self._queues.gone += [(part, self._refusal) for part in rest]
            elif rest:
                self._dispatcher.put_back(rest)
            pairs = self._match_all() if rest else self._match_after(lane)
        self._hand_over(pairs)

    def _match_after(self, lane: Lane) -> Pairs:
        """Look who can take something, now that somebody of `lane` is done."""
        if self._matcher.is_shared:
            return self._match_all()
        return self._match([lane]) if lane.queue or lane.own else []

    def end_session(self, session: str, why: str = "") -> None:
        """Forget a session that has ended. Its callers, waiting or next, are told `why`; without, it begins anew."""
        with self._lock:
            pairs = self._match(self._dispatcher.place_all(self._sessions.end(session, why)))
        self._hand_over(pairs)

    def leave(self, taker: Taker, why: str) -> None:
        """End the sessions of an instance that takes nothing any more; their callers, waiting or next, are told `why`.

        Others get the keys that it owned. Messages for it alone come back.
        """
        with self._lock:
            lane = self._queues.lanes.get(taker.lane)
            left = self._sessions.leave(taker, lane.leave(taker) if lane is not None else [], why)
            pairs = self._match(self._dispatcher.place_all(left))
        self._hand_over(pairs)

    def work_alone(self, alone: bool) -> None:
        """Allow one message at work at a time, whichever revisions take, as a stateful component needs."""
        with self._lock:
            if alone == self._matcher.alone:
                return
            self._matcher.alone = alone
            pairs = self._match_all()
        self._hand_over(pairs)

    def direct(self, weights: dict[str, int], *, hold: bool) -> None:
        """Set each revision's share, in percent; with `hold`, or without shares, messages wait. One atomic step."""
        with self._lock:
            wanted = tuple((lane, weight) for lane, weight in weights.items() if weight > 0)
            if (wanted, hold) == (self._dispatcher.weights, self._dispatcher.hold):
                return
            self._dispatcher.direct(wanted, hold=hold)
            pairs = self._dispatch_again()
        self._hand_over(pairs)

    def refuse(self, refusal: Undelivered | None) -> None:
        """Answer every waiting and future message with `refusal`; None opens the route again."""
        with self._lock:
            opens = refusal is None and self._refusal is not None
            self._refusal = refusal
            if refusal is not None:
                self._queues.refuse_all([(waiting, refusal) for waiting in self._queues.take_all()])
        self._hand_over([])
        if opens:
            self.on_open(self)

    def forget(self, lane: str) -> None:
        """Drop a revision's lane once its set has gone; messages that still wait in it are dispatched anew."""
        with self._lock:
            left = self._queues.take_lane(lane)
            self._dispatcher.look_who_takes()
            pairs = self._match(self._dispatcher.place_all(left))
        self._hand_over(pairs)

    @property
    def is_open(self) -> bool:
        """Whether it takes messages."""
        return self._refusal is None

    @property
    def weights(self) -> dict[str, int]:
        """The share of each revision, in percent; empty while messages are held."""
        return {} if self._dispatcher.hold else dict(self._dispatcher.weights)

    def key_of(self, to: str) -> str | None:
        """Return the key that a message to `to` has, which may be empty; None where there are no keys."""
        return to if self._dispatcher.is_keyed else None

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return self._queues.depth

    def busy(self, lane: str) -> int:
        """Count the instances of a revision that are at work on a message."""
        with self._lock:
            found = self._queues.lanes.get(lane)
            return 0 if found is None else found.busy

    def counters(self, lane: str) -> Counters:
        """Copy a revision's counters."""
        total = Counters()
        with self._lock:
            if lane in self._queues.lanes:
                total.add(self._queues.lanes[lane].counters)
        return total

    def traffic(self) -> Traffic:
        """Say what became of all messages."""
        total = Counters()
        with self._lock:
            for counters in (self._queues.past, *(lane.counters for lane in self._queues.lanes.values())):
                total.add(counters)
            return self.arrivals.seen(self._queues.depth, total)

    def lost(self, count: int) -> None:
        """Count messages that became dead letters."""
        with self._lock:
            self.arrivals.lost += count

    def sends_again(self) -> None:
        """Count a message that failed and is sent again."""
        with self._lock:
            self.arrivals.sent_again += 1

    def _dispatch_again(self) -> Pairs:
        return self._match(self._dispatcher.place_all(self._queues.take_all()))

    def _match(self, lanes: Iterable[Lane]) -> Pairs:
        self._expire()
        return [pair for lane in lanes for pair in self._matcher.match(lane)]

    def _match_all(self) -> Pairs:
        self._expire()
        return self._matcher.match_all()

    def _expire(self) -> None:
        if self.mailbox.ttl_ms is not None:
            self._capacity.expire(self._clock.monotonic_ms())

    def _look_later(self) -> None:
        ttl_ms = self.mailbox.ttl_ms
        if not self._is_looking and self._queues.depth and ttl_ms is not None:
            self._is_looking = True
            self._clock.call_later(ttl_ms, self._look)

    def _look(self) -> None:
        """Tell those whose messages have waited too long, though nobody came to take them."""
        with self._lock:
            self._is_looking = False
            self._expire()
            self._look_later()
        self._hand_over([])

    def _hand_over(self, pairs: Pairs) -> None:
        """Do what was decided under the lock, without it."""
        for taker, work in pairs:
            taker.take(work)
        if self._queues.gone:
            with self._lock:
                gone, self._queues.gone = self._queues.gone, []
            for waiting, refusal in gone:
                _refuse(waiting, refusal)
        if self._capacity.waiters:
            self._let_in()

    def _let_in(self) -> None:
        """Tell those who wait for room that there is some."""
        while self._capacity.waiters:
            with self._lock:
                wake = self._capacity.take_waiter(is_open=self.is_open)
            if wake is None:
                return
            wake()


def _nothing(_route: Route) -> None:
    return


def _refuse(waiting: Waiting, refusal: Undelivered) -> None:
    if isinstance(waiting, Envelope):
        waiting.settle(refusal)
    else:
        waiting.settle([refusal] * len(waiting))
