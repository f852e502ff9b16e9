"""An instance as the route sees it: somebody who takes messages, batches and calls, one at a time, while it is idle.

The ordinary turn is the hot path, and does without the table of `life.py`: while `serves` is true, which is while that
says `IDLE`, the route hands the guest over (`MESSAGE`) and takes it back (`DONE`) under its own lock, and the instance
is told of neither. All other consequences of a turn are the instance's, in `turn_over` and `exited`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from orchestrator.concurrency.work import Work
from orchestrator.messaging.mailbox.batch import Batch
from orchestrator.messaging.mailbox.envelope import Call, Envelope
from orchestrator.messaging.mailbox.route import Route
from orchestrator.model.exits import ExitReason
from orchestrator.model.hop import HopKind
from orchestrator.model.message import Exited, Handled, Mail, Message, Outcome
from orchestrator.model.spec import Deployment
from orchestrator.supervise.boundary import cancellable, host_fault
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.guest_side import GuestSide
from orchestrator.supervise.sessions import IdleSessions


class TurnOwner(Protocol):
    """The instance, as far as a turn concerns it."""

    def turn_over(self, *, was_offered: bool) -> None:
        """Do what is next after a turn that is not followed by the next message."""

    def exited(self, reason: ExitReason, settle: Callable[[], None] | None = None) -> None:
        """Note that the turn ended the guest; `settle` tells the sender, once that is noted."""


class MailboxSide:
    """The taker of the route's messages for one instance. The instance's lock is held where `serves` is set."""

    __slots__ = (
        "_environment", "_guest_side", "_owner", "_route", "_sessions", "lane", "name", "priority", "serves",
    )  # fmt: skip

    def __init__(
        self, name: str, deployment: Deployment, route: Route, environment: Environment, guest_side: GuestSide,
        owner: TurnOwner,
    ) -> None:  # fmt: skip
        self.name, self.lane, self.priority = name, deployment.revision.id, deployment.priority
        self.serves = False  # nothing but messages is to be done
        self._route, self._environment, self._guest_side, self._owner = route, environment, guest_side, owner
        self._sessions: IdleSessions | None = None  # until it has one: most instances never do

    def take(self, work: Envelope | Batch) -> None:
        """Work on one message or call, or on a batch of messages."""
        turn = self._run_batch(work) if isinstance(work, Batch) else self._run(work)
        self._environment.workers.submit(turn, self.priority)

    def offer(self) -> None:
        """Let the route give it messages."""
        self._route.idle(self)

    def claim(self) -> bool:
        """Take the guest for something else than messages; False while one has it."""
        return self._route.claim(self)

    def leave(self, why: str) -> None:
        """Take nothing any more; senders who wait for this very instance are told why."""
        if self._sessions is not None:
            self._sessions.clear()
        self._route.leave(self, why)

    async def _run(self, envelope: Envelope) -> None:
        side = self._guest_side
        try:
            outcome = await self._begun(envelope)
        except Exception as problem:  # noqa: BLE001 — the actor's boundary: a failure inside ends it alone
            outcome = host_fault(problem)
        requester = side.requester
        if requester.trace and isinstance(envelope.work, Message):
            self._environment.requests.recorder.handled(requester, envelope.work, HopKind.REQUEST, outcome)
        if type(outcome) is Exited:
            self._route.finished(self, outcome)
            self._owner.exited(outcome.reason, lambda: envelope.settle(outcome))
            return
        if envelope.session is not None:
            self._idle_sessions().worked(envelope.session, envelope.work, side.guest)
        goes_on = self.serves and not requester.answers
        self._route.finished(self, outcome, is_idle=goes_on)
        try:
            envelope.settle(outcome)
        finally:  # a sender that hears of it may fail; the instance goes on
            if not goes_on or not self.serves or requester.answers:
                self._owner.turn_over(was_offered=goes_on)

    async def _run_batch(self, batch: Batch) -> None:
        side = self._guest_side
        assert side.guest is not None
        requester, mail = side.requester, batch.mail
        traces = {part.conversation for part in mail}
        trace = traces.pop() if len(traces) == 1 else ""
        requester.works_on(mail[0].correlation_id, trace, self._route.key_of(mail[0].to))
        try:
            handled = await side.guest.handle_many(mail)
        except Exception as problem:  # noqa: BLE001 — as above; how far it came is not known, so that none is tried again
            exited = host_fault(problem)
            handled = Handled([exited] * len(batch), exited)
        if requester.trace or traces:
            self._record(mail, handled.outcomes)
        if handled.exited is not None:
            self._route.finished_batch(self, batch, handled)
            self._owner.exited(handled.exited.reason, lambda: batch.settle(handled.outcomes))
            return
        goes_on = self.serves and not requester.answers
        self._route.finished_batch(self, batch, handled, is_idle=goes_on)
        try:
            batch.settle(handled.outcomes)
        finally:
            if not goes_on or not self.serves or requester.answers:
                self._owner.turn_over(was_offered=goes_on)

    def _begun(self, envelope: Envelope) -> Work[Outcome]:
        guest, work, requester = self._guest_side.guest, envelope.work, self._guest_side.requester
        assert guest is not None
        requester.conversation = envelope.conversation
        requester.key = self._route.key_of(envelope.to)
        if isinstance(work, Message):
            requester.trace = work.conversation
            return guest.handle(work)
        requester.trace = None
        if isinstance(work, Call):
            return cancellable(guest, envelope, guest.call(work.function, work.arguments, work.session))
        return cancellable(guest, envelope, self._idle_sessions().release(guest, work))

    def _idle_sessions(self) -> IdleSessions:
        found = self._sessions
        if found is None:  # its work, which is one thing at a time, alone makes them
            found = self._sessions = IdleSessions(self._route, self._environment.clock)
        return found

    def _record(self, mail: Sequence[Mail], outcomes: Sequence[Outcome]) -> None:
        """Record a batch: as one where all of it is of one conversation, else what is of any."""
        recorder, requester = self._environment.requests.recorder, self._guest_side.requester
        if requester.trace:
            recorder.handled_many(requester, requester.trace, mail[0], outcomes)
            return
        at = 0
        for part in mail:
            if part.conversation:
                recorder.handled_many(requester, part.conversation, part, outcomes[at : at + len(part.payloads)])
            at += len(part.payloads)
