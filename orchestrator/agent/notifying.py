"""A thread that looks at what changed of sources and deployments, and offers what is news to every receiver.

The deciding thread only notes names here, and waits for nothing. They are gathered for a moment, so that a deployment
that changes a hundred times is looked at once. Which state is news is decided in `notify/transitions.py`, how it is
sent in `receivers.py` and `senders.py`.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.agent.describe import describe
from orchestrator.agent.describe_sources import SourceSeen
from orchestrator.agent.receivers import Receiver
from orchestrator.agent.senders import SendFailed
from orchestrator.agent.trouble import Trouble
from orchestrator.concurrency.clock import Clock
from orchestrator.contract.documents import ReceiverView
from orchestrator.contract.problem import Problem
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedDeployment, Record
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.policy import Approval
from orchestrator.model.secret import Secret
from orchestrator.model.source import SourceNote, SourceRecord
from orchestrator.model.spec import Deployment
from orchestrator.notify.transitions import (
    CommitState,
    MemberState,
    Notice,
    RestingState,
    Transition,
    commit_notice,
    deployment_notice,
    member_of,
    real_errors,
    refused_notice,
    source_notice,
    standing_of,
    trial_notice,
    verdict_of,
)
from orchestrator.notify.words import clean
from orchestrator.observe.redaction import Redaction

LOG = logging.getLogger("agent")
GATHER_S = 0.25  # for which changes are gathered
LOOK_S = 60.0  # between two looks at everything, though nothing was noted
CLOSE_S = 2.0
COMMIT_DIGITS = (40, 64)


class PassView(NamedTuple):
    """The state of things between two passes of the controller; the mappings are replaced, never changed."""

    desired: Mapping[str, DesiredState]
    notes: Mapping[str, SourceNote]
    not_done: Mapping[str, tuple[ActionOutcome, ...]]
    sources: Mapping[str, SourceRecord]
    records: Mapping[DeploymentKey, Record]


class NewsFacts(NamedTuple):
    """The means of knowing: a look between two passes, one deployment as it is, approvals, and secrets to hide."""

    world: Callable[[], "Future[PassView]"]
    observed: Callable[[DeploymentKey], ObservedDeployment | None]
    approval: Callable[[Deployment, str], Approval | None]
    secrets: Callable[[], Iterable[Secret]]


NOTHING_KNOWN = NewsFacts(Future, lambda _: None, lambda *_: None, tuple)


class Notifying:
    """The receivers of an agent, and the thread that offers them news."""

    def __init__(self, receivers: Sequence[Receiver], known: NewsFacts, clock: Clock) -> None:
        self._receivers, self._known, self._clock = receivers, known, clock
        self._woken, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._touched: set[DeploymentKey | str] = set()
        self._members: dict[str, _Members] = {}  # by source
        self._commits: dict[str, Notice] = {}  # by source, of the commit that it is at
        self._refused: dict[str, str] = {}  # by source, the subject of the commit that was refused last
        self._thread = threading.Thread(target=self._go, name="airs-notify", daemon=True)

    def begin(self) -> None:
        """Look from now on, where there is anybody to tell."""
        if self._receivers:
            for receiver in self._receivers:
                receiver.begin()
            self._thread.start()

    def close(self) -> None:
        """Tell nobody anything any more; what was not told yet is told by the next agent."""
        self._closing.set()
        self._woken.set()
        for receiver in self._receivers:
            receiver.close()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        for receiver in self._receivers:
            receiver.join(CLOSE_S)

    def noticed(self, what: DeploymentKey | str) -> None:
        """Note a deployment, or a source by its name, that may be news; from any thread, any number of times."""
        if self._receivers:
            with self._lock:
                self._touched.add(what)
            if not self._woken.is_set():  # looked at after it was noted: the other thread clears it before it takes
                self._woken.set()

    def views(self) -> tuple[ReceiverView, ...]:
        """Describe the receivers."""
        return tuple(receiver.view() for receiver in self._receivers)

    def send_test(self, name: str) -> str:
        """Send something to a receiver now, by hand: an event, or to a forge the states of commits once more.

        Raises:
            Trouble: there is no such receiver, nothing to send, or it was not taken.
        """
        receiver = next((each for each in self._receivers if each.name == name), None)
        if receiver is None:
            known = ", ".join(each.name for each in self._receivers)
            hint = f"There are: {known}." if known else "`[[notifications]]` in airs.toml adds one."
            raise Trouble(404, Problem(summary=f"the agent tells no {name}", suggestion=hint))
        test = trial_notice(name, self._clock.wall_ms())
        notices = [*filter(receiver.concerns, self._commits.values())] if receiver.is_forge else [test]
        if not notices:
            hint = "It is told once one of its sources was read."
            raise Trouble(409, Problem(summary=f"there is no commit yet to tell {name} of", suggestion=hint))
        try:
            for notice in notices:
                receiver.send_now(notice)
        except SendFailed as failed:
            raise Trouble(502, Problem(summary=f"{name} was not told: {failed}")) from None
        told = ", ".join(f"{each.commit[:10]} of {each.source} is {each.word}" for each in notices if each.commit)
        return f"{name} was told{f' that {told}' if told else ' of a test'}"

    def _go(self) -> None:
        is_first, whole_ms = True, 0
        while not self._closing.is_set():
            self._woken.clear()
            touched = self._take()  # before the world is looked at, which then holds all that was noted
            world, now_ms = self._world(), self._clock.monotonic_ms()
            if world is None:
                return
            is_whole = is_first or now_ms - whole_ms >= LOOK_S * 1000
            whole_ms = now_ms if is_whole else whole_ms
            try:
                self._look(world, touched, is_whole=is_whole, is_first=is_first)
            except Exception:
                LOG.exception("what is news could not be found for a fault of airs itself")
            is_first = False
            self._woken.wait(LOOK_S)
            self._closing.wait(GATHER_S)

    def _take(self) -> set[DeploymentKey | str]:
        with self._lock:
            touched, self._touched = self._touched, set()
        return touched

    def _world(self) -> PassView | None:
        """Look between two passes; None once nobody waits for news any more."""
        asked = self._known.world()
        while not self._closing.is_set():
            try:
                return asked.result(1.0)
            except NotYet:
                continue
        return None

    def _look(
        self, world: PassView, touched: set[DeploymentKey | str], *, is_whole: bool, is_first: bool
    ) -> None:  # fmt: skip
        if is_whole:
            touched |= {*world.records, *world.desired, *world.sources}
        if is_first:
            self._suppose(world)
        sources = {each for each in touched if isinstance(each, str)}
        keys = {each for each in touched if isinstance(each, DeploymentKey)}
        sources |= {world.records[key].source for key in keys if key in world.records}
        redact = Redaction(self._known.secrets())
        for key in keys:
            self._offer(self._of_deployment(key, world), redact)
        for source in sorted(sources):
            self._offer(self._of_source(source, keys, world), redact)
        if is_whole and not is_first:
            self._forget_gone(world)

    def _offer(self, notices: Iterator[Notice], redact: Redaction) -> None:
        found = [_redacted(each, redact) for each in notices]
        for receiver in self._receivers:
            receiver.offer(found)

    def _suppose(self, world: PassView) -> None:
        """Let a receiver that is new know what has served for long: that is no news."""
        serving = [
            deployment_notice(key, RestingState(Transition.READY, stable.revision.id, "", ""), record.source, "", 0)
            for key, record in world.records.items()
            if (stable := record.stable) is not None
        ]
        for receiver in self._receivers:
            if not receiver.is_known:
                receiver.suppose(serving)

    def _of_deployment(self, key: DeploymentKey, world: PassView) -> Iterator[Notice]:
        seen = self._known.observed(key)
        if seen is None:
            return
        record = seen.record
        standing = standing_of(seen, _why(seen, world))
        if standing is not None:
            commit = record.attempted or record.applied or ""
            yield deployment_notice(key, standing, record.source, commit, self._clock.wall_ms())

    def _of_source(self, source: str, keys: set[DeploymentKey], world: PassView) -> Iterator[Notice]:
        note, record = world.notes.get(source), world.sources.get(source)
        yield from self._approvals(source, world)
        if note is None or record is None or not record.follow.is_watched or not (note.read_ms or note.status.failure):
            return
        yield source_notice(note.status, self._clock.wall_ms())
        refused = refused_notice(note.status, self._clock.wall_ms())
        if refused is not None:  # attempted; the one before is still in force
            self._refused[source] = refused.subject
            yield refused
        desired, revision = world.desired.get(source), note.status.revision or ""
        if desired is None or len(revision) not in COMMIT_DIGITS or desired.revision != revision:
            return
        yield from self._of_commit(source, revision, self._states(desired, keys, world), world)

    def _of_commit(
        self, source: str, commit: str, states: Mapping[DeploymentKey, MemberState], world: PassView
    ) -> Iterator[Notice]:
        errors, now_ms = real_errors(world.notes[source].status.diagnostics), self._clock.wall_ms()
        state, sentence = verdict_of(errors, states, world.not_done.get(source, ()))
        pending = {each for receiver in self._receivers for each in receiver.pending_commits(source)}
        before = self._commits.get(source)
        if before is not None and before.word == CommitState.PENDING.value:
            pending.add(before.commit)
        for old in sorted(pending - {commit}):
            told = f"{commit[:10]} came before it was in force"
            yield commit_notice(source, old, CommitState.SUPERSEDED, told, now_ms)
        self._commits[source] = commit_notice(source, commit, state, sentence, now_ms)
        yield self._commits[source]

    def _states(
        self, desired: DesiredState, keys: set[DeploymentKey], world: PassView
    ) -> Mapping[DeploymentKey, MemberState]:
        """Return the states of a source's deployments, those looked at anew that changed or are wanted otherwise."""
        known = self._members.get(desired.source)
        if known is None or known.desired is not desired:
            known = self._members[desired.source] = _Members(desired, known)
        for key in known.stale | (keys & known.wanted.keys()):
            seen = self._known.observed(key)
            known.states[key] = member_of(seen, known.wanted[key], _why(seen, world) if seen is not None else "")
        known.stale = set()
        return known.states

    def _approvals(self, source: str, world: PassView) -> Iterator[Notice]:
        desired = world.desired.get(source)
        blocked = {each.key for each in world.not_done.get(source, ()) if each.status is Status.BLOCKED}
        for deployment in desired.deployments if desired is not None and blocked else ():
            needed = self._known.approval(deployment, source) if deployment.key in blocked else None
            if needed is not None:
                yield _approval_notice(deployment, source, needed, self._clock.wall_ms())

    def _forget_gone(self, world: PassView) -> None:
        keys = {*world.records, *(each.key for one in world.desired.values() for each in one.deployments)}
        subjects = {f"{kind} {key}" for kind in ("deployment", "approval") for key in keys}
        subjects |= {f"source {name}" for name in world.sources}
        subjects |= {*(each.subject for each in self._commits.values()), *self._refused.values()}
        for receiver in self._receivers:
            receiver.keep_only(subjects)
        for source in (self._commits.keys() | self._refused.keys() | self._members.keys()) - world.sources.keys():
            self._commits.pop(source, None)
            self._refused.pop(source, None)
            self._members.pop(source, None)


class _Members:
    """The deployments of one wish: the revision that is wanted of each, their states, and those to be looked at."""

    def __init__(self, desired: DesiredState, before: "_Members | None") -> None:
        self.desired = desired
        self.wanted = {each.key: each.revision.id for each in desired.deployments}
        invalid = {key: MemberState(None) for key in desired.invalid}
        old_wanted, old = (before.wanted, before.states) if before is not None else ({}, {})
        self.stale = {key for key, revision in self.wanted.items() if old_wanted.get(key) != revision}
        kept = {key: state for key, state in old.items() if key in self.wanted}
        self.states: dict[DeploymentKey, MemberState] = {**kept, **invalid}


def _why(seen: ObservedDeployment, world: PassView) -> str:
    """Say why a deployment is as it is, as status does."""
    source = seen.record.source
    about = SourceSeen(source, world.sources.get(source), world.notes.get(source), world.desired.get(source))
    return "; ".join(describe(seen, about).conditions)


def _approval_notice(deployment: Deployment, source: str, needed: Approval, at_ms: int) -> Notice:
    asked = "; ".join(f"{each.capability} on {', '.join(each.patterns)}" for each in needed.capabilities)
    return Notice(
        subject=f"approval {deployment.key}", state=f"{Transition.APPROVAL_NEEDED.value} {needed.subject}",
        word=Transition.APPROVAL_NEEDED.value, sentence=clean(f"it waits for an approval of {asked}"), at_ms=at_ms,
        source=source, namespace=deployment.key.namespace, deployment=deployment.key.name,
        version=deployment.revision.version, revision=deployment.revision.id,
    )  # fmt: skip


def _redacted(notice: Notice, redact: Redaction) -> Notice:
    sentence = redact(notice.sentence)
    return notice if sentence == notice.sentence else replace(notice, sentence=sentence)
