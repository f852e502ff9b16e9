"""Work in steps: a coroutine that gives way whenever somebody else should have the thread, and how to go on with it.

Guests' calls are such work. What it awaits is a `Pause`, which tells whoever drives it where or when to go on:
`supervise.scheduler` for everything that runs in an agent, `runtime.finish` for one piece of work on this thread.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Work = Coroutine[Any, None, T]


class Pause:
    """Something that work awaits before it goes on."""

    __slots__ = ()

    def __await__(self) -> "Generator[Pause, None, None]":
        yield self


class _Named(Pause):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


GIVE_WAY = _Named("GIVE_WAY")  # has computed for long and would go on at once
LOAD = _Named("LOAD")  # reads or compiles next
HOLD = _Named("HOLD")  # holds its thread from here on, for as long as it takes


class Until(Pause):
    """Not before monotonic nanoseconds, unless it is woken; goes on once, whoever wakes it."""

    __slots__ = ("_go_on", "_woken", "at_ns")

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self._go_on: list[Callable[[], None]] = []
        self._woken = False

    @property
    def is_woken(self) -> bool:
        """Whether it is over before its time."""
        return self._woken

    def arrange(self, go_on: Callable[[], None]) -> None:
        """Have `go_on` called when it is woken; at once if it was."""
        self._go_on.append(go_on)
        if self._woken:  # looked at after `go_on` is there, so that a waking is never missed
            self.wake()

    def wake(self) -> None:
        """Let it go on, from any thread; a second time does nothing."""
        self._woken = True
        try:
            go_on = self._go_on.pop()  # one step: of two who wake it, one gets it
        except IndexError:
            return
        go_on()
