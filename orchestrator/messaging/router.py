"""Finds a deployment's route by name. Senders inside (guests) and outside (the API) go through the same door."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from orchestrator.encoding.codec import why_not
from orchestrator.messaging.mailbox.batch import Parcel, Told
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import MESSAGE_MAX_BYTES, Mail, Message, Undelivered
from orchestrator.model.spec import Delivery

TO_MAX = 256  # characters of an instance or a key
Permit = Callable[[DeploymentKey], bool]
Unknown = Callable[[DeploymentKey], Undelivered]
WhenRoom = Callable[[Callable[[], None]], bool]  # given what to call once there is; False where there is now


Lost = Callable[[Route, Mail], Told]


class Durable(Protocol):
    """Keeps messages for deployments that want each at least once."""

    def post(self, route: Route, mail: Mail, id: str | None, *, may_wait: bool) -> tuple[int, Undelivered | None]:
        """Keep and queue messages as `Router.send_many` says; one whose `id` was seen counts as queued."""

    def resume(self, route: Route) -> None:
        """Queue what was kept for a route that takes messages."""

    def count(self, key: DeploymentKey) -> int:
        """Count the messages to a deployment that are kept."""

    def dead_letters(self, key: DeploymentKey) -> int:
        """Count the dead letters of a deployment."""


def _anybody(_key: DeploymentKey) -> bool:
    return True


def _nobody_is_told(_route: Route, _mail: Mail) -> Told:
    return lambda _first, _outcomes: None


class Router:
    """The routes of this process; any thread may read them without a lock.

    `lost` says who is told how messages end whose sender does not wait for that. Without `durable`, every delivery is
    at most once.
    """

    def __init__(self, lost: Lost = _nobody_is_told, durable: Durable | None = None) -> None:
        self._lost, self._durable = lost, durable
        self._resume = None if durable is None else durable.resume  # one for all routes, of which there are thousands
        self._routes: dict[DeploymentKey, Route] = {}  # looked up by key alone, which needs no lock
        self.renamed: Callable[[DeploymentKey], DeploymentKey | None] = lambda _key: None  # what had a name before

    def add(self, route: Route) -> None:
        """Make a deployment reachable."""
        self._routes[route.key] = route
        if self._resume is not None:
            route.on_open = self._resume
            self._resume(route)

    def remove(self, key: DeploymentKey) -> None:
        """Make a deployment unreachable; its waiting messages are its route's business."""
        self._routes.pop(key, None)

    def unknown(self, key: DeploymentKey) -> Undelivered:
        """Say that there is no such deployment, or under which name it is now."""
        new = self.renamed(key)
        return _unknown(key) if new is None else Undelivered("target-not-found", renamed_words(key, new))

    def find(self, key: DeploymentKey) -> Route | None:
        """Return a deployment's route, None when there is none."""
        return self._routes.get(key)

    def deliver(self, key: DeploymentKey, envelope: Envelope) -> Undelivered | None:
        """Put `envelope` into a deployment's mailbox, or say why not (the envelope then stays the caller's)."""
        work = envelope.work
        if isinstance(work, Message) and len(work.payload) > MESSAGE_MAX_BYTES:
            return too_large([work.payload])
        if len(envelope.to) > TO_MAX:
            return _too_long(envelope.to)
        route = self._routes.get(key)
        if route is None:
            return self.unknown(key)
        if route.accepts and isinstance(work, Message) and (refusal := _not_accepted(route, [work.payload])):
            return refusal
        return route.offer(envelope)

    def send_many(
        self,
        key: DeploymentKey,
        mail: Mail,
        permit: Permit,
        told: Told | None = None,
        *,
        may_wait: bool = False,
        id: str | None = None,
    ) -> tuple[int, Undelivered | None]:
        """Put messages that want no answer into a mailbox, as many as it has room for; how many, and why not the rest.

        `permit` is asked once whether their sender may reach the deployment. `told` is told how those that were queued
        ended, as `batch.Parcel` says; None leaves that to the keeper of lost messages. A sender that `may_wait` queues
        messages beyond that room in a mailbox that makes its senders wait, and is to wait while that is `crowded`.
        `id` is its sender's name for a message, of which there is one then: another of that id is not queued again.
        """
        route = self._routes.get(key)
        refusal = _why_not(key, route, mail, permit, self.unknown)
        if route is None or refusal is not None:
            return 0, refusal
        if told is None and self._durable is not None and route.mailbox.delivery is Delivery.AT_LEAST_ONCE:
            return self._durable.post(route, mail, id, may_wait=may_wait)
        if id is not None:
            return 0, _no_ids(key)
        return route.post(Parcel(mail, told or self._lost(route, mail), may_wait=may_wait))

    def publish(self, keys: Iterable[DeploymentKey], mail: Mail) -> int:
        """Put mail into each of some mailboxes, and return how many took it; nobody waits for room, or for the others.

        A mailbox that does not take it loses it: its sender does not know whose that is.
        """
        took = 0
        for key in keys:
            count, refusal = self.send_many(key, mail, _anybody)
            took += refusal is None
            route = self._routes.get(key)
            if refusal is not None and route is not None:
                self._lost(route, mail)(count, [refusal] * (len(mail.payloads) - count))
        return took

    def kept(self, key: DeploymentKey) -> int:
        """Count the messages to a deployment that are kept until they were handled well."""
        return 0 if self._durable is None else self._durable.count(key)

    def dead_letters(self, key: DeploymentKey) -> int:
        """Count the dead letters of a deployment, of which nobody has been rid yet."""
        return 0 if self._durable is None else self._durable.dead_letters(key)

    def crowded(self, key: DeploymentKey) -> WhenRoom | None:
        """Return how to wait where messages were queued beyond the room there is; None where there are no such."""
        route = self._routes.get(key)
        return route.when_within if route is not None and route.is_crowded else None


def denied(sender: DeploymentKey, target: DeploymentKey) -> Undelivered:
    """Say that a sender may not reach a deployment."""
    return Undelivered("delivery-failed", f"capability denied: {sender} was not granted messaging.send: [{target}]")


def too_large(payloads: Sequence[bytes]) -> Undelivered | None:
    """Say so where one of some payloads is larger than a message may be."""
    size = len(payloads[0]) if len(payloads) == 1 else max(map(len, payloads), default=0)  # mostly there is one
    if size <= MESSAGE_MAX_BYTES:
        return None
    return Undelivered("invalid-message", f"{size} bytes; a message has at most {MESSAGE_MAX_BYTES}")


def _why_not(
    key: DeploymentKey, route: Route | None, mail: Mail, permit: Permit, unknown: Unknown
) -> Undelivered | None:  # fmt: skip
    """Say why messages are not for a deployment, whatever room it has."""
    if not permit(key):
        return denied(mail.sender.deployment, key)
    if (refusal := too_large(mail.payloads)) is not None:
        return refusal
    if len(mail.to) > TO_MAX:
        return _too_long(mail.to)
    if route is None:
        return unknown(key)
    return _not_accepted(route, mail.payloads) if route.accepts else None


def _not_accepted(route: Route, payloads: Sequence[bytes]) -> Undelivered | None:
    """Say so where one of some payloads names a codec that a deployment does not accept."""
    reasons = (why_not(payload, route.accepts) for payload in payloads)
    why = next((why for why in reasons if why is not None), None)
    return None if why is None else Undelivered("invalid-message", f"not for {route.key}: {why}")


def _no_ids(key: DeploymentKey) -> Undelivered:
    return Undelivered("invalid-message", f"{key} knows no ids of messages: its `spec.delivery` is at-most-once")


def _too_long(to: str) -> Undelivered:
    return Undelivered("invalid-message", f"an instance or a key of {len(to)} characters; it has at most {TO_MAX}")


def renamed_words(old: DeploymentKey, new: DeploymentKey) -> str:
    """Say under which name a deployment is that was renamed."""
    return f"{old} is {new} now; send it there"


def _unknown(key: DeploymentKey) -> Undelivered:
    return Undelivered("target-not-found", f"no deployment {key}")
