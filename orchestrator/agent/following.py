"""Journals → lines for those who follow them, so that a follower who does not read costs nobody anything.

However many follow a journal, an entry takes one call into the event loop, and many at once take one together. There,
only those are woken who wait for more: a follower who has not read what they were sent waits for their connection.
Entries not sent yet stay in the journal, which is bounded. A follower who falls behind what it keeps would miss entries
without knowing: they are hung up on, and an event tells.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from orchestrator.observe.journal import Journal

T = TypeVar("T")
FOLLOWERS_MAX = 256  # of one journal at a time
AT_ONCE = 1_000  # entries taken from a journal at once
BLOB_BYTES = 32 << 10  # written at once; a connection holds about twice that, and the kernel as much again
LOOK_S = 0.5  # after an entry, until who has fallen behind is looked for


class Chosen(Protocol):
    """The choice of a journal's entries that somebody follows."""

    def admits(self, entry: Any, /) -> bool:
        """Whether an entry is asked for."""

    def after(self, entries: Sequence[tuple[int, Any]], /) -> int:
        """Return the number of the entry after which those are meant that are there already."""


class TooManyFollow(Exception):
    """A journal has as many followers as it may have."""


class _Follower:
    """One who follows: up to which entry they were sent everything, and how their connection is cut."""

    __slots__ = ("at", "hang_up", "wakes")

    def __init__(self, at: int, hang_up: Callable[[], None]) -> None:
        self.at, self.hang_up = at, hang_up
        self.wakes: asyncio.Future[None] | None = None  # while they wait for more


class Following(Generic[T]):
    """One journal and its followers. On the event loop's thread, but for what the journal calls."""

    def __init__(self, journal: Journal[T], dropped: Callable[[int], None]) -> None:
        """Begin without followers; `dropped` is told how many were hung up on."""
        self._journal, self._dropped = journal, dropped
        self._followers: set[_Follower] = set()
        self._waiting: set[_Follower] = set()
        self._is_woken = self._is_closed = False
        self._looks: asyncio.TimerHandle | None = None  # at who has fallen behind
        self._leave: Callable[[], None] = _nothing

    def close(self) -> None:
        """End everybody's lines."""
        self._is_closed = True
        if self._looks is not None:
            self._looks.cancel()
        self._wake_waiting()

    def kept(self, chosen: Chosen) -> AsyncIterator[bytes]:
        """Yield the lines of what is kept, many at once."""
        return self._kept(chosen)

    def follow(self, chosen: Chosen, hang_up: Callable[[], None]) -> AsyncIterator[bytes]:
        """Yield the lines of what is kept and of what comes; `hang_up` cuts the connection they go to.

        Raises:
            TooManyFollow: there is no place for another.
        """
        if len(self._followers) >= FOLLOWERS_MAX:
            raise TooManyFollow
        if not self._followers:
            loop = asyncio.get_running_loop()
            self._leave = self._journal.follow(lambda: self._wake(loop))
        follower = _Follower(self._journal.newest, hang_up)
        self._followers.add(follower)
        return self._lines(follower, chosen)

    async def _kept(self, chosen: Chosen) -> AsyncIterator[bytes]:
        last = chosen.after(self._journal.since(0))
        while entries := self._journal.since(last, AT_ONCE):
            for number, blob in _blobs(entries, chosen):
                if blob:
                    yield blob
                last = number
                await asyncio.sleep(0)  # nobody's request waits for somebody who reads everything there is

    async def _lines(self, follower: _Follower, chosen: Chosen) -> AsyncIterator[bytes]:
        last = chosen.after(self._journal.since(0))
        try:
            while not self._is_closed:
                for number, blob in _blobs(self._journal.since(last, AT_ONCE), chosen):
                    if blob:
                        yield blob
                    last = number
                    follower.at = max(follower.at, last)
                    await asyncio.sleep(0)
                await self._more(follower, last)
        finally:
            self._end(follower)

    async def _more(self, follower: _Follower, last: int) -> None:
        """Wait for an entry after the last."""
        follower.wakes = asyncio.get_running_loop().create_future()
        self._waiting.add(follower)
        if self._journal.newest > last or self._is_closed:  # looked at once it waits, so that none is missed
            self._wake_waiting()
        await follower.wakes

    def _end(self, follower: _Follower) -> None:
        self._followers.discard(follower)
        self._waiting.discard(follower)
        if not self._followers:
            self._leave()

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let everybody look again, once for many entries; from any thread."""
        if not self._is_woken:
            self._is_woken = True
            try:
                loop.call_soon_threadsafe(self._look)
            except RuntimeError:  # the agent has ended, and its loop with it
                return

    def _look(self) -> None:
        self._is_woken = False  # before anybody looks, so that what comes meanwhile wakes them again
        self._wake_waiting()
        if self._looks is None:
            self._looks = asyncio.get_running_loop().call_later(LOOK_S, self._drop_slow)

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for follower in waiting:
            if follower.wakes is not None and not follower.wakes.done():
                follower.wakes.set_result(None)

    def _drop_slow(self) -> None:
        self._looks = None
        newest, most = self._journal.newest, self._journal.kept_of_one
        slow = [one for one in self._followers if newest - one.at > most and one not in self._waiting]
        for follower in slow:
            self._end(follower)
            follower.hang_up()
        if slow:
            self._dropped(len(slow))


def _blobs(entries: Iterable[tuple[int, T]], chosen: Chosen) -> Iterator[tuple[int, bytes]]:
    """Yield lines together, and the number of the last entry that was looked at for them."""
    lines: list[bytes] = []
    size = number = 0
    for number, entry in entries:
        if chosen.admits(entry):
            lines.append(msgspec.json.encode(entry) + b"\n")
            size += len(lines[-1])
        if size >= BLOB_BYTES:
            yield number, b"".join(lines)
            lines, size = [], 0
    if number:
        yield number, b"".join(lines)


def _nothing() -> None:
    return
