"""The order of turns: a queue for each priority, which share the turns so that none waits for ever."""

from collections import deque
from typing import Generic, TypeVar

from orchestrator.model.spec import Priority

SHARES = (16, 4, 1)  # of 21 turns, where high, normal and low all have something to do
_HIGH, _NORMAL = Priority.HIGH, Priority.NORMAL
T = TypeVar("T")


class FairQueue(Generic[T]):
    """Things by priority, in their order. Several threads may put; one at a time takes."""

    __slots__ = ("_high", "_left", "_low", "_normal")

    def __init__(self) -> None:
        self._high: deque[T] = deque()
        self._normal: deque[T] = deque()
        self._low: deque[T] = deque()
        self._left = [*SHARES]

    def __len__(self) -> int:
        return len(self._high) + len(self._normal) + len(self._low)

    def put(self, thing: T, priority: Priority) -> None:
        """Queue something behind those of its priority."""
        if priority is _NORMAL:  # by far the most
            self._normal.append(thing)
        else:
            (self._high if priority is _HIGH else self._low).append(thing)

    def take(self) -> T | None:
        """Take the next one; None where there is none."""
        if self._high or self._low:
            return self._take_by_share()
        return self._normal.popleft() if self._normal else None

    def _take_by_share(self) -> T:
        left = self._left
        for _ in range(2):
            for index, queue in enumerate((self._high, self._normal, self._low)):
                if queue and left[index]:
                    left[index] -= 1
                    return queue.popleft()
            left[:] = SHARES
        raise AssertionError("one of them was not empty")
