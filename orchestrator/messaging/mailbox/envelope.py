"""One unit of work on its way to a guest, and the promise that it is settled exactly once."""

import threading
from collections.abc import Callable
from enum import Enum

import msgspec

from orchestrator.model.message import Message, Outcome
from orchestrator.model.spec import Json


class Call(msgspec.Struct, frozen=True):
    """A typed call: `function` as the component's world names it, arguments as JSON.

    Calls of one session go to one instance, which has what their handles mean.
    """

    function: str
    arguments: tuple[Json, ...]
    session: str | None = None


class Release(msgspec.Struct, frozen=True):
    """The end of a session, or only of some of its handles. With `uses`, only if it was not used again since."""

    session: str
    handles: tuple[int, ...] | None = None
    uses: int | None = None


Work = Message | Call | Release


class Stage(Enum):
    """The stage of an envelope. Only a queued one may be withdrawn; a started one is never started again."""

    QUEUED = "queued"
    STARTED = "started"
    REFUSED = "refused"  # out of the queue, its sender is about to be told
    SETTLED = "settled"


class Cancellation:
    """Ends the work on a call that its caller gives up, before it begins or during it; from any thread."""

    __slots__ = ("_interrupt", "_is_wanted", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_wanted = False
        self._interrupt: Callable[[], None] | None = None

    def want(self) -> None:
        """End the work if it is not over, now or as soon as it begins."""
        with self._lock:
            self._is_wanted = True
            if self._interrupt is not None:
                self._interrupt()

    def begin(self, interrupt: Callable[[], None]) -> None:
        """Say that the work begins, and what ends it; must not block."""
        with self._lock:
            self._interrupt = interrupt
            if self._is_wanted:
                interrupt()

    def over(self) -> bool:
        """Say that the work is over, and return whether it was to be ended by then."""
        with self._lock:
            self._interrupt = None
            return self._is_wanted


class Envelope:
    """A message or call, its conversation or session, whom it is to within its deployment, and who is told the outcome.

    `on_outcome` is called exactly once, on the thread that settles the envelope, with no lock held.
    The route owns `stage`, `lane`, `sequence` and `since_ms`, and says in `is_own` whether it is from the very
    deployment that it is to. A call has a `cancellation`; a message has none, as what it began in an actor is not its
    sender's alone.
    """

    __slots__ = (
        "cancellation", "conversation", "is_own", "lane", "on_outcome", "sequence", "session", "since_ms", "stage",
        "to", "work",
    )  # fmt: skip

    def __init__(
        self, work: Work, on_outcome: Callable[[Outcome], None], conversation: str | None = None, to: str = ""
    ) -> None:  # fmt: skip
        self.work = work
        self.session: str | None = None
        self.cancellation: Cancellation | None = None
        if not isinstance(work, Message):
            self.session, self.cancellation = work.session, Cancellation()
        self.on_outcome = on_outcome
        self.conversation = conversation
        self.to = to
        self.stage = Stage.QUEUED
        self.is_own = False
        self.lane = ""
        self.sequence = 0
        self.since_ms = 0

    def __len__(self) -> int:
        return 1

    def settle(self, outcome: Outcome) -> None:
        """Tell the sender; a second settling is a bug and says so."""
        assert self.stage is not Stage.SETTLED, "an envelope has one outcome"
        self.stage = Stage.SETTLED
        self.on_outcome(outcome)
