"""Turns a revision's grants and a canonical value into yes or no. Called by `host` on every guarded call."""

from collections.abc import Iterable, Sequence

from orchestrator.model.base import Value
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Grant
from orchestrator.patterns.folders import folder_of, in_both
from orchestrator.patterns.topic import covers_any

EVERYWHERE = "**"
PUBLISH, SUBSCRIBE = "messaging.publish", "messaging.subscribe"


class GivenAtStart(Value, frozen=True):
    """The directories and the network that an instance is handed when it starts, and keeps until it ends."""

    writable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    network: bool = False


def patterns_for(grants: Iterable[Grant], capability: str) -> tuple[str, ...]:
    """Return every pattern granted for `capability`, none when it is not granted at all."""
    return tuple(p for grant in grants if grant.capability == capability for p in grant.patterns)


def may_send(grants: Iterable[Grant], sender: DeploymentKey, target: DeploymentKey) -> bool:
    """Decide whether `sender` may send to `target`; a bare name in a pattern lies in the sender's namespace."""
    return any(_matches(p, sender.namespace, target) for p in patterns_for(grants, "messaging.send"))


def may_publish(grants: Iterable[Grant], topic: str) -> bool:
    """Decide whether something may be published under a topic, which is well formed."""
    return covers_any(patterns_for(grants, PUBLISH), topic)


def may_subscribe(grants: Iterable[Grant], pattern: str) -> bool:
    """Decide whether everything that a pattern, which is well formed, stands for may be subscribed to."""
    return covers_any(patterns_for(grants, SUBSCRIBE), pattern)


def may_use_own_storage(grants: Iterable[Grant], capability: str) -> bool:
    """Decide whether `storage.read` or `storage.write` is granted on the deployment's own data."""
    return "self" in patterns_for(grants, capability)


def given_at_start(grant_sets: Sequence[tuple[Grant, ...]]) -> GivenAtStart:
    """Return the directories and the network that every one of the grant lists allows."""
    writable = _folders(grant_sets, "filesystem.write")
    return GivenAtStart(
        writable=writable,
        readable=tuple(folder for folder in _folders(grant_sets, "filesystem.read") if folder not in writable),
        network=all(EVERYWHERE in patterns_for(grants, "network.connect") for grants in grant_sets),
    )


def _folders(grant_sets: Sequence[tuple[Grant, ...]], capability: str) -> tuple[str, ...]:
    allowed, *others = (patterns_for(grants, capability) for grants in grant_sets)
    for other in others:
        allowed = in_both(allowed, other)
    return tuple(folder_of(pattern) for pattern in allowed)


def _matches(pattern: str, namespace: str, target: DeploymentKey) -> bool:
    wanted = DeploymentKey.parse(pattern, namespace)
    return _segment(wanted.namespace, target.namespace) and _segment(wanted.name, target.name)


def _segment(pattern: str, value: str) -> bool:
    # Whole segments only: a prefix is never a match, so `bill` does not open `billing`.
    return pattern in ("*", value)
