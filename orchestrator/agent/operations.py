"""What can be asked of a running agent. Decisions run on the controller's thread; messages go to the router."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from msgspec.structs import replace

from orchestrator.agent.jobs import Watcher
from orchestrator.agent.problem import TIMED_OUT, Problem, Trouble
from orchestrator.controller.loop import Controller
from orchestrator.delivery.letters import DeadLetters
from orchestrator.execute.actions import Actions, without
from orchestrator.execute.history import RUNNING, SUPERSEDED
from orchestrator.execute.outcome import ActionOutcome
from orchestrator.messaging.envelope import Call, Envelope, LetGo, Work
from orchestrator.messaging.route import Route
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.letter import Resent
from orchestrator.model.message import Mail, Message, Outcome, Undelivered
from orchestrator.model.observed import Hold, Number, ObservedSession, Record
from orchestrator.model.rollout import RolloutPhase
from orchestrator.plan.differences import spec_digest
from orchestrator.plan.document import Plan
from orchestrator.plan.make import make_plan
from orchestrator.plan.saved import PlanRefused, check_fresh
from orchestrator.rollout.commands import Command, Refusal, command
from orchestrator.rollout.suspended import is_suspended
from orchestrator.store.decisions import PutDesired, PutRecord
from orchestrator.supervise.job import RUNS_MAX, Run
from orchestrator.supervise.ports import Clock

T = TypeVar("T")
CALLER = ComponentId("airs", "client")  # who a message from the command line comes from


class Operations:
    """The verbs of the API. Methods block; they are called from the API's worker threads."""

    def __init__(
        self, controller: Controller, actions: Actions, clock: Clock, has_artifact: Callable[[str], bool],
        letters: DeadLetters,
    ) -> None:  # fmt: skip
        self._controller, self._actions, self._clock = controller, actions, clock
        self._has_artifact = has_artifact
        self.letters = letters

    def apply(self, plan: Plan, *, fresh: bool) -> tuple[ActionOutcome, ...]:
        """Make what the plan leads to the wanted state, and begin carrying it out.

        With `fresh`, a plan made from another observation is refused; without, one that would come to other actions
        now. The latter is for a plan made a moment ago: a rollout that moves on does not change what was shown.

        Raises:
            Trouble: the plan is stale, or an artifact that it names is not in the store.
        """
        missing = [d for d in plan.desired.deployments if not self._has_artifact(d.revision.artifact)]
        if missing:
            names = ", ".join(str(d.key) for d in missing)
            raise Trouble(409, Problem(
                summary="the plan names artifacts that are not in the store", detail=f"for {names}",
                suggestion="Make the plan again with --out on this machine.",
            ))  # fmt: skip
        return self._command(lambda: self._apply(plan, fresh))

    def _apply(self, plan: Plan, fresh: bool) -> tuple[ActionOutcome, ...]:
        observed = self._controller.observe()
        now = make_plan(plan.desired, observed)
        if fresh or now.actions != plan.actions:
            try:
                check_fresh(plan, observed)
            except PlanRefused as refused:
                problem = Problem(summary=refused.summary, detail=refused.detail, suggestion=refused.suggestion)
                raise Trouble(409, problem) from None
        self._controller.want(plan.desired)
        return self._controller.execute(now)

    def rollback(self, key: DeploymentKey, to: int | None) -> str:
        """Begin the way back to an earlier revision, and hold what the source wants; returns what was begun.

        Raises:
            Trouble: there is no such revision, or it already serves.
        """
        return self._command(lambda: self._rollback(key, to))

    def _rollback(self, key: DeploymentKey, to: int | None) -> str:
        record = self._record(key)
        history = self._controller.ledger.history(key)
        if to is None and _in_progress(record):
            return self._rollout_command(key, Command.ABORT)
        number = _rollback_target(record, history, to)
        if record.stable is not None and number.revision.id == record.stable.revision.id:
            if _in_progress(record):  # what serves is where an abort leads; a rollout from it to itself would never end
                return self._rollout_command(key, Command.ABORT)
            return f"{key} already runs {number.revision.version}; nothing to do"
        reason = f"rolled back to revision {number.number} ({number.revision.version}) on request"
        if record.wanted.revision.id != number.revision.id:
            held = Hold(
                revision=record.wanted.revision.id,
                spec_digest=spec_digest(record.wanted),
                reason=reason,
                at_ms=self._clock.wall_ms(),
            )
            record = replace(record, held=held)
        like = record.stable or record.wanted
        self._actions.begin_rollback(record, replace(like, revision=number.revision), reason)
        return f"{key}: {reason}"

    def rollout(self, key: DeploymentKey, verb: str) -> str:
        """Promote, abort or retry; returns what was done.

        Raises:
            Trouble: the phase does not allow it; the reason says why.
        """
        if verb == "retry":
            return self._command(lambda: self._retry(key))
        return self._command(lambda: self._rollout_command(key, Command(verb)))

    def _retry(self, key: DeploymentKey) -> str:
        record = self._record(key)
        if _in_progress(record):
            raise _refused(f"{key} has a rollout in progress", "Wait for it, or `airs rollout abort` it first.")
        wanted = record.wanted.revision.id
        if record.stable is not None and record.stable.revision.id == wanted:
            raise _refused(f"{key} runs what its source wants; there is nothing to retry")
        rejected = tuple(r for r in record.rejected if r.revision != wanted)
        self._actions.begin_retry(replace(record, rejected=rejected, held=None))
        return f"{key}: trying {record.wanted.revision.version} again"

    def _rollout_command(self, key: DeploymentKey, verb: Command) -> str:
        record = self._record(key)
        if record.rollout is None:
            raise _refused(f"{key} has no rollout in progress")
        result = command(record.rollout, verb, self._clock.wall_ms())
        if isinstance(result, Refusal):
            raise _refused(f"{key}: {result.reason}")
        self._controller.ledger.decide([PutRecord(record=replace(record, rollout=result))])
        return f"{key}: {verb.value} of {result.target.revision.version}"

    def restart(self, key: DeploymentKey) -> str:
        """Restart every instance of what serves, one after another.

        Raises:
            Trouble: nothing serves, or it is suspended.
        """
        return self._command(lambda: self._restart(key))

    def _restart(self, key: DeploymentKey) -> str:
        record = self._record(key)
        if is_suspended(record):
            raise _refused(f"{key} is suspended", "Set `suspend: false` in its manifest.")
        if record.stable is None:
            raise _refused(f"{key} never ran", f"`airs rollout retry {key}` tries its first version again.")
        if record.stable.revision.job is not None:
            raise _refused(f"{key} is a job: nothing of it goes on", f"`airs run {key}` runs it again.")
        serving = self._controller.fleet.have(record.stable).ensure(record.stable)
        serving.restart()
        return f"{key}: restarting {record.stable.replicas} instance(s) of {record.stable.revision.version}"

    def run(self, key: DeploymentKey, args: tuple[str, ...] | None, watcher: Watcher) -> Callable[[], None]:
        """Begin another run of a job, watched by `watcher`; returns what cancels it.

        Raises:
            Trouble: it is no job, it is suspended or being removed, or too many runs are at work.
        """
        return self._command(lambda: self._run(key, args, watcher))

    def _run(self, key: DeploymentKey, args: tuple[str, ...] | None, watcher: Watcher) -> Callable[[], None]:
        record = self._record(key)
        wanted = record.stable or record.wanted
        if wanted.revision.job is None:
            hint = "It stays and is asked: `airs request` or `airs call`."
            raise _refused(f"{key} is no job", hint)
        if record.deleted or is_suspended(record):
            word = "being removed" if record.deleted else "suspended"
            raise _refused(f"{key} is {word}")
        runs = self._controller.fleet.have(wanted).runs

        def end(run: Run) -> None:
            self._actions.announce(key, "job-ran", f"{run.id.instance} of {wanted.revision.version}: {run.outcome}")
            watcher.end(run)

        run = runs.more(wanted.revision, args, watcher, end)
        if run is None:
            at_once = "one at a time: it is stateful" if wanted.revision.stateful else f"{RUNS_MAX} at a time"
            raise _refused(
                f"{key} is at work already ({at_once})", "Wait for it, or cancel it with Ctrl-C where it runs."
            )
        return run.cancel

    def delete(self, key: DeploymentKey) -> str:
        """Remove a deployment; its stored data are kept.

        Raises:
            Trouble: a watched source still wants it.
        """
        return self._command(lambda: self._delete(key))

    def _delete(self, key: DeploymentKey) -> str:
        record = self._record(key)
        wishes = self._controller.ledger.desired.values()
        watched = [desired.source for desired in wishes if self._controller.sources.wants(key, desired)]
        if watched:
            hint = "Remove it from there, or set `suspend: true` in its manifest."
            raise _refused(f"{key} is still wanted by {watched[0]}, which is watched", hint)
        # Whoever else once applied it, and was told that it is another's, does not get it by its being deleted.
        forgotten = [without(desired, key) for desired in wishes if any(d.key == key for d in desired.deployments)]
        changes = [PutDesired(desired=desired) for desired in forgotten]
        self._controller.ledger.decide([*changes, PutRecord(record=replace(record, deleted=True))])
        return f"{key}: removing; its stored data are kept"

    def deliver(self, key: DeploymentKey, payload: bytes, conversation: str | None) -> "Pending":
        """Put a message into a deployment's mailbox.

        Raises:
            Trouble: it was not queued.
        """
        message = Message(
            sender=CALLER,
            payload=payload,
            timestamp_ns=self._clock.wall_ns(),
            correlation_id=conversation,
        )
        return self._send(key, message, conversation)

    def send(
        self, key: DeploymentKey, payloads: Sequence[bytes], conversation: str | None, *, may_wait: bool,
        id: str | None = None,
    ) -> int:  # fmt: skip
        """Put messages that want no answer into a deployment's mailbox, as many as it has room for; returns how many.

        None is 0 where their sender may wait for room, or is to.

        Raises:
            Trouble: none was queued, and to wait does not help.
        """
        mail = Mail(CALLER, payloads, self._clock.wall_ns(), conversation)
        router = self._controller.fleet.router
        # Who can talk to the agent may do anything with what it runs: its socket is its owner's.
        queued, refused = router.send_many(key, mail, lambda _key: True, id=id)
        if refused is None or queued:
            return queued
        route = router.find(key)
        if refused.case == "queue-full" and route is not None and (may_wait or route.has_senders_wait):
            return 0
        raise self._undelivered(refused)

    def route(self, key: DeploymentKey) -> Route | None:
        """Return a deployment's mailbox, to wait for room in it."""
        return self._controller.fleet.router.find(key)

    def send_again(self, key: DeploymentKey, numbers: tuple[int, ...] | None) -> Resent:
        """Send dead letters of a deployment again, all of them or some.

        Raises:
            Trouble: one of them is none of its letters, or none could be queued.
        """
        self._check_letters(key, numbers)
        resent = self.letters.send_again(self._controller.fleet.router, key, numbers)
        if resent.why and not resent.sent:
            raise Trouble(503, Problem(summary=resent.why, detail="The letters are kept."))
        return resent

    def discard(self, key: DeploymentKey, numbers: tuple[int, ...] | None) -> int:
        """Forget dead letters of a deployment, all of them or some; returns how many.

        Raises:
            Trouble: one of them is none of its letters.
        """
        self._check_letters(key, numbers)
        return self.letters.discard(key, numbers)

    def _check_letters(self, key: DeploymentKey, numbers: tuple[int, ...] | None) -> None:
        unknown = self.letters.unknown(key, numbers or ())
        if unknown:
            which = ", ".join(map(str, unknown[:10]))
            hint = f"`airs get dead-letters {key}` lists them."
            raise Trouble(404, Problem(summary=f"{key} has no dead letter {which}", suggestion=hint))

    def call(self, key: DeploymentKey, function: str, arguments: list[Any], session: str | None) -> "Pending":
        """Queue a typed call, for the instance that a session is bound to if it is of one.

        Raises:
            Trouble: it was not queued.
        """
        return self._send(key, Call(function, tuple(arguments), session), None)

    def let_go(self, key: DeploymentKey, session: str, handles: tuple[int, ...] | None) -> "Pending":
        """Queue the end of a session, or of some of its handles; the outcome is how many were dropped.

        Raises:
            Trouble: there is no such session, or it was not queued.
        """
        return self._send(key, LetGo(session, handles), None)

    def sessions(self, key: DeploymentKey) -> tuple[ObservedSession, ...]:
        """Describe a deployment's sessions.

        Raises:
            Trouble: there is no such deployment.
        """
        service = self._controller.fleet.services.get(key)
        if service is None:
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion="`airs get deployments` lists them."))
        return service.sessions()

    def _send(self, key: DeploymentKey, work: Work, conversation: str | None) -> "Pending":
        future: Future[Outcome] = Future()
        envelope = Envelope(work, future.set_result, conversation)
        refused = self._controller.fleet.router.deliver(key, envelope)
        if refused is not None:
            raise self._undelivered(refused)
        return Pending(self._controller, key, envelope, future)

    def _undelivered(self, refused: Undelivered) -> Trouble:
        known = sorted(str(k) for k in self._controller.fleet.services)
        hint = f"There are: {', '.join(known[:10])}." if refused.case == "target-not-found" and known else ""
        return Trouble(503, Problem(summary=f"{refused.case}: {refused.detail}", suggestion=hint))

    def _record(self, key: DeploymentKey) -> Record:
        record = self._controller.ledger.records.get(key)
        if record is None:
            known = ", ".join(map(str, sorted(self._controller.ledger.records)[:10]))
            hint = f"There are: {known}." if known else "Nothing is deployed."
            raise Trouble(404, Problem(summary=f"no deployment {key}", suggestion=hint))
        return record

    def _command(self, act: Callable[[], T]) -> T:
        future = self._controller.submit(act)
        result = future.result()
        self._controller.wake()
        return result


class Pending:
    """A message on its way: `future` becomes its outcome, unless it is given up before."""

    def __init__(
        self, controller: Controller, key: DeploymentKey, envelope: Envelope, future: "Future[Outcome]"
    ) -> None:
        self._controller, self._key, self._envelope, self.future = controller, key, envelope, future

    def give_up(self, timeout_s: float) -> Trouble:
        """Take the message back if nobody started on it, else end it if it is a call; and say so."""
        route = self._controller.fleet.router.find(self._key)
        is_call = self._envelope.cancellation is not None
        if route is not None and route.cancel(self._envelope):
            detail = "no instance had started on it; it was taken back"
        elif is_call:
            detail = "the instance that was at work on it was ended; another takes its place"
        else:
            detail = "an instance is at work on it"
        problem = Problem(
            summary=f"no answer from {self._key} within {timeout_s:g}s", detail=detail, exit_code=TIMED_OUT
        )
        return Trouble(504, problem)


def _refused(summary: str, suggestion: str = "") -> Trouble:
    return Trouble(409, Problem(summary=summary, suggestion=suggestion))


def _in_progress(record: Record) -> bool:
    rollout = record.rollout
    return rollout is not None and not rollout.phase.is_over and rollout.phase is not RolloutPhase.KEEPING


def _rollback_target(record: Record, history: Sequence[Number], to: int | None) -> Number:
    serving = record.stable.revision.id if record.stable else None
    if to is not None:
        found = next((n for n in history if n.number == to), None)
        if found is None:
            kept = ", ".join(str(n.number) for n in history)
            raise _refused(f"{record.key} has no revision {to}", f"Kept are: {kept}.")
        return found
    usable = [n for n in history if n.outcome in (RUNNING, SUPERSEDED) and n.revision.id != serving]
    if not usable:
        raise _refused(f"{record.key} has no earlier revision to go back to", "`airs history` shows what there is.")
    return usable[-1]
