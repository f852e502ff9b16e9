"""A world that obeys: what is observed after a plan was carried out and every rollout came to its end."""

import msgspec

from orchestrator.model.observed import ObservedDeployment, ObservedState, Record
from orchestrator.model.rollout import RolloutPhase
from orchestrator.model.spec import Deployment
from orchestrator.plan.action import Action, ActionKind, Reason
from orchestrator.plan.document import Plan
from orchestrator.plan.removals import mass_prune_hold
from orchestrator.rollout.in_place import put_in_place

from .build import rejection, running


def carry_out(plan: Plan, state: ObservedState) -> ObservedState:
    seen, wanted = state.by_key(), {d.key: d for d in plan.desired.deployments}
    for action in plan.actions:
        if action.kind is ActionKind.REMOVE:
            del seen[action.key]
        else:
            before = seen.get(action.key)
            after = after_action(action, before.record if before else None, wanted.get(action.key), plan.source)
            if after is not None:
                seen[action.key] = msgspec.structs.replace(before, record=after) if before else new(after)
    ended = tuple(settle(member, plan, state.agent_running) for member in seen.values())
    return msgspec.structs.replace(state, serial=state.serial + 1, deployments=ended)


def new(record: Record) -> ObservedDeployment:
    return ObservedDeployment(record=record)


def after_action(action: Action, record: Record | None, wanted: Deployment | None, source: str) -> Record | None:
    """What is recorded once an action was carried out; None for what leaves no trace."""
    match action.kind:
        case ActionKind.CREATE:
            return Record(key=action.key, source=source, generation=1, wanted=wanted, stable=wanted)
        case ActionKind.ROLL_OUT:
            return msgspec.structs.replace(record, wanted=wanted, stable=wanted, rollout=None)
        case ActionKind.UPDATE:
            return put_in_place(msgspec.structs.replace(record, wanted=wanted), wanted, 0)
        case ActionKind.ADOPT:
            return msgspec.structs.replace(record, source=source, adopted=True)
        case ActionKind.HELD if action.reasons == (Reason.MASS_PRUNE,):
            return msgspec.structs.replace(record, held=mass_prune_hold(record, 1))
    return record


def settle(member: ObservedDeployment, plan: Plan, agent: bool) -> ObservedDeployment:
    """Let a rollout in progress end, and everything that should run, run."""
    record = member.record
    if record.rollout is not None and record.source == plan.source:
        record = ended(record)
    instances = running(record.stable) if agent and record.stable else () if agent else None
    return msgspec.structs.replace(member, record=record, instances=instances)


def ended(record: Record) -> Record:
    rollout = record.rollout
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        return msgspec.structs.replace(record, rollout=None, rejected=(*record.rejected, rejection(rollout.target)))
    arrives = not rollout.phase.is_over and rollout.phase is not RolloutPhase.KEEPING
    return msgspec.structs.replace(record, rollout=None, stable=rollout.target if arrives else record.stable)
