"""A mapping that one thread changes in place while any thread reads it, so that a change costs one entry.

The ledger, the fleet and the router keep their entries in tables. It holds no lock: each method is one operation of a
dict, which CPython makes whole, and iterating goes over a copy taken in one step.
"""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Table(Mapping[K, V]):
    """Entries by key. Only its owner's thread calls `put` and `drop`."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[K, V] | None = None) -> None:
        self._entries = dict(entries or {})

    def put(self, key: K, value: V) -> None:
        """Set an entry."""
        self._entries[key] = value

    def drop(self, key: K) -> None:
        """Remove an entry, if it is there."""
        self._entries.pop(key, None)

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        return iter([*self._entries])

    def keys(self) -> KeysView[K]:
        """Return the keys of this moment."""
        return self._entries.copy().keys()

    def values(self) -> ValuesView[V]:
        """Return the values of this moment."""
        return self._entries.copy().values()

    def items(self) -> ItemsView[K, V]:
        """Return the entries of this moment."""
        return self._entries.copy().items()
