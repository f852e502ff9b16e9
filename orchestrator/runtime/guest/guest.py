"""A started component and the ways to drive it: as an actor, by typed calls, or not at all until someone asks.

`start` brings one to life; `supervise` owns it afterwards. Whether it starts again is not decided here.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from orchestrator.concurrency.work import GIVE_WAY, Work
from orchestrator.decoding import plain_from_json
from orchestrator.interface import typed
from orchestrator.interface.exports import Export
from orchestrator.model.calls import Calls
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.job import JobOutcome
from orchestrator.model.message import (
    MESSAGE_MAX_BYTES,
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
from orchestrator.model.plain import Err
from orchestrator.model.secret import Secret
from orchestrator.model.spec import CheckCall, Json, Revision
from orchestrator.model.world import Drive
from orchestrator.runtime.adapter.text import FLAT
from orchestrator.runtime.call import frames
from orchestrator.runtime.call.drive import NO_VALUES
from orchestrator.runtime.call.layout import UnfitValue
from orchestrator.runtime.call.resources import GuestResource
from orchestrator.runtime.component import lifecycle
from orchestrator.runtime.component.loaded import Loaded
from orchestrator.runtime.engine.host_import import Current
from orchestrator.runtime.guest.crossing import CrossingStore
from orchestrator.runtime.guest.sessions import MAX_HANDLES, Sessions, Use
from orchestrator.runtime.guest.stock import StockStore
from orchestrator.runtime.guest.store import GuestStore
from orchestrator.runtime.wasi.config import Wasi

T = TypeVar("T")
SAID_MAX = 200  # characters of what a guest calls itself that are shown
_STORES = {Calls.NATIVE: CrossingStore, Calls.FAST: GuestStore, Calls.STOCK: StockStore}
_RUN = re.compile(r"wasi:cli/run@[0-9.]+#run")
_HANDLE = Export(f"{FLAT}#handle", FLAT, "handle", NO_VALUES)
_BATCH = Export(f"{FLAT}#batch", FLAT, "batch", NO_VALUES)
_CALLBACK = Export(f"{FLAT}#callback", FLAT, "callback", NO_VALUES)


class Start(msgspec.Struct, frozen=True):
    """An instance to start: every host function it calls is handed `context`; `wasi` is what WASI gives it.

    `secrets` are variables of its config.
    `current` is its work; `ended` is called when it has ended or was not started, perhaps twice.
    """

    id: ComponentId
    revision: Revision
    loaded: Loaded
    context: object = None
    wasi: Wasi = Wasi()
    secrets: tuple[tuple[str, Secret], ...] = ()
    current: Current = msgspec.field(default_factory=Current)
    ended: Callable[[], None] = lambda: None


class Guest:
    """A started instance. One call at a time, as work in steps; after an `Exited` every call answers the same.

    Larger than most, as it is the `GuestPort` of `supervise/ports.py`: a method for each thing asked of a guest.
    """

    __slots__ = (
        "_current", "_ended", "_exports", "_has_worked", "_instance", "_is_actor", "_is_adapted", "_is_at_rest",
        "_known_health", "_sessions", "contradiction", "has_constant_health",
    )  # fmt: skip

    def __init__(self, instance: GuestStore, request: Start) -> None:
        self._instance = instance
        self._current, self._ended = request.current, request.ended
        loaded = request.loaded
        self._exports = loaded.description.exports
        self._is_actor = Drive.ACTOR in loaded.drives
        self._is_adapted = loaded.is_adapted
        self._is_at_rest = False  # has nothing that was kept for messages
        self._sessions = Sessions(loaded.engine.handles)
        # A component without a lifecycle has nothing that could say otherwise.
        self.has_constant_health = loaded.description.has_constant_health or not self._is_actor
        self._known_health: Health | None = None  # of one whose health is constant, once it said it
        # Since it was last asked how it is; one that is asked once gives back right away what asking it took.
        self._has_worked = not self.has_constant_health
        self.contradiction = ""  # how it is another component than its Component.toml says, empty where it is not

    def handle(self, message: Message) -> Work[Answer]:
        """Give it a message and wait for its answer; only for an actor."""
        return self._handle(message) if message.topic is None else self._handle_published(message, message.topic)

    async def _handle_published(self, message: Message, topic: str) -> Answer:
        self._current.topic = topic
        try:
            return await self._handle(message)
        finally:
            self._current.topic = None

    def _handle(self, message: Message, timeout_ms: int | None = None) -> Work[Answer]:
        if self._is_adapted:
            try:
                frame = frames.frame(message)
            except UnfitValue as problem:
                return _no_message(problem)
            if len(frame[0]) + len(frame[1]) <= frames.FRAME_MAX_BYTES:
                self._has_worked = True
                return self._instance.invoke(_HANDLE, frame, timeout_ms)
        return self._handle_directly(message, timeout_ms)

    async def _handle_directly(self, message: Message, timeout_ms: int | None) -> Answer:
        if not self._is_actor:
            return Refused("export-not-found", "this component is no actor: it does not export component-lifecycle")
        try:
            value = lifecycle.message_value(message)
            answer = await self._lifecycle(lifecycle.HANDLE_MESSAGE, value, timeout_ms=timeout_ms)
        except UnfitValue as problem:
            return await _no_message(problem)
        if isinstance(answer, Exited):
            return answer
        return _refused(answer) if isinstance(answer, Err) else _replied(answer.value)

    async def handle_callback(self, message: Message) -> Answer:
        """Give it the outcome of a request of its own; only for an actor that exports `handle-callback`."""
        if lifecycle.HANDLE_CALLBACK not in self._exports:
            return Refused("export-not-found", "this component does not export handle-callback")
        self._has_worked = True
        try:
            if self._is_adapted:
                frame = frames.frame(message)
                if len(frame[0]) + len(frame[1]) <= frames.FRAME_MAX_BYTES:
                    handled: Answer = await self._instance.invoke(_CALLBACK, frame)
                    return handled
            answer = await self._lifecycle(lifecycle.HANDLE_CALLBACK, lifecycle.message_value(message))
        except UnfitValue as problem:
            return await _no_message(problem)
        if isinstance(answer, Exited):
            return answer
        return _refused(answer) if isinstance(answer, Err) else Replied(None)

    async def handle_many(self, mail: Sequence[Mail]) -> Handled:
        """Give it messages that want no reply, one after the other, with as few transitions as it takes.

        Those that are alike cross together, and share one timeout and their fuel.
        """
        if len(mail) == 1 and len(mail[0].payloads) == 1:  # most, and in no need of being grouped
            answer = await self.handle(mail[0].message(0))
            return Handled([answer], answer if isinstance(answer, Exited) else None)
        outcomes: list[Answer] = []
        exited: Exited | None = None
        for group, count in frames.groups(mail):
            self._current.topic = group[0].topic
            try:
                together = self._is_adapted and count > 1
                part = await (self._handle_together(group, count) if together else self._handle_each(group))
            finally:
                self._current.topic = None
            outcomes += part.outcomes
            exited = part.exited
            if exited is not None:
                break
        return Handled(outcomes, exited)

    async def _handle_together(self, mail: Sequence[Mail], count: int) -> Handled:
        try:
            batch = frames.batch(mail, count)
        except UnfitValue:
            return await self._handle_each(mail)
        if len(batch.data) > frames.FRAME_MAX_BYTES:
            return await self._handle_each(mail)
        self._has_worked = True
        exited = await self._instance.invoke(_BATCH, (batch,), fuel_times=count)
        outcomes: list[Answer] = [*batch.found]
        if exited is not None and (batch.started > len(outcomes) or _has_no_room(exited, batch)):
            outcomes.append(exited)
        return Handled(outcomes, exited)

    async def _handle_each(self, mail: Sequence[Mail]) -> Handled:
        outcomes: list[Answer] = []
        for message in (part.message(index) for part in mail for index in range(len(part.payloads))):
            answer = await self._handle(message)
            outcomes.append(answer)
            if isinstance(answer, Exited):
                return Handled(outcomes, answer)
        return Handled(outcomes)

    async def call(
        self, function: str, arguments: Sequence[Json], session: str | None = None, timeout_ms: int | None = None
    ) -> CallAnswer:  # fmt: skip
        """Call an exported function with JSON arguments; `interface#function` or any end of that which is unique.

        Handles are numbers that the session gives; without one, no function that takes or returns resources is called.
        """
        self._has_worked = True
        await GIVE_WAY  # arguments may be large, and checking them takes as long as it takes
        try:
            export = typed.find(function, self._exports)
            use = None if session is None else self._sessions.use(session, export)
            values = typed.arguments(export, arguments, use)
        except typed.Unsuitable as problem:
            return _bad(problem)
        if use is not None:
            use.begin(export.name)
        answer = await self._instance.invoke(export, values, timeout_ms)
        if isinstance(answer, Exited):
            return answer
        said = _said(export, answer, use)
        surplus = [] if use is None else use.end()
        if surplus:
            return await self._instance.drop(surplus) or _no_room(len(surplus))
        return said

    async def release(self, session: str, handles: Sequence[int] | None = None) -> CallAnswer:
        """Drop handles of a session, or all of them and the session; the number of handles, once destructors ran."""
        try:
            resources = self._sessions.drop(session, handles)
        except typed.Unsuitable as problem:
            return _bad(problem)
        return await self._let_go(resources) or Returned(len(resources))

    async def _let_go(self, resources: Sequence[GuestResource]) -> Exited | None:
        return await self._instance.drop(resources) if resources else self._instance.exited

    @property
    def sessions(self) -> dict[str, int]:
        """The sessions there are, and how many handles each has; from any thread."""
        return {name: len(session.handles) for name, session in self._sessions.named.copy().items()}

    async def health(self, timeout_ms: int | None = None) -> Health | Exited:
        """Ask how it is; a component without a lifecycle is healthy while it lives.

        One that had no message since it was asked last gives back the memory kept for further ones, once; the memory
        that asking it again and again takes is kept. One that can give a single answer gives it once.
        """
        if not self._is_actor:
            return self._instance.exited or Health.HEALTHY
        answer = self._instance.exited or self._known_health
        if answer is None:
            answer = await self._unmetered(self._lifecycle(lifecycle.HEALTH, timeout_ms=timeout_ms))
        if self._has_worked:
            self._is_at_rest = False
        elif not self._is_at_rest and not isinstance(answer, Exited):
            self._instance.rest()
            self._is_at_rest = True
        self._has_worked = False
        if isinstance(answer, Exited):
            return answer
        health = Health(answer)
        self._known_health = health if self.has_constant_health else None
        return health

    async def check(self, work: Message | CheckCall, timeout_ms: int | None = None) -> Answer | CallAnswer:
        """Do as with any message or call, to see how it answers; nobody sent it, and it is counted nowhere."""
        has_worked = self._has_worked
        if isinstance(work, Message):
            answer: Answer | CallAnswer = await self._unmetered(self._handle(work, timeout_ms))
        else:
            arguments = plain_from_json(work.args)
            answer = await self._unmetered(self.call(work.function, arguments, timeout_ms=timeout_ms))
        self._has_worked = has_worked
        return answer

    async def shutdown(self) -> Exited | None:
        """Let it say goodbye; None when it did, or has no lifecycle. Its refusal is a normal exit with what it said.

        The resources that callers hold of it are dropped first.
        """
        exited = await self._let_go(self._sessions.drop_all()) if self._sessions.named else None
        if exited is not None or not self._is_actor:
            return exited
        answer = await self._unmetered(self._lifecycle(lifecycle.SHUTDOWN))
        if isinstance(answer, Err):
            return Exited(ExitReason(kind=ExitKind.NORMAL, detail=f"shutdown refused: {_refused(answer)}"))
        return answer if isinstance(answer, Exited) else None

    async def run(self) -> JobOutcome:
        """Run a job to its end; only for a component that exports `wasi:cli/run`."""
        export = next(export for name, export in self._exports.items() if _RUN.fullmatch(name))
        answer = await self._instance.invoke(export, ())
        if isinstance(answer, Err):
            return JobOutcome(code=1)
        if not isinstance(answer, Exited):
            return JobOutcome(code=0)
        reason = answer.reason
        return JobOutcome(reason=reason) if reason.code is None else JobOutcome(code=reason.code)

    @property
    def fuel_used(self) -> int:
        """The fuel that the last call used; equal for equal messages, state and host answers."""
        return self._instance.fuel_used

    @property
    def spent(self) -> Spent:
        """The fuel that messages and calls took, as far as read: of all while they are few, of one in many else."""
        spent: Spent = self._instance.meter.spent
        return spent

    @property
    def memory_bytes(self) -> int:
        """How large its linear memories are together."""
        return self._instance.memory_bytes

    @property
    def is_stuck(self) -> bool:
        """Whether a call of it that was given up has not returned: until then, `close` frees nothing."""
        return self._instance.is_stuck

    def interrupt(self) -> None:
        """Make the running call, or else the next, end as killed; from any thread."""
        self._instance.interrupt()

    def close(self) -> None:
        """Free what it holds, once a running call has been interrupted; a second time does nothing."""
        self._instance.close()
        self._ended()

    def _lifecycle(self, name: str, *values: Any, timeout_ms: int | None = None) -> Work[Any]:
        return self._instance.invoke(self._exports[name], values, timeout_ms)

    async def _unmetered(self, work: Work[T]) -> T:
        """Do work that is no message, and is not counted among their fuel."""
        with self._instance.meter.stopped():
            return await work

    async def begin(self, revision: Revision, secrets: Sequence[tuple[str, Secret]] = ()) -> Exited | None:
        """Check what it says it is and initialize it; None when it is ready for messages."""
        if not self._is_actor:
            return None
        metadata = await self._unmetered(self._lifecycle(lifecycle.METADATA))
        if isinstance(metadata, Exited):
            return metadata
        if metadata["stateful"] != revision.stateful:
            said, written = _word(metadata["stateful"]), _word(revision.stateful)
            return _not_started(f"metadata() says stateful = {said}, Component.toml says stateful = {written}")
        self.contradiction = _contradiction(metadata, revision)
        answer = await self._unmetered(self._lifecycle(lifecycle.INITIALIZE, lifecycle.config_value(revision, secrets)))
        self._instance.rest()
        if isinstance(answer, Err):
            return _not_started(f"initialize refused: {_refused(answer)}")
        return answer if isinstance(answer, Exited) else None


async def start(request: Start) -> Guest | Exited:
    """Instantiate a component under its limits and initialize it."""
    loaded = request.loaded
    if loaded.missing:
        return _not_started(f"nothing provides its imports {', '.join(loaded.missing)}")
    instance = _instance(request)
    guest = Guest(instance, request)
    exited: Exited | None = None
    is_well = False
    try:
        exited = await instance.instantiate() or await guest.begin(request.revision, request.secrets)
        is_well = exited is None
    finally:
        if not is_well:
            guest.close()
    return exited or guest


async def read_metadata(request: Start) -> dict[str, Any] | Exited | None:
    """Ask a component what it says it is, on an instance that is thrown away; None for one that is no actor."""
    if Drive.ACTOR not in request.loaded.drives:
        return None
    instance = _instance(request)
    try:
        exited = await instance.instantiate()
        if exited is not None:
            return exited
        said: dict[str, Any] | Exited = await instance.invoke(
            request.loaded.description.exports[lifecycle.METADATA], ()
        )
        return said
    finally:
        instance.close()


def _instance(request: Start) -> GuestStore:
    cell = request.loaded.engine.cells.add(request.id, request.context, holds_thread=request.loaded.holds_thread)
    return _STORES[request.loaded.engine.calls](request.loaded, cell, request.revision.limits, request.wasi)


def _bad(problem: typed.Unsuitable) -> BadCall:
    return BadCall(problem.problem, problem.suggestion, problem.detail)


def _said(export: Export, answer: Any, use: Use | None) -> Returned | Refused:
    if isinstance(answer, Err):
        return Refused("err", typed.err_text(export, answer, use))
    return Returned(typed.result_json(export, answer, use))


def _no_room(count: int) -> Refused:
    return Refused(
        "session-full", f"the call returned {count} handles, and a session has at most {MAX_HANDLES}: they were dropped"
    )


def _has_no_room(exited: Exited, batch: frames.FrameBatch) -> bool:
    """Whether a limit ended it before its first message, which would end every other instance in the same way."""
    return not batch.started and exited.reason.kind is not ExitKind.KILLED


async def _no_message(problem: UnfitValue) -> Refused:
    """Say so of a text that is no UTF-8, or a time before 1970: the sender's fault, and no code ran."""
    return Refused("runtime-error", f"not a message: {problem}")


def _replied(payload: bytes | None) -> Replied | Refused:
    size = 0 if payload is None else len(payload)
    if size > MESSAGE_MAX_BYTES:
        return Refused("resource-limit-exceeded", f"a reply of {size} bytes; it may have {MESSAGE_MAX_BYTES}")
    return Replied(payload)


def _refused(err: Err) -> Refused:
    detail = err.payload if isinstance(err.payload, str) else ""
    return Refused(err.case, detail)


def _contradiction(metadata: dict[str, Any], revision: Revision) -> str:
    """Say how a guest's name or version is another than its Component.toml's; empty where both agree."""
    said = f"{metadata['name']} {metadata['version']}"
    written = f"{revision.component} {revision.version}"
    return "" if said == written else f"its metadata() says {said[:SAID_MAX]}, its Component.toml says {written}"


def _not_started(detail: str) -> Exited:
    return Exited(ExitReason(kind=ExitKind.INITIALIZE_FAILED, detail=detail))


def _word(value: bool) -> str:
    return "true" if value else "false"
