"""The goals, and a run's figures beside them. Pure: it measures and prints nothing.

Seconds belong to a machine, so they are shown and decide nothing. Ratios to what was measured beside, in the same run,
decide. Where a ratio's target comes from stands beside it: from the times wanted, over those of the other side when
the targets were set (quiet two-core machine, CPython 3.11, wasmtime 50.0.1).
"""

import operator
from collections.abc import Mapping
from typing import NamedTuple

MICRO, MILLI, KIB, RATE, RATIO = "µs", "ms", "KiB", "/s", "×"
PLAIN = {MICRO: "us", RATIO: "x"}  # for the lines that programs read


class Target(NamedTuple):
    """A bound of one figure: `limit` is in `unit`, and is a lower bound for ratios that say how much faster we are."""

    limit: float
    unit: str
    why: str
    at_least: bool = False

    @property
    def decides(self) -> bool:
        """Whether missing it fails a check."""
        return self.unit == RATIO

    def is_reached(self, value: float) -> bool:
        """Compare a figure with it."""
        return (operator.ge if self.at_least else operator.le)(value, self.limit)


class Goal(NamedTuple):
    """A target and the figure that was measured for it."""

    name: str
    value: float
    target: Target

    @property
    def is_reached(self) -> bool:
        """Whether the figure is within the bound."""
        return self.target.is_reached(self.value)

    def __str__(self) -> str:
        target = self.target
        unit = PLAIN.get(target.unit, target.unit)
        bound = f"{'>=' if target.at_least else '<='}{target.limit:g}{unit}"
        return f"goal {self.name} {self.value:.4g}{unit} {bound} {'ok' if self.is_reached else 'missed'}"


def _faster(times: float, why: str) -> Target:
    return Target(times, RATIO, why, at_least=True)


_AHEAD = "ahead of it, which does less"
_ACTORS = ("spawn", "ask", "send", "send-each", "fan-10", "fan-100", "ring")
TARGETS: Mapping[str, Target] = {
    "request-16B": Target(6, MICRO, "a message and its answer, through all of airs"),
    "request-16B/stock": _faster(40, "240 µs over 6"),
    "request-16B/raw": _faster(0.65, "3.9 µs over 6: the rest of airs costs no more than half again"),
    "request-16B/extism": _faster(1.5, _AHEAD),
    "request-1KiB": Target(12, MICRO, "the same with 1 KiB of JSON"),
    "request-1KiB/stock": _faster(130, "1 580 µs over 12"),
    "request-1KiB/raw": _faster(5.75, "69 µs over 12"),
    "request-1KiB/extism": _faster(2, _AHEAD),
    "request-16KiB": Target(40, MICRO, "the same with 16 KiB of JSON"),
    "request-16KiB/stock": _faster(550, "22 300 µs over 40"),
    "request-16KiB/raw": _faster(42, "1 700 µs over 40"),
    "request-16KiB/extism": _faster(1, _AHEAD),
    "messages-16B": Target(1e6, RATE, "delivered to one guest on one core, many in a call", at_least=True),
    "messages-16B/stock": _faster(240, "240 µs over 1"),
    "messages-16B/raw": _faster(3.9, "3.9 µs over 1"),
    "host-call-1KiB": Target(10, MICRO, "a guest's call out with a value of 1 KiB"),
    "host-call-1KiB/stock": _faster(60, "half of 1 384 µs, and some, over 10"),
    "storage-get": Target(20, MICRO, "from a guest, 100 bytes"),
    "storage-get/stock": _faster(4, "83 µs, from a dict, over 20"),
    "storage-set": Target(50, MICRO, "from a guest, 100 bytes, durable against SIGKILL"),
    "storage-set/stock": _faster(1, "53 µs, into a dict, over 50"),
    "load": Target(150, MICRO, "from the authenticated cache, less 1.5 µs for each KiB of its file"),
    "load/stock": _faster(0.3, "deserialize, unchecked and without an adapter, 83 µs, over 150 + 1.5 × 85"),
    "instantiate": Target(60, MICRO, "a store with its limits, and an instance in it"),
    "instantiate/stock": _faster(0.33, "20 µs, without those limits, over 60"),
    "instance-memory": Target(24, KIB, "resident, of one more idle small instance"),
    "instance-memory/stock": _faster(0.79, "19 KiB over 24"),
    "deadline-earliest": _faster(1, "the shortest of the calls that a deadline ended, over that deadline"),
    "deadline-late": Target(30, MILLI, "the latest of them, while Python threads are busy"),
    "sleepers": Target(1.3, RATIO, "1 000 guests that wait together, over one that does"),
    "beside-sleepers": Target(5, MILLI, "how much later a short call is answered beside them, 99 of 100 calls"),
    "beside-spinner": Target(5, MILLI, "the same beside a guest that computes"),
    "beside-flood": Target(5, MILLI, "the same beside a guest that floods another with messages"),
    "cores-2": _faster(1.7, "two guests that compute, over one after the other"),
    "cores-8": _faster(6.8, "eight of them, where there are eight cores"),
    **{
        f"start-{name}/python": Target(8, RATIO, "python -c pass is 1; an answer before one has looked up")
        for name in ("version", "help", "status", "agent", "get", "request")
    },
    **{
        f"start-{name}/python": Target(15, RATIO, "the same with manifests read and checked")
        for name in ("validate", "plan")
    },
    **{f"actor-{what}/{peer}": _faster(1, _AHEAD) for what in _ACTORS for peer in ("pykka", "thespian")},
    "actor-ask/pykka": _faster(3, _AHEAD),
}


def judged(figures: Mapping[str, float]) -> tuple[Goal, ...]:
    """Put every figure beside its target, in the order of the targets.

    Raises:
        KeyError: a figure has no target.
    """
    for name in figures:
        TARGETS[name]
    return tuple(Goal(name, figures[name], target) for name, target in TARGETS.items() if name in figures)


def is_missed(goals: tuple[Goal, ...]) -> bool:
    """Whether one is missed that decides."""
    return any(goal.target.decides and not goal.is_reached for goal in goals)
