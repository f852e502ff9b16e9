"""The stdout and stderr of guests, read by one thread for all of them and handed on to their sinks.

A guest that writes faster than its sink takes is held at its write: that is the pipe's doing, and the memory used stays
that of the pipe. `wasi` opens a pipe for a guest that imports the stream; it ends when the guest's store is freed.
"""

import os
import selectors
import threading
from collections import deque
from contextlib import suppress
from typing import Protocol

READ_BYTES = 64 << 10


class Sink(Protocol):
    """Takes one guest's output. Called on the reader's thread but for `begun`: it must not block."""

    def begun(self, stream: str) -> None:
        """Expect output on a stream, for which a pipe is opened; `ended` follows."""

    def write(self, stream: str, data: bytes) -> bool:
        """Take bytes written to `stdout` or `stderr`; False asks for no more until `Pipes.resume`."""

    def ended(self, stream: str) -> None:
        """Nothing more comes on this stream."""


class _Pipe:
    """The read end of one stream."""

    __slots__ = ("descriptor", "sink", "stream")

    def __init__(self, descriptor: int, sink: Sink, stream: str) -> None:
        self.descriptor, self.sink, self.stream = descriptor, sink, stream


class Pipes:
    """Every pipe of a process and the thread that reads them; it starts with the first pipe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._selector: selectors.BaseSelector | None = None
        self._wake_end = -1
        self._new: deque[_Pipe] = deque()
        self._held: list[_Pipe] = []  # their sinks want no more for now

    def open(self, sink: Sink, stream: str) -> int:
        """Return the write end of a new pipe whose other end goes to `sink`; the caller closes it.

        Raises:
            OSError: the process may open no more files.
        """
        with self._lock:
            if self._selector is None:
                self._start()
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        sink.begun(stream)
        with self._lock:
            self._new.append(_Pipe(read_end, sink, stream))
        self._wake()
        return write_end

    def resume(self, sink: Sink) -> None:
        """Read for a sink again that had asked for no more."""
        with self._lock:
            again = [pipe for pipe in self._held if pipe.sink is sink]
            self._held = [pipe for pipe in self._held if pipe.sink is not sink]
            self._new.extend(again)
        if again:
            self._wake()

    def _start(self) -> None:
        read_end, self._wake_end = os.pipe()
        for end in (read_end, self._wake_end):
            os.set_blocking(end, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(read_end, selectors.EVENT_READ, None)
        threading.Thread(target=self._run, args=(self._selector,), name="airs-output", daemon=True).start()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full of wake-ups already
            os.write(self._wake_end, b"\0")

    def _run(self, selector: selectors.BaseSelector) -> None:
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    os.read(key.fd, READ_BYTES)
                else:
                    self._read(selector, key.data)
            self._take_up(selector)

    def _take_up(self, selector: selectors.BaseSelector) -> None:
        while self._new:
            pipe = self._new.popleft()
            selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)

    def _read(self, selector: selectors.BaseSelector, pipe: _Pipe) -> None:
        try:
            data = os.read(pipe.descriptor, READ_BYTES)
        except BlockingIOError:  # there was nothing after all
            return
        if not data:
            selector.unregister(pipe.descriptor)
            os.close(pipe.descriptor)
            pipe.sink.ended(pipe.stream)
            return
        if not pipe.sink.write(pipe.stream, data):
            selector.unregister(pipe.descriptor)
            with self._lock:
                self._held.append(pipe)
