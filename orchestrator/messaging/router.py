"""Finds a deployment's route by name. Senders inside (guests) and outside (the API) go through the same door."""

from orchestrator.messaging.envelope import Envelope
from orchestrator.messaging.route import Route
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.message import MESSAGE_MAX_BYTES, Message, Undelivered


class Router:
    """The routes of this process; reading needs no lock because the mapping is replaced, never changed."""

    def __init__(self) -> None:
        self._routes: dict[DeploymentKey, Route] = {}

    def add(self, route: Route) -> None:
        """Make a deployment reachable."""
        self._routes = {**self._routes, route.key: route}

    def remove(self, key: DeploymentKey) -> None:
        """Make a deployment unreachable; its waiting messages are its route's business."""
        self._routes = {k: r for k, r in self._routes.items() if k != key}

    def find(self, key: DeploymentKey) -> Route | None:
        """Return a deployment's route, None when there is none."""
        return self._routes.get(key)

    def deliver(self, key: DeploymentKey, envelope: Envelope) -> Undelivered | None:
        """Put `envelope` into a deployment's mailbox, or say why not (the envelope then stays the caller's)."""
        if isinstance(envelope.work, Message) and len(envelope.work.payload) > MESSAGE_MAX_BYTES:
            size = len(envelope.work.payload)
            return Undelivered("invalid-message", f"{size} bytes; a message has at most {MESSAGE_MAX_BYTES}")
        route = self.find(key)
        if route is None:
            return Undelivered("target-not-found", f"no deployment {key}")
        return route.offer(envelope)
