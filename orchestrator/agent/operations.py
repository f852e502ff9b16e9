"""What can be decided of a running agent from outside, on the controller's thread; messages go by `agent.messages`."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from orchestrator.agent.jobs import Watcher
from orchestrator.agent.problem import Problem, Trouble
from orchestrator.controller.loop import Controller
from orchestrator.execute.actions import Actions, without
from orchestrator.execute.history import RUNNING, SUPERSEDED
from orchestrator.execute.outcome import ActionOutcome
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Hold, Number, Record
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


class Operations:
    """The verbs of the API. Methods block; they are called from the API's worker threads."""

    def __init__(
        self, controller: Controller, actions: Actions, clock: Clock, has_artifact: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._controller, self._actions, self._clock = controller, actions, clock
        self._has_artifact = has_artifact

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
        """Restart every instance of what serves, one after another; or its whole group, if that gave up.

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
        service = self._controller.fleet.have(record.stable)
        serving = service.ensure(record.stable)
        group = service.group()
        if service.revive():
            assert group is not None
            return f"{key}: starting group {group.name} again: {', '.join(map(str, group.members))}"
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
