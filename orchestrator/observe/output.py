"""A guest's output → log lines: bounded in length and number, nothing in them that a terminal would act on.

A guest says something by the log import, on any thread, and on stdout and stderr, which the runtime's reader of pipes
hands over. All of it counts as that instance's. Lines over its rate are counted and dropped, and the count becomes a
line.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

from orchestrator.concurrency.clock import Clock
from orchestrator.model.event import LogLine
from orchestrator.model.ids import ComponentId
from orchestrator.observe.events import CONTEXT_MAX, LOG_LINE_MAX, printable
from orchestrator.observe.journal import Journal
from orchestrator.observe.rate import GAP_MS, Rate
from orchestrator.observe.redaction import NOTHING_HIDDEN, Redaction

LINE_MAX_BYTES = 4_096  # a longer line of output is continued in the next one
LEVELS = {"stdout": "info", "stderr": "warn"}
Context = Sequence[tuple[str, str]]


class LineLog:
    """The lines of one instance, at most `per_s` a second in the long run. Safe from any thread."""

    __slots__ = ("_begun", "_clock", "_hide", "_instance", "_lock", "_log", "_rate")

    def __init__(
        self, instance: ComponentId, per_s: int, log: Journal[LogLine], clock: Clock,
        hide: Redaction = NOTHING_HIDDEN,
    ) -> None:  # fmt: skip
        self._instance, self._log, self._clock, self._hide = instance, log, clock, hide
        self._lock = threading.Lock()
        self._begun: dict[str, bytes] = {}
        self._rate = Rate(per_s, clock.monotonic_ms())

    def log(self, level: str, message: str, context: Context | None) -> None:
        """Take a line as the guest made it."""
        with self._lock:
            now = self._clock.monotonic_ms()
            if self._rate.admits(now):
                text = printable(self._hide(message))
                context = [(name, self._hide(value)) for name, value in context or ()]
                self._append(level, text, _fitting(context, LOG_LINE_MAX - len(text)))
            else:
                self._drop(1, now)

    def begun(self, stream: str) -> None:
        """Expect output on a stream."""
        with self._lock:
            self._begun[stream] = b""

    def write(self, stream: str, data: bytes) -> bool:
        """Take output; more is always welcome."""
        with self._lock:
            now = self._clock.monotonic_ms()
            data, at = self._begun.get(stream, b"") + data, 0
            while (end := _line_end(data, at)) is not None and self._rate.admits(now):
                self._tell(stream, data[at:end])
                at = end + data.startswith(b"\n", end)
            if end is not None:  # over the rate: count what is whole and keep the beginning of the last line
                last = data.rfind(b"\n", at) + 1
                self._drop(max(1, data.count(b"\n", at, last)), now)
                at = max(at, last)
            self._begun[stream] = data[at : at + LINE_MAX_BYTES]
        return True

    def ended(self, stream: str) -> None:
        """Keep what the guest did not end with a line break, and what is still to be said."""
        with self._lock:
            begun = self._begun.pop(stream, b"")
            self._tell_dropped()
            if begun:
                self._tell(stream, begun)

    def _drop(self, lines: int, now_ms: int) -> None:
        if self._rate.drop(lines, now_ms):
            self._clock.call_later(GAP_MS, self._end_gap)

    def _end_gap(self) -> None:
        with self._lock:
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        dropped = self._rate.take_dropped()
        if dropped:
            lines = "1 line" if dropped == 1 else f"{dropped} lines"
            self._put("warn", f"{lines} dropped: more than {self._rate.per_s} a second")

    def _tell(self, stream: str, line: bytes) -> None:
        self._append(LEVELS[stream], printable(self._hide(line.decode("utf-8", "replace").removesuffix("\r"))))

    def _append(self, level: str, text: str, context: tuple[tuple[str, str], ...] = ()) -> None:
        self._tell_dropped()  # the gap is over, and its timer late
        self._put(level, text, context)

    def _put(self, level: str, text: str, context: tuple[tuple[str, str], ...] = ()) -> None:
        of = self._instance
        self._log.append(
            LogLine(
                at_ms=self._clock.wall_ms(), key=of.deployment, instance=of.instance, level=level, text=text,
                context=context,
            )
        )  # fmt: skip


class OutputFollower(Protocol):
    """Somebody who takes output as it comes; False from `write` asks for no more."""

    def write(self, stream: str, data: bytes) -> bool:
        """Take output."""


class WatchedOutput:
    """A job's output: its log, somebody who may watch it, and whether all of it has been taken."""

    def __init__(self, log: LineLog, taker: OutputFollower | None) -> None:
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
        """Take output; False where its watcher asks for no more."""
        self._log.write(stream, data)
        return self._taker is None or self._taker.write(stream, data)

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


def _line_end(data: bytes, at: int) -> int | None:
    """Return where the line at `at` ends: at its break, or where it is as long as one may be; None where it goes on."""
    end = data.find(b"\n", at, at + LINE_MAX_BYTES + 1)
    if end >= 0:
        return end
    return at + LINE_MAX_BYTES if len(data) - at > LINE_MAX_BYTES else None


def _fitting(context: Context, room: int) -> tuple[tuple[str, str], ...]:
    """Return the pairs that a line has room for, the last of them cut."""
    kept = []
    for name, value in context[:CONTEXT_MAX]:
        if room <= 0:
            break
        pair = printable(name[:room]), printable(value[: max(0, room - len(name))])
        room -= len(pair[0]) + len(pair[1])
        kept.append(pair)
    return tuple(kept)
