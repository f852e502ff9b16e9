"""What a watcher of a job's run is told, as an asynchronous stream that is fed from another thread."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from orchestrator.agent.jobs import PRINTED_MAX_BYTES, Watcher
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.job import JobOutcome

WELL = JobOutcome(code=0)


def ended(outcome: JobOutcome = WELL) -> Any:
    return SimpleNamespace(outcome=outcome)  # as much of a run as anybody looks at


def watched(act: Callable[[Watcher], None]) -> tuple[list[Any], list[str]]:
    """Return the lines that a watcher yields while `act` feeds it, and whether it was cancelled then."""
    cancelled: list[str] = []

    async def watch() -> list[Any]:
        watcher = Watcher()
        feeding = threading.Thread(target=act, args=(watcher,))
        feeding.start()
        lines = [msgspec.json.decode(line) async for line in watcher.lines(lambda: cancelled.append("cancelled"))]
        feeding.join()
        return lines

    return asyncio.run(watch()), cancelled


def test_what_is_printed_comes_in_order_and_the_end_comes_last():
    def feed(watcher: Watcher) -> None:
        for number in range(100):
            watcher.write("stdout" if number % 2 else "stderr", b"%d" % number)
        watcher.end(ended())

    lines, _ = watched(feed)
    assert [line["stream"] for line in lines[:2]] == ["stderr", "stdout"]
    assert len(lines) == 101
    assert lines[-1]["exitCode"] == 0


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (JobOutcome(code=3), 3, "exit code 3"),
        (JobOutcome(reason=ExitReason(kind=ExitKind.DEADLINE)), 124, "deadline"),
        (JobOutcome(reason=ExitReason(kind=ExitKind.OUT_OF_FUEL)), 137, "fuel"),
    ],
    ids=["a code", "its deadline", "its fuel"],
)
def test_how_it_ended_is_the_last_line(outcome: JobOutcome, code: int, said: str):
    lines, _ = watched(lambda watcher: watcher.end(ended(outcome)))
    (end,) = lines
    assert end["exitCode"] == code
    assert said in end["message"]


def test_enough_is_enough_until_somebody_has_read():
    async def watch() -> None:
        resumed: list[str] = []
        watcher = Watcher()
        watcher.attach(lambda: resumed.append("more"))
        assert watcher.write("stdout", b"a")
        assert not watcher.write("stdout", b"b" * PRINTED_MAX_BYTES)
        lines = watcher.lines(lambda: None)
        await anext(lines)
        assert resumed == ["more"]
        assert watcher.write("stdout", b"c")
        await lines.aclose()

    asyncio.run(watch())


def test_who_stops_listening_cancels_the_run():
    async def watch() -> list[str]:
        cancelled: list[str] = []
        watcher = Watcher()
        watcher.write("stdout", b"a")
        lines = watcher.lines(lambda: cancelled.append("cancelled"))
        await anext(lines)
        await lines.aclose()
        return cancelled

    assert asyncio.run(watch()) == ["cancelled"]


def test_a_watcher_that_is_closed_holds_nobody_up_and_takes_nothing():
    def feed(watcher: Watcher) -> None:
        watcher.close()
        assert watcher.write("stdout", b"x" * PRINTED_MAX_BYTES)
        assert watcher.write("stdout", b"x")
        watcher.end(ended())

    lines, _ = watched(feed)
    assert [line.get("stream") for line in lines] == [None]
