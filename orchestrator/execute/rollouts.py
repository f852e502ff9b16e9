"""Begins rollouts and sends them back: the durable half that a plan's actions and operators' commands share."""

from msgspec.structs import replace

from orchestrator.concurrency.clock import Clock
from orchestrator.execute.history import RolloutOrigin, begun, next_number
from orchestrator.execute.ledger import Ledger
from orchestrator.model.event import About, Announce
from orchestrator.model.observed import Record
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Deployment
from orchestrator.model.who import By
from orchestrator.rollout.advance import begin
from orchestrator.rollout.commands import Refusal, abort
from orchestrator.store.decisions import AppendHistory, PutRecord, UpdateHistory

ANNOUNCE = Announce


class Rollouts:
    """Writes down what begins and what turns back, on the controller's thread; `settle` sees it through."""

    def __init__(self, ledger: Ledger, clock: Clock, announce: ANNOUNCE) -> None:
        self._ledger, self._clock, self._announce = ledger, clock, announce

    def begin(
        self, record: Record, target: Deployment, cause: Cause, reason: str, origin: RolloutOrigin
    ) -> Rollout:  # fmt: skip
        """Begin the way to `target`, in place of any that is under way; `record` is written with it."""
        now = self._clock.wall_ms()
        # A suspended revision serves nobody: it is neither started for the occasion nor kept warm.
        stable = record.stable
        is_stopped = stable is not None and (stable.suspend or _is_barred(record, stable))
        old = None if is_stopped else stable
        history = self._ledger.history(record.key)
        rollout = begin(target, old.revision.id if old else None, cause, now, next_number(history), old)
        entries = begun(history, rollout, reason, origin, now)
        self._ledger.decide(
            [
                PutRecord(record=replace(record, rollout=rollout)),
                *(UpdateHistory(key=record.key, number=number) for number in entries[:-1]),
                AppendHistory(key=record.key, number=entries[-1]),
            ]
        )
        before = record.stable.revision.version if record.stable else "nothing"
        about = About(by=origin.by, commit=origin.commit, revision=target.revision.id)
        self._announce(record.key, "rollout-started", f"{before} → {target.revision.version}: {reason}", about)
        return rollout

    def abort(self, record: Record, rollout: Rollout, reason: str, by: By | None = None) -> Rollout | Refusal:
        """Send a rollout back to stable; returns it as it is then."""
        result = abort(rollout, self._clock.wall_ms())
        if isinstance(result, Refusal):
            return result
        result = replace(result, conclusion=reason)
        self._ledger.decide([PutRecord(record=replace(record, rollout=result))])
        self._announce(record.key, "rolling-back", reason, About(by=by, revision=rollout.target.revision.id))
        return result


def _is_barred(record: Record, deployment: Deployment) -> bool:
    return record.barred is not None and record.barred.revision == deployment.revision.id
