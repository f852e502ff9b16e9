"""Keeps a deployment's numbered history true while rollouts begin and end. Pure: returns what is to be written."""

from collections.abc import Sequence

from msgspec.structs import replace

from orchestrator.model.observed import Number
from orchestrator.model.rollout import Rollout

RUNNING, SUPERSEDED, REJECTED = "running", "superseded", "rejected"


def begun(
    history: Sequence[Number], rollout: Rollout, reason: str, source_revision: str | None, now_ms: int
) -> list[Number]:
    """Return the entries to write when `rollout` begins: its own, and the end of one that it replaces."""
    replaced = [replace(n, outcome=SUPERSEDED, ended_ms=now_ms) for n in history if not n.outcome]
    own = Number(
        number=max((n.number for n in history), default=0) + 1,
        revision=rollout.target.revision,
        cause=rollout.cause,
        reason=reason,
        started_ms=now_ms,
        source_revision=source_revision,
    )
    return [*replaced, own]


def promoted(history: Sequence[Number], now_ms: int) -> list[Number]:
    """Return the entries to write when the newest revision takes over."""
    before = [replace(n, outcome=SUPERSEDED, ended_ms=now_ms) for n in history[:-1] if n.outcome == RUNNING]
    newest = [replace(n, outcome=RUNNING) for n in history[-1:] if n.outcome != RUNNING]
    return [*before, *newest]


def rejected(history: Sequence[Number], reason: str, now_ms: int) -> list[Number]:
    """Return the entries to write when the newest revision failed; what served before serves again."""
    newest = [replace(n, outcome=REJECTED, reason=reason, ended_ms=now_ms) for n in history[-1:]]
    return newest


def beyond(history: Sequence[Number], retain: int) -> list[Number]:
    """Return the oldest entries that are over `retain`, never the running or an unfinished one."""
    finished = [n for n in history if n.outcome in (SUPERSEDED, REJECTED)]
    return finished[: max(0, len(history) - max(retain, 1))]
