"""Subscriptions, and the deployments that get a message published under a topic. Publishing itself is `router`'s.

A deployment subscribes by its manifest for as long as it is there, or by one of its instances for as long as that
lives. Either way a published message comes to the deployment's mailbox, once. A subscription is in force while every
grant that it needs is; one that is not is kept, as the grant may come back.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from orchestrator.model.base import Value
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.patterns.topic import ONE, REST

PATTERNS_MAX = 64  # that one instance subscribes to
NO_PATTERNS: frozenset[str] = frozenset()  # one for all, as most subscribe to nothing
REMEMBERED_MAX = 1_024  # topics whose subscribers are known without looking
MANIFEST, GUEST = "manifest", "guest"
K = TypeVar("K")
Granted = Callable[[str], bool]


class Subscription(Value, frozen=True, order=True):
    """A deployment's subscription to a pattern, by its manifest or by one of its instances, and whether it may."""

    key: DeploymentKey
    pattern: str
    by: str  # `manifest` or `guest`
    instance: str  # empty for a manifest's
    in_force: bool


class Subscriber:
    """A subscriber: one instance, or a manifest. Owned by `Topics`, but for being compared."""

    __slots__ = ("granted", "has_left", "id", "in_force", "patterns")

    def __init__(self, id: ComponentId, granted: Granted) -> None:
        self.id = id
        self.granted = granted  # asked with the table's lock held
        self.patterns: frozenset[str] = NO_PATTERNS
        self.in_force: frozenset[str] = NO_PATTERNS
        self.has_left = False


class _Node:
    """The names that may follow in a pattern, and the subscribers to the pattern that ends here."""

    __slots__ = ("here", "next")

    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.here: dict[DeploymentKey, int] = {}  # how many subscriptions of each


class Trie:
    """Patterns, each with those who subscribe to it; finding who matches costs by the topic's length, not by theirs."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, pattern: str, key: DeploymentKey) -> None:
        """Subscribe once more."""
        node = self._root
        for name in pattern.split("."):
            node = node.next.setdefault(name, _Node())
        node.here[key] = node.here.get(key, 0) + 1

    def remove(self, pattern: str, key: DeploymentKey) -> None:
        """Undo one `add`; a pattern without subscribers takes no room."""
        names = pattern.split(".")
        nodes = [self._root]
        for name in names:
            nodes.append(nodes[-1].next[name])
        here = nodes[-1].here
        here[key] -= 1
        if not here[key]:
            del here[key]
        for above, name in zip(reversed(nodes[:-1]), reversed(names), strict=True):
            if above.next[name].here or above.next[name].next:
                return
            del above.next[name]

    def matching(self, topic: str) -> set[DeploymentKey]:
        """Return who subscribes to a pattern that stands for a topic."""
        found: set[DeploymentKey] = set()
        at = [self._root]
        for name in topic.split("."):
            following: list[_Node] = []
            for node in at:
                if REST in node.next:
                    found.update(node.next[REST].here)
                following += [node.next[one] for one in (name, ONE) if one in node.next]
            at = following
        return found.union(*(node.here for node in at))

    @property
    def is_empty(self) -> bool:
        """Whether nobody subscribes to anything."""
        return not self._root.next


class Topics:
    """The subscriptions of one process; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trie = Trie()
        self._found: dict[str, tuple[DeploymentKey, ...]] = {}  # replaced, not cleared, when anything changes
        self._subscribers: dict[DeploymentKey, dict[Subscriber, None]] = {}
        self._manifests: dict[DeploymentKey, Subscriber] = {}

    def declare(self, key: DeploymentKey, patterns: Sequence[str], granted: Granted) -> None:
        """Set what a manifest subscribes to, and look anew at what the deployment's grants allow."""
        with self._lock:
            mine = self._manifests.get(key)
            if mine is None and patterns:
                mine = self._manifests[key] = Subscriber(ComponentId(key.namespace, key.name), granted)
                self._subscribers.setdefault(key, {})[mine] = None
            if mine is not None:
                mine.patterns, mine.granted = frozenset(patterns), granted
            self._look_anew(key)

    def subscribe(self, subscriber: Subscriber, pattern: str) -> str:
        """Subscribe an instance; returns why not, nothing when that went well. A second time changes nothing."""
        with self._lock:
            if subscriber.has_left:
                return "the instance is ending"
            if not subscriber.granted(pattern):
                return f"capability denied: {subscriber.id.deployment} was not granted messaging.subscribe: [{pattern}]"
            if len(subscriber.patterns) >= PATTERNS_MAX and pattern not in subscriber.patterns:
                return f"an instance subscribes to at most {PATTERNS_MAX} patterns"
            subscriber.patterns |= {pattern}
            self._subscribers.setdefault(subscriber.id.deployment, {})[subscriber] = None
            self._change(subscriber, subscriber.in_force | {pattern})
        return ""

    def unsubscribe(self, subscriber: Subscriber, pattern: str) -> bool:
        """End what an instance subscribed to; False where it did not."""
        with self._lock:
            if pattern not in subscriber.patterns:
                return False
            subscriber.patterns -= {pattern}
            self._change(subscriber, subscriber.in_force - {pattern})
            if not subscriber.patterns:
                self._forget(subscriber)
        return True

    def leave(self, subscriber: Subscriber) -> None:
        """End everything that an instance subscribed to; it cannot subscribe again."""
        with self._lock:
            subscriber.has_left = True
            subscriber.patterns = NO_PATTERNS
            self._change(subscriber, NO_PATTERNS)
            self._forget(subscriber)

    def drop(self, key: DeploymentKey) -> None:
        """Forget a deployment."""
        with self._lock:
            self._manifests.pop(key, None)
            for subscriber in self._subscribers.pop(key, {}):
                subscriber.patterns = NO_PATTERNS
                self._change(subscriber, NO_PATTERNS)

    def look_anew(self, key: DeploymentKey) -> None:
        """Look anew at what a deployment's grants allow, which have changed."""
        with self._lock:
            self._look_anew(key)

    def matching(self, topic: str) -> tuple[DeploymentKey, ...]:
        """Return the deployments that subscribe to a topic, which is well formed, in order."""
        found = self._found.get(topic)
        return self._look_up(topic) if found is None else found

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Describe every subscription, sorted."""
        with self._lock:
            return tuple(
                sorted(
                    Subscription(
                        key=key, pattern=pattern, by=GUEST if one.id.instance else MANIFEST, instance=one.id.instance,
                        in_force=pattern in one.in_force,
                    )
                    for key, subscribers in self._subscribers.items() for one in subscribers for pattern in one.patterns
                )
            )  # fmt: skip

    def _look_up(self, topic: str) -> tuple[DeploymentKey, ...]:
        with self._lock:
            if len(self._found) >= REMEMBERED_MAX:  # publishers choose what is asked
                self._found = {}
            found = self._found[topic] = tuple(sorted(self._trie.matching(topic)))
        return found

    def _look_anew(self, key: DeploymentKey) -> None:
        for subscriber in self._subscribers.get(key, ()):
            self._change(subscriber, frozenset(filter(subscriber.granted, subscriber.patterns)))

    def _change(self, subscriber: Subscriber, allowed: frozenset[str]) -> None:
        """Put these patterns of a subscriber in force, without asking for its grants, which may take long."""
        key = subscriber.id.deployment
        if allowed == subscriber.in_force:
            return
        for pattern in subscriber.in_force - allowed:
            self._trie.remove(pattern, key)
        for pattern in allowed - subscriber.in_force:
            self._trie.add(pattern, key)
        subscriber.in_force = allowed
        self._found = {}

    def _forget(self, subscriber: Subscriber) -> None:
        key = subscriber.id.deployment
        mine = self._subscribers.get(key, {})
        mine.pop(subscriber, None)
        if not mine:
            self._subscribers.pop(key, None)
