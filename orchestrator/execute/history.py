"""Keeps a deployment's numbered history true while rollouts begin and end. Pure: returns what is to be written."""

from collections.abc import Collection, Sequence

import msgspec
from msgspec.structs import replace

from orchestrator.model.commit import Commit
from orchestrator.model.facts import Switch
from orchestrator.model.observed import Number
from orchestrator.model.rollout import Rollout
from orchestrator.model.who import Act, By, Verb

RUNNING, SUPERSEDED, REPLACED, REJECTED = "running", "superseded", "replaced", "rejected"
GOOD = (RUNNING, SUPERSEDED)  # what served
ENTRIES_MAX = 200  # of a deployment, however many of them are good


def next_number(history: Sequence[Number]) -> int:
    """Return the number of the entry that comes next."""
    return max((n.number for n in history), default=0) + 1


def place_of(entry: Number) -> int:
    """Return the entry that this one is, or repeats."""
    return entry.of or entry.number


def one_further_back(history: Sequence[Number], serving: str | None, bad: Collection[str]) -> Number | None:
    """Return the last entry that served before the revision that is `serving` and is not `bad`; None without one.

    A rollback stands where the entry stood that it went back to, so that the next goes on from there.
    """
    place = max((place_of(n) for n in history if n.outcome == RUNNING), default=None)
    good = (n for n in history if n.outcome in GOOD and n.revision.id != serving and n.revision.id not in bad)
    return max((n for n in good if place is None or place_of(n) < place), key=place_of, default=None)


class RolloutOrigin(msgspec.Struct, frozen=True):
    """The origin of a rollout: the revision of its source, the commit where it is known, who asked for it by hand.

    `of` is the entry that a rollback goes back to.
    """

    source_revision: str | None
    commit: Commit | None = None
    by: By | None = None
    of: int = 0


def begun(
    history: Sequence[Number], rollout: Rollout, reason: str, origin: RolloutOrigin, now_ms: int
) -> list[Number]:  # fmt: skip
    """Return the entries to write when `rollout` begins: its own, and the end of one that it replaces."""
    replaced = [replace(n, outcome=REPLACED, ended_ms=now_ms) for n in history if not n.outcome]
    own = Number(
        number=rollout.number,
        revision=rollout.target.revision,
        cause=rollout.cause,
        reason=reason,
        started_ms=now_ms,
        source_revision=origin.source_revision,
        commit=origin.commit,
        by=origin.by,
        of=origin.of,
    )
    return [*replaced, own]


def promoted(history: Sequence[Number], now_ms: int, switch: Switch | None = None) -> list[Number]:
    """Return the entries to write when the newest revision takes over, which took as long as `switch` says."""
    before = [replace(n, outcome=SUPERSEDED, ended_ms=now_ms) for n in history[:-1] if n.outcome == RUNNING]
    newest = [replace(n, outcome=RUNNING, switch=switch) for n in history[-1:] if n.outcome != RUNNING]
    return [*before, *newest]


def rejected(history: Sequence[Number], reason: str, now_ms: int) -> list[Number]:
    """Return the entries to write when the newest revision failed; the one before serves again."""
    newest = [replace(n, outcome=REJECTED, reason=reason, ended_ms=now_ms) for n in history[-1:]]
    return newest


def beyond(history: Sequence[Number], retain: int) -> list[Number]:
    """Return the entries older than the newest `retain` distinct revisions that served, and those over the limit.

    A failed entry takes no place of a good one. Neither the running nor an unfinished entry is ever among them.
    """
    if len(history) <= min(max(retain, 1), ENTRIES_MAX):  # nothing can be over either bound
        return []
    good = dict.fromkeys(n.revision.id for n in reversed(history) if n.outcome in GOOD)
    newest = {n.revision.id: n.number for n in history if n.outcome in GOOD}
    is_enough = len(good) >= max(retain, 1)
    oldest = min(newest[revision] for revision in list(good)[: max(retain, 1)]) if is_enough else 0
    finished = [n for n in history if n.outcome in (SUPERSEDED, REPLACED, REJECTED)]
    old = [n for n in finished if n.number < oldest]
    over = max(0, len(history) - len(old) - ENTRIES_MAX)
    vain = [n for n in finished if n not in old and n.number not in newest.values()]
    return [*old, *vain[:over]]


ACTS_KEPT = 200  # of one deployment


def acted(acts: Sequence[Act], verb: Verb, by: By, detail: str, now_ms: int) -> tuple[Act, Sequence[Act]]:
    """Return the entry to write for a manual act, and those that are over the limit."""
    number = acts[-1].number + 1 if acts else 1
    own = Act(number=number, verb=verb, by=by, at_ms=now_ms, detail=detail)
    return own, acts[: max(0, len(acts) + 1 - ACTS_KEPT)]
