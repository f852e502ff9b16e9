"""A guest without wasm that does as its script says. `tests/contract` holds it to what the real one promises."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orchestrator.concurrency.work import GIVE_WAY
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import (
    Answer,
    BadCall,
    CallAnswer,
    Exited,
    Handled,
    Health,
    Mail,
    Message,
    Refused,
    Replied,
    Returned,
)
from orchestrator.model.observed import Spent
from orchestrator.model.spec import Revision


class Script(msgspec.Struct, frozen=True):
    """How every instance of one artifact behaves; messages and health checks are counted per instance from 1."""

    failing_starts: int = 0  # so many starts of the artifact fail before one succeeds
    never_starts: bool = False
    never_healthy: bool = False
    unhealthy_from: int = 0  # the check from which on it says unhealthy; 0 never
    traps_every: int = 0
    errs_every: int = 0
    raises_every: int = 0  # a bug of ours in a call
    is_deaf: bool = False  # interruptions come too late for it


Pause = Callable[[], None]
Hear = Callable[["FakeGuest", Message], None]


def exited(kind: ExitKind, detail: str = "") -> Exited:
    return Exited(ExitReason(kind=kind, detail=detail))


class FakeGuest:
    """Follows its script, unless a message tells it otherwise.

    `pause` is what else happens while a call runs, `hear` is told of each message that it begins to work on,
    `hear_answer` of each answer to a request of its own.
    """

    has_constant_health = False

    def __init__(
        self, id: ComponentId, revision: Revision, script: Script, pause: Pause, hear: Hear, hear_answer: Hear
    ) -> None:  # fmt: skip
        self.id, self.revision, self.script = id, revision, script
        self.message: Message | None = None  # what it is at work on
        self._hear, self._hear_answer = hear, hear_answer
        self.handled = self.checked = 0
        self.sessions: dict[str, int] = {}
        self.memory_bytes, self.spent = 1 << 16, Spent()
        self.was_healthy = self.is_closed = self.is_at_work = False
        self.trap_next = False
        self._pause = pause
        self._exited: Exited | None = None
        self._is_interrupted = False
        self._health = Health.UNHEALTHY if script.never_healthy else Health.HEALTHY

    async def handle(self, message: Message) -> Answer:
        self.message = message
        try:
            return self._exited or await self._entered(lambda: self._answer(message), lambda: self._hear(self, message))
        finally:
            self.message = None

    async def handle_callback(self, message: Message) -> Answer:
        return self._exited or await self._entered(lambda: Replied(None), lambda: self._hear_answer(self, message))

    async def handle_many(self, mail: Sequence[Mail]) -> Handled:
        outcomes: list[Answer] = []
        for message in (part.message(index) for part in mail for index in range(len(part.payloads))):
            answer = await self.handle(message)
            outcomes.append(answer)
            if isinstance(answer, Exited):
                return Handled(outcomes, answer)
        return Handled(outcomes)

    async def call(self, function: str, arguments: Sequence[Any], session: str | None = None) -> CallAnswer:
        if session is not None and function == "hold":
            return self._exited or await self._entered(lambda: self._hold(session))
        if function == "trap":
            return self._exited or await self._entered(lambda: exited(ExitKind.TRAPPED, "unreachable"))
        if function != "echo":
            return BadCall(f"no function {function}", "It has: echo, trap.")
        return self._exited or await self._entered(lambda: Returned(list(arguments)))

    def _hold(self, session: str) -> Returned:
        self.sessions[session] = self.sessions.get(session, 0) + 1
        return Returned(self.sessions[session])

    async def release(self, session: str, handles: Sequence[int] | None = None) -> CallAnswer:
        if session not in self.sessions:
            return BadCall(f"there is no session {session}")
        return self._exited or await self._entered(lambda: Returned(self.sessions.pop(session)))

    async def health(self, timeout_ms: int | None = None) -> Health | Exited:
        return self._exited or await self._entered(self._say_health)

    async def check(self, work: Message, timeout_ms: int | None = None) -> Answer:
        return self._exited or await self._entered(lambda: self._answer(work))

    async def shutdown(self) -> Exited | None:
        return self._exited or await self._entered(lambda: None)

    def interrupt(self) -> None:
        self._is_interrupted = not self.script.is_deaf

    def close(self) -> None:
        assert not self.is_at_work, "closed in the middle of a call"
        self.is_closed = True
        self._exited = self._exited or exited(ExitKind.KILLED, "closed")

    def heal(self) -> None:
        """Be healthy from now on, unless it never was."""
        self.script = msgspec.structs.replace(self.script, unhealthy_from=0)
        if not self.script.never_healthy:
            self._health = Health.HEALTHY

    async def _entered(self, act: Callable[[], Any], begin: Callable[[], None] | None = None) -> Any:
        assert not self.is_at_work, "two calls at once"
        assert not self.is_closed
        self.is_at_work = True
        try:
            if begin is not None:
                begin()
            await GIVE_WAY
            self._pause()
            answer = self._interrupted() or act()
        finally:
            self.is_at_work = False
        if isinstance(answer, Exited):
            self._exited = answer
        return answer

    def _interrupted(self) -> Exited | None:
        if self._is_interrupted:
            return exited(ExitKind.KILLED, "interrupted")
        if self.trap_next:
            return exited(ExitKind.TRAPPED, "told to")
        return None

    def _say_health(self) -> Health:
        self.checked += 1
        if 0 < self.script.unhealthy_from <= self.checked:
            self._health = Health.UNHEALTHY
        self.was_healthy = self.was_healthy or self._health is not Health.UNHEALTHY
        return self._health

    def _answer(self, message: Message) -> Answer:
        self.handled += 1
        if _is_turn(self.script.raises_every, self.handled):
            raise RuntimeError("a bug of ours")
        if _is_turn(self.script.traps_every, self.handled):
            return exited(ExitKind.TRAPPED, f"message {self.handled}")
        if _is_turn(self.script.errs_every, self.handled):
            return Refused("runtime-error", f"message {self.handled}")
        return self._obey(message.payload)

    def _obey(self, payload: bytes) -> Answer:
        word, _, rest = payload.partition(b" ")
        match word:
            case b"none":
                return Replied(None)
            case b"err":
                return Refused("runtime-error", rest.decode())
            case b"trap":
                return exited(ExitKind.TRAPPED, "unreachable")
            case b"loop":
                return exited(ExitKind.OUT_OF_FUEL)
            case b"sleep":
                return self._sleep(int(rest))
            case b"health":
                self._health = Health(rest.decode())
        return Replied(rest)

    def _sleep(self, milliseconds: int) -> Answer:
        if milliseconds >= self.revision.limits.timeout_ms:
            return exited(ExitKind.DEADLINE)
        return Replied(b"")


def _is_turn(every: int, number: int) -> bool:
    return every > 0 and number % every == 0


class FakeRuntime:
    """Starts fake guests by the script of their artifact, and remembers every one it started."""

    def __init__(self, pause: Pause, hear: Hear, hear_answer: Hear = lambda _guest, _message: None) -> None:
        self.scripts: dict[str, Script] = {}
        self.starts: dict[str, int] = {}
        self.guests: list[FakeGuest] = []
        self._pause, self._hear, self._hear_answer = pause, hear, hear_answer

    async def start(self, revision: Revision, instance: ComponentId) -> FakeGuest | Exited:
        self._pause()
        script = self.scripts.get(revision.artifact, Script())
        count = self.starts[revision.artifact] = self.starts.get(revision.artifact, 0) + 1
        if script.never_starts or count <= script.failing_starts:
            return exited(ExitKind.INITIALIZE_FAILED, f"start {count}")
        guest = FakeGuest(instance, revision, script, self._pause, self._hear, self._hear_answer)
        self.guests.append(guest)
        return guest

    def heal(self) -> None:
        """End what comes and goes; what never worked still does not."""
        for artifact, script in self.scripts.items():
            self.scripts[artifact] = msgspec.structs.replace(script, unhealthy_from=0)
        for guest in self.open:
            guest.heal()

    def forget(self) -> None:
        """Drop every guest, as the end of a process does."""
        self.guests = []

    @property
    def open(self) -> list[FakeGuest]:
        """The guests that hold something."""
        return [guest for guest in self.guests if not guest.is_closed]
