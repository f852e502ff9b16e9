"""The agent's own log: its decisions and faults, dated and with a level, in files that together stay below a bound.

Everything that is written with `logging` goes there, also what asyncio and the HTTP server complain of, and every
exception that would end a thread unseen. The output of a background agent (a panic of a library, say) goes to the same
file.
"""

import contextlib
import faulthandler
import io
import logging
import os
import stat
import sys
import threading
import types
from collections.abc import Iterator
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from orchestrator.model.event import Event, EventType
from orchestrator.model.source import SourceStatus
from orchestrator.observe.events import printable

FILE_MAX_BYTES = 4 << 20
OLD_FILES = 4  # agent.log.1 is the newest of them
_DATE = len("2026-11-28T18:39:40")
LINE_MAX = 8_192  # characters of one line
CONTINUED = "    "  # before the further lines of an entry, so that nothing in one looks like another

LOG = logging.getLogger("agent")
EVENTS = logging.getLogger("event")
SOURCES = logging.getLogger("source")


class _Entry(logging.Formatter):
    """`2026-11-28T18:39:40.123+00:00 INFO    agent  …`, without anything that a terminal would act upon."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(name)s  %(message)s")
        self._second = (-1, "", "")  # the last one, with its date and its zone: many entries are of one second

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Write local time with its zone."""
        second = int(record.created)
        at, date, zone = self._second
        if at != second:
            text = datetime.fromtimestamp(second).astimezone().isoformat()
            date, zone = text[:_DATE], text[_DATE:]
            self._second = second, date, zone
        return f"{date}.{int((record.created - second) * 1_000):03d}{zone}"

    def format(self, record: logging.LogRecord) -> str:
        """Write one entry; a traceback's lines follow it."""
        first, *more = super().format(record).split("\n")
        return "\n".join((printable(first[:LINE_MAX]), *(CONTINUED + printable(line[:LINE_MAX]) for line in more)))


class _LogFile(RotatingFileHandler):
    """The newest file, opened again when somebody took it away. A disk that is full keeps nobody from anything."""

    stream: io.TextIOWrapper

    def __init__(self, path: Path) -> None:
        self._is_ours_to_print = _is_output(path)
        super().__init__(path, maxBytes=FILE_MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8")
        self.setFormatter(_Entry())

    def _open(self) -> io.TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        if self._is_ours_to_print:
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        """Write one entry, which is formatted once; the base class does so twice, as it asks whether it fits."""
        try:
            text = self.format(record) + self.terminator
            self._open_anew()
            if self._size() + len(text) >= self.maxBytes:
                self.doRollover()
            self.stream.write(text)
            self.stream.flush()
        except Exception:  # noqa: BLE001 — as the base class does: an entry that cannot be written keeps nobody
            self.handleError(record)

    def _open_anew(self) -> None:
        lost = self.stream
        if not _is_at(self.baseFilename, lost.fileno()):
            with contextlib.suppress(OSError):  # its folder was taken away, too: the open file still takes entries
                self.stream = self._open()
                lost.close()

    def _size(self) -> int:
        """Return the size of the file, with everything that others print there; 0 for what is no file."""
        status = os.fstat(self.stream.fileno())
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def handleError(self, record: logging.LogRecord) -> None:
        """Go on: events and status tell that nothing can be written, and the deployments keep running."""


def _is_output(path: Path) -> bool:
    """Whether this process prints to the log: it was started in the background."""
    return _is_at(path, 1)


def _is_at(path: str | Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write down what this process logs, and any exception that would end one of its threads, until the end."""
    handler, root = _LogFile(path), logging.getLogger()
    before = root.level, threading.excepthook, sys.unraisablehook
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    threading.excepthook, sys.unraisablehook = _thread_ended, _not_raised
    try:
        yield
    finally:
        root.removeHandler(handler)
        with contextlib.suppress(OSError):  # a full disk
            handler.close()
        root.setLevel(before[0])
        threading.excepthook, sys.unraisablehook = before[1:]


@contextlib.contextmanager
def crashes_told(path: Path) -> Iterator[None]:
    """Append the stack of every thread to the log when a native fault ends this process.

    Enter before an engine is made: wasmtime then passes on the signals that no guest caused.
    """
    with path.open("a") as log:
        faulthandler.enable(log)
        try:
            yield
        finally:
            faulthandler.disable()


def _thread_ended(of: threading.ExceptHookArgs) -> None:
    name = of.thread.name if of.thread is not None else "a thread"
    LOG.critical("%s met a fault of airs itself", name, exc_info=_info(of.exc_type, of.exc_value, of.exc_traceback))


def _not_raised(of: "sys.UnraisableHookArgs") -> None:
    where = of.err_msg or f"an exception in {of.object!r}"
    LOG.error("%s could not be raised", where, exc_info=_info(of.exc_type, of.exc_value, of.exc_traceback))


def _info(
    kind: type[BaseException], value: BaseException | None, where: types.TracebackType | None
) -> tuple[type[BaseException], BaseException, types.TracebackType | None]:  # fmt: skip
    return kind, value if value is not None else kind(), where


def log_event(event: Event) -> None:
    """Write an event down."""
    level = logging.WARNING if event.type is EventType.WARNING else logging.INFO
    commit = f" [{event.commit}]" if event.commit and event.key else ""
    by = f" [by {event.by}]" if event.by else ""
    told = (event.key or "-", event.reason, event.message, commit, by)
    # Not `log`, which looks through the stack for a line that nobody is shown.
    EVENTS.handle(EVENTS.makeRecord(EVENTS.name, level, "", 0, "%s %s: %s%s%s", told, None))


def log_source(status: SourceStatus) -> None:
    """Write down what is known of a source now."""
    at = f" at {status.revision}" if status.revision else ""
    if status.failure is not None:
        SOURCES.warning("%s is stale: %s: %s", status.source, status.failure.summary, status.failure.detail)
        return
    errors = sum(diagnostic.is_error for diagnostic in status.diagnostics)
    SOURCES.log(logging.WARNING if errors else logging.INFO, "%s was read%s, %d errors", status.source, at, errors)
    for diagnostic in status.diagnostics:
        level = logging.WARNING if diagnostic.is_error else logging.INFO
        SOURCES.log(level, "%s: %s: %s", status.source, diagnostic.location, diagnostic.summary)
