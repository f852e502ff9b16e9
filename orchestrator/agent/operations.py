"""Brings requests from outside to the controller's thread; messages go by `agent.messages`.

`execute/commands.py` decides what a command does.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from orchestrator.agent.jobs import Watcher
from orchestrator.agent.trouble import Trouble
from orchestrator.contract.bodies import SecretsBody
from orchestrator.contract.codes import REFUSED
from orchestrator.contract.problem import Problem
from orchestrator.controller.loop import Controller
from orchestrator.execute.commands import Begun, Command, Commands, RunJob
from orchestrator.execute.sharing import Pool
from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.outcome import ActionOutcome
from orchestrator.model.secret import SecretView
from orchestrator.model.who import By, Verb
from orchestrator.plan.action import decided
from orchestrator.plan.document import Plan
from orchestrator.plan.make import compare
from orchestrator.plan.saved import PlanRefused, check_fresh
from orchestrator.rollout.commands import Refusal
from orchestrator.secrets.listing import fingerprinted, listed
from orchestrator.secrets.secrets import Secrets

T = TypeVar("T")


class Operations:
    """The verbs of the API. Methods block; they are called from the API's worker threads."""

    def __init__(
        self, controller: Controller, commands: Commands, has_artifact: Callable[[str], bool],
        applied: Callable[[str], None], secrets: Secrets | None = None,
    ) -> None:  # fmt: skip
        self._controller, self._commands, self._has_artifact = controller, commands, has_artifact
        self._secrets = secrets
        self._applied = applied  # told which source was, on the controller's thread

    def apply(self, plan: Plan, by: By, *, fresh: bool) -> tuple[ActionOutcome, ...]:
        """Make what the plan leads to the wanted state, and begin carrying it out.

        With `fresh`, a plan made from another observation is refused; without, one that would come to other actions
        now. The latter is for a plan made a moment ago: a rollout that moves on does not change what was shown.

        Raises:
            Trouble: the plan is stale, or an artifact that it names is not in the store.
        """
        wanted = plan.desired.deployments
        lost = {digest for digest in {d.revision.artifact for d in wanted} if not self._has_artifact(digest)}
        if lost:
            names = ", ".join(str(d.key) for d in wanted if d.revision.artifact in lost)
            raise Trouble(409, Problem(
                summary="the plan names artifacts that are not in the store", detail=f"for {names}",
                suggestion="Make the plan again with --out on this machine.",
            ))  # fmt: skip
        pool, before = Pool(), self._controller.ledger.desired.get(plan.source)
        if before is not None:
            pool.see(before)  # what did not change is the very same then, and no row of it is written
        shared = replace(plan, desired=pool.desired(plan.desired))
        return self._command(lambda: self._apply(shared, by, fresh))

    def _apply(self, plan: Plan, by: By, fresh: bool) -> tuple[ActionOutcome, ...]:
        observed = self._controller.observe()
        desired = replace(plan.desired, by=by)
        self._refuse_other_secrets(desired)
        now = compare(desired, observed, self._controller.judging(), self._controller.known)
        if fresh or decided(now.actions) != decided(plan.actions):
            try:
                check_fresh(plan, observed)
            except PlanRefused as refused:
                problem = Problem(summary=refused.summary, detail=refused.detail, suggestion=refused.suggestion)
                raise Trouble(409, problem) from None
            _refuse_what_is_ruled_out(plan, now)
        self._controller.want(desired)
        self._applied(plan.source)
        return self._controller.execute(now)

    def _refuse_other_secrets(self, desired: DesiredState) -> None:
        """Refuse a plan that was made when a secret had another value, or could not be given."""
        filled = desired if self._secrets is None else self._secrets.filled(desired)
        pairs = zip(filled.deployments, desired.deployments, strict=True)
        changed = [str(now.key) for now, then in pairs if now.revision.secrets != then.revision.secrets]
        if changed or filled.lacking != desired.lacking:
            told = f"for {', '.join(changed)}" if changed else ""
            again = "Make the plan again, and look at it again."
            problem = Problem(summary="a secret has changed since the plan was made", detail=told, suggestion=again)
            raise Trouble(409, problem)

    def secrets(self) -> list[SecretView]:
        """List the secrets."""
        wanted = self._command(lambda: [*self._controller.ledger.desired.values()])
        return [] if self._secrets is None else listed(self._secrets, wanted)

    def fingerprints(self, body: SecretsBody) -> list[SecretView]:
        """Tell of secrets whether they can be given, and their fingerprints."""
        return [] if self._secrets is None else fingerprinted(self._secrets, body.names, body.sealed)

    def obey(self, command: Command, by: By) -> Begun:
        """Carry a command out; returns what was done or begun.

        Raises:
            Trouble: it is refused; the reason says why.
        """
        return _granted(self._command(lambda: self._commands.obey(command, by)))

    def approve(self, key: DeploymentKey, subject: str, by: By) -> Begun:
        """Approve exactly what a deployment waits for; it is planned again at once.

        Raises:
            Trouble: it waits for none, or for another by now.
        """
        return _granted(self._command(lambda: self._approved(key, subject, by)))

    def _approved(self, key: DeploymentKey, subject: str, by: By) -> Begun | Refusal:
        decided = self._commands.approve(key, subject, by)
        if isinstance(decided, Begun):
            self._controller.outcomes.forget_one(key)  # nobody who looks from now on is told that it waits
            self._controller.look_at(key)
        return decided

    def run(
        self, key: DeploymentKey, arguments: tuple[str, ...] | None, watcher: Watcher, by: By
    ) -> Callable[[], None]:  # fmt: skip
        """Begin another run of a job, watched by `watcher`; returns what cancels it.

        Raises:
            Trouble: it is no job, it is suspended or being removed, or too many runs are at work.
        """
        command = RunJob(key, arguments, watcher, watcher.end)
        return _granted(self._command(lambda: self._commands.run(command, by)))

    def note(self, key: DeploymentKey, verb: Verb, by: By, detail: str) -> None:
        """Write down a manual act that needs no decision of the controller."""
        self._command(lambda: self._commands.note(key, verb, by, detail))

    def _command(self, act: Callable[[], T]) -> T:
        future = self._controller.submit(act)
        result = future.result()
        self._controller.wake()
        return result


def _granted(answer: T | Refusal) -> T:
    if isinstance(answer, Refusal):
        status = 404 if answer.is_unknown else 409
        raise Trouble(status, Problem(summary=answer.reason, suggestion=answer.suggestion))
    return answer


def _refuse_what_is_ruled_out(plan: Plan, now: Plan) -> None:
    """Refuse a plan of which the policies by now refuse a part: it is carried out as it was shown, or not at all."""
    shown = {action.key for action in plan.actions if action.is_ruled_out}
    blocked = [action for action in now.actions if action.is_ruled_out and action.key not in shown]
    if blocked:
        detail = "; ".join(f"{action.key}: {action.note}" for action in blocked)
        again = "Make the plan again, and look at it again."
        raise Trouble(409, Problem("a policy refuses by now what the plan would do", detail, again, REFUSED))
