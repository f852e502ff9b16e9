"""An operator's command to a deployment → what it began, or a refusal. Decided here, on the controller's thread.

Called by `agent/operations`, which only brings a command to that thread. The decision is durable when `obey` returns;
`settle` sees it through.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.execute.actions import without
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.history import REJECTED, RolloutOrigin, acted, one_further_back, place_of
from orchestrator.execute.job_runs import AskedRun, JobRuns
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.rollouts import ANNOUNCE, Rollouts
from orchestrator.execute.ruling import Ruling
from orchestrator.model.desired import DesiredState
from orchestrator.model.event import About
from orchestrator.model.goal import Goal
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Hold, Number, Record
from orchestrator.model.rollout import Cause, Rollout, RolloutPhase
from orchestrator.model.spec import Deployment
from orchestrator.model.who import By, Verb
from orchestrator.plan.dependencies import dependents_of, names_of
from orchestrator.policy.judge import ALLOWED
from orchestrator.rollout.commands import Refusal, pause, promote, resume
from orchestrator.rollout.standing import (
    held_back,
    is_barred,
    is_serving,
    is_suspended,
    released,
    revisions_of,
    under_way,
)
from orchestrator.store.decisions import AppendAct, DeleteAct, DeleteApproval, PutApproval, PutDesired, PutRecord
from orchestrator.supervise.job import RUNS_MAX, Run
from orchestrator.supervise.ports import OutputTaker

APPROVALS_MAX = 10_000  # that are kept; the oldest is asked for again
KNOWN_TOLD = 10  # deployments named to somebody who named none of them
ABORTED = "aborted by request"


class Command(msgspec.Struct, frozen=True):
    """A command to one deployment."""

    key: DeploymentKey


class Rollback(Command, frozen=True):
    """Go back to revision `to` of the history, by default to the one before; with `force` to one that was rejected."""

    to: int | None = None
    force: bool = False


class Retry(Command, frozen=True):
    """Try again what was rejected or held."""


class Promote(Command, frozen=True):
    """Advance one step; after the last, or with `full`, give the new version everything."""

    full: bool = False


class PauseRollout(Command, frozen=True):
    """Stand at the present step until somebody resumes it."""


class Resume(Command, frozen=True):
    """Go on with what was paused."""


class Abort(Command, frozen=True):
    """Send everything back to the stable version."""


class Restart(Command, frozen=True):
    """Restart every instance, one after another; or the whole group, if that gave up."""


class Delete(Command, frozen=True):
    """Remove a deployment; its stored data are kept.

    Where others depend on it that are not deleted `beside` it, only by `force`.
    """

    force: bool = False
    beside: tuple[DeploymentKey, ...] = ()


class RunJob(Command, frozen=True):
    """Run a job again; `arguments` None takes those of its manifest. `ended` is told how it ended."""

    arguments: tuple[str, ...] | None
    taker: OutputTaker
    ended: Callable[[Run], None]


class Begun(msgspec.Struct, frozen=True):
    """The effect of a command, done or begun, in words; with `is_done_already` there was nothing to do.

    Its goal is reached by `rollout`, an entry of the history, where that is one's.
    """

    message: str
    goal: Goal = Goal.NOTHING
    rollout: int = 0
    is_done_already: bool = False


VERBS: dict[type[Command], Verb] = {
    Rollback: Verb.ROLLBACK,
    Retry: Verb.RETRY,
    Promote: Verb.PROMOTE,
    PauseRollout: Verb.PAUSE,
    Resume: Verb.RESUME,
    Abort: Verb.ABORT,
    Restart: Verb.RESTART,
    Delete: Verb.DELETE,
    RunJob: Verb.RUN,
}


class Commands:
    """Obeys commands.

    `still_wanted` says whether a watched source wants a deployment, `is_kept` whether an artifact is in the store.
    """

    def __init__(
        self, ledger: Ledger, fleet: Fleet, clock: Clock, announce: ANNOUNCE,
        still_wanted: Callable[[DeploymentKey, DesiredState], bool], is_kept: Callable[[str], bool], runs: JobRuns,
        ruling: Ruling | None = None,
    ) -> None:  # fmt: skip
        """Set it up. Larger than most, as each command needs another of these."""
        self._ledger, self._fleet, self._clock, self._announce = ledger, fleet, clock, announce
        self._rollouts, self._runs = Rollouts(ledger, clock, announce), runs
        self._still_wanted, self._is_kept, self._ruling = still_wanted, is_kept, ruling
        self._verbs: dict[type[Command], Callable[[Record, Any, By], Begun | Refusal]] = {
            Rollback: self._roll_back,
            Retry: self._retry,
            Promote: self._promote,
            PauseRollout: self._pause,
            Resume: self._resume,
            Abort: self._abort,
            Restart: self._restart,
            Delete: self._delete,
        }

    def obey(self, command: Command, by: By) -> Begun | Refusal:
        """Carry out any command but a run; its decision and the note of who asked for it are durable together."""
        record = self._record(command)
        if isinstance(record, Refusal):
            return record
        asked_ms = self._clock.wall_ms()
        with self._ledger.together():
            answer = self._verbs[type(command)](record, command, by)
            if isinstance(answer, Begun) and not answer.is_done_already:
                said = answer.message.removeprefix(f"{command.key}: ")
                self.note(command.key, VERBS[type(command)], by, said, asked_ms)
        return answer

    def run(self, command: RunJob, by: By) -> Callable[[], None] | Refusal:
        """Begin another run of a job; returns what cancels it."""
        record = self._record(command)
        if isinstance(record, Refusal):
            return record
        cancel = self._run(record, command, by)
        if not isinstance(cancel, Refusal):
            version = (record.stable or record.wanted).revision.version
            self.note(command.key, Verb.RUN, by, " ".join((version, *(command.arguments or ()))))
        return cancel

    def note(self, key: DeploymentKey, verb: Verb, by: By, detail: str, asked_ms: int | None = None) -> None:
        """Write a manual act into a deployment's history, and make an event of it."""
        at_ms = self._clock.wall_ms() if asked_ms is None else asked_ms
        act, over = acted(self._ledger.acts(key), verb, by, detail, at_ms)
        self._ledger.decide([AppendAct(key=key, act=act), *(DeleteAct(key=key, number=old.number) for old in over)])
        self._announce(key, "requested", f"{verb.value} by {by}: {detail}", About(by=by))

    def _record(self, command: Command) -> Record | Refusal:
        record = self._ledger.records.get(command.key)
        if record is not None:
            return record
        known = ", ".join(map(str, sorted(self._ledger.records)[:KNOWN_TOLD]))
        hint = f"There are: {known}." if known else "Nothing is deployed."
        return Refusal(f"no deployment {command.key}", hint, is_unknown=True)

    def _roll_back(self, record: Record, command: Rollback, by: By) -> Begun | Refusal:
        key, rollout = record.key, under_way(record)
        if command.to is None and rollout is not None:
            return self._abort(record, command, by)
        number = _rollback_target(record, self._ledger.history(key), command)
        if isinstance(number, Refusal):
            return number
        if is_serving(record, number.revision.id):
            if rollout is not None:  # an abort leads to the serving revision; a rollout from it to itself never ends
                return self._abort(record, command, by)
            return Begun(f"{key} already runs {number.revision.version}; nothing to do", is_done_already=True)
        if not self._is_kept(number.revision.artifact):
            return _not_kept(key, number)
        return self._back_to(record, number, by)

    def _back_to(self, record: Record, number: Number, by: By) -> Begun | Refusal:
        key = record.key
        reason = f"rolled back to revision {number.number} ({number.revision.version}) on request"
        if record.wanted.revision.id == number.revision.id:
            record, target = released(record, number.revision.id), record.wanted
        else:
            wanted = record.wanted
            hold = Hold(revision=wanted.revision.id, reason=reason, at_ms=self._clock.wall_ms(), seen=wanted)
            record, target = held_back(record, hold), replace(record.stable or wanted, revision=number.revision)
        why = self._refused(record, target)
        if why is not None:
            return why
        came_from = RolloutOrigin(number.source_revision, number.commit, by, place_of(number))
        begun = self._rollouts.begin(record, target, Cause.ROLLBACK, reason, came_from)
        said = f"{key}: going back to revision {number.number} ({number.revision.version})"
        return Begun(said, Goal.ARRIVES, begun.number)

    def _retry(self, record: Record, _command: Retry, by: By) -> Begun | Refusal:
        key, wanted = record.key, record.wanted.revision
        if under_way(record) is not None:
            return Refusal(f"{key} has a rollout in progress", "Wait for it, or `airs rollout abort` it first.")
        if is_serving(record, wanted.id):
            return Refusal(f"{key} runs what its source wants; there is nothing to retry")
        why = self._refused(record, record.wanted)
        if why is not None:
            return why
        retried = released(record, wanted.id)
        origin = self._origin(record, by)
        begun = self._rollouts.begin(retried, record.wanted, Cause.RETRY, "retried on request", origin)
        return Begun(f"{key}: trying {wanted.version} again", Goal.ARRIVES, begun.number)

    def _refused(self, record: Record, target: Deployment) -> Refusal | None:
        """Refuse what no policy lets run, whoever asks for it by hand."""
        verdict = self._ruling.of(target, record.source) if self._ruling is not None else ALLOWED
        if verdict.is_allowed:
            return None
        hint = f"`airs approve {record.key}`, or another policy." if verdict.needs else "Another policy may allow it."
        return Refusal(f"{record.key}: {target.revision.version} may not run: {verdict.text}", hint)

    def approve(self, key: DeploymentKey, subject: str, by: By) -> Begun | Refusal:
        """Approve exactly what a deployment waits for now, which `subject` names."""
        waiting = self._ruling.of_wanted(key) if self._ruling is not None else None
        if waiting is None:
            return Refusal(f"{key} waits for no approval", "`airs approvals` lists those that do.", is_unknown=True)
        if waiting.subject != subject:
            return Refusal(f"{key} waits for another approval by now", "Look at it again: `airs approvals`.")
        now = self._clock.wall_ms()
        approval = replace(waiting, by=by.peer, why=by.why, at_ms=now, file="", line=0)
        over = list(self._ledger.approvals)[: max(0, len(self._ledger.approvals) + 1 - APPROVALS_MAX)]
        said = ", ".join(f"{grant.capability} on {', '.join(grant.patterns)}" for grant in approval.capabilities)
        with self._ledger.together():
            self._ledger.decide([PutApproval(approval=approval), *(DeleteApproval(subject=old) for old in over)])
            self.note(key, Verb.APPROVE, by, said, now)
        return Begun(f"{key}: approved {said}")

    def _origin(self, record: Record, by: By) -> RolloutOrigin:
        """Say where what a source wants of a deployment comes from."""
        desired = self._ledger.desired.get(record.source)
        attempted, _ = revisions_of(record, desired)
        is_read = desired is not None and desired.revision == attempted
        return RolloutOrigin(attempted, desired.commit if desired is not None and is_read else None, by)

    def _promote(self, record: Record, command: Promote, _by: By) -> Begun | Refusal:
        result = self._moved(record, partial(promote, full=command.full))
        if isinstance(result, Refusal):
            return result
        goal = Goal.ARRIVES if result.phase is RolloutPhase.PROMOTING else Goal.NOTHING
        return Begun(_promoted(record, result), goal, result.number)

    def _pause(self, record: Record, _command: PauseRollout, _by: By) -> Begun | Refusal:
        result = self._moved(record, pause, is_judged=False)
        if isinstance(result, Refusal):
            return result
        new, count = result.target.revision.version, len(result.target.rollout.steps)
        return Begun(f"{record.key}: {new} stands at step {result.step + 1} of {count}, with {result.weight} %")

    def _resume(self, record: Record, _command: Resume, _by: By) -> Begun | Refusal:
        result = self._moved(record, resume)
        if isinstance(result, Refusal):
            return result
        said = f"{record.key}: {result.target.revision.version} goes on, with {result.weight} %"
        return Begun(said, Goal.ARRIVES, result.number)

    def _moved(
        self, record: Record, by: Callable[[Rollout, int], Rollout | Refusal], *, is_judged: bool = True
    ) -> Rollout | Refusal:
        """Change a rollout, if there is one, as somebody says; the policies of now judge what gives it more."""
        if record.rollout is None:
            return _no_rollout(record)
        result = by(record.rollout, self._clock.wall_ms())
        if isinstance(result, Refusal):
            return _of(record, result)
        why = self._refused(record, result.target) if is_judged else None
        if why is not None:
            return why
        self._ledger.decide([PutRecord(record=replace(record, rollout=result))])
        return result

    def _abort(self, record: Record, _command: Abort | Rollback, by: By) -> Begun | Refusal:
        if record.rollout is None:
            return _no_rollout(record)
        result = self._rollouts.abort(record, record.rollout, ABORTED, by)
        if isinstance(result, Refusal):
            return _of(record, result)
        said = f"{record.key}: giving up {result.target.revision.version}"
        return Begun(said, Goal.GOES_BACK, result.number)

    def _restart(self, record: Record, _command: Restart, _by: By) -> Begun | Refusal:
        key, stable = record.key, record.stable
        if is_barred(record) and record.barred is not None:
            return Refusal(f"{key} was stopped by a policy: {record.barred.reason}", "Another policy may allow it.")
        if is_suspended(record):
            return Refusal(f"{key} is suspended", "Set `suspend: false` in its manifest.")
        if stable is None:
            return Refusal(f"{key} never ran", f"`airs rollout retry {key}` tries its first version again.")
        if stable.revision.is_job:
            return Refusal(f"{key} is a job: nothing of it goes on", f"`airs run {key}` runs it again.")
        service = self._fleet.have(stable)
        serving = service.ensure(stable)
        group = service.group()
        if service.revive():
            assert group is not None
            members = ", ".join(map(str, group.members))
            return Begun(f"{key}: starting group {group.name} again: {members}", Goal.IS_READY)
        serving.restart()
        return Begun(
            f"{key}: restarting {stable.replicas} instance{'s' * (stable.replicas != 1)} of {stable.revision.version}",
            Goal.IS_READY,
        )

    def _delete(self, record: Record, command: Delete, _by: By) -> Begun | Refusal:
        key, wishes = record.key, self._ledger.desired.values()
        watched = [desired.source for desired in wishes if self._still_wanted(key, desired)]
        if watched:
            hint = "Remove it from there, or set `suspend: true` in its manifest."
            return Refusal(f"{key} is still wanted by {watched[0]}, which is watched", hint)
        dependents = [d for d in dependents_of(key, self._ledger.records.values()) if d not in command.beside]
        if dependents and not command.force:
            return Refusal(
                f"{names_of(dependents)} depend{'s' * (len(dependents) == 1)} on {key}",
                f"Delete {'it' if len(dependents) == 1 else 'them'} too, or say --force.",
            )
        # Another source that once applied it, and was told that it is not its own, does not get it by this deletion.
        forgotten = [without(desired, key) for desired in wishes if any(d.key == key for d in desired.deployments)]
        changes = [PutDesired(desired=desired) for desired in forgotten]
        self._ledger.decide([*changes, PutRecord(record=replace(record, deleted=True))])
        lack = f"; {names_of(dependents)} still depend{'s' * (len(dependents) == 1)} on it" if dependents else ""
        return Begun(f"{key}: removing; its stored data are kept{lack}", Goal.IS_GONE)

    def _run(self, record: Record, command: RunJob, by: By) -> Callable[[], None] | Refusal:
        key, wanted = record.key, record.stable or record.wanted
        if not wanted.revision.is_job:
            return Refusal(f"{key} is no job", "It stays and is asked: `airs request` or `airs call`.")
        if record.deleted or is_suspended(record):
            return Refusal(f"{key} is {'being removed' if record.deleted else 'suspended'}")
        why = self._refused(record, wanted)
        if why is not None:
            return why

        asked = AskedRun(command.arguments, command.taker, command.ended, by)
        run = self._runs.asked(record, wanted, self._fleet.have(wanted), asked)
        if run is not None:
            return run.cancel
        at_once = "one at a time: it is stateful" if wanted.revision.stateful else f"{RUNS_MAX} at a time"
        hint = "Wait for it, or cancel it with Ctrl-C where it runs."
        return Refusal(f"{key} is at work already ({at_once})", hint)


def _promoted(record: Record, rollout: Rollout) -> str:
    count, new = len(rollout.target.rollout.steps), rollout.target.revision.version
    if rollout.phase is RolloutPhase.PROMOTING:
        return f"{record.key}: {new} gets everything"
    return f"{record.key}: {new} goes on to step {rollout.step + 1} of {count}, with {rollout.weight} %"


def _no_rollout(record: Record) -> Refusal:
    return Refusal(f"{record.key} has no rollout in progress")


def _of(record: Record, refusal: Refusal) -> Refusal:
    return replace(refusal, reason=f"{record.key}: {refusal.reason}")


def _rollback_target(record: Record, history: Sequence[Number], command: Rollback) -> Number | Refusal:
    key, to = record.key, command.to
    if to is None:
        serving = record.stable.revision.id if record.stable else None
        found = one_further_back(history, serving, [r.revision for r in record.rejected])
        hint = "`airs history` shows what there is."
        return found or Refusal(f"{key} has no earlier revision to go back to", hint)
    found = next((n for n in history if n.number == to), None)
    if found is None:
        return Refusal(f"{key} has no revision {to}", f"Kept are: {', '.join(str(n.number) for n in history)}.")
    why = _why_rejected(record, found)
    if why and not command.force and not is_serving(record, found.revision.id):
        hint = "`--force` tries it all the same."
        return Refusal(f"{key}: revision {to} ({found.revision.version}) was rejected: {why}", hint)
    return found


def _not_kept(key: DeploymentKey, number: Number) -> Refusal:
    """Say that a revision cannot be had any more: one from before the deployment was deleted and created again."""
    said = f"the component of {key}'s revision {number.number} ({number.revision.version}) is not kept any more"
    return Refusal(said, "Apply a manifest that wants it.")


def _why_rejected(record: Record, number: Number) -> str:
    """Say why a revision failed that one wants to go back to; empty where it did not."""
    noted = next((r.reason for r in record.rejected if r.revision == number.revision.id), "")
    return noted or (number.reason if number.outcome == REJECTED else "")
