"""What a guest writes to stdout and stderr → log lines: bounded in length and number, nothing a terminal would act on.

Fed by the runtime's reader of pipes. What is over the rate is counted and dropped, and the count becomes a line.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from orchestrator.model.ids import ComponentId
from orchestrator.observe.events import LogLine, printable
from orchestrator.observe.journal import Journal

LINE_MAX_BYTES = 4_096  # a longer line is continued in the next one
LINES_PER_S = 100  # of one instance, in the long run
BURST_LINES = 1_000
LEVELS = {"stdout": "info", "stderr": "warn"}


class LineLog:
    """The lines of one instance; both streams share its rate. Called from one thread."""

    def __init__(self, instance: ComponentId, log: Journal[LogLine], wall_ms: Callable[[], int]) -> None:
        self._instance, self._log, self._wall_ms = instance, log, wall_ms
        self._begun: dict[str, bytes] = {}
        self._allowance = float(BURST_LINES)
        self._since_ms = wall_ms()
        self._dropped = 0

    def begun(self, stream: str) -> None:
        """Expect output on a stream."""
        self._begun[stream] = b""

    def write(self, stream: str, data: bytes) -> bool:
        """Take output; more is always welcome."""
        self._refill()
        rest = self._begun.get(stream, b"") + data
        while self._allowance >= 1 and (cut := _line_end(rest)) is not None:
            self._tell_dropped()
            self._tell(stream, rest[:cut])
            rest = rest[cut:].removeprefix(b"\n")
        if _line_end(rest) is not None:  # over the rate: count what is whole and keep the beginning of the last line
            whole, _, begun = rest.rpartition(b"\n")
            self._dropped += whole.count(b"\n") + 1
            rest = begun[:LINE_MAX_BYTES]
        self._begun[stream] = rest
        return True

    def look(self) -> bool:
        """Say how many lines were dropped, once one may be said again; True while that is still to be said."""
        self._refill()
        if self._dropped and self._allowance >= 1:
            self._tell_dropped()
        return self._dropped > 0

    def ended(self, stream: str) -> None:
        """Keep what the guest did not end with a line break, and what is still to be said."""
        begun = self._begun.pop(stream, b"")
        self._tell_dropped()
        if begun:
            self._tell(stream, begun)

    def _refill(self) -> None:
        now = self._wall_ms()
        earned = max(0, now - self._since_ms) * LINES_PER_S / 1000
        self._allowance, self._since_ms = min(float(BURST_LINES), self._allowance + earned), now

    def _tell_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._append("warn", f"{dropped} lines dropped: more than {LINES_PER_S} a second")

    def _tell(self, stream: str, line: bytes) -> None:
        self._append(LEVELS[stream], line.decode("utf-8", "replace").removesuffix("\r"))

    def _append(self, level: str, text: str) -> None:
        self._allowance -= 1
        at_ms, of = self._wall_ms(), self._instance
        self._log.append(
            LogLine(at_ms=at_ms, key=of.deployment, instance=of.instance, level=level, text=printable(text))
        )


class Taker(Protocol):
    """Somebody who takes output as it comes; False from `write` asks for no more."""

    def write(self, stream: str, data: bytes) -> bool:
        """Take output."""


class WatchedOutput:
    """A job's output: its log, somebody who may watch it, and whether all of it has been taken."""

    def __init__(self, log: LineLog, taker: Taker | None) -> None:
        self._log, self._taker = log, taker
        self._lock = threading.Lock()
        self._open = 0
        self._all_taken = threading.Event()
        self._all_taken.set()

    def begun(self, stream: str) -> None:
        """Expect output on a stream."""
        self._log.begun(stream)
        with self._lock:
            self._open += 1
            self._all_taken.clear()

    def write(self, stream: str, data: bytes) -> bool:
        """Take output; whoever watches may ask for no more."""
        self._log.write(stream, data)
        return self._taker is None or self._taker.write(stream, data)

    def look(self) -> bool:
        """Say what the log has to say."""
        return self._log.look()

    def ended(self, stream: str) -> None:
        """Note that nothing more comes on this stream."""
        self._log.ended(stream)
        with self._lock:
            self._open -= 1
            if not self._open:
                self._all_taken.set()

    def wait(self, seconds: float) -> bool:
        """Wait until everything has been taken, but not longer; whether it has."""
        return self._all_taken.wait(seconds)


def _line_end(data: bytes) -> int | None:
    """Return where the first line ends: at its break, or where it is as long as one may be; None where it goes on."""
    at = data.find(b"\n", 0, LINE_MAX_BYTES + 1)
    if at >= 0:
        return at
    return LINE_MAX_BYTES if len(data) > LINE_MAX_BYTES else None
