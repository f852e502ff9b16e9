"""A bounded, numbered list that followers can read from where they left off. The oldest entries are forgotten.

A group that writes much loses the oldest of its own entries first: each group has a share of the places.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import takewhile
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Bounds(msgspec.Struct, frozen=True):
    """The bounds of a journal: so many entries, of so much weight in total, and of each group at most this share."""

    entries: int
    weight: int
    share: int = 10  # one group may have the tenth part


class _Group:
    """The numbers of one group's entries, oldest first, and their weight."""

    __slots__ = ("numbers", "weight")

    def __init__(self) -> None:
        self.numbers: list[int] = []  # few, and an empty deque has room for 64
        self.weight = 0


class Journal(Generic[T]):
    """Entries numbered from 1; keeps the newest within its bounds. Safe from any thread."""

    def __init__(self, bounds: Bounds, weigh: Callable[[T], int], group: Callable[[T], Hashable]) -> None:
        self._bounds, self._weigh, self._group = bounds, weigh, group
        self._entries: OrderedDict[int, T] = OrderedDict()
        self._groups: dict[Hashable, _Group] = {}
        self._weight = 0
        self._next = 1
        self._lock = threading.Lock()
        self._followers: tuple[Callable[[], None], ...] = ()

    def append(self, entry: T) -> None:
        """Add an entry and wake the followers."""
        with self._lock:
            self._add(entry)
            followers = self._followers
        for wake in followers:
            wake()

    @property
    def newest(self) -> int:
        """The number of the newest entry there ever was; 0 before the first."""
        return self._next - 1

    @property
    def kept_of_one(self) -> int:
        """How many entries of one group are kept at most."""
        return self._bounds.entries // self._bounds.share

    def since(self, number: int, most: int | None = None) -> list[tuple[int, T]]:
        """Return the entries kept that are younger than `number`, oldest first; at most so many, the oldest of them."""
        with self._lock:
            newer = [*takewhile(lambda item: item[0] > number, reversed(self._entries.items()))]
        return newer[::-1][:most]

    def follow(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after every append; returns a call that ends it."""
        with self._lock:
            self._followers = (*self._followers, wake)

        def leave() -> None:
            with self._lock:
                self._followers = tuple(f for f in self._followers if f is not wake)

        return leave

    def _add(self, entry: T) -> None:
        weight, key, bounds = self._weigh(entry), self._group(entry), self._bounds
        group = self._groups.setdefault(key, _Group())
        self._entries[self._next] = entry
        group.numbers.append(self._next)
        self._next += 1
        group.weight += weight
        self._weight += weight
        while len(group.numbers) * bounds.share > bounds.entries or group.weight * bounds.share > bounds.weight:
            self._forget(group.numbers[0])
        while len(self._entries) > bounds.entries or self._weight > bounds.weight:
            self._forget(next(iter(self._entries)))

    def _forget(self, number: int) -> None:
        entry = self._entries.pop(number)
        key, weight = self._group(entry), self._weigh(entry)
        group = self._groups[key]
        assert group.numbers.pop(0) == number, "the oldest of all is the oldest of its group"
        group.weight -= weight
        self._weight -= weight
        if not group.numbers:
            del self._groups[key]
