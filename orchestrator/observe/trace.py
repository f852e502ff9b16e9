"""Recorded conversations, and the search for one: hops → conversations. Bounded, and in memory only."""

from collections.abc import Iterable

from orchestrator.model.hop import Conversation, Hop
from orchestrator.model.ids import DeploymentKey
from orchestrator.observe.journal import Bounds

HOPS_KEPT = Bounds(entries=20_000, weight=16 << 20)
HOP_WEIGHT = 512  # of a hop beside its outcome's text
CONVERSATIONS_MAX = 100  # of one answer


def weight_of_hop(hop: Hop) -> int:
    """Say how much of a journal's bounds a hop takes."""
    return HOP_WEIGHT + len(hop.outcome)


def group_of_hop(hop: Hop) -> DeploymentKey:
    """Say whose share of a journal a hop is: its target's."""
    return hop.target.deployment


def conversation_of(hops: Iterable[Hop], id: str) -> Conversation | None:
    """Return the conversation of that name, or that a request of that id is of; None when nothing is kept of it."""
    kept = [*hops]
    names = [hop.conversation for hop in kept if id in (hop.conversation, hop.correlation)]
    return None if not names else _conversation(kept, id if id in names else names[-1])


def latest(hops: Iterable[Hop], key: DeploymentKey, count: int) -> list[Conversation]:
    """Return the latest conversations that a deployment took part in, the latest one last."""
    kept = [*hops]
    names = [hop.conversation for hop in kept if key in (hop.sender.deployment, hop.target.deployment)]
    newest = [*dict.fromkeys(reversed(names))][: min(count, CONVERSATIONS_MAX)]
    return [_conversation(kept, name) for name in reversed(newest)]


def _conversation(hops: list[Hop], name: str) -> Conversation:
    own = [hop for hop in hops if hop.conversation == name]
    return Conversation(conversation=name, hops=tuple(sorted(own, key=lambda hop: hop.at_us)))
