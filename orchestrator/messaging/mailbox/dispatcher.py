"""Decides whom a message waits for: a revision by weight, there anyone who is free or the one whose turn or key it is.

When the weights or the routing change, messages nobody has started are dispatched anew and started ones stay where they
are. For one thread at a time: the route's lock is held.
"""

import itertools
from collections.abc import Iterable

from orchestrator.messaging.mailbox.batch import Part
from orchestrator.messaging.mailbox.lanes import Lane, Taker, Waiting
from orchestrator.messaging.mailbox.queues import Queues
from orchestrator.messaging.mailbox.sessions import SessionBindings
from orchestrator.messaging.mailbox.traffic import Conversations
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import Message, Undelivered
from orchestrator.model.spec import RouteBy, Routing, RoutingPolicy

Weights = tuple[tuple[str, int], ...]


class Dispatcher:
    """Puts what arrives into its queue, by the deployment's weights and routing."""

    __slots__ = (
        "_conversations",
        "_key",
        "_queues",
        "_sessions",
        "hold",
        "is_keyed",
        "is_owned",
        "only",
        "routing",
        "weights",
    )

    def __init__(self, key: DeploymentKey, queues: Queues, sessions: SessionBindings) -> None:
        self._key = key
        self._queues = queues
        self._sessions = sessions
        self._conversations = Conversations()
        self.weights: Weights = ()
        self.hold = False
        self.only: Lane | None = None  # which takes all, if one does
        self.route_by(Routing())

    def route_by(self, routing: Routing) -> None:
        """Set who takes which message."""
        self.routing = routing
        self.is_keyed = routing.is_keyed  # kept, as each message asks
        # Whether it is decided for each message which instance takes it, and not by who is free.
        self.is_owned = routing.policy is not RoutingPolicy.LEAST_LOADED

    def direct(self, weights: Weights, *, hold: bool) -> None:
        """Set which revisions take, in percent; with `hold` messages wait all the same."""
        self.weights, self.hold = weights, hold
        self.look_who_takes()

    def look_who_takes(self) -> None:
        """See whether one lane takes everything; to be called whenever a lane was dropped, too."""
        takes_all = len(self.weights) == 1 and not self.hold
        self.only = self._queues.lane(self.weights[0][0]) if takes_all else None

    def place_all(self, all_waiting: Iterable[Waiting]) -> set[Lane]:
        """Put several where they wait; returns the lanes in which somebody may be free for one of them."""
        return {lane for waiting in all_waiting for lane in self.place(waiting)}

    def place(self, waiting: Waiting) -> list[Lane]:
        """Put something where it waits; returns the lanes in which somebody may be free for it."""
        if waiting.session is not None and (taker := self._sessions.taker(waiting.session)) is not None:
            return [self._queues.wait_for(taker, waiting)]
        weights = self.weights
        if self.hold or not weights:
            self._queues.hold(waiting)
            return []
        if waiting.to or self.is_owned:
            return self._place_with_one(waiting)
        if len(weights) == 1 and waiting.conversation is None:
            return [self._queues.wait_in(weights[0][0], waiting)]
        if isinstance(waiting, Part):
            return [self._queues.wait_in(*piece) for piece in self._pieces(waiting)]
        return [self._queues.wait_in(self._lane_of(waiting.conversation, waiting.sequence), waiting)]

    def put_back(self, rest: list[Part]) -> None:
        """Return what was taken and given to nobody to the front of its queue."""
        for part in reversed(rest):
            self._queues.came(part)
            if self.hold or not self.weights:
                self._queues.hold(part, first=True)
            elif part.to or self.is_owned:
                self._put_back_with_one(part)
            else:
                for lane, piece in reversed(self._pieces(part)):
                    self._queues.lane(lane).wait(piece, first=True)

    def why_nobody(self, name: str) -> Undelivered | None:
        """Say that there is no instance of a name, where that is what a message is addressed to."""
        if self.is_keyed or self.hold or not self.weights or self._named(name) is not None:
            return None
        return self._no_instance(name)

    def _place_with_one(self, waiting: Waiting) -> list[Lane]:
        """Queue a message for the one instance that is to take it; where there is none yet, in its lane."""
        if self._is_to_instance(waiting):
            named = self._named(waiting.to)
            if named is None:
                self._queues.refuse_all([(waiting, self._no_instance(waiting.to))])
                return []
            return [self._queues.wait_for(named, waiting)]
        if self.routing.policy is RoutingPolicy.ROUND_ROBIN:
            return [self._wait_for_owner(piece) for piece in self._in_turn(waiting)]
        return [self._wait_for_owner(waiting)]

    def _put_back_with_one(self, part: Part) -> None:
        if self._is_to_instance(part):
            named = self._named(part.to)
            if named is None:
                self._queues.refuse_all([(part, self._no_instance(part.to))])
            else:
                self._queues.wait_for(named, part, first=True)
            return
        lane, owner = self._owner(part)
        if owner is None:
            self._queues.lane(lane).wait(part, first=True)
        else:
            self._queues.wait_for(owner, part, first=True)

    def _is_to_instance(self, waiting: Waiting) -> bool:
        return bool(waiting.to) and not self.is_keyed

    def _wait_for_owner(self, waiting: Waiting) -> Lane:
        lane, owner = self._owner(waiting)
        return self._queues.wait_in(lane, waiting) if owner is None else self._queues.wait_for(owner, waiting)

    def _owner(self, waiting: Waiting) -> tuple[str, Taker | None]:
        """Return whose a message is, and in which lane."""
        key = self._routed_by(waiting)
        name = self._lane_of(waiting.conversation if key is None else key, waiting.sequence)
        members = self._queues.lane(name).members
        return name, members.next_in_turn() if key is None else members.owner(key)

    def _routed_by(self, waiting: Waiting) -> str | None:
        """Return what decides whose a message is; None where it is the turn of anyone."""
        if self.routing.policy is RoutingPolicy.ROUND_ROBIN:
            return None
        match self.routing.by:
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
            members = sum(len(self._queues.lane(name).members) for name, _ in self.weights)
            share = -(-len(waiting) // max(members, 1))
            while len(waiting) > share:
                pieces.insert(-1, waiting.split(share))
        return pieces

    def _pieces(self, part: Part) -> list[tuple[str, Part]]:
        """Split a part by the revision that takes each message."""
        if len(self.weights) == 1 or part.conversation is not None:
            return [(self._lane_of(part.conversation, part.sequence), part)]
        numbers = range(part.sequence, part.sequence + len(part))
        lanes = [self._lane_of(None, number) for number in numbers]
        return [(lane, part.split(sum(1 for _ in run))) for lane, run in itertools.groupby(lanes)]

    def _lane_of(self, conversation: str | None, sequence: int) -> str:
        return self._conversations.lane(self.weights, conversation, sequence)

    def _named(self, name: str) -> Taker | None:
        """Return an instance that takes messages."""
        lanes = (self._queues.lanes[lane] for lane, _ in self.weights if lane in self._queues.lanes)
        return next((found for lane in lanes if (found := lane.members.named(name)) is not None), None)

    def _no_instance(self, name: str) -> Undelivered:
        return Undelivered("target-not-found", f"{self._key} has no instance {name} that takes messages")
