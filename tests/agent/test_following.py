"""Followers of a journal, as the event loop has them: those who read, those who wait, and those who never read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest

from orchestrator.agent import following as module
from orchestrator.agent.following import FOLLOWERS_MAX, Following, TooManyFollow
from orchestrator.observe.journal import Bounds, Journal

KEPT = 1_000
STUCK = 200


class Line(msgspec.Struct):
    """An entry that is long enough for a few to fill a connection."""

    number: int
    text: str = "x" * 100


def journal() -> Journal[Line]:
    return Journal(Bounds(entries=KEPT, weight=10**9, share=1), lambda _: 1, lambda _: "all")


class Some:
    """Chooses by number, and of what is there the newest `tail`."""

    def __init__(self, admits: Callable[[int], bool], tail: int = KEPT) -> None:
        self._admits, self._tail = admits, tail

    def admits(self, line: Line) -> bool:
        return self._admits(line.number)

    def after(self, entries: Sequence[tuple[int, Line]]) -> int:
        return max(0, entries[-1][0] - self._tail) if entries else 0


EVERYTHING, NOTHING = Some(lambda _: True), Some(lambda _: False)


def numbers(blob: bytes) -> list[int]:
    return [msgspec.json.decode(line, type=Line).number for line in blob.splitlines()]


class Stage:
    """A journal that is followed, on the loop that runs; what was said of those who were dropped."""

    def __init__(self) -> None:
        self.kept = journal()
        self.dropped: list[int] = []
        self.cut: list[int] = []
        self.following: Following[Line] = Following(self.kept, self.dropped.append)

    def append(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.kept.append(Line(number))

    def follow(self, name: int = 0, chosen: Some = EVERYTHING) -> AsyncIterator[bytes]:
        return self.following.follow(chosen, lambda: self.cut.append(name))

    async def stuck(self, count: int = STUCK) -> list[AsyncIterator[bytes]]:
        """Have so many follow who were sent something and never ask for more."""
        lines = [self.follow(name) for name in range(count)]
        for one in lines:
            await anext(one)
        return lines


async def settle() -> None:
    """Let the loop do what is due."""
    for _ in range(10):
        await asyncio.sleep(0)


async def looked(stage: Stage) -> None:
    """Wait until it was looked for who has fallen behind."""
    await settle()
    while stage.following._looks is not None:
        await asyncio.sleep(0)


async def read_until(lines: AsyncIterator[bytes], last: int) -> list[int]:
    found: list[int] = []
    async for blob in lines:
        found += numbers(blob)
        if found[-1] == last:
            return found
    raise AssertionError(f"ended at {found[-1:]}")


def test_an_entry_costs_one_call_into_the_loop_however_many_follow(monkeypatch: pytest.MonkeyPatch):
    async def follow() -> None:
        stage = Stage()
        stage.append(1, 1)
        kept = await stage.stuck()
        loop, calls = asyncio.get_running_loop(), []
        soon = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *given: (calls.append(given), soon(*given)))
        stage.append(2, 50)
        assert len(calls) == 1
        woken = []
        monkeypatch.setattr(loop, "call_soon", lambda *given, **_: woken.append(given))
        stage.following._look()
        assert woken == [], "nobody waits for more, so nobody is woken"
        monkeypatch.undo()
        assert len(kept) == STUCK

    asyncio.run(follow())


def test_who_reads_gets_every_line_in_order_beside_those_who_do_not():
    async def follow() -> None:
        stage = Stage()
        stage.append(1, 10)
        kept = await stage.stuck()
        reading = asyncio.create_task(read_until(stage.follow(-1), KEPT))
        for first in range(11, KEPT, 90):
            stage.append(first, 90)
            await settle()
        assert await reading == [*range(1, KEPT + 1)]
        assert stage.dropped == []
        assert len(kept) == STUCK

    asyncio.run(follow())


def test_who_falls_behind_what_is_kept_is_hung_up_on_and_told_of_and_nobody_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LOOK_S", 0.0)

    async def follow() -> None:
        stage = Stage()
        stage.append(1, 1)
        kept = await stage.stuck(3)
        quiet = asyncio.ensure_future(anext(stage.follow(-1, NOTHING)))
        await settle()
        stage.append(2, KEPT)
        await looked(stage)
        assert (stage.cut, stage.dropped) == ([], [])
        stage.append(KEPT + 2, 1)
        await looked(stage)
        assert sorted(stage.cut) == [0, 1, 2]
        assert stage.dropped == [3]
        assert not quiet.done()
        quiet.cancel()
        assert len(kept) == 3

    asyncio.run(follow())


def test_so_many_may_follow_and_one_who_goes_makes_room():
    async def follow() -> None:
        stage = Stage()
        stage.append(1, 1)
        kept = await stage.stuck(FOLLOWERS_MAX)
        with pytest.raises(TooManyFollow):
            stage.follow()
        await kept.pop().aclose()  # type: ignore[attr-defined]
        await stage.stuck(1)

    asyncio.run(follow())


def test_lines_end_when_the_agent_does_whether_somebody_waits_or_reads():
    async def follow() -> None:
        stage = Stage()
        stage.append(1, 1)
        lines = stage.follow()
        await anext(lines)
        waiting = asyncio.ensure_future(anext(lines))
        await settle()
        stage.following.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert [blob async for blob in stage.follow()] == []

    asyncio.run(follow())


def test_what_is_kept_is_read_to_its_end():
    async def read() -> None:
        stage = Stage()
        stage.append(1, KEPT)
        blobs = [blob async for blob in stage.following.kept(Some(lambda number: number % 2 == 0))]
        assert [number for blob in blobs for number in numbers(blob)] == [*range(2, KEPT + 1, 2)]
        assert len(blobs) > 1

    asyncio.run(read())


def test_only_the_newest_of_what_is_there_are_sent_and_then_everything_that_comes():
    async def follow() -> None:
        stage = Stage()
        stage.append(1, 100)
        lines = stage.follow(0, Some(lambda _: True, tail=3))
        assert numbers(await anext(lines)) == [98, 99, 100]
        stage.append(101, 5)
        assert await read_until(lines, 105) == [*range(101, 106)]

    asyncio.run(follow())
