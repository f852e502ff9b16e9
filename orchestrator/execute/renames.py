"""A deployment with a new name: its instances stop, and all that is kept passes to that name in one decision.

`actions` calls it until it is done. Before the decision, a crash leaves the old deployment as it was; after it, the new
one.
"""

from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.rollouts import ANNOUNCE
from orchestrator.model.event import About
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Hold, Record, Rejection
from orchestrator.model.outcome import Status
from orchestrator.model.rollout import Rollout
from orchestrator.model.spec import Deployment
from orchestrator.plan.document import Plan
from orchestrator.store.decisions import MoveRows, PutRecord


class Renames:
    """Carries renames out, on the controller's thread."""

    def __init__(self, ledger: Ledger, fleet: Fleet, faults: Faults, announce: ANNOUNCE) -> None:
        self._ledger, self._fleet, self._faults, self._announce = ledger, fleet, faults, announce

    def rename(self, old: DeploymentKey, wanted: Deployment, plan: Plan) -> tuple[Status, str]:
        """Stop what has the old name and, once nothing of it is left, give everything the new one."""
        new = wanted.key
        if self._ledger.is_taken(new):
            kept = f"data or messages of an earlier {new} are kept, and those of {old} would take their place"
            return Status.BLOCKED, f"{kept}; give it another name"
        if not self._fleet.stop(old, new):
            return Status.IN_HAND, f"the instances of {old} are stopping"
        record = renamed(self._ledger.records[old], wanted, plan)
        self._ledger.decide([MoveRows(old=old, new=new), PutRecord(record=record)])
        self._ledger.afterwards(partial(self._faults.forget, old))
        told = f"formerly {old}; record, history, data and kept messages are its own now"
        self._announce(new, "renamed", told, About(by=plan.desired.by, commit=plan.commit))
        return Status.DONE, ""


def renamed(record: Record, wanted: Deployment, plan: Plan) -> Record:
    """Return a record with the name of `wanted`, which the next pass compares with what serves."""
    key = wanted.key
    return replace(
        record,
        key=key,
        source=plan.source,
        wanted=wanted,
        generation=record.generation + 1,
        stable=_named(record.stable, key),
        rollout=_rollout(record.rollout, key),
        rejected=tuple(_seen(each, key) for each in record.rejected),
        held=_seen(record.held, key) if record.held is not None else None,
        attempted=plan.source_revision,
    )


def _named(deployment: Deployment | None, key: DeploymentKey) -> Deployment | None:
    return replace(deployment, key=key) if deployment is not None else None


def _rollout(rollout: Rollout | None, key: DeploymentKey) -> Rollout | None:
    if rollout is None:
        return None
    return replace(rollout, target=replace(rollout.target, key=key), old=_named(rollout.old, key))


SeenBefore = TypeVar("SeenBefore", Hold, Rejection)


def _seen(entry: SeenBefore, key: DeploymentKey) -> SeenBefore:
    return replace(entry, seen=_named(entry.seen, key))
