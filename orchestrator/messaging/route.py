"""One deployment's mailbox and the instances that take from it.

Senders `offer`, instances say `idle`; the route pairs them. It never runs a guest and never calls anyone while its
lock is held. Which revision a message goes to is decided by `traffic`; when the weights change, messages nobody has
started are dealt anew and started ones stay where they are. A session is bound to the instance that took its first
call, and its further calls wait for that one.

What wants no answer comes as parcels and is taken in batches; what of a batch no guest was given is the first to be
taken again. What a full mailbox does, and how long a message may wait, are the deployment's `mailbox`.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from orchestrator.messaging import requests
from orchestrator.messaging.batch import Batch, Parcel, Part
from orchestrator.messaging.envelope import Envelope, LetGo, Stage
from orchestrator.messaging.lanes import Counters, Lane, Taker, Waiting
from orchestrator.messaging.traffic import Conversations
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Exited, Handled, Message, Outcome, Refused, Replied, Undelivered
from orchestrator.model.observed import Traffic
from orchestrator.model.spec import Mailbox, RouteBy, Routing, RoutingPolicy, WhenFull


class Clock(Protocol):
    """Time in milliseconds that only ever grows, and calls that are made later, which must not block."""

    def monotonic_ms(self) -> int:
        """Return it."""

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> object:
        """Make a call in `delay_ms`."""


class Arrivals(msgspec.Struct):
    """What became of messages but for instances: let in, no room for, dropped, expired; lost in the end."""

    received: int = 0
    rejected: int = 0
    dropped: int = 0
    expired: int = 0
    lost: int = 0
    sent_again: int = 0


Pairs = list[tuple[Taker, Envelope | Batch]]
Gone = list[tuple[Waiting, Undelivered]]  # out of the mailbox, and its sender is about to be told
_ERRORS = (Refused, Exited)
BLOCKED_MAX = 1_000  # messages beyond the capacity, whose senders wait until there is room
ENDED_MAX = 100  # sessions whose end somebody is still to be told of


class Route:
    """A bounded mailbox with weighted lanes; all methods may be called from any thread."""

    def __init__(self, key: DeploymentKey, mailbox: Mailbox, clock: Clock) -> None:
        self.key = key
        self._mailbox = mailbox
        self._clock = clock
        self._is_looking = False  # a call is due that looks for what has waited too long
        self._room: dict[Callable[[], None], int] = {}  # who waits for room, in order, and for how many messages
        self._gone: Gone = []
        self.arrivals = Arrivals()
        self.on_open: Callable[[], None] = _nothing  # called when it takes messages again
        self._past = Counters()  # of revisions that have gone
        self.requests = requests.Counters()  # of those that its instances made
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._weights: tuple[tuple[str, int], ...] = ()
        self._held: deque[Waiting] = deque()  # waits for weights: held, or nobody serves yet
        self._hold = False
        self._only: Lane | None = None  # which takes all, if one does
        self._depth = 0
        self._sequence = 0
        self._refusal: Undelivered | None = None
        self._conversations = Conversations()
        self._at_work = 0
        self._alone = False
        self._routing = Routing()
        self.accepts: frozenset[str] = frozenset()  # codecs; none is any
        self._keys_at_work: dict[str, Taker] = {}  # where instances own keys
        self._bound: dict[str, Taker] = {}  # sessions
        self._ended: dict[str, str] = {}  # sessions whose end nobody asked for and nobody was told of yet, and why

    @property
    def mailbox(self) -> Mailbox:
        """How many may wait, for how long, and what becomes of one more."""
        return self._mailbox

    @mailbox.setter
    def mailbox(self, mailbox: Mailbox) -> None:
        if mailbox == self._mailbox:
            return
        with self._lock:
            self._mailbox = mailbox
            self._look_later()
        self._let_in()

    @property
    def routing(self) -> Routing:
        """Who takes which message."""
        return self._routing

    @routing.setter
    def routing(self, routing: Routing) -> None:
        if routing == self._routing:
            return
        with self._lock:
            self._routing = routing
            pairs = self._deal_again()
        self._hand_over(pairs)

    def offer(self, envelope: Envelope) -> Undelivered | None:
        """Queue `envelope`, or say why not; a refused envelope is not settled and stays the caller's."""
        pairs: Pairs = []
        with self._lock:
            if self._refusal is not None:
                return self._refusal
            if self._depth >= self._mailbox.capacity and (refusal := self._no_room()) is not None:
                return refusal
            if envelope.session is not None and (refusal := self._no_session(envelope)) is not None:
                return refusal
            if envelope.to and (refusal := self._nobody_of(envelope.to)) is not None:
                return refusal
            self._sequence += 1
            self.arrivals.received += 1
            envelope.sequence = self._sequence
            taker = self._free_taker(envelope) if self._only is not None else None
            if taker is None:
                self._came(envelope)
                pairs = self._place(envelope)
        if taker is not None:
            taker.take(envelope)
        else:
            self._hand_over(pairs)
        return None

    def _came(self, waiting: Waiting) -> None:
        self._depth += len(waiting)
        if self._mailbox.ttl_ms is not None:
            waiting.since_ms = self._clock.monotonic_ms()
            self._look_later()

    def _no_room(self) -> Undelivered | None:
        """Say what becomes of a message to a full mailbox: a refusal, or None and perhaps others make way for it."""
        if self._drops:
            self._drop(1)
            return None
        if self._mailbox.when_full is WhenFull.BLOCK and self._depth < self._mailbox.capacity + BLOCKED_MAX:
            return None
        self.arrivals.rejected += 1
        return self._full()

    def _free_taker(self, envelope: Envelope) -> Taker | None:
        """Start on a message that need not wait, where who takes it is decided by who is idle: `_place` in short."""
        lane = self._only
        assert lane is not None
        if not lane.idle or lane.queue or lane.own or (self._alone and self._at_work):
            return None
        if envelope.conversation is not None or envelope.session is not None or envelope.to or self._is_owned:
            return None
        envelope.stage = Stage.STARTED
        self._at_work += 1
        lane.busy += 1
        return lane.idle.popleft()

    def post(self, parcel: Parcel) -> tuple[int, Undelivered | None]:
        """Queue as many of a parcel's messages as there is room for; how many, and why not the others.

        Those that are not queued, its last ones, stay the caller's. Where the oldest make way, all are queued.
        """
        with self._lock:
            if self._refusal is not None:
                return 0, self._refusal
            if parcel.mail.to and (refusal := self._nobody_of(parcel.mail.to)) is not None:
                return 0, refusal
            count = self._room_for(parcel)
            self.arrivals.received += count
            self.arrivals.rejected += len(parcel) - count
            if not count:
                return 0, self._full()
            part = Part(parcel, 0, count, self._sequence + 1)
            self._sequence += count
            self._came(part)
            pairs = self._place(part)
            if self._drops and self._depth > self._mailbox.capacity:
                self._drop(self._depth - self._mailbox.capacity)
        self._hand_over(pairs)
        return count, None if count == len(parcel) else self._full()

    def _room_for(self, parcel: Parcel) -> int:
        """Return how many of a parcel's messages are let in."""
        if self._drops or parcel.was_let_in:
            return len(parcel)
        room = self._mailbox.capacity - self._depth
        if parcel.may_wait and self._mailbox.when_full is WhenFull.BLOCK:
            room += BLOCKED_MAX
        return max(0, min(len(parcel), room))

    @property
    def _drops(self) -> bool:
        return self._mailbox.when_full is WhenFull.DROP_OLDEST

    def _full(self) -> Undelivered:
        return Undelivered("queue-full", f"{self.key} already has {self._mailbox.capacity} messages waiting")

    def when_room(self, wake: Callable[[], None]) -> bool:
        """Have `wake` called once there is room for a message, or none is taken any more; False when that is so now."""
        return self._when_room_for(1, wake)

    def when_within(self, wake: Callable[[], None]) -> bool:
        """Have `wake` called once nothing waits beyond the capacity any more; False when that is so now."""
        return self._when_room_for(0, wake)

    def _when_room_for(self, count: int, wake: Callable[[], None]) -> bool:
        with self._lock:
            if self._has_room_for(count):
                return False
            self._room[wake] = count
            return True

    def forget_waiter(self, wake: Callable[[], None]) -> None:
        """Call `wake` no more: who waited has given up."""
        with self._lock:
            self._room.pop(wake, None)

    @property
    def has_senders_wait(self) -> bool:
        """Whether who sends to it when it is full is to wait."""
        return self._mailbox.when_full is WhenFull.BLOCK

    @property
    def is_crowded(self) -> bool:
        """Whether some wait beyond the capacity, whose senders are to wait as well."""
        return self._depth > self._mailbox.capacity and self.has_senders_wait

    def _has_room_for(self, count: int) -> bool:
        return self._depth + count <= self._mailbox.capacity or self._refusal is not None

    def _let_in(self) -> None:
        """Tell those who wait for room that there is some."""
        while self._room:
            with self._lock:
                wake = next((wake for wake, count in self._room.items() if self._has_room_for(count)), None)
                if wake is None:
                    return
                del self._room[wake]
            wake()

    def withdraw(self, envelope: Envelope) -> bool:
        """Take a message back; False when a guest has started on it (it then runs to its end, unheard)."""
        with self._lock:
            if envelope.stage is not Stage.QUEUED or not envelope.sequence:  # started, settled or never queued
                return False
            self._remove(envelope)
            self._depth -= 1
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

    def idle(self, taker: Taker) -> None:
        """Say that `taker` can take a message."""
        with self._lock:
            lane = self._lane(taker.lane)
            lane.idle.append(taker)
            if taker in lane.members:
                pairs = self._match(lane) if lane.queue or lane.own else []
            else:
                lane.members.join(taker)
                pairs = self._deal_again() if self._is_owned else self._match(lane)
        self._hand_over(pairs)

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
            if self._keys_at_work:
                self._let_key_go(taker)
            if not (lane.queue or lane.own or self._is_shared):
                return
            pairs = self._match_all() if self._is_shared else self._match(lane)
        self._hand_over(pairs)

    def finished_batch(self, taker: Taker, batch: Batch, handled: Handled, *, is_idle: bool = False) -> None:
        """Account for a batch, before its senders are told; what no guest was given waits again, before all else."""
        rest = batch.rest(len(handled.outcomes))
        with self._lock:
            lane = self._lane(taker.lane)
            lane.busy -= 1
            lane.counters.handled += len(handled.outcomes)
            lane.counters.errors += len(handled.outcomes) - [*map(type, handled.outcomes)].count(Replied)
            self._at_work -= 1
            if is_idle:
                lane.idle.append(taker)
            if self._keys_at_work:
                self._let_key_go(taker)
            if self._refusal is not None:
                self._gone += [(part, self._refusal) for part in rest]
            elif rest:
                self._put_back(rest)
            everywhere = self._is_shared or rest
            pairs = self._match_all() if everywhere else self._match(lane) if lane.queue or lane.own else []
        self._hand_over(pairs)

    def end_session(self, session: str, why: str = "") -> None:
        """Forget a session that has ended. With `why`, who waits in it or calls next is told; else that begins anew."""
        with self._lock:
            taker = self._bound.pop(session, None)
            if taker is None:
                return
            waiting = self._own(taker, session)
            if why:
                self._let_down([session], waiting, why)
            pairs: Pairs = []
            for envelope in [] if why else waiting:
                pairs += self._place(envelope)
        self._hand_over(pairs)

    def leave(self, taker: Taker, why: str) -> None:
        """End the sessions of one who takes nothing any more; who waits in them or calls next is told why.

        Others get the keys that it owned. What is addressed to it alone comes back.
        """
        with self._lock:
            names = [name for name, bound in self._bound.items() if bound is taker]
            for name in names:
                del self._bound[name]
            lane = self._lanes.get(taker.lane)
            left = deque[Waiting]()
            if lane is not None:
                lane.members.leave(taker)
                left = lane.give_all_own(taker)
            if names:
                self._let_down(names, [one for one in left if isinstance(one, Envelope) and one.session in names], why)
            pairs: Pairs = []
            for waiting in left:
                pairs += self._place(waiting) if waiting.session is None else []
        self._hand_over(pairs)

    def work_alone(self, alone: bool) -> None:
        """Have at most one message at work, whichever revisions take: what a stateful component needs."""
        with self._lock:
            if alone == self._alone:
                return
            self._alone = alone
            pairs = self._match_all()
        self._hand_over(pairs)

    def direct(self, weights: dict[str, int], *, hold: bool) -> None:
        """Set who takes, in percent by revision; with `hold` (or nobody) messages wait. One atomic step."""
        with self._lock:
            wanted = tuple((lane, weight) for lane, weight in weights.items() if weight > 0)
            if (wanted, hold) == (self._weights, self._hold):
                return
            self._weights, self._hold = wanted, hold
            self._look_who_takes()
            pairs = self._deal_again()
        self._hand_over(pairs)

    def refuse(self, refusal: Undelivered | None) -> None:
        """Answer every waiting and future message with `refusal`; None opens the route again."""
        with self._lock:
            opens = refusal is None and self._refusal is not None
            self._refusal = refusal
            if refusal is not None:
                self._let_go([(waiting, refusal) for waiting in self._take_all()])
        self._hand_over([])
        if opens:
            self.on_open()

    @property
    def is_open(self) -> bool:
        """Whether it takes messages."""
        return self._refusal is None

    def forget(self, lane: str) -> None:
        """Drop a revision's lane once its set has gone; what still waits in it is dealt anew."""
        with self._lock:
            gone = self._lanes.pop(lane, None)
            self._look_who_takes()
            pairs: Pairs = []
            if gone:
                self._past.add(gone.counters)
            for waiting in [*gone.give_all()] if gone else ():
                pairs += self._place(waiting)
        self._hand_over(pairs)

    def busy(self, lane: str) -> int:
        """Count the instances of a revision that are at work on a message."""
        with self._lock:
            return self._lanes[lane].busy if lane in self._lanes else 0

    def counters(self, lane: str) -> Counters:
        """Copy a revision's counters."""
        with self._lock:
            found = self._lanes.get(lane)
            return Counters(found.counters.handled, found.counters.errors) if found else Counters()

    def lost(self, count: int) -> None:
        """Count messages that became dead letters."""
        with self._lock:
            self.arrivals.lost += count

    def sends_again(self) -> None:
        """Count a message that failed and is sent again."""
        with self._lock:
            self.arrivals.sent_again += 1

    def traffic(self) -> Traffic:
        """Say what became of all messages."""
        with self._lock:
            total = Counters()
            for counters in (self._past, *(lane.counters for lane in self._lanes.values())):
                total.add(counters)
            came = self.arrivals
            return Traffic(
                waiting=self._depth, received=came.received, handled=total.handled, errors=total.errors,
                rejected=came.rejected, dropped=came.dropped, expired=came.expired, dead_letters=came.lost,
                sent_again=came.sent_again,
            )  # fmt: skip

    @property
    def weights(self) -> dict[str, int]:
        """Who takes, in percent by revision; nobody while messages are held."""
        return {} if self._hold else dict(self._weights)

    def key_of(self, to: str) -> str | None:
        """Return the key that a message to `to` has, which may be empty; None where there are no keys."""
        return to if self._routing.is_keyed else None

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return self._depth

    def _look_who_takes(self) -> None:
        takes_all = len(self._weights) == 1 and not self._hold
        self._only = self._lane(self._weights[0][0]) if takes_all else None

    def _lane(self, name: str) -> Lane:
        found = self._lanes.get(name)
        if found is None:
            found = self._lanes[name] = Lane()
        return found

    def _no_session(self, envelope: Envelope) -> Undelivered | None:
        """Say why a call of a session is not taken, once if that has ended by itself."""
        session = envelope.session
        assert session is not None
        if session in self._bound:
            return None
        why = self._ended.pop(session, None)
        if why is not None:
            return _ended_session(session, why)
        if isinstance(envelope.work, LetGo):
            return Undelivered("no-such-session", f"{self.key} has no session {session}")
        return None

    def _let_down(self, sessions: list[str], waiting: list[Envelope], why: str) -> None:
        """Take those who wait in sessions that are over out of the mailbox; why, for them and for who comes next."""
        told = {envelope.session for envelope in waiting}
        self._ended |= {session: why for session in sessions if session not in told}
        while len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        self._let_go([(envelope, _ended_session(envelope.session or "", why)) for envelope in waiting])

    def _let_go(self, gone: Gone) -> None:
        """Note who was taken out of the mailbox, to be told once the lock is free."""
        for waiting, _ in gone:
            self._depth -= len(waiting)
            if isinstance(waiting, Envelope):
                waiting.stage = Stage.REFUSED
        self._gone += gone

    def _drop(self, count: int) -> None:
        """Take the oldest messages out, for newer ones."""
        why = f"newer messages took its place: {self.key} has room for {self._mailbox.capacity}"
        self.arrivals.dropped += self._take_oldest(count, Undelivered("dropped", why))

    def _take_oldest(self, count: int, why: Undelivered, since_ms: int | None = None) -> int:
        """Take up to `count` of the oldest messages out, or of those that came by `since_ms`; how many there were."""
        left = count
        while left > 0 and (queue := self._oldest()) is not None:
            waiting = queue[0]
            if since_ms is not None and waiting.since_ms > since_ms:
                break
            whole = len(waiting) <= left
            gone = queue.popleft() if whole or isinstance(waiting, Envelope) else waiting.split(left)
            left -= len(gone)
            self._let_go([(gone, why)])
        for lane in self._lanes.values():
            lane.clean()
        return count - left

    def _oldest(self) -> deque[Waiting] | None:
        """Return the queue whose first message waits for the longest."""
        queues = itertools.chain([self._held], *(lane.queues() for lane in self._lanes.values()))
        return min(filter(None, queues), key=lambda queue: queue[0].sequence, default=None)

    def _expire(self) -> None:
        """Take out what has waited too long; only where there is such a time."""
        ttl_ms = self._mailbox.ttl_ms
        if ttl_ms is not None and self._depth:
            why = Undelivered("expired", f"no instance of {self.key} took it within {ttl_ms} ms")
            by_ms = self._clock.monotonic_ms() - ttl_ms
            self.arrivals.expired += self._take_oldest(self._depth, why, by_ms)

    def _look_later(self) -> None:
        if not self._is_looking and self._depth and self._mailbox.ttl_ms is not None:
            self._is_looking = True
            self._clock.call_later(self._mailbox.ttl_ms, self._look)

    def _look(self) -> None:
        """Tell those whose messages have waited too long, though nobody came to take them."""
        with self._lock:
            self._is_looking = False
            self._expire()
            self._look_later()
        self._hand_over([])

    def _own(self, taker: Taker, session: str) -> list[Envelope]:
        """Take out what waits for one taker in one of its sessions."""
        lane = self._lane(taker.lane)
        mine: list[Envelope] = []
        for waiting in lane.give_all_own(taker):
            if isinstance(waiting, Envelope) and waiting.session == session:
                mine.append(waiting)
            else:
                lane.wait_for(taker, waiting)
        return mine

    def _bind(self, session: str, taker: Taker) -> None:
        """Bind a session to who takes its first call, and have its other calls wait for that one."""
        self._bound[session] = taker
        moved: list[Envelope] = []
        for queue in (self._held, *(queue for lane in self._lanes.values() for queue in lane.queues())):
            for waiting in [waiting for waiting in queue if waiting.session == session] if queue else ():
                assert isinstance(waiting, Envelope)
                queue.remove(waiting)
                moved.append(waiting)
        for envelope in sorted(moved, key=lambda envelope: envelope.sequence):
            self._wait_for(taker, envelope)

    def _wait_for(self, taker: Taker, waiting: Waiting, *, first: bool = False) -> Lane:
        if type(waiting) is Envelope:
            waiting.lane = taker.lane
        lane = self._lane(taker.lane)
        lane.wait_for(taker, waiting, first=first)
        return lane

    def _remove(self, envelope: Envelope) -> None:
        if envelope in self._held:
            self._held.remove(envelope)
        else:
            self._lanes[envelope.lane].remove(envelope)

    def _place(self, waiting: Waiting) -> Pairs:
        if waiting.session is not None and (taker := self._bound.get(waiting.session)) is not None:
            return self._match(self._wait_for(taker, waiting))
        weights = self._weights
        if self._hold or not weights:
            self._held.append(waiting)
            return []
        if waiting.to or self._is_owned:
            return self._place_with_one(waiting)
        if len(weights) == 1 and waiting.conversation is None:
            return self._enqueue(weights[0][0], waiting)
        if isinstance(waiting, Part):
            return [pair for piece in self._pieces(waiting) for pair in self._enqueue(*piece)]
        lane = self._conversations.lane(weights, waiting.conversation, waiting.sequence)
        return self._enqueue(lane, waiting)

    @property
    def _is_owned(self) -> bool:
        """Whether it is decided for each message which instance takes it, and not by who is free."""
        return self._routing.policy is not RoutingPolicy.LEAST_LOADED

    @property
    def _is_shared(self) -> bool:
        """Whether what one instance is at work on keeps others from working."""
        return self._alone or self._routing.is_keyed

    def _place_with_one(self, waiting: Waiting) -> Pairs:
        """Have a message wait for the one instance that is to take it; where there is none yet, in its lane."""
        if waiting.to and not self._routing.is_keyed:
            named = self._named(waiting.to)
            if named is None:
                self._let_go([(waiting, self._no_instance(waiting.to))])
                return []
            return self._match(self._wait_for(named, waiting))
        if self._routing.policy is RoutingPolicy.ROUND_ROBIN:
            return [pair for piece in self._in_turn(waiting) for pair in self._wait_for_owner(piece)]
        return self._wait_for_owner(waiting)

    def _wait_for_owner(self, waiting: Waiting) -> Pairs:
        lane, owner = self._owner(waiting)
        if owner is None:
            self._lane(lane).queue.append(waiting)
            if type(waiting) is Envelope:
                waiting.lane = lane
            return []
        return self._match(self._wait_for(owner, waiting))

    def _owner(self, waiting: Waiting) -> tuple[str, Taker | None]:
        """Return whose a message is, and in which lane."""
        key = self._routed_by(waiting)
        pinned = waiting.conversation if key is None else key
        name = self._conversations.lane(self._weights, pinned, waiting.sequence)
        members = self._lane(name).members
        return name, members.next_in_turn() if key is None else members.owner(key)

    def _routed_by(self, waiting: Waiting) -> str | None:
        """Return what decides whose a message is; None where it is the turn of anyone."""
        if self._routing.policy is RoutingPolicy.ROUND_ROBIN:
            return None
        match self._routing.by:
            case RouteBy.KEY:
                return waiting.to
            case RouteBy.CONVERSATION:
                return waiting.conversation
        if isinstance(waiting, Part):
            return str(waiting.parcel.mail.sender.deployment)
        return str(waiting.work.sender.deployment) if isinstance(waiting.work, Message) else None

    def _in_turn(self, waiting: Waiting) -> list[Waiting]:
        """Split messages that were sent together, so that each instance gets its share."""
        pieces: list[Waiting] = [waiting]
        if isinstance(waiting, Part) and waiting.conversation is None:
            members = sum(len(self._lane(name).members) for name, _ in self._weights)
            share = -(-len(waiting) // max(members, 1))
            while len(waiting) > share:
                pieces.insert(-1, waiting.split(share))
        return pieces

    def _named(self, name: str) -> Taker | None:
        """Return an instance that takes messages."""
        lanes = (self._lanes[lane] for lane, _ in self._weights if lane in self._lanes)
        return next((found for lane in lanes if (found := lane.members.named(name)) is not None), None)

    def _nobody_of(self, name: str) -> Undelivered | None:
        """Say that there is no instance of a name, where that is what a message is addressed to."""
        if self._routing.is_keyed or self._hold or not self._weights or self._named(name) is not None:
            return None
        return self._no_instance(name)

    def _no_instance(self, name: str) -> Undelivered:
        return Undelivered("target-not-found", f"{self.key} has no instance {name} that takes messages")

    def _let_key_go(self, taker: Taker) -> None:
        self._keys_at_work = {key: one for key, one in self._keys_at_work.items() if one is not taker}

    def _enqueue(self, name: str, waiting: Waiting) -> Pairs:
        lane = self._lane(name)
        if type(waiting) is Envelope:
            waiting.lane = name
        lane.queue.append(waiting)
        return self._match(lane) if lane.idle else []

    def _pieces(self, part: Part) -> list[tuple[str, Part]]:
        """Deal the messages of a part: who takes which."""
        weights = self._weights
        if len(weights) == 1 or part.conversation is not None:
            return [(self._conversations.lane(weights, part.conversation, part.sequence), part)]
        numbers = range(part.sequence, part.sequence + len(part))
        lanes = [self._conversations.lane(weights, None, number) for number in numbers]
        return [(lane, part.split(sum(1 for _ in run))) for lane, run in itertools.groupby(lanes)]

    def _put_back(self, rest: list[Part]) -> None:
        for part in reversed(rest):
            self._depth += len(part)
            if self._hold or not self._weights:
                self._held.appendleft(part)
                continue
            if part.to or self._is_owned:
                self._put_back_with_one(part)
                continue
            for lane, piece in reversed(self._pieces(part)):
                self._lane(lane).queue.appendleft(piece)

    def _put_back_with_one(self, part: Part) -> None:
        lane, owner = self._owner(part) if self._is_owned else ("", self._named(part.to))
        if owner is not None:
            self._wait_for(owner, part, first=True)
        elif lane:
            self._lane(lane).queue.appendleft(part)
        else:
            self._let_go([(part, self._no_instance(part.to))])

    def _match(self, lane: Lane) -> Pairs:
        if self._mailbox.ttl_ms is not None:
            self._expire()
        pairs: Pairs = self._match_own(lane) if lane.own else []
        queue, idle = lane.queue, lane.idle
        while queue and idle and not (self._alone and self._at_work):
            work = self._take_batch(queue) if isinstance(queue[0], Part) else self._take_one(queue, idle[0])
            self._at_work += 1
            lane.busy += 1
            pairs.append((idle.popleft(), work))
        return pairs

    def _take_one(self, queue: deque[Waiting], taker: Taker) -> Envelope:
        envelope = queue.popleft()
        assert isinstance(envelope, Envelope)
        if envelope.session is not None and envelope.session not in self._bound:
            self._bind(envelope.session, taker)
        return self._start(envelope)

    def _start(self, envelope: Envelope) -> Envelope:
        envelope.stage = Stage.STARTED
        self._depth -= 1
        return envelope

    def _take_batch(self, queue: deque[Waiting]) -> Batch:
        """Take alike messages that wait one behind the other; one at a time while versions are compared."""
        left = self._mailbox.batch if len(self._weights) == 1 else 1
        parts: list[Part] = []
        while left and queue:
            part = queue[0]
            if not isinstance(part, Part) or (parts and not part.parcel.mail.is_like(parts[0].parcel.mail)):
                break
            taken = queue.popleft() if len(part) <= left else part.split(left)
            assert isinstance(taken, Part)
            parts.append(taken)
            left -= len(taken)
            self._depth -= len(taken)
        return Batch(parts)

    def _match_own(self, lane: Lane) -> Pairs:
        """Give idle takers what waits for them alone, where nobody has waited for longer."""
        pairs: Pairs = []
        for taker in [taker for taker in lane.idle if taker in lane.own]:
            own = lane.own[taker]
            if not own:  # what waited here was of a session that another has just taken the first call of
                continue
            is_next = not lane.queue or own[0].sequence < lane.queue[0].sequence
            if not is_next or self._hold or (self._alone and self._at_work) or own[0].to in self._keys_at_work:
                continue
            lane.idle.remove(taker)
            if self._routing.is_keyed:
                self._keys_at_work[own[0].to] = taker
            work = self._take_batch(own) if isinstance(own[0], Part) else self._take_one(own, taker)
            self._at_work += 1
            lane.busy += 1
            pairs.append((taker, work))
        lane.clean()
        return pairs

    def _match_all(self) -> Pairs:
        return [pair for lane in self._lanes.values() for pair in self._match(lane)]

    def _take_all(self) -> list[Waiting]:
        waiting: list[Waiting] = [*self._held]
        self._held.clear()
        for lane in self._lanes.values():
            waiting += lane.give_all()
        return sorted(waiting, key=lambda one: one.sequence)

    def _deal_again(self) -> Pairs:
        pairs: Pairs = []
        for waiting in self._take_all():
            pairs += self._place(waiting)
        return pairs

    def _hand_over(self, pairs: Pairs) -> None:
        """Do what was decided under the lock, without it."""
        for taker, work in pairs:
            taker.take(work)
        if self._gone:
            with self._lock:
                gone, self._gone = self._gone, []
            for waiting, refusal in gone:
                _refuse(waiting, refusal)
        if self._room:
            self._let_in()


def _nothing() -> None:
    return


def _ended_session(session: str, why: str) -> Undelivered:
    return Undelivered("session-ended", f"session {session} is over, and its handles with it: {why}")


def _refuse(waiting: Waiting, refusal: Undelivered) -> None:
    if isinstance(waiting, Envelope):
        waiting.settle(refusal)
    else:
        waiting.settle([refusal] * len(waiting))
