"""Hops of recorded conversations → which deployments send to which, remembered over restarts, as callers for plans.

Hops come from any thread, for recorded conversations only; a row is written when a sender is new, and at most once an
hour for one that goes on.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from orchestrator.model.facts import SeenSender
from orchestrator.model.hop import Hop, HopKind
from orchestrator.model.ids import DeploymentKey
from orchestrator.store.database import DatabaseFault

SENDERS_MAX = 100  # of one deployment, the latest
TARGETS_MAX = 10_000  # that are in memory
TOLD_EVERY_MS = 3_600_000
FORGOTTEN_MS = 30 * 86_400_000  # after which who sent once is no caller any more
OUTSIDE = "airs"  # the namespace of the command line and other clients
Seen = tuple[SeenSender, ...]


class KeptSenders(Protocol):
    """Where they are kept."""

    def of(self, target: DeploymentKey, /) -> Seen:
        """Read who was seen sending to a deployment."""

    def keep(self, target: DeploymentKey, seen: Seen, /) -> None:
        """Write who was seen sending to a deployment."""


class SendersSeen:
    """Remembers who sends to whom."""

    def __init__(self, kept: KeptSenders, now_ms: Callable[[], int]) -> None:
        self._kept, self._now_ms = kept, now_ms
        self._lock = threading.Lock()
        self._seen: OrderedDict[DeploymentKey, dict[DeploymentKey, int]] = OrderedDict()

    def heard(self, hop: Hop) -> None:
        """Note that a message went from one deployment to another."""
        sender, target = hop.sender.deployment, hop.target.deployment
        if hop.kind not in (HopKind.SEND, HopKind.REQUEST) or sender.namespace == OUTSIDE or sender == target:
            return
        now = self._now_ms()
        with self._lock:
            seen = self._of(target)
            if now - seen.get(sender, -TOLD_EVERY_MS) < TOLD_EVERY_MS:
                return
            seen[sender] = now
            latest = sorted(seen.items(), key=lambda one: one[1])[-SENDERS_MAX:]
            self._seen[target] = dict(latest)
            try:
                self._kept.keep(target, tuple(SeenSender(sender=key, last_ms=at) for key, at in sorted(latest)))
            except DatabaseFault:  # the store tells of it itself, and in an hour this is written again
                return

    def of(self, target: DeploymentKey) -> tuple[DeploymentKey, ...]:
        """Return who was seen sending to a deployment lately, by name."""
        since = self._now_ms() - FORGOTTEN_MS
        with self._lock:
            return tuple(sorted(key for key, at in self._of(target).items() if at >= since))

    def _of(self, target: DeploymentKey) -> dict[DeploymentKey, int]:
        found = self._seen.pop(target, None)
        if found is None:
            try:
                found = {each.sender: each.last_ms for each in self._kept.of(target)}
            except DatabaseFault:  # the store tells of it itself; those that send on are seen again
                found = {}
        self._seen[target] = found
        if len(self._seen) > TARGETS_MAX:
            self._seen.popitem(last=False)
        return found
