"""The owners of keys: a ring on which each instance has many places, so that one that comes or goes moves few keys."""

import itertools
from bisect import bisect
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Generic, Protocol, TypeVar

PLACES = 32  # of one instance: the biggest share of ten is then about one and a half times a tenth


class Named(Protocol):
    """An instance with a name of its own, which it keeps when it starts anew."""

    @property
    def name(self) -> str:
        """Return it."""


T = TypeVar("T", bound=Named)
_NO_RING: Mapping[int, Any] = {}  # shared by all that have none


class Members(Generic[T]):
    """The takers of a revision's messages, by name, and the owner of each key. Not safe from several threads."""

    __slots__ = ("_by_name", "_places", "_ring", "_turn")

    def __init__(self) -> None:
        self._by_name: dict[str, T] = {}
        self._ring: Mapping[int, T] = _NO_RING  # by place; empty when somebody came or went since it was made
        self._places: Sequence[int] = ()
        self._turn = 0

    def __contains__(self, member: T) -> bool:
        return self._by_name.get(member.name) is member

    def __len__(self) -> int:
        return len(self._by_name)

    def join(self, member: T) -> None:
        """Give a member its share of the keys."""
        self._by_name[member.name] = member
        self._ring = _NO_RING

    def leave(self, member: T) -> None:
        """Give a member's keys to the others; nothing happens if it is none."""
        if member in self:
            del self._by_name[member.name]
            self._ring = _NO_RING

    def named(self, name: str) -> T | None:
        """Return the member of a name."""
        return self._by_name.get(name)

    def owner(self, key: str) -> T | None:
        """Return who owns a key; None where nobody is."""
        if not self._by_name:
            return None
        if not self._ring:
            self._make_ring()
        next_place = bisect(self._places, _place(key)) % len(self._places)
        return self._ring[self._places[next_place]]

    def next_in_turn(self) -> T | None:
        """Return one after the other; None where nobody is."""
        if not self._by_name:
            return None
        self._turn = (self._turn + 1) % len(self._by_name)
        return next(itertools.islice(self._by_name.values(), self._turn, None))

    def _make_ring(self) -> None:
        # Two that share a place, if there ever are any, do so in the same order.
        places = ((name, _place(f"{number} {name}")) for name in sorted(self._by_name) for number in range(PLACES))
        self._ring = {place: self._by_name[name] for name, place in places}
        self._places = sorted(self._ring)


def _place(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
