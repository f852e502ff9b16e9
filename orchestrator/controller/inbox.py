"""Commands from other threads, on their way to the one that decides, and the bell that wakes it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Inbox:
    """Filled from any thread; emptied by one, which sleeps until something is there or somebody rings."""

    def __init__(self) -> None:
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._woken = threading.Event()

    def wake(self) -> None:
        """End the sleep, or the next one; any number of times."""
        self._woken.set()

    def sleep(self, limit_ms: int) -> None:
        """Sleep until somebody rings, who may have done so since the commands were obeyed; not longer than a limit."""
        self._woken.wait(limit_ms / 1000)

    def submit(self, command: Callable[[], T]) -> "Future[T]":
        """Give a command to the controller's thread; its result, or what it raised, is the future's."""
        future: Future[T] = Future()

        def obey() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(command())
                except Exception as problem:  # noqa: BLE001 — handed to the caller, who knows what it means
                    future.set_exception(problem)

        self._commands.put(obey)
        self.wake()
        return future

    def obey(self) -> None:
        """Carry out every command that is there; a ring from now on is heard."""
        self._woken.clear()
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            command()
