"""Starts `airs` processes without importing airs anew: each is forked from a process that did nothing but import it.

Importing takes four fifths of the time that an agent takes to start. A forked process is a process all the same: pid,
descriptors, directory, environment, arguments, signals and exit code are its own, and it enters by `main` as `airs`
does. Where the import itself is looked at, or what Python does before it, tests start Python.

    test ──argv, directory, environment, streams──▶ this module, as a process ──fork──▶ airs
         ◀──────────────── its pid, and at its end how it ended ────────┘
"""

import contextlib
import gc
import io
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, NamedTuple, TextIO

ROOT = Path(__file__).resolve().parents[2]
ENTRY = str(ROOT / "orchestrator/__main__.py")
REQUEST_BYTES = 100_000
STREAMS = 3
INT = struct.Struct("=i")
LATER = ("anyio.lowlevel", "anyio.streams.memory", "anyio.streams.tls", "concurrent.futures.thread")  # as they serve
OWN_DESCRIPTORS = 4096  # more than this process ever opens


class Forked:
    """A process that was forked; it answers as `subprocess.Popen` does."""

    def __init__(self, pid: int, ended: socket.socket) -> None:
        self.pid, self._ended = pid, ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        if self.returncode is None:
            self._ended.settimeout(timeout)
            try:
                self.returncode = _number(self._ended)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("airs", timeout or 0) from None
            self._ended.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """The process that others are forked from; it is started when one is wanted first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: socket.socket | None = None
        self._lock = threading.Lock()

    def start(
        self, arguments: Sequence[str], streams: tuple[IO[bytes], IO[bytes], IO[bytes]], cwd: Path | str,
        env: Mapping[str, str],
    ) -> Forked:  # fmt: skip
        """Start `airs` with these arguments and streams."""
        ours, theirs = socket.socketpair()
        with theirs:
            wanted = json.dumps({"arguments": [*arguments], "cwd": str(cwd), "env": dict(env)}).encode()
            socket.send_fds(self._begun(), [wanted], [*(each.fileno() for each in streams), theirs.fileno()])
        return Forked(_number(ours), ours)

    def close(self) -> None:
        """End the process that others are forked from, and wait for it: its time counts among the tests'."""
        if self._process is not None and self._asked is not None:
            self._asked.close()
            self._process.wait()
            self._process = self._asked = None

    def _begun(self) -> socket.socket:
        with self._lock:
            if self._asked is None:
                self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    command = [sys.executable, "-m", "tests.e2e.forks", str(theirs.fileno())]
                    env = os.environ | {"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
                    self._process = subprocess.Popen(
                        command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, cwd=ROOT, env=env,
                    )  # fmt: skip
            return self._asked


def _number(channel: socket.socket) -> int:
    told = channel.recv(INT.size)
    assert told, "the process that others are forked from has ended"
    return INT.unpack(told)[0]


FORKS = Forks()


# ---- the process that others are forked from ----


class Wanted(NamedTuple):
    """What a forked process shall be, and the descriptors that it was sent."""

    arguments: list[str]
    cwd: str
    env: dict[str, str]
    streams: list[int]


def serve(asked: socket.socket) -> Wanted | None:
    """Fork the processes that are wanted. Returns in each of them; None in this one, when nobody asks any more."""
    children: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then leave
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        for channel in (asked, woken):
            selector.register(channel, selectors.EVENT_READ)
        while True:
            for selected, _ in selector.select():
                if selected.fileobj is woken:
                    woken.recv(REQUEST_BYTES)
                    _tell_ended(children)
                    continue
                content, descriptors, _, _ = socket.recv_fds(asked, REQUEST_BYTES, STREAMS + 1)
                if not content:
                    return None
                *streams, channel = descriptors
                pid = os.fork()
                if not pid:
                    return Wanted(**json.loads(content), streams=streams)
                children[pid] = socket.socket(fileno=channel)
                children[pid].send(INT.pack(pid))
                for stream in streams:
                    os.close(stream)


def _tell_ended(children: dict[int, socket.socket]) -> None:
    """Tell how those ended that have, to those who started them, if they still want to know."""
    for pid in [*children]:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with children.pop(pid) as channel, contextlib.suppress(BrokenPipeError):
                channel.send(INT.pack(os.waitstatus_to_exitcode(status)))


def become(wanted: Wanted) -> None:
    """Make this process what Python makes of one that it has just started."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(wanted.streams):
        os.dup2(stream, number)
    os.closerange(STREAMS, OWN_DESCRIPTORS)
    os.chdir(wanted.cwd)
    os.environ.clear()
    os.environ.update(wanted.env)
    time.tzset()
    sys.argv = [ENTRY, *wanted.arguments]
    sys.stdin, sys.stdout, sys.stderr = (_opened(number, usual) for number, usual in enumerate(_streams()))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = _streams()
    gc.enable()


def _streams() -> tuple[TextIO, TextIO, TextIO]:
    return sys.stdin, sys.stdout, sys.stderr


def _opened(number: int, usual: TextIO) -> TextIO:
    stream = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 — as long as the process
    is_by_line = number == 2 or stream.isatty()
    return io.TextIOWrapper(stream, usual.encoding, usual.errors, line_buffering=is_by_line)


def prepare() -> None:
    """Import whatever an agent or a command may need."""
    gc.disable()
    from orchestrator.cli.commands import COMMANDS
    from orchestrator.cli.main import main  # noqa: F401 — first, because it imports frugally

    names = {f"orchestrator.cli.{command.module}" for command in COMMANDS.values()}
    for name in [*sorted(names), "orchestrator.cli.foreground", *LATER]:
        import_module(name)
    gc.freeze()


if __name__ == "__main__":
    prepare()
    with socket.socket(fileno=int(sys.argv[1])) as asking:
        found = serve(asking)
    if found is not None:
        become(found)
        from orchestrator.cli.main import main

        main()
