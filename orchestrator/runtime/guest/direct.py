"""A guest without supervision, each call made to its end on the calling thread."""

import threading
from collections.abc import Sequence
from typing import TypeVar

from orchestrator.concurrency.work import Work
from orchestrator.model.message import Answer, CallAnswer, Exited, Handled, Health, Mail, Message
from orchestrator.model.observed import Spent
from orchestrator.model.spec import Json
from orchestrator.runtime.call.finish import finish
from orchestrator.runtime.guest.guest import Guest, Start, start

T = TypeVar("T")


class Direct:
    """The same calls as a `Guest`, which return when they are done. From any thread; they take turns."""

    __slots__ = ("_guest", "_turn")

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._turn = threading.RLock()

    def handle(self, message: Message) -> Answer:
        """Give it a message and wait for its answer."""
        return self._finish(self._guest.handle(message))

    def handle_callback(self, message: Message) -> Answer:
        """Give it the outcome of a request of its own."""
        return self._finish(self._guest.handle_callback(message))

    def handle_many(self, mail: Sequence[Mail]) -> Handled:
        """Give it messages that want no reply."""
        return self._finish(self._guest.handle_many(mail))

    def call(self, function: str, arguments: Sequence[Json], session: str | None = None) -> CallAnswer:
        """Call an exported function with JSON arguments."""
        return self._finish(self._guest.call(function, arguments, session))

    def release(self, session: str, handles: Sequence[int] | None = None) -> CallAnswer:
        """Drop handles of a session, or all of them and the session."""
        return self._finish(self._guest.release(session, handles))

    @property
    def sessions(self) -> dict[str, int]:
        """The sessions there are, and how many handles each has."""
        return self._guest.sessions

    def health(self, timeout_ms: int | None = None) -> Health | Exited:
        """Ask how it is."""
        return self._finish(self._guest.health(timeout_ms))

    def shutdown(self) -> Exited | None:
        """Let it say goodbye."""
        return self._finish(self._guest.shutdown())

    def interrupt(self) -> None:
        """End the call that is running."""
        self._guest.interrupt()

    def close(self) -> None:
        """Free what it holds."""
        self._guest.close()

    @property
    def fuel_used(self) -> int:
        """The fuel that the last call used."""
        return self._guest.fuel_used

    @property
    def spent(self) -> Spent:
        """The fuel that messages and calls took, as far as it was read."""
        return self._guest.spent

    @property
    def memory_bytes(self) -> int:
        """How large its linear memories are together."""
        return self._guest.memory_bytes

    def _finish(self, work: Work[T]) -> T:
        with self._turn:
            return finish(work)


def start_here(request: Start) -> Direct | Exited:
    """Start a component on this thread."""
    started = finish(start(request))
    return started if isinstance(started, Exited) else Direct(started)
