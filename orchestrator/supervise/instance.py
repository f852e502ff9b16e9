"""One instance as an actor: it starts, takes messages one at a time, is asked how it is, exits, and starts again.

The guest is touched by one job at a time: starting, a message, an answer to a request of its own, a health check or
stopping. A job that ends hands the guest on in `_release`: to an answer that waits, to the route, to a stop that waits
for it, or nowhere (`_parked`), where whoever wants it claims it. Messages and answers take turns. Phases change under
the instance's lock through the lifecycle table; no lock is held while the guest runs or while anyone is told something.
"""

import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from orchestrator.concurrency.clock import Timer
from orchestrator.concurrency.work import Work
from orchestrator.messaging.mailbox.batch import Batch
from orchestrator.messaging.mailbox.envelope import Call, Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.requesters import Requester
from orchestrator.model.event import About
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.hop import HopKind
from orchestrator.model.ids import ComponentId
from orchestrator.model.message import Exited, Handled, Health, Mail, Message, Outcome
from orchestrator.model.observed import ObservedInstance, ObservedSession, Phase, Spent
from orchestrator.model.spec import Deployment
from orchestrator.supervise.boundary import asked, cancellable, host_fault
from orchestrator.supervise.checks import HealthFinding, examined
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.groups import InstanceFailure, Standing, standing_of
from orchestrator.supervise.lifecycle import Event, next_phase
from orchestrator.supervise.policy import Decision, Forget, GiveUp, RestartAfter, StandBy, decide
from orchestrator.supervise.ports import Guest
from orchestrator.supervise.sessions import IdleSessions

Escalate = Callable[[InstanceFailure, bool], Decision]
RESTARTS_KEPT = 1_000  # times remembered for the window; no intensity is larger
_UNKNOWN = HealthFinding(Health.UNKNOWN)
STOP_GRACE_MS = 1_000  # beyond the call's own deadline, before a stopping instance is interrupted


class Instance:
    """One replica of one revision. `take_over` brings changed in-place fields.

    `escalate` is asked under the instance's lock what its group makes of a failure, or makes of it again under an
    edited policy; `on_change` is told without it.
    """

    def __init__(
        self, name: str, deployment: Deployment, route: Route, environment: Environment, on_change: Callable[[], None],
        escalate: Escalate,
    ) -> None:  # fmt: skip
        self.id = ComponentId(deployment.key.namespace, deployment.key.name, name)
        self.name = name
        self.deployment = deployment
        self.lane = deployment.revision.id
        self.phase = Phase.INSTALLED
        self.ready = False
        self._was_ready = False
        self._route, self._environment, self._on_change, self._escalate = route, environment, on_change, escalate
        self._lock = threading.Lock()
        self._guest: Guest | None = None
        self._parked = False  # runs and is not Ready, so that the route does not have it; no job is using the guest
        self._leaving = False  # told to end for good
        self._start_again = False
        self._then: Event | None = None  # what follows for it once its group has stopped it
        self._restarts_ms: list[int] = []  # the times of the failures after which it was started again
        self._faults_ms: list[int] = []  # the times of those that were the host's
        self._unanswered: InstanceFailure | None = None  # the failure after which it was not started again yet
        self._chance = 0.0  # drawn for that failure's back-off
        self._due_ms = self._next_start_ms = 0  # when its timer is due, and when its back-off is over on the wall
        self._restart_count = 0
        self._found = _UNKNOWN
        self._failures = 0
        self._last_exit: ExitReason | None = None
        self._timer: Timer | None = None
        self._sessions = IdleSessions(route, environment.clock)
        self._spent = Spent()  # by the guests before this one
        self._is_answered = False  # is at work on an answer to a request of its own
        self._check_is_due = False  # health is to be asked before the next message: under load it is never idle
        self._requester = environment.requests.of(self.id)  # as which it sends, since its start

    def start(self) -> None:
        """Start it, once; one that was told to end meanwhile stays where it is."""
        with self._lock:
            if self._leaving:
                return
            self._begin_start()
        self._submit_start()

    def stop(self) -> None:
        """Ask it to end for good: no further message, then shutdown; a call that overruns is interrupted."""
        with self._lock:
            self._leaving, self._start_again, self._then = True, False, None
            free = self._begin_stop()
        self._finish_stop(free)

    def restart(self) -> None:
        """Stop it and start it anew, politely and with a clean record; one that was told to end is left to it."""
        with self._lock:
            if self._leaving or self.phase is Phase.INSTALLED:  # the latter is about to be started
                return
            self._start_again = True
            free = self._begin_stop()
            ended = self._takes_up_again()
        if ended:
            self._submit_start()
        else:
            self._finish_stop(free)

    def interrupt(self) -> None:
        """End the call that it has under way, if any: what it was told to end before its time is over."""
        guest = self._guest
        if guest is not None:
            guest.interrupt()

    def pause(self, then: Event) -> None:
        """Stop it politely for its group; `then` it waits for `go_on`, or has given up. What has ended stays so."""
        with self._lock:
            if self._leaving or self.phase in (Phase.INSTALLED, Phase.STOPPED, Phase.GAVE_UP):
                return
            self._then, self._start_again = then, False
            self._count_failure()
            free = self._begin_stop()
            self._pauses()
        self._finish_stop(free)

    def go_on(self) -> None:
        """Start it if it waits for its group to do so, or gave up; if its group is stopping it, once it has ended."""
        with self._lock:
            if self._leaving:
                return
            if self.phase is Phase.STOPPING and self._then is not None:
                self._then, self._start_again = None, True
                return
            if self.phase is Phase.GAVE_UP:
                self._begin_start()
            elif self._stands_by:
                self._start_after_failure()
            else:
                return
            self._then = None
        self._submit_start()

    def take_over(self, deployment: Deployment) -> None:
        """Have changed in-place fields in force, also for what it is waiting for already."""
        with self._lock:
            before, self.deployment = self.deployment, deployment
            said = self._wait_anew(before)
        if said:
            self._environment.listener.announce(
                self.id.deployment, "restart-changed", f"{self.id.instance} {said}", self._about
            )
            self._on_change()

    def _wait_anew(self, before: Deployment) -> str:
        """Make what it waits for due as the policies in force say; returns what became of a back-off, if it changed."""
        after, now = self.deployment, self._environment.clock.monotonic_ms()
        if self.phase is Phase.RUNNING and before.health.interval_ms != after.health.interval_ms:
            since_ms = self._due_ms - before.health.interval_ms
            self._arm(max(0, since_ms + after.health.interval_ms - now), self._check)
        failure = self._unanswered
        is_edited = (before.restart, before.group) != (after.restart, after.group)
        if self.phase is not Phase.BACKING_OFF or failure is None or not is_edited:
            return ""
        self._disarm()
        return self._follow(failure, again=True)

    @property
    def standing(self) -> Standing:
        """How it is, for its group."""
        return standing_of(self.phase, ready=self.ready, stands_by=self._stands_by)

    @property
    def _stands_by(self) -> bool:
        return self.phase is Phase.BACKING_OFF and self._then is not None

    def take(self, work: Envelope | Batch) -> None:
        """Work on one message or call, or on a batch of messages."""
        self._submit(self._run_batch(work) if isinstance(work, Batch) else self._run(work))

    @property
    def is_ill(self) -> bool:
        """Whether it had been Ready and now is not, because its health was found wanting."""
        return self._was_ready and not self.ready and self._found.health is Health.UNHEALTHY

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer to a request of its own, or is at work on one."""
        requester = self._requester
        return self._is_answered or bool(requester.answers) or bool(self._environment.requests.outstanding(requester))

    @property
    def never_was(self) -> bool:
        """Whether it ended without having been Ready, is not started again, and nobody told it to end."""
        return self.phase is Phase.STOPPED and not self._was_ready and not self._leaving

    def observe(self) -> ObservedInstance:
        """Describe it."""
        with self._lock:
            guest = self._guest
            return ObservedInstance(
                name=self.id.instance,
                revision=self.lane,
                phase=self.phase,
                ready=self.ready,
                restarts=self._restart_count,
                health=self._found.health,
                unwell=self._found.why,
                last_exit=self._last_exit,
                memory_bytes=0 if guest is None else guest.memory_bytes,
                spent=self._spent if guest is None else _together(self._spent, guest.spent),
                next_start_ms=self._next_start_ms if self.phase is Phase.BACKING_OFF and not self._stands_by else 0,
            )

    def _submit(self, work: Work[None]) -> None:
        self._environment.workers.submit(work, self.deployment.priority)

    def _to(self, event: Event) -> None:
        self.phase = next_phase(self.phase, event)

    async def _run(self, envelope: Envelope) -> None:
        try:
            outcome = await self._answer(envelope)
        except Exception as problem:  # noqa: BLE001 — the actor's boundary: what goes wrong inside ends it alone
            outcome = host_fault(problem)
        requester = self._requester
        if requester.trace and isinstance(envelope.work, Message):
            self._environment.requests.recorder.handled(requester, envelope.work, HopKind.REQUEST, outcome)
        if isinstance(outcome, Exited):
            self._route.finished(self, outcome)
            self._exited(outcome.reason, lambda: envelope.settle(outcome))
            return
        if envelope.session is not None:
            self._sessions.worked(envelope.session, envelope.work, self._guest)
        goes_on = self.ready and self.phase is Phase.RUNNING and not self._check_is_due and not requester.answers
        self._route.finished(self, outcome, is_idle=goes_on)
        try:
            envelope.settle(outcome)
        finally:  # whoever hears of it may fail; the instance goes on
            if not goes_on or self.phase is Phase.STOPPING or requester.answers:
                self._go_on(goes_on)

    async def _run_batch(self, batch: Batch) -> None:
        assert self._guest is not None
        requester, mail = self._requester, batch.mail
        traces = {part.conversation for part in mail}
        trace = traces.pop() if len(traces) == 1 else ""
        requester.works_on(mail[0].correlation_id, trace, self._route.key_of(mail[0].to))
        try:
            handled = await self._guest.handle_many(mail)
        except Exception as problem:  # noqa: BLE001 — as above; how far it came is not known, so that none is tried again
            exited = host_fault(problem)
            handled = Handled([exited] * len(batch), exited)
        if requester.trace or traces:
            self._record(mail, handled.outcomes)
        if handled.exited is not None:
            self._route.finished_batch(self, batch, handled)
            self._exited(handled.exited.reason, lambda: batch.settle(handled.outcomes))
            return
        goes_on = self.ready and self.phase is Phase.RUNNING and not self._check_is_due and not requester.answers
        self._route.finished_batch(self, batch, handled, is_idle=goes_on)
        try:
            batch.settle(handled.outcomes)
        finally:
            self._go_on(goes_on)

    def _record(self, mail: Sequence[Mail], outcomes: Sequence[Outcome]) -> None:
        """Record a batch: as one where all of it is of one conversation, else what is of any."""
        recorder, requester = self._environment.requests.recorder, self._requester
        if requester.trace:
            recorder.handled_many(requester, requester.trace, mail[0], outcomes)
            return
        at = 0
        for part in mail:
            if part.conversation:
                recorder.handled_many(requester, part.conversation, part, outcomes[at : at + len(part.payloads)])
            at += len(part.payloads)

    def _go_on(self, is_idle: bool) -> None:
        if is_idle:
            self._leave_if_stopping()
            if self._requester.answers:
                self._hand_over()
        else:
            self._release()

    def _hand_over(self) -> None:
        """Give it an answer that waits for it, if it is free to take one; else it looks for that when it is."""
        with self._lock:
            free = self.phase is Phase.RUNNING and bool(self._requester.answers) and self._claim()
        if free:
            self._submit(self._take_answer())

    async def _take_answer(self) -> None:
        guest, requester = self._guest, self._requester
        assert guest is not None
        self._is_answered = True
        exited = await asked(self._give(guest, requester))
        self._is_answered = False
        if exited is not None:
            self._exited(exited.reason)
        else:
            self._release(is_messages_turn=True)

    async def _give(self, guest: Guest, requester: Requester) -> Exited | None:
        """Have a guest handle the next answer, if one still waits; None when it goes on afterwards."""
        requests = self._environment.requests
        answer = requests.next_answer(requester)
        if answer is None:
            return None
        requester.works_on(answer.conversation, answer.message.conversation, answer.key)
        outcome = await guest.handle_callback(answer.message)
        requests.recorder.handled(requester, answer.message, answer.kind, outcome)
        return outcome if isinstance(outcome, Exited) else None

    def _answer(self, envelope: Envelope) -> Work[Outcome]:
        guest, work = self._guest, envelope.work
        assert guest is not None
        requester = self._requester
        requester.conversation = envelope.conversation
        requester.key = self._route.key_of(envelope.to)
        if isinstance(work, Message):
            requester.trace = work.conversation
            return guest.handle(work)
        requester.trace = None
        if isinstance(work, Call):
            return cancellable(guest, envelope, guest.call(work.function, work.arguments, work.session))
        return cancellable(guest, envelope, self._sessions.release(guest, work))

    def _leave(self, why: str) -> None:
        self._sessions.clear()
        self._route.leave(self, f"instance {self.id.instance} {why}")

    def sessions(self) -> tuple[ObservedSession, ...]:
        """Describe the sessions that are bound to it."""
        guest = self._guest
        found = {} if guest is None else guest.sessions
        return tuple(ObservedSession(name, self.id.instance, handles) for name, handles in found.items())

    def _release(self, *, is_messages_turn: bool = False) -> None:
        with self._lock:
            stopping, ready = self.phase is Phase.STOPPING, self.ready
            is_due, self._check_is_due = self._check_is_due and not stopping, False
            answer = bool(self._requester.answers) and not (is_messages_turn and ready)
            self._parked = not (stopping or is_due or answer or ready)
        if stopping:
            self._submit(self._say_goodbye())
        elif is_due:
            self._submit(self._ask_health())
        elif answer:
            self._submit(self._take_answer())
        elif ready:
            self._route.idle(self)
            self._leave_if_stopping()
            if self._requester.answers:
                self._hand_over()

    def _leave_if_stopping(self) -> None:
        # A stop that came between looking at the phase and becoming idle found nobody to claim.
        if self.phase is Phase.STOPPING and self._route.claim(self):
            self._submit(self._say_goodbye())

    def _submit_start(self) -> None:
        self._submit(self._start())
        self._on_change()

    async def _start(self) -> None:
        if self.phase is Phase.STOPPING:  # told to end before its turn came
            self._ended(None)
            return
        self._requester = self._environment.requests.begin(self.id, self._route.requests, self._hand_over)
        started = await asked(self._environment.start_guest(self.deployment.revision, self.id))
        if isinstance(started, Exited):
            self._exited(started.reason)
            return
        found = await asked(self._examine(started, self.deployment.revision.limits.timeout_ms))
        with self._lock:
            self._guest = started
            if not isinstance(found, Exited):
                self._to(Event.STARTED)
        if isinstance(found, Exited):
            self._exited(found.reason)
        else:
            self._judge(found, has_begun=True)

    def _examine(self, guest: Guest, timeout_ms: int) -> Work[HealthFinding | Exited]:
        return examined(guest, self.deployment.health, self.id, self._environment.clock.wall_ns(), timeout_ms)

    def _judge(self, found: HealthFinding, *, has_begun: bool = False) -> None:
        """Act on how it is: ready, not ready, or failed too often; nobody is woken where that is as before."""
        with self._lock:
            before, self._found = self._found, found
            was = self.ready, self._was_ready
            self._check_is_due = False
            healthy = found.health is not Health.UNHEALTHY
            self._failures = 0 if healthy else self._failures + 1
            running = self.phase is Phase.RUNNING
            failed = running and self._failures >= self.deployment.health.failure_threshold
            self.ready = running and healthy
            self._was_ready = self._was_ready or self.ready
            if running and not failed:
                self._arm(self.deployment.health.interval_ms, self._check)
        self._tell_health(before.health, found)
        if failed:
            self._exited(_failed(found, self._failures))
            return
        self._release()
        if has_begun or found != before or was != (self.ready, self._was_ready):
            self._on_change()

    @property
    def _about(self) -> About:
        return About(instance=self.id.instance)

    def _tell_health(self, before: Health, found: HealthFinding) -> None:
        now = found.health
        if now is before or (before is Health.UNKNOWN and now is Health.HEALTHY):
            return
        then = {
            Health.HEALTHY: "is healthy again",
            Health.DEGRADED: "says that it is degraded; it goes on",
            Health.UNHEALTHY: f"{_says(found)}; it is given no message until it is not",
        }
        said = then.get(now, f"says that it is {now.value}")
        self._environment.listener.announce(self.id.deployment, now.value, f"{self.id.instance} {said}", self._about)

    def _check(self) -> None:
        with self._lock:
            if self.phase is not Phase.RUNNING:
                return
            free = self._claim()
            self._check_is_due = not free
            if not free:  # it is at work, which its own deadline bounds
                self._arm(self.deployment.health.interval_ms, self._check)
        if free:
            self._submit(self._ask_health())

    async def _ask_health(self) -> None:
        guest = self._guest
        assert guest is not None
        self._requester.works_on(None, None)
        found = await asked(self._examine(guest, self.deployment.health.timeout_ms))
        if isinstance(found, Exited):
            self._exited(found.reason)
        else:
            self._judge(found)

    def _exited(self, reason: ExitReason, settle: Callable[[], None] | None = None) -> None:
        guest = self._left(reason)
        try:
            if settle is not None:
                settle()
        finally:  # freeing takes its time, for which nobody waits
            if guest is not None:
                guest.close()

    def _left(self, reason: ExitReason) -> Guest | None:
        """Note an exit and what follows from it; returns the guest it had, which the caller closes."""
        with self._lock:
            self._disarm()
            guest = self._without_guest()
            requester = self._requester  # it may start again before this is over
            self.ready = False
            self._failures = 0
            self._found = HealthFinding(Health.UNHEALTHY) if reason.kind is ExitKind.UNHEALTHY else _UNKNOWN
            self._last_exit = reason
            self._to(Event.EXITED)
            then = self._decide(reason) if self.phase is Phase.FAILED else "stopped"
            self._pauses()
            again = self._takes_up_again()
        self._environment.requests.end(requester)
        self._leave(f"failed ({reason})")
        self._environment.listener.exited(self.id, reason, then)
        if again:
            self._submit_start()
        self._on_change()
        return guest

    def _without_guest(self) -> Guest | None:
        guest, self._guest = self._guest, None
        if guest is not None:
            self._spent = _together(self._spent, guest.spent)
        return guest

    def _decide(self, reason: ExitReason) -> str:
        self._chance = self._environment.chance()
        return self._follow(
            InstanceFailure(self.id, self._environment.clock.monotonic_ms(), reason, Forget()), again=False
        )

    def _follow(self, failure: InstanceFailure, *, again: bool) -> str:
        """Do what the policies in force make of a failure, or make of it `again`; returns that in words."""
        alone = decide(
            failure.reason, self.deployment.restart, self._restarts_ms, failure.at_ms, self._chance, self._faults_ms
        )
        self._unanswered = replace(failure, alone=alone)
        decision = self._escalate(self._unanswered, again)
        if isinstance(decision, RestartAfter | StandBy) and self.phase is Phase.FAILED:
            self._to(Event.RETRY_LATER)
        match decision:
            case RestartAfter(delay):
                self._then = None
                elapsed = self._environment.clock.monotonic_ms() - failure.at_ms if again else 0
                left = max(0, delay - elapsed)
                self._arm(left, self._backoff_over)
                self._next_start_ms = self._environment.clock.wall_ms() + left
                return f"starts again in {left} ms"
            case StandBy(said):
                self._then = Event.RETRY_LATER
                return said
            case GiveUp(why):
                self._to(Event.GIVE_UP)
                return f"gave up: {why}"
            case Forget():
                self._to(Event.STOPPED)
                return "is not started again"

    def _backoff_over(self) -> None:
        with self._lock:
            if self.phase is not Phase.BACKING_OFF or self._stands_by:
                return
            self._start_after_failure()
        self._submit_start()

    def _start_after_failure(self) -> None:
        self._to(Event.BACKOFF_OVER)
        self._restart_count += 1
        self._count_failure()

    def _count_failure(self) -> None:
        """Have its latest failure count for what follows the next: its own back-off is over."""
        failure, self._unanswered = self._unanswered, None
        if failure is not None and isinstance(failure.alone, RestartAfter) and failure.alone.counts:
            self._restarts_ms = [*self._restarts_ms[-RESTARTS_KEPT:], failure.at_ms]
        elif failure is not None and failure.reason.kind is ExitKind.HOST_FAULT:
            self._faults_ms = [*self._faults_ms[-RESTARTS_KEPT:], failure.at_ms]

    def _begin_stop(self) -> bool:
        """Enter the stopping phase; True when the guest is free, so that this caller has to end it."""
        if self.phase in (Phase.STOPPED, Phase.STOPPING):
            return False
        self._disarm()
        self._to(Event.STOP)
        free = self._guest is not None and self._claim()
        self.ready = False
        self._limit_stop()
        return free

    def _limit_stop(self) -> None:
        # Bound to this guest: a call that is made late must not meet the next one.
        if self._guest is not None:
            self._arm(self.deployment.revision.limits.timeout_ms + STOP_GRACE_MS, self._guest.interrupt)

    def _finish_stop(self, free: bool) -> None:
        if free:
            self._submit(self._say_goodbye())
        self._on_change()

    async def _say_goodbye(self) -> None:
        with self._lock:
            guest = self._guest
            assert guest is not None
            self._limit_stop()
        problem = await asked(self._part(guest))
        guest.close()
        self._ended(problem)

    async def _part(self, guest: Guest) -> Exited | None:
        """Have it hear what became of its requests, and say goodbye; a stop's deadline is for all of that."""
        self._environment.requests.close(self._requester, f"instance {self.id.instance} is told to end")
        while self._requester.answers:
            exited = await self._give(guest, self._requester)
            if exited is not None:
                return exited
        self._requester.works_on(None, None)
        return await guest.shutdown()

    def _ended(self, problem: Exited | None) -> None:
        """Note that it has ended as it was asked to."""
        with self._lock:
            self._without_guest()
            requester = self._requester
            self._disarm()
            self._last_exit = problem.reason if problem else ExitReason(kind=ExitKind.NORMAL)
            self._to(Event.STOPPED)
            self._pauses()
            again = self._takes_up_again()
        self._environment.requests.end(requester)
        self._leave("was stopped")
        if problem is not None:
            self._environment.listener.exited(self.id, problem.reason, "was told to end")
        if again:
            self._submit_start()
        self._on_change()

    def _takes_up_again(self) -> bool:
        """Begin the start that was asked for with the stop, in the same step, so that nobody sees it as ended."""
        again = self._start_again and self.phase is Phase.STOPPED
        if again:
            self._begin_start()
        return again

    def _pauses(self) -> None:
        """Have what its group stopped wait for it, or give up with it, in the same step."""
        if self._then is not None and self.phase is Phase.STOPPED:
            self._to(self._then)

    def _begin_start(self) -> None:
        self._start_again, self._then, self._unanswered = False, None, None
        self._restarts_ms.clear()
        self._faults_ms.clear()
        self._to(Event.START)

    def _claim(self) -> bool:
        """Take the guest for something else than messages; False while a job is using it."""
        parked, self._parked = self._parked, False
        return parked or self._route.claim(self)

    def _arm(self, delay_ms: int, call: Callable[[], None]) -> None:
        self._disarm()
        self._due_ms = self._environment.clock.monotonic_ms() + delay_ms
        self._timer = self._environment.clock.call_later(delay_ms, call)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _says(found: HealthFinding) -> str:
    return f"is unhealthy: {found.why}" if found.why else "says that it is unhealthy"


def _failed(found: HealthFinding, times: int) -> ExitReason:
    """Say why an instance is ended that was found unhealthy too often."""
    often = f"{times} times in a row"
    detail = f"failed {often}, at last so: {found.why}" if found.why else f"health() failed {often}"
    return ExitReason(kind=ExitKind.UNHEALTHY, detail=detail)


def _together(one: Spent, other: Spent) -> Spent:
    return Spent(calls=one.calls + other.calls, fuel=one.fuel + other.fuel)
