"""One agent in a world of fakes, and everything that can happen to it; the promises are looked at after each step."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from random import Random
from typing import Any, TypeVar

from orchestrator.agent.operations import Operations
from orchestrator.agent.trouble import Trouble
from orchestrator.controller.loop import Controller
from orchestrator.controller.observer import Observer
from orchestrator.controller.outcomes import PlanOutcomes
from orchestrator.controller.watched import Watched, WatchedSources
from orchestrator.execute.actions import Actions
from orchestrator.execute.commands import (
    Abort,
    Commands,
    Delete,
    PauseRollout,
    Promote,
    Restart,
    Resume,
    Retry,
    Rollback,
)
from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.job_runs import JobRuns
from orchestrator.execute.ledger import Decisions, Ledger
from orchestrator.execute.settle import Settling
from orchestrator.messaging.asking import Requests
from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.messaging.requesters import Requester
from orchestrator.messaging.router import Router
from orchestrator.model.desired import Permissions
from orchestrator.model.event import NOTHING_MORE, About
from orchestrator.model.exits import ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Mail, Message, Outcome
from orchestrator.model.observed import Phase, Record
from orchestrator.model.spec import GroupStrategy
from orchestrator.model.who import By, Peer
from orchestrator.rollout.standing import refusals
from orchestrator.source.settled import SettledSource
from orchestrator.store.database import DamagedRow
from orchestrator.store.decisions import Change, DeleteRecord, PutDesired, PutRecord
from orchestrator.supervise.environment import Environment
from tests.simulation.guest import FakeGuest, FakeRuntime, Script
from tests.simulation.memory import Crash, CrashingDecisions, MemoryDecisions
from tests.simulation.source import SOURCE, FlippingSource, ReaderAtOnce, resolve
from tests.simulation.time import FakeClock, SeededWorkers

T = TypeVar("T")
SENDER = ComponentId("airs", "simulation")
ASKED_FROM = 1_000_000  # numbers of what guests ask each other
COMMANDS = {
    "restart": Restart,
    "delete": Delete,
    "promote": Promote,
    "abort": Abort,
    "retry": Retry,
    "pause": PauseRollout,
    "resume": Resume,
}
IN_HAND = (Phase.STARTING, Phase.BACKING_OFF, Phase.STOPPING)
NEST_MAX = 2  # what happens during a guest's call may itself be interrupted so often


SOMEBODY = By(peer=Peer(uid=1000, user="ada"))


class SteppedController(Controller):
    """The controller without its thread: a command is obeyed when it is given, between two passes as ever."""

    def submit(self, command: Callable[[], T]) -> "Future[T]":
        future = super().submit(command)
        self._inbox.obey()
        return future


class Sent:
    """A message and what became of it."""

    def __init__(self, number: int, key: DeploymentKey) -> None:
        self.number, self.key = number, key
        self.envelope: Envelope | None = None
        self.outcomes: list[Outcome] = []
        self.was_withdrawn = self.was_lost = False

    @property
    def is_settled(self) -> bool:
        return bool(self.outcomes) or self.was_withdrawn or self.was_lost


class AskedFor:
    """A request that a guest made, and what it heard of that."""

    def __init__(self, guest: FakeGuest, requester: Requester) -> None:
        self.guest, self.requester = guest, requester
        self.answers: list[str | None] = []  # by their content types
        self.was_cancelled = self.was_lost = False

    @property
    def is_over(self) -> bool:
        ended = self.guest.is_closed and not self.answers
        return bool(self.answers) or self.was_cancelled or self.was_lost or ended


class Listener:
    """Wakes the controller, and notes which deployments were disturbed by a crash of an instance, and by what."""

    def __init__(self, wake: Callable[[DeploymentKey], None], disturbed: set[DeploymentKey]) -> None:
        self._wake, self._disturbed = wake, disturbed
        self.exits: Counter[ComponentId] = Counter()
        self.with_group: Counter[DeploymentKey] = Counter()
        self.group_restarts: list[tuple[DeploymentKey, DeploymentKey]] = []  # whose, after whose failure

    def changed(self, key: DeploymentKey) -> None:
        self._wake(key)

    def announce(self, key: DeploymentKey, reason: str, message: str, _about: About = NOTHING_MORE, /) -> None:
        self._disturbed.add(key)
        if reason == "group-restart":
            self.with_group[key] += 1
            if " after " in message:
                self.group_restarts.append((key, DeploymentKey.parse(message.rpartition(" after ")[2])))

    def exited(self, instance: ComponentId, reason: ExitReason, then: str) -> None:
        self._disturbed.add(instance.deployment)
        self.exits[instance] += 1


class World:
    """Everything that outlives an agent, and the agent that runs now."""

    def __init__(self, seed: int, store: Decisions | None = None) -> None:
        self.random = Random(seed)
        self.clock = FakeClock()
        self.workers = SeededWorkers(self.random)
        self.runtime = FakeRuntime(self.meanwhile, self._heard, self._heard_answer)
        self.source = FlippingSource()
        self.damaged: set[DeploymentKey] = set()  # whose history cannot be read
        self.store: Decisions = CrashingDecisions(
            store or MemoryDecisions(), self._deciding, self._decided, self.damaged
        )
        self.trail: list[str] = []
        self.faults: list[str] = []  # of those that are not damaged
        self.sent: list[Sent] = []
        self.asked: dict[str, AskedFor] = {}
        self.started: Counter[int] = Counter()  # by message number, over all agents' lives
        self.deleted: set[DeploymentKey] = set()  # by an operator's word
        self.disturbed: set[DeploymentKey] = set()  # since its rollout began
        self.crash_in: int | None = None  # steps, before or after a decision, until the process ends
        self.used = 0
        self.strategy: GroupStrategy | None = None  # of the one group that its deployments may be in
        self.interruptions = 0.0  # the chance that something else happens during a guest's call
        self.interrupt_with: Callable[[], None] = self._step_of_another_thread
        self._nesting = 0
        self._due_ms = 0
        self._is_controlling = False
        self._is_awake = True
        self.start_agent()

    def start_agent(self) -> None:
        """Start an agent over what is stored; one that ran before is gone with all its memory."""
        self.workers.forget()
        self.clock.forget()
        self.runtime.forget()
        self._nesting = 0
        self._is_controlling = False
        for sent in self.sent:
            sent.was_lost = sent.was_lost or not sent.is_settled
        for asked in self.asked.values():
            asked.was_lost = asked.was_lost or not asked.is_over
        self.listener = Listener(self._changed, self.disturbed)
        self.source.begin_again()
        self.router = Router()
        self.requests = Requests(self.router, self.clock)
        start, chance = self.runtime.start, self.random.random
        environment = Environment(start, self.workers, self.clock, self.listener, chance, requests=self.requests)
        self.fleet = Fleet(environment, self.router)
        self.ledger = Ledger(self.store)
        self.failing = faults = Faults(self.clock, self._announced)
        actions = Actions(self.ledger, self.fleet, self.clock, self._announced, faults)
        runs = JobRuns(self.ledger, self.clock, self._announced)
        settling = Settling(self.ledger, self.fleet, self.clock, self._announced, faults, runs)
        settling.open_mailboxes()
        observer, outcomes = Observer(self.ledger, self.fleet, faults), PlanOutcomes(_announce, faults)
        self.sources = WatchedSources(lambda: resolve, _ignore, self.clock.wall_ms, _ignore, _ignore)
        self.controller = SteppedController(
            self.sources, self.ledger, actions, settling, observer, outcomes, self.clock.monotonic_ms
        )
        commands = Commands(self.ledger, self.fleet, self.clock, _announce, self.sources.wants, _is_kept, runs)
        self.operations = Operations(self.controller, commands, lambda _: True, _ignore)
        settled = SettledSource(
            lambda _: self.source.read(), _ignore
        )  # no time passes between two looks, the other half is saved
        watched = Watched(SOURCE, ReaderAtOnce(settled.read), _ignore, Permissions())
        self.sources.add(watched)
        self.disturbed.update(self.ledger.records)
        self._is_awake = True

    # What can happen.

    def control(self) -> None:
        """Let the controller go round once."""
        assert not self._is_controlling
        self._is_controlling, self._is_awake = True, False
        try:
            self._due_ms = self.clock.now_ms + self.controller.step()
        finally:
            self._is_controlling = False
        if self.source.is_written:
            self.look()

    def control_if_due(self) -> None:
        """Let the controller go round if it was woken or meant to look by now: it must not depend on more."""
        if not self._is_controlling and (self._is_awake or self.clock.now_ms >= self._due_ms):
            self.control()

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass; a timer that has begun to fire can no longer be cancelled, and fires a little later."""
        for due in self.clock.pass_time(milliseconds):
            if self.random.random() < 0.2 and not due.is_cancelled:
                due.has_begun = True
                self.workers.submit_call(due.fire)
            else:
                due.fire()

    def send(self, key: DeploymentKey, conversation: str | None = None, word: str = "echo") -> Sent:
        """Send a message; its number travels with it."""
        sent = Sent(len(self.sent), key)
        self.sent.append(sent)
        payload = f"{word} {sent.number}".encode()
        message = Message(sender=SENDER, payload=payload, timestamp_ns=0, correlation_id=conversation)
        envelope = Envelope(message, sent.outcomes.append, conversation)
        refused = self.router.deliver(key, envelope)
        if refused is not None:
            sent.outcomes.append(refused)
        sent.envelope = envelope
        return sent

    def post(self, key: DeploymentKey, count: int, conversation: str | None = None) -> None:
        """Send messages together that want no answer."""
        numbers = range(len(self.sent), len(self.sent) + count)
        parcel = [Sent(number, key) for number in numbers]
        self.sent += parcel

        def told(first: int, outcomes: Sequence[Outcome]) -> None:
            for sent, outcome in zip(parcel[first : first + len(outcomes)], outcomes, strict=True):
                sent.outcomes.append(outcome)

        mail = Mail(SENDER, [f"echo {number}".encode() for number in numbers], 0, conversation)
        queued, refused = self.router.send_many(key, mail, lambda _key: True, told)
        for sent in parcel[queued:]:
            assert refused is not None
            sent.outcomes.append(refused)

    def withdraw(self, sent: Sent) -> None:
        """Take a message back, if it can be."""
        route = self.router.find(sent.key)
        if route is not None and sent.envelope is not None and not sent.is_settled and route.withdraw(sent.envelope):
            sent.was_withdrawn = True

    def change(self, files: dict[DeploymentKey, Any]) -> None:
        """Save manifests; sometimes the next look falls between two of the files."""
        if self.random.random() < 0.3:
            self.source.half = {**self.source.files, **dict(list(files.items())[: len(files) // 2])}
            if self.random.random() < 0.5:
                self.source.half = dict(list(files.items())[: len(files) // 2])
        self.source.files = files
        self.look()

    def look(self) -> None:
        """Wake the sources, as a file event does."""
        self.sources.wake()
        self._wake()

    def command(self, verb: str, key: DeploymentKey) -> None:
        """Say something to a deployment; a refusal is an answer."""
        to = self.random.randint(1, 4) if verb == "rollback-to" else None
        command = Rollback(key, to) if verb.startswith("rollback") else COMMANDS[verb](key)
        try:
            self.operations.obey(command, SOMEBODY)
        except DamagedRow:
            self.note(f"{verb} {key}: its history cannot be read")
            return
        except Trouble as refusal:
            self.note(f"{verb} {key}: {refusal.problem.summary}")
            return
        self.note(f"{verb} {key}: done")
        if verb in ("restart", "delete"):
            self.disturbed.add(key)
        if verb == "delete":
            self.deleted.add(key)

    def crash_instance(self) -> None:
        """Have one guest trap at its next call."""
        if self.runtime.open:
            guest = self.random.choice(self.runtime.open)
            guest.trap_next = True
            self.disturbed.add(guest.id.deployment)

    def script(self, artifact: str, script: Script) -> None:
        """Say how an artifact's instances behave."""
        self.runtime.scripts[artifact] = script

    def meanwhile(self) -> None:
        """During a guest's call other threads go on."""
        while self._nesting < NEST_MAX and self.random.random() < self.interruptions:
            self._nesting += 1
            try:
                self.interrupt_with()
            finally:
                self._nesting -= 1

    def _step_of_another_thread(self) -> None:
        self.random.choice((self.workers.run_one, self.workers.run_one, self.control_if_due))()

    def survive(self, step: Callable[[], object]) -> None:
        """Take a step; if the process ends in it, start another agent."""
        try:
            step()
        except Crash:
            self.crash_in = None
            self.note("agent crashed in the middle of that")
            self.start_agent()

    def run_until_quiet(self, rounds: int = 300, stride_ms: int = 1_000) -> None:
        """Let time pass until nothing is left to do but waiting for health checks."""
        quiet = 0
        for _ in range(rounds):
            before = self.standing()
            self.workers.run_all()
            self.control_if_due()
            self.workers.run_all()
            moved = self.standing() != before or self.workers.jobs or self.is_under_way() or not self.failing.is_clear
            quiet = 0 if moved else quiet + 1
            if (
                quiet > 22
            ):  # longer than any deadline, shorter than the loop's idle look, which would hide a lost wake-up
                return
            self.pass_time(stride_ms)
        raise AssertionError(f"never came to rest: {self.describe()}")

    def standing(self) -> list[object]:
        """Return how far every deployment has got; a paused rollout that checks again has got no further."""
        return [
            (record.wanted, record.stable, record.deleted, r and (r.target, r.phase, r.weight, r.step))
            for record in self.ledger.records.values()
            for r in (record.rollout,)
        ]

    def is_under_way(self) -> bool:
        """Whether an instance is starting, stopping or backing off."""
        return any(i.phase in IN_HAND for service in self.fleet.services.values() for i in service.observe())

    def note(self, what: str) -> None:
        self.trail.append(f"{self.clock.now_ms:>7} {what}")

    def describe(self) -> str:
        """Say what is, for a failure's message."""
        lines = []
        for key, record in self.ledger.records.items():
            service = self.fleet.services.get(key)
            lines.append(f"{key}: {_recorded(record)}")
            lines += [f"    {i.name} {i.phase.value} ready={i.ready}" for i in (service.observe() if service else ())]
        return "\n".join(lines)

    def cancel(self, id: str) -> None:
        """Have a guest wait no longer for an answer, if it still does."""
        asked = self.asked[id]
        if self.requests.cancel(asked.requester, id):
            asked.was_cancelled = True

    def _ask(self, guest: FakeGuest) -> None:
        """Have a guest ask another deployment, or its own, in the middle of a call."""
        requester = self.requests.of(guest.id)
        target = self.random.choice([*self.fleet.services])
        payload = f"echo {ASKED_FROM + len(self.asked)}".encode()
        timeout_ms = self.random.choice((1, 500, 10_000))
        id = self.requests.ask(requester, ComponentId(target.namespace, target.name), payload, timeout_ms)
        if isinstance(id, str):
            self.asked[id] = AskedFor(guest, requester)

    def _heard_answer(self, guest: FakeGuest, message: Message) -> None:
        asked = self.asked[message.correlation_id or ""]
        assert asked.guest is guest, f"{guest.id} was given what another asked for"
        asked.answers.append(message.content_type)

    def _heard(self, guest: FakeGuest, message: Message) -> None:
        number = int(message.payload.split()[1])
        if message.payload.startswith(b"ask"):
            for _ in range(self.random.randint(1, 3)):
                self._ask(guest)
        self.started[number] += 1
        assert self.started[number] == 1, f"message {number} was started twice"
        assert guest.was_healthy, f"message {number} went to {guest.id}, which never said that it is healthy"
        if guest.revision.stateful:
            others = [g for g in self.runtime.open if g.message is not None and g.id.deployment == guest.id.deployment]
            assert others == [guest], f"two instances of {guest.id.deployment}, which is stateful, are at work"

    def _announced(self, key: DeploymentKey | None, reason: str, message: str, _about: About = NOTHING_MORE, /) -> None:
        if reason == "failed" and key not in self.damaged and message.startswith("cannot "):
            self.faults.append(f"{key}: {message}")

    def _wake(self) -> None:
        self._is_awake = True

    def _changed(self, key: DeploymentKey) -> None:
        self.controller.look_at(key)
        self._wake()

    def _deciding(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, PutRecord):
                self._look_whether_it_may_begin(change.record)
            if isinstance(change, DeleteRecord):
                seen_to_go = change.key in self.source.dropped or change.key in self.deleted
                assert seen_to_go, f"{change.key} is deleted, though no source that was known said so"
                self.deleted.discard(change.key)
        self._maybe_crash()

    def _look_whether_it_may_begin(self, record: Record) -> None:
        """See that no source sends out again what is held, and nobody without saying so."""
        before, rollout = self.ledger.records.get(record.key), record.rollout
        number = before.rollout.number if before is not None and before.rollout is not None else 0
        if rollout is None or rollout.number == number:
            return
        refused = refusals(record, rollout.target.revision.id)
        assert not refused, f"{record.key}: {rollout.cause.value} begins what is held: {refused}"

    def _decided(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, PutDesired) and change.desired.source == SOURCE:
                self.source.dropped -= {d.key for d in change.desired.deployments} | {*change.desired.invalid}
        self._maybe_crash()

    def _maybe_crash(self) -> None:
        if self.crash_in is None:
            return
        self.crash_in -= 1
        if self.crash_in < 0:
            raise Crash


def _recorded(record: Record) -> str:
    stable = record.stable.revision.version if record.stable else None
    rollout = record.rollout
    towards = f"{rollout.phase.value} {rollout.stable} → {rollout.target.revision.version}" if rollout else "no rollout"
    return f"wanted {record.wanted.revision.version}, stable {stable}, {towards}"


def _announce(key: DeploymentKey | None, reason: str, message: str, about: About = NOTHING_MORE, /) -> None:
    return


def _ignore(_: object) -> None:
    return


def _is_kept(_artifact: str) -> bool:
    return True
