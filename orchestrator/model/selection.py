"""Which events and log lines somebody asked for. The agent chooses, so that the others are not sent.

Text is looked for as it is written: a pattern of a stranger can keep a matcher busy for hours.
"""

from collections.abc import Sequence
from typing import TypeVar

from orchestrator.model.base import Value
from orchestrator.model.event import Event, LogLine
from orchestrator.model.ids import DeploymentKey

E = TypeVar("E", Event, LogLine)
LOG_LEVELS = ("trace", "debug", "info", "warn", "error")
EVENT_LEVELS = ("normal", "warning")
NAMED_DIGITS = 6  # of a revision's id, which the names of its instances begin with
_RANK = {name: rank for names in (LOG_LEVELS, EVENT_LEVELS) for rank, name in enumerate(names)}


class Selection(Value, frozen=True):
    """Conditions on events or log lines, all of which must hold. Times are wall-clock milliseconds.

    `until_ms` is the first moment not meant, `level` the lowest one, `revision` the beginning of a revision's id,
    `grep` a text that is contained. Of the entries that were there before, only the newest `tail` are meant.
    """

    key: DeploymentKey | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    level: str | None = None
    revision: str | None = None
    grep: str | None = None
    tail: int | None = None

    def admits(self, entry: Event | LogLine) -> bool:
        """Whether an entry is asked for, were it not for `tail`."""
        return (
            self.key in (None, entry.key)
            and (self.since_ms is None or entry.at_ms >= self.since_ms)
            and (self.until_ms is None or entry.at_ms < self.until_ms)
            and (self.level is None or _RANK.get(_level(entry), 0) >= _RANK.get(self.level, 0))
            and (self.revision is None or _is_of(entry, self.revision))
            and (self.grep is None or any(self.grep in text for text in _texts(entry)))
        )

    def after(self, entries: Sequence[tuple[int, E]]) -> int:
        """Return the number of the entry after which those are meant that are there already."""
        if self.tail is None or not entries:
            return 0
        chosen = [number for number, entry in entries if self.admits(entry)]
        if not self.tail:
            return entries[-1][0]
        return chosen[-self.tail] - 1 if len(chosen) > self.tail else 0

    def of(self, entries: Sequence[tuple[int, E]]) -> list[E]:
        """Choose from what is there already."""
        chosen = [entry for _, entry in entries if self.admits(entry)]
        return chosen if self.tail is None else chosen[max(0, len(chosen) - self.tail) :]


def _level(entry: Event | LogLine) -> str:
    return entry.level if isinstance(entry, LogLine) else entry.type.value


def _is_of(entry: Event | LogLine, revision: str) -> bool:
    if isinstance(entry, Event) and entry.revision:
        return entry.revision.startswith(revision)
    named = entry.instance.partition("-")[0]
    return len(named) == NAMED_DIGITS and (named.startswith(revision) or revision.startswith(named))


def _texts(entry: Event | LogLine) -> tuple[str, ...]:
    if isinstance(entry, LogLine):
        return entry.text, entry.instance, *(f"{name}={value}" for name, value in entry.context)
    return entry.message, entry.reason
