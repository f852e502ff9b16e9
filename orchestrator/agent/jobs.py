"""Jobs as the agent has them: one that was started, and one that somebody watches through the API.

A watcher that is slow holds the guest at its write, which is what a terminal would do; but neither beyond the run's
timeout nor when the run is cancelled: then what is still printed is dropped.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import msgspec

from orchestrator.concurrency.clock import Clock
from orchestrator.contract.documents import Ended, Printed
from orchestrator.model.job import JobOutcome
from orchestrator.observe.output import WatchedOutput
from orchestrator.runtime import Guest
from orchestrator.runtime.call.finish import apart, finish
from orchestrator.supervise.job import Run
from orchestrator.supervise.ports import OutputTaker

PRINTED_MAX_BYTES = 1 << 20  # taken from a guest and not yet by its watcher
OVERTIME_MS = 500  # beyond its timeout, for a watcher to take what was printed last
TAKEN_WAIT_S = 5.0  # for the reader to take the last that a run printed
STUCK_WAIT_S = 0.25  # the same of a run that was given up, whose streams stay open


class StartedJob:
    """A started guest that is run to its end."""

    def __init__(
        self, guest: Guest, output: WatchedOutput, taker: OutputTaker | None, clock: Clock, timeout_ms: int
    ) -> None:
        self._guest, self._output, self._taker = guest, output, taker
        self._clock, self._timeout_ms = clock, timeout_ms

    @property
    def memory_bytes(self) -> int:
        """How large its linear memories are together."""
        return self._guest.memory_bytes

    def run(self) -> JobOutcome:
        """Run it to its end, or until it is given up."""
        timer = self._clock.call_later(self._timeout_ms + OVERTIME_MS, self._hold_up_nobody)
        try:
            return finish(self._guest.run(), apart)
        finally:
            timer.cancel()
            if self._guest.is_stuck:  # perhaps at its write, for want of somebody who reads
                self._hold_up_nobody()

    def interrupt(self) -> None:
        """End it, from another thread."""
        self._hold_up_nobody()
        self._guest.interrupt()

    def close(self) -> None:
        """Free it, once the reader has taken what it printed."""
        self._guest.close()
        self._output.wait(STUCK_WAIT_S if self._guest.is_stuck else TAKEN_WAIT_S)

    def _hold_up_nobody(self) -> None:
        if self._taker is not None:
            self._taker.close()


class Watcher:
    """The output of a run and how it ends, as an asynchronous stream; fed from other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._lock = threading.Lock()
        self._printed: deque[Printed] = deque()
        self._bytes = 0
        self._ended: Ended | None = None
        self._closed = False
        self._resume: Callable[[], None] = _nothing

    def attach(self, resume: Callable[[], None]) -> None:
        """Say how to ask for more."""
        self._resume = resume

    def write(self, stream: str, data: bytes) -> bool:
        """Take what was printed; False when that is enough for now."""
        with self._lock:
            if self._closed:
                return True
            self._printed.append(Printed(stream=stream, data=data))
            self._bytes += len(data)
            enough = self._bytes >= PRINTED_MAX_BYTES
        self._wake()
        return not enough

    def end(self, run: Run) -> None:
        """Take how the run ended."""
        assert run.outcome is not None
        self._ended = Ended(exit_code=run.outcome.exit_code, message=str(run.outcome), outcome=run.outcome)
        self._wake()

    def close(self) -> None:
        """Take nothing any more, and hold nobody up."""
        with self._lock:
            self._closed = True
        self._resume()

    async def lines(self, cancel: Callable[[], None]) -> AsyncIterator[bytes]:
        """Yield lines of JSON until the run has ended; a listener that stops before cancels it."""
        try:
            while True:
                self._woken.clear()
                ended = self._ended
                for printed in self._take():
                    yield msgspec.json.encode(printed) + b"\n"
                if ended is not None:
                    yield msgspec.json.encode(ended) + b"\n"
                    return
                await self._woken.wait()
        finally:
            cancel()

    def _take(self) -> list[Printed]:
        with self._lock:
            taken, self._printed, self._bytes = [*self._printed], deque(), 0
        if taken:
            self._resume()
        return taken

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the agent has ended, and its watchers with it
            self._loop.call_soon_threadsafe(self._woken.set)


def _nothing() -> None:
    return
