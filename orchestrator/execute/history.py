"""Keeps a deployment's numbered history true while rollouts begin and end. Pure: returns what is to be written."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from orchestrator.model.commit import Commit
from orchestrator.model.observed import Number
from orchestrator.model.rollout import Rollout
from orchestrator.model.who import Act, By, Verb

RUNNING, SUPERSEDED, REJECTED = "running", "superseded", "rejected"


class Origin(msgspec.Struct, frozen=True):
    """What a rollout comes from: the revision of its source, the commit where it is known, who asked for it by hand."""

    source_revision: str | None
    commit: Commit | None = None
    by: By | None = None


def begun(
    history: Sequence[Number], rollout: Rollout, reason: str, origin: Origin, now_ms: int
) -> list[Number]:  # fmt: skip
    """Return the entries to write when `rollout` begins: its own, and the end of one that it replaces."""
    replaced = [replace(n, outcome=SUPERSEDED, ended_ms=now_ms) for n in history if not n.outcome]
    own = Number(
        number=max((n.number for n in history), default=0) + 1,
        revision=rollout.target.revision,
        cause=rollout.cause,
        reason=reason,
        started_ms=now_ms,
        source_revision=origin.source_revision,
        commit=origin.commit,
        by=origin.by,
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


ACTS_KEPT = 200  # of one deployment


def acted(acts: Sequence[Act], verb: Verb, by: By, detail: str, now_ms: int) -> tuple[Act, Sequence[Act]]:
    """Return the entry to write for a manual act, and those that are over the limit."""
    number = acts[-1].number + 1 if acts else 1
    own = Act(number=number, verb=verb, by=by, at_ms=now_ms, detail=detail)
    return own, acts[: max(0, len(acts) + 1 - ACTS_KEPT)]
