"""Turns things that can be called into medians: contenders take turns, so that a busy moment of the machine hits all.

Every benchmark uses it. It knows nothing of what it measures, and prints nothing.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Act = Callable[[], object]


class Effort(NamedTuple):
    """The effort of measuring: `rounds` turns per contender, each of about `slice_s`; `scale` is for slow subjects.

    Turns are shorter than a scheduler's time slice, so that on a busy machine most of them are not interrupted and the
    median is of those. `scale` 1 is what the tables are made with; a test passes less.
    """

    rounds: int = 151
    slice_s: float = 0.002
    scale: float = 1.0

    def few(self, count: int) -> int:
        """Return how often something slow is done, at least once."""
        return max(1, round(count * self.scale))


TINY = Effort(rounds=1, slice_s=0.0, scale=0.0)


class Row(NamedTuple):
    """One line of a table: what takes airs how much, and what `beside` takes for the same; seconds, or else `unit`."""

    what: str
    airs: float
    beside: str = ""
    other: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """How many times as much `beside` takes; above 1, airs takes less."""
        return None if self.other is None else self.other / self.airs


class Table(NamedTuple):
    """The rows of one subject, what one has to know to read them, and the figures that `goals` has targets for.

    `skipped` says by a figure's name why it was not measured, `meanwhile` what others had of the machine.
    """

    subject: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    figures: Mapping[str, float] = {}
    skipped: Mapping[str, str] = {}
    meanwhile: str = ""


class Each:
    """A contender whose `act` gets something new each time; making it by `prepare` and `discard` are not measured."""

    def __init__(
        self, prepare: Callable[[], Any], act: Callable[[Any], Any], discard: Callable[[Any], object] = lambda _: None
    ) -> None:
        self._prepare, self._act, self._discard = prepare, act, discard

    def seconds(self) -> float:
        """Do it once; return how long that took."""
        prepared = self._prepare()
        began = time.perf_counter()
        made = self._act(prepared)
        took = time.perf_counter() - began
        self._discard(made)
        return took


class Raced(dict[str, float]):
    """The median seconds of one call of each contender, and how they compare round by round."""

    def __init__(self, took: Mapping[str, Sequence[float]]) -> None:
        super().__init__({name: statistics.median(times) for name, times in took.items()})
        self._took = took

    def ratio(self, other: str, one: str) -> float:
        """Return how many times as long `other` takes as `one`: the median of what lay side by side.

        A busy moment of the machine is in both of a round, where it would move only one of two medians.
        """
        pairs = zip(self._took[other], self._took[one], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


def race(contenders: Mapping[str, Act | Each], effort: Effort) -> Raced:
    """Let contenders take turns, each round another one first, and return what one call of each took."""
    names = list(contenders)
    counts = {name: _count_for(contenders[name], effort.slice_s) for name in names}
    took: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(effort.rounds):
        first = round_number % len(names)
        for name in names[first:] + names[:first]:
            took[name].append(_mean(contenders[name], counts[name]))
    return Raced(took)


def timed(act: Act) -> float:
    """Return how many seconds one call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _count_for(contender: Act | Each, slice_s: float) -> int:
    _mean(contender, 1)  # whatever is only slow the first time
    return max(1, int(slice_s / max(_mean(contender, 3), 1e-7))) if slice_s else 1


def _mean(contender: Act | Each, count: int) -> float:
    if isinstance(contender, Each):
        return statistics.fmean(contender.seconds() for _ in range(count))
    began = time.perf_counter()
    for _ in range(count):
        contender()
    return (time.perf_counter() - began) / count
