"""One instance as an actor: it starts, takes messages one at a time, is asked how it is, exits, and starts again.

The table of `life.py` says what follows what; here its effects are carried out. The guest is touched by one job at a
time: a start, a message (`mailbox_side.py`), or an answer to a request of its own, a check or a goodbye
(`guest_side.py`). States change under the instance's lock; no lock is held while the guest runs or while anyone is told
something.
"""

import threading
from collections.abc import Callable, Sequence

from orchestrator.concurrency.work import Work
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.event import About
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited
from orchestrator.model.observed import ObservedInstance
from orchestrator.model.spec import Deployment
from orchestrator.supervise.checks import HealthFinding, HealthRecord, next_check_ms
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.failures import Escalate, FailureRecord
from orchestrator.supervise.guest_side import GuestSide
from orchestrator.supervise.life import (
    ASKS_THE_ROUTE,
    NOTES,
    REST,
    RUNNING,
    Effect,
    Life,
    LifeEvent,
    State,
    next_life,
)  # fmt: skip
from orchestrator.supervise.mailbox_side import MailboxSide
from orchestrator.supervise.ports import GuestPort
from orchestrator.supervise.timers import OneTimer

STOP_GRACE_MS = 1_000  # beyond the call's own deadline, before a stopping instance is interrupted
_OFFERED = frozenset({State.IDLE, State.OVERDUE, State.DRAINING})  # states in which the route may have the guest


class _Telling:
    """A call that tells an instance an event: each instance keeps two, and a function takes four times as much."""

    __slots__ = ("_event", "_instance")

    def __init__(self, instance: "Instance", event: LifeEvent) -> None:
        self._instance, self._event = instance, event

    def __call__(self) -> None:
        self._instance.tell(self._event)


class Instance:
    """One replica of one revision. `take_over` brings changed in-place fields.

    `escalate` is asked under the instance's lock what its group makes of a failure, or makes of it again under an
    edited policy; `on_change` is told without it.
    """

    __slots__ = (
        "_environment", "_life", "_lock", "_mailbox_side", "_on_change", "_record", "_timer",
        "deployment", "guest_side", "health", "id",
    )  # fmt: skip

    def __init__(
        self, name: str, deployment: Deployment, route: Route, environment: Environment, on_change: Callable[[], None],
        escalate: Escalate,
    ) -> None:  # fmt: skip
        self.id = ComponentId(deployment.key.namespace, deployment.key.name, name)
        self.deployment = deployment
        self._environment, self._on_change = environment, on_change
        self._lock = threading.Lock()
        self._life = Life(State.INSTALLED)  # `IDLE` for `AT_WORK` too: the route knows
        self._record = FailureRecord(self.id, environment, escalate)
        self.health = HealthRecord()
        self._timer = OneTimer(environment.clock)
        self.guest_side = GuestSide(self.id, environment, route.requests, _Telling(self, LifeEvent.ANSWER))
        self._mailbox_side = MailboxSide(name, deployment, route, environment, self.guest_side, self)

    def tell(self, event: LifeEvent) -> None:
        """Tell it an event, and carry the effects out; see `life.py`."""
        with self._lock:
            effects = self._note(event)
        self._carry_out(effects)

    def take_over(self, deployment: Deployment) -> None:
        """Put changed in-place fields in force, also for the timer that it waits for already."""
        with self._lock:
            before, self.deployment = self.deployment, deployment
            self._mailbox_side.priority = deployment.priority
            said, effects = self._wait_anew(before)
        if said:
            self._announce("restart-changed", said)
        self._carry_out(effects)

    @property
    def state(self) -> State:
        """Where it is in its life; idle when it may as well be at work."""
        return self._life.state

    def observe(self) -> ObservedInstance:
        """Describe it."""
        with self._lock:
            state, record, found = self.state, self._record, self.health.found
            return ObservedInstance(
                name=self.id.instance,
                revision=self._mailbox_side.lane,
                phase=state.phase,
                ready=state.ready,
                restarts=record.restarts,
                health=found.health,
                unwell=found.why,
                last_exit=record.last_exit,
                memory_bytes=self.guest_side.memory_bytes,
                spent=self.guest_side.spent,
                next_start_ms=record.next_start_ms if state is State.BACKING_OFF else 0,
            )

    def turn_over(self, *, was_offered: bool) -> None:
        """Do what is next after a message; where the route was offered the guest, only if it has it still."""
        with self._lock:
            if was_offered and not (self.state in _OFFERED and self._mailbox_side.claim()):
                return
            waits = bool(self.guest_side.requester.answers)
            effects = self._note(LifeEvent.DONE_ANSWER_NEXT if waits else LifeEvent.DONE)
        self._carry_out(effects)

    def exited(self, reason: ExitReason, settle: Callable[[], None] | None = None) -> None:
        """Note that its guest has ended, and what follows; `settle` tells the sender of the message that ended it."""
        guest, effects = self._end_badly(reason)
        try:
            self._carry_out(effects)
            if settle is not None:
                settle()
        finally:  # freeing takes its time, for which nobody waits
            if guest is not None:
                guest.close()

    def _note(self, event: LifeEvent) -> Sequence[Effect]:
        """Change its state by an event; returns the effects to carry out without the lock."""
        after, effects = next_life(self._life_now(event), event)
        self._life = Life(State.IDLE) if after.state is State.AT_WORK else after
        self._mailbox_side.serves = self._life.state is State.IDLE
        for effect in effects:
            if effect in NOTES:
                self._write_down(effect)
        return effects

    def _life_now(self, event: LifeEvent) -> Life:
        """Return its life with the holder of the guest; where that is the route and the event wants it, take it."""
        life = self._life
        if life.state is not State.IDLE and life.state is not State.OVERDUE:
            return life
        if event in ASKS_THE_ROUTE:
            # First: a message that is over from here on looks for what is next, and is not missed by both.
            self._mailbox_side.serves = False
            if self._mailbox_side.claim():
                return Life(State.IDLE)
        return Life(State.AT_WORK) if life.state is State.IDLE else life

    def _write_down(self, effect: Effect) -> None:
        match effect:
            case Effect.DISARM:
                self._timer.disarm()
            case Effect.ARM_CHECK:
                interval_ms = next_check_ms(self.deployment.health, self.guest_side.guest, self.health.found)
                self._timer.arm(interval_ms, _Telling(self, LifeEvent.CHECK_DUE), self._environment.checks)
            case Effect.ARM_BACKOFF:
                self._timer.arm(self._record.left_ms, lambda: self.tell(LifeEvent.BACKOFF_OVER))
            case Effect.LIMIT_STOP:
                guest = self.guest_side.guest  # bound to this one: a call that is made late must not meet the next
                if guest is not None:
                    limit_ms = self.deployment.revision.limits.timeout_ms + STOP_GRACE_MS
                    self._timer.arm(limit_ms, guest.interrupt)
            case Effect.CLEAR_RECORD:
                self._record.clear()
            case Effect.COUNT_FAILURE:
                self._record.count()
            case _:
                self._record.restarts += 1

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if effect in _WORK:
                self._environment.workers.submit(_WORK[effect](self), self.deployment.priority)
            elif effect is Effect.OFFER:
                self._mailbox_side.offer()
                if not self._mailbox_side.serves or self.guest_side.requester.answers:
                    self.turn_over(was_offered=True)
            elif effect is Effect.LOOK:
                if self.guest_side.requester.answers:
                    self.tell(LifeEvent.ANSWER)
            elif effect is Effect.TELL:
                self._on_change()

    async def _start(self) -> None:
        with self._lock:
            is_abandoned = self.state is State.ABANDONED
            if not is_abandoned:
                self._note(LifeEvent.TURN)
        if is_abandoned:
            self._end_well(LifeEvent.TURN, None)
            return
        found = await self.guest_side.load(self.deployment.revision, self.deployment.health)
        self._judge(found, has_begun=True)

    async def _check(self) -> None:
        self._judge(await self.guest_side.check(self.deployment.health))

    async def _answer(self) -> None:
        exited = await self.guest_side.answer()
        if exited is None:
            self.tell(LifeEvent.DONE)
        else:
            self.exited(exited.reason)

    async def _part(self) -> None:
        with self._lock:
            self._write_down(Effect.LIMIT_STOP)
        self._end_well(LifeEvent.PARTED, await self.guest_side.part())

    def _judge(self, found: HealthFinding | Exited, *, has_begun: bool = False) -> None:
        """Act on how it is: ready, not ready, or failed too often; nobody is woken where that is as before."""
        if isinstance(found, Exited):
            self.exited(found.reason)
            return
        with self._lock:
            before, was_ready, health = self.health.found, self.state.ready, self.health
            runs = self.state in RUNNING or self.state is State.LOADING
            failed = health.note(found, self.deployment.health) and runs
            event = LifeEvent.FOUND_WELL if found.is_well else LifeEvent.FOUND_ILL
            effects = () if failed else self._note(event)
            is_first = self.state.ready and not health.was_ready
            health.was_ready = health.was_ready or self.state.ready
            is_changed = has_begun or found != before or is_first or self.state.ready != was_ready
        if (said := health.said(before.health)) is not None:
            self._announce(found.health.value, said)
        if failed:
            self.exited(health.failure())
            return
        self._carry_out(effects)
        if is_changed:
            self._on_change()

    def _end_badly(self, reason: ExitReason) -> tuple[GuestPort | None, Sequence[Effect]]:
        """Note an exit and what follows from it; returns the guest it had, which the caller closes."""
        side = self.guest_side
        with self._lock:
            guest, requester = side.detach(), side.requester  # it may start again before this is over
            self.health.forget(reason)
            self._record.last_exit = reason
            effects, then = self._note(LifeEvent.EXITED), "stopped"
            if self.state is State.FAILED:
                event, then = self._record.failed(reason, self.deployment.restart)
                effects = self._note(event)
        self._environment.requests.end(requester)
        self._mailbox_side.leave(f"instance {self.id.instance} failed ({reason})")
        self._environment.listener.exited(self.id, reason, then)
        return guest, effects

    def _end_well(self, event: LifeEvent, problem: Exited | None) -> None:
        """Note that it has ended as it was asked to."""
        with self._lock:
            requester = self.guest_side.requester
            self.guest_side.detach()
            self._record.last_exit = problem.reason if problem else ExitReason(kind=ExitKind.NORMAL)
            effects = self._note(event)
        self._environment.requests.end(requester)
        self._mailbox_side.leave(f"instance {self.id.instance} was stopped")
        if problem is not None:
            self._environment.listener.exited(self.id, problem.reason, "was told to end")
        self._carry_out(effects)

    def _wait_anew(self, before: Deployment) -> tuple[str, Sequence[Effect]]:
        """Make its timer due as the policies in force say; returns what became of a back-off, if it changed."""
        after, state = self.deployment, self.state
        guest, found = self.guest_side.guest, self.health.found
        interval_ms, before_ms = (next_check_ms(one.health, guest, found) for one in (after, before))
        if state in RUNNING and before_ms != interval_ms:
            self._timer.arm(max(0, self._timer.left_ms + interval_ms - before_ms), _Telling(self, LifeEvent.CHECK_DUE))
        is_edited = (before.restart, before.group) != (after.restart, after.group)
        decided = self._record.decided_anew(after.restart) if state in REST and is_edited else None
        return ("", ()) if decided is None else (decided[1], self._note(decided[0]))

    def _announce(self, reason: str, said: str) -> None:
        about = About(instance=self.id.instance)
        self._environment.listener.announce(self.id.deployment, reason, f"{self.id.instance} {said}", about)


_WORK: dict[Effect, Callable[[Instance], Work[None]]] = {
    Effect.START: Instance._start, Effect.CHECK: Instance._check, Effect.ANSWER: Instance._answer,
    Effect.PART: Instance._part,
}  # fmt: skip
