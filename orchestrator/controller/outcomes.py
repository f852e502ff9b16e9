"""The outcomes of plans: logged, announced, and kept for status. Each once, not on every pass."""

import logging
from collections.abc import Collection

from orchestrator.execute.faults import Faults
from orchestrator.execute.rollouts import ANNOUNCE
from orchestrator.model.commit import Commit
from orchestrator.model.event import About
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.plan.document import Plan
from orchestrator.plan.text import in_short

LOG = logging.getLogger("controller")
NOT_DONE = (Status.BLOCKED, Status.HELD, Status.WAITING, Status.FAILED)


class PlanOutcomes:
    """Tells the outcomes of each source's plan. Written by the controller's thread; `not_done` is read by any."""

    def __init__(self, announce: ANNOUNCE, faults: Faults) -> None:
        self._announce, self._faults = announce, faults
        self._commits: dict[str, Commit] = {}  # by source, the one that was told last
        self._written: dict[str, set[ActionOutcome]] = {}  # by source, what was logged last
        self.not_done: dict[str, tuple[ActionOutcome, ...]] = {}  # by source; replaced, never changed

    def tell(
        self, plan: Plan, outcomes: tuple[ActionOutcome, ...], only: Collection[DeploymentKey] | None
    ) -> None:  # fmt: skip
        """Tell what each action of a plan came to; a plan for `only` some says nothing of the rest."""
        self._write_down(plan, outcomes, only)
        self._keep(plan.source, outcomes, only)

    def tell_commit(self, plan: Plan) -> None:
        """Make an event of a commit that was read of a watched source, and of what it changes."""
        if plan.commit is None or plan.desired.by is not None or self._commits.get(plan.source) == plan.commit:
            return
        self._commits[plan.source] = plan.commit
        said = f"{plan.commit} ({in_short(plan)}), of {plan.source}"
        self._announce(None, "commit", said, About(commit=plan.commit))

    def tell_fault(self, fault: Exception) -> None:
        """Tell what keeps everything from being decided."""
        self._announce(None, "host-fault", f"nothing can be decided: {fault}")

    def forget(self, source: str) -> None:
        """Keep nothing of a source that was removed."""
        self.not_done = {name: left for name, left in self.not_done.items() if name != source}

    def forget_one(self, key: DeploymentKey) -> None:
        """Keep nothing of a deployment about which somebody has decided otherwise, until it is planned again."""
        self.not_done = {name: tuple(one for one in left if one.key != key) for name, left in self.not_done.items()}

    def _write_down(
        self, plan: Plan, outcomes: tuple[ActionOutcome, ...], only: Collection[DeploymentKey] | None
    ) -> None:
        before = self._written.get(plan.source, set())
        others = {one for one in before if one.key not in only} if only is not None else set()
        self._written[plan.source] = {*others, *outcomes}
        of = f"{plan.source} at {plan.commit}" if plan.commit else plan.source
        by = f" by {plan.desired.by}" if plan.desired.by else ""
        for action, outcome in zip(plan.actions, outcomes, strict=True):
            if outcome not in before:
                why = ", ".join(reason.value for reason in action.reasons)
                detail = f": {outcome.detail}" if outcome.detail else ""
                said = "%s %s (%s), for %s%s: %s%s"
                LOG.info(said, action.kind.value, action.key, why, of, by, outcome.status.value, detail)

    def _keep(self, source: str, outcomes: tuple[ActionOutcome, ...], only: Collection[DeploymentKey] | None) -> None:
        before = self.not_done.get(source, ())
        others = () if only is None else (outcome for outcome in before if outcome.key not in only)
        left = tuple(outcome for outcome in outcomes if outcome.status in NOT_DONE)
        self.not_done = {**self.not_done, source: (*others, *left)}
        for outcome in left:
            if outcome in before or (outcome.status is Status.FAILED and self._faults.of(outcome.key)):
                continue  # told before, or where it was noted
            self._announce(outcome.key, outcome.status.value, outcome.detail)
