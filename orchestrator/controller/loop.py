"""The controller reads a snapshot, resolves it, plans, executes, and observes again.

Level-triggered: an event only wakes it, and it looks at everything anew. One thread runs it; that thread is the
only writer of the ledger and the only one that changes the fleet. Commands from outside run between two passes.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from typing import Protocol, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.controller.inbox import Inbox
from orchestrator.controller.observer import Observer
from orchestrator.controller.outcomes import PlanOutcomes
from orchestrator.controller.planned import PlannedSource, to_plan
from orchestrator.controller.queue import WorkQueue
from orchestrator.controller.siblings import SourceSiblings
from orchestrator.controller.watched import WatchedSources
from orchestrator.execute.actions import Actions
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.settle import Settling
from orchestrator.model.desired import DesiredState, Permissions, either
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, ObservedState
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.document import Plan
from orchestrator.plan.findings.concern import is_blocked_by_others
from orchestrator.plan.findings.known import NOTHING_KNOWN
from orchestrator.plan.make import compare, compare_some
from orchestrator.plan.ruled import UNJUDGED, Judging, standing_in
from orchestrator.policy.limits import has_limits
from orchestrator.store.database import DatabaseFault
from orchestrator.store.decisions import PutDesired, PutSource

T = TypeVar("T")


class SecretFilling(Protocol):
    """Puts the fingerprints of secrets, as they are now, into what sources want."""

    def filled(self, desired: DesiredState, /) -> DesiredState:
        """Return what a source wants with them."""

    def refilled(self, recorded: DesiredState, /) -> DesiredState:
        """Return a recorded wish with them; the very same where it has them."""


class _NoSecrets:
    def filled(self, desired: DesiredState) -> DesiredState:
        return desired

    refilled = filled


ENDING = (ActionKind.REMOVE, ActionKind.RENAME)
IDLE_LOOK_MS = 30_000  # how long nothing may wake the loop before it looks on its own
FAULT_LOOK_MS = 2_000  # how soon to try again when the machine would not let us
UNDER_WAY = (Status.WAITING, Status.FAILED, Status.IN_HAND)
ROOM_LOOK_MS = 2_000  # how soon to look again at what a limit keeps from running
LATER_MS = 100  # how soon to look again at what waits for others, besides when it changes
AGAIN_MS = 10  # how soon to look again after a pass that decided something: others that waited for it may go on


class Controller:
    """The loop and what it goes round with.

    Larger than most, as it is the one place at which other threads ask the deciding one for something.
    """

    def __init__(
        self, sources: WatchedSources, ledger: Ledger, actions: Actions, settling: Settling, observer: Observer,
        outcomes: PlanOutcomes, now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self.sources, self.ledger, self.outcomes = sources, ledger, outcomes
        self._actions, self._settling, self._observer = actions, settling, observer
        self._planned: dict[str, PlannedSource] = {}
        self._queue = WorkQueue(now_ms)
        self._queue.add(ledger.records)
        self._inbox = Inbox()
        self._leaving: set[DeploymentKey] = set()  # those being removed
        self.siblings = SourceSiblings(ledger, sources)
        actions.unread = self.siblings.unread
        self.secrets: SecretFilling = _NoSecrets()
        self.judging: Callable[[], Judging] = lambda: UNJUDGED  # by policies, where there are any
        self.known = NOTHING_KNOWN  # beyond the two states: worlds, senders
        self.refused: Callable[[Plan], None] = _nothing  # told of each plan that was carried out
        self.settled: Callable[[Collection[DeploymentKey]], None] = _nothing  # told of what was looked at
        self._granted: dict[str, Permissions] = {}  # by source: those of an apply, until it is carried out

    def step(self) -> int:
        """Go round once, for what wants a look; returns how many ms later to look again if nothing wakes the loop."""
        before = self.ledger.serial
        self.sources.read()
        keys = self._queue.take(self._everything) | self.ledger.take_changed()
        left = self._leaving
        try:
            self._go_round(keys, left)
        except BaseException:
            self._queue.add(keys | left)  # nothing of what happened to them may be lost with this pass
            raise
        wait_ms = min(IDLE_LOOK_MS, self._queue.wait_ms())
        return wait_ms if self.ledger.serial == before else min(wait_ms, AGAIN_MS)

    def _everything(self) -> set[DeploymentKey]:
        """Return the recorded deployments, and those wanted without a record yet."""
        return {*self.ledger.records, *(key for planned in self._planned.values() for key in planned.wanted)}

    def _go_round(self, keys: set[DeploymentKey], left: set[DeploymentKey]) -> None:
        self._leaving = set(self.ledger.deleted)
        for recorded, permissions in self.resolve():
            keys |= self._plan(recorded, permissions, keys)
        decided = self.ledger.take_changed()
        self._queue.add(decided)  # each plan was made before, and the next may differ: of another source, too
        self.settle(keys | decided | (left - self._leaving))
        self._queue.add(self.ledger.take_changed())
        self.sources.carried_out()

    def _plan(
        self, recorded: DesiredState, permissions: Permissions, keys: Collection[DeploymentKey]
    ) -> set[DeploymentKey]:
        """Plan and execute what differs of one source: of what changed in it, and of those of `keys` that it wants.

        Returns the deployments that something is done about.
        """
        desired = replace(recorded, permissions=permissions)
        before, names = self._planned.get(desired.source), self.ledger.names
        now = (before.after if before is not None else PlannedSource)(recorded, permissions, names)
        if before is not None and before.siblings is not None:
            now.siblings = self.siblings.of(recorded)
        judging = self.judging()
        some = None if before is None else to_plan(before, now, keys, self.ledger.records)
        if some is None:
            plan = compare(desired, self.observe(), judging, self.known)
            now.has_removals = _removes(plan)
        else:
            records = self.ledger.records
            seen = (records[key] for key in some if key in records and not records[key].deleted)
            staying = records.keys() - self.ledger.deleted if some & now.depending else ()  # which takes a look at each
            is_needed = has_limits(judging.rules) or any(now.wanted[key].requires for key in some)
            standing = standing_in(records.values()) if is_needed else {}
            wanted = (now.wanted[key] for key in some)
            plan = compare_some(desired, wanted, self._observer.some(seen), staying, judging, standing, self.known)
        if some is None or now.siblings is None:
            now.siblings = self.siblings.at_stake(plan, recorded, is_whole=some is None)
        now.entangled = _entangled(plan) if before is None or some is None or some else before.entangled
        self.outcomes.tell_commit(plan)
        outcomes = self.execute(plan, some) if some is None or some else ()
        self._planned[desired.source] = now
        return {outcome.key for outcome in outcomes}

    def resolve(self) -> Iterator[tuple[DesiredState, Permissions]]:
        """Return each source's wish, as it is now or was when it was last known, and its permissions."""
        for desired in self.sources.resolved(self.ledger.records, self.ledger.names):
            self._record_wanted(self.secrets.filled(desired))
        self.sources.tell()
        for source, recorded in sorted(self.ledger.desired.items()):
            filled = self.secrets.refilled(recorded)
            if filled is not recorded:
                self.ledger.decide([PutDesired(desired=filled)])
            granted = self._granted.get(source, Permissions())
            yield self.ledger.desired[source], either(granted, self.sources.permissions(source))

    def want(self, desired: DesiredState) -> None:
        """Record a source's wish; its operator's extra permissions hold until it is carried out."""
        self._granted[desired.source] = desired.permissions
        self._record_wanted(desired)

    def _record_wanted(self, desired: DesiredState) -> None:
        recorded = replace(desired, permissions=Permissions())
        before = self.ledger.desired.get(desired.source)
        if recorded != before:
            self.ledger.decide([PutDesired(desired=recorded)])
            wrong_before = before.invalid if before is not None else ()
            self._queue.add({*wrong_before} ^ {*recorded.invalid})  # which changes how they are, if nothing else

    def observe(self) -> ObservedState:
        """Return what is."""
        return self._observer.staying()

    def observe_each(self) -> Iterator[ObservedDeployment]:
        """Yield what is, what is being deleted included; for showing, from any thread."""
        return self._observer.each()

    def observe_one(self, key: DeploymentKey) -> ObservedDeployment | None:
        """Return the state of one deployment, None where there is none; for showing, from any thread."""
        return self._observer.one(key)

    def execute(self, plan: Plan, only: Collection[DeploymentKey] | None = None) -> tuple[ActionOutcome, ...]:
        """Carry a plan out as far as it goes in one pass; one for `only` some says nothing of the rest."""
        outcomes = self._actions.execute(plan, is_whole=only is None)
        self.outcomes.tell(plan, outcomes, only)
        self.refused(plan)
        for outcome in outcomes:
            if outcome.status in UNDER_WAY:
                self._queue.add_in(outcome.key, LATER_MS)
        waiting = {*_refused(plan)} if has_limits(self.judging().rules) else set()  # others may make room,
        for key in waiting | _entangled(plan):  # or change what they use, of which nothing else tells
            self._queue.add_in(key, ROOM_LOOK_MS)
        pairs = zip(plan.actions, outcomes, strict=True)
        self._leaving |= {_ending(a) for a, o in pairs if a.kind in ENDING and o.status is not Status.WAITING}
        if not _removes(plan):
            self._granted.pop(plan.source, None)  # meant for that apply, not for every later pass
        self._use_up_adoption(plan.source)
        return outcomes

    def _use_up_adoption(self, source: str) -> None:
        """Let a watched source adopt others' deployments only once: two would take them from each other for ever."""
        allowed, record = self.sources.permissions(source), self.ledger.sources.get(source)
        if not allowed.adopt or not self.sources.has_read(source):
            return
        left = replace(allowed, adopt=False)
        if record is not None:
            self.ledger.decide([PutSource(source=replace(record, permissions=left))])
        self.sources.allow(source, left)

    def plan_anew(self) -> None:
        """Plan every source anew in the next pass, as other policies are in force. On the controller's thread."""
        self._planned.clear()
        self._queue.add(self.ledger.records)

    def forget(self, source: str) -> None:
        """Keep nothing of a source that was removed."""
        self._granted.pop(source, None)
        self._planned.pop(source, None)
        self.siblings.forget(source)
        self.outcomes.forget(source)

    def settle(self, keys: Collection[DeploymentKey]) -> None:
        """Bring instances and traffic of these to what is recorded, and finish deletions."""
        self._actions.finish_deletions()
        for key in self.ledger.deleted:
            self._queue.add_in(key, LATER_MS)
        for key, wait_ms in self._settling.settle(keys, self._leaving).items():
            self._queue.add_in(key, wait_ms)
        self.settled(keys)

    def run(self, stop: threading.Event) -> None:
        """Go round until `stop` is set."""
        while not stop.is_set():
            self._inbox.obey()
            self._inbox.sleep(self._step_or_wait())
        self._inbox.obey()

    def _step_or_wait(self) -> int:
        try:
            return self.step()
        except (DatabaseFault, OSError) as fault:  # a full disk, say: instances run on, and the next pass tries again
            self.outcomes.tell_fault(fault)
            return FAULT_LOOK_MS

    def look_at(self, key: DeploymentKey) -> None:
        """Make the loop look at a deployment; may be called from any thread, any number of times."""
        self._queue.add([key])
        self.wake()

    def wake(self) -> None:
        """Make the loop look again; may be called from any thread, any number of times."""
        self._inbox.wake()

    def submit(self, command: Callable[[], T]) -> "Future[T]":
        """Run `command` on the loop's thread between two passes."""
        return self._inbox.submit(command)


def _nothing(_told: object) -> None:
    return


def _ending(action: Action) -> DeploymentKey:
    """Return the deployment whose instances an action ends."""
    return action.key if action.formerly is UNSET else action.formerly


def _refused(plan: Plan) -> Iterator[DeploymentKey]:
    return (action.key for action in plan.actions if Reason.POLICY_REFUSED in action.reasons)


def _entangled(plan: Plan) -> frozenset[DeploymentKey]:
    return frozenset(action.key for action in plan.actions if is_blocked_by_others(action))


def _removes(plan: Plan) -> bool:
    return any(action.kind in ENDING for action in plan.actions)
