"""A bounded, numbered list that followers can read from where they left off. The oldest entries are forgotten."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Journal(Generic[T]):
    """Entries numbered from 1; keeps the newest `capacity`. Safe from any thread."""

    def __init__(self, capacity: int) -> None:
        self._entries: deque[tuple[int, T]] = deque(maxlen=capacity)
        self._next = 1
        self._lock = threading.Lock()
        self._followers: tuple[Callable[[], None], ...] = ()

    def append(self, entry: T) -> None:
        """Add an entry and wake the followers."""
        with self._lock:
            self._entries.append((self._next, entry))
            self._next += 1
            followers = self._followers
        for wake in followers:
            wake()

    def since(self, number: int) -> list[tuple[int, T]]:
        """Return the entries kept that are younger than `number`, oldest first."""
        with self._lock:
            return [(n, entry) for n, entry in self._entries if n > number]

    def follow(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after every append; returns a call that ends it."""
        with self._lock:
            self._followers = (*self._followers, wake)

        def leave() -> None:
            with self._lock:
                self._followers = tuple(f for f in self._followers if f is not wake)

        return leave
