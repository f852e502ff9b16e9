"""A record, and what its instances do → where the deployment stands: the one owner of every such question.

Whether a rollout is under way, going back or has arrived, what is held and why, whether it is suspended, its one word
of status, whether it is at rest and how it ended. Asked by `plan`, `execute`, `agent`, and through the agent's
documents by the command line. Decides nothing: it only reads.
"""

from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum

from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.message import Health
from orchestrator.model.observed import Hold, ObservedDeployment, ObservedInstance, Phase, Record, Rejection
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.model.spec import Deployment

REJECTED_MAX = 20  # revisions of a deployment that are remembered as bad


class DeploymentPhase(Enum):
    """The phase of a deployment, the one word that status shows."""

    FETCHING = "fetching"  # it never ran, and its component is not here yet
    BLOCKED = "blocked"  # it never ran, and may or can not be created
    PROGRESSING = "progressing"
    RUNNING = "running"
    DEGRADED = "degraded"
    SUCCEEDED = "succeeded"  # a job's
    SCHEDULED = "scheduled"  # a job's, until it is due
    FAILED = "failed"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    REMOVING = "removing"


class Conclusion(Enum):
    """The way a deployment came to rest, so that a command that waits can say whether its wish came true."""

    AS_WANTED = "as-wanted"
    HELD = "held"  # something else serves than its source wants
    FAILED = "failed"
    PAUSED = "paused"  # a rollout waits for a person
    SUSPENDED = "suspended"
    STOPPED = "stopped"  # by its restart policy


class RolloutEnd(Enum):
    """The end of a rollout."""

    ARRIVED = "arrived"
    WENT_BACK = "went-back"


def end_of(rollout: Rollout) -> RolloutEnd | None:
    """Say how a rollout ended; None while it goes on or waits."""
    if has_arrived(rollout):
        return RolloutEnd.ARRIVED
    return RolloutEnd.WENT_BACK if rollout.phase is RolloutPhase.FAILED else None


def under_way(record: Record) -> Rollout | None:
    """Return the rollout that still has somewhere to go; one that keeps the old version warm has arrived."""
    rollout = record.rollout
    return None if rollout is None or rollout.phase.is_over or has_arrived(rollout) else rollout


def unfinished(record: Record) -> Rollout | None:
    """Return the rollout that something is still to be done for, be it only to end the old version in time."""
    return None if record.rollout is None or record.rollout.phase.is_over else record.rollout


def has_arrived(rollout: Rollout) -> bool:
    """Whether its target serves and no step is left that could take it back."""
    return rollout.phase in (RolloutPhase.KEEPING, RolloutPhase.SUCCEEDED)


def is_going_back(record: Record) -> bool:
    """Whether its rollout is on its way back."""
    return record.rollout is not None and record.rollout.phase is RolloutPhase.ROLLING_BACK


def is_serving(record: Record, revision: str) -> bool:
    """Whether this revision is the stable one."""
    return record.stable is not None and record.stable.revision.id == revision


def is_in_force(record: Record) -> bool:
    """Whether what is wanted serves, and no rollout is under way."""
    resting = record.rollout is None or has_arrived(record.rollout)
    return resting and is_serving(record, record.wanted.revision.id)


def revisions_of(record: Record, desired: DesiredState | None) -> tuple[str | None, str | None]:
    """Return the source revisions that were attempted and applied of a deployment, where its source is `desired` now.

    A record says which they were when the deployment was planned last. One that a later commit wants as it was is not
    planned again, and its record not written: the later commit is attempted, and applied where the earlier one is.
    """
    if desired is None or desired.revision is None or not _is_wanted(record, desired):
        return record.attempted, record.applied
    return revisions_at(record, desired.revision)


def revisions_at(record: Record, revision: str | None) -> tuple[str | None, str | None]:
    """Return the same where the source is at this revision and wants of the deployment what was noted last."""
    is_applied = record.applied == record.attempted and record.stable is not None
    return revision, revision if is_applied else record.applied


def _is_wanted(record: Record, desired: DesiredState) -> bool:
    """Whether the source wants a deployment as it was noted last."""
    at = bisect_left(desired.deployments, record.key, key=lambda one: one.key)
    found = desired.deployments[at] if at < len(desired.deployments) else None
    return found is record.wanted or (found == record.wanted and record.source == desired.source)


def leading_to(record: Record) -> Deployment:
    """Return the deployment in force or on its way: a rollout's target, else the serving one, else the wanted."""
    rollout = unfinished(record)
    target = rollout.target if rollout is not None and not is_going_back(record) else None
    return target or record.stable or record.wanted


def is_suspended(record: Record) -> bool:
    """Whether what is in force or on its way says so, or a policy does not let it run."""
    return leading_to(record).suspend or is_barred(record)


def is_barred(record: Record) -> bool:
    """Whether a policy does not let run what is in force or on its way."""
    return record.barred is not None and record.barred.revision == leading_to(record).revision.id


def is_job(record: Record) -> bool:
    """Whether what is in force, or under way, is run to its end."""
    rollout = under_way(record)
    return (rollout.target if rollout is not None else record.stable or record.wanted).revision.is_job


def refusals(record: Record, revision: str) -> list[Rejection | Hold]:
    """Return what speaks against this revision: that it failed, or that someone rolled back from it."""
    held = (record.held,) if record.held else ()
    return [entry for entry in (*record.rejected, *held) if entry.revision == revision]


def with_rejection(record: Record, rejection: Rejection) -> Record:
    """Note that a revision is not to be tried again, and forget the oldest of too many."""
    others = [entry for entry in record.rejected if entry.revision != rejection.revision]
    return replace(record, rejected=(*others, rejection)[-REJECTED_MAX:])


def released(record: Record, revision: str) -> Record:
    """Forget all that speaks against a revision."""
    held = record.held if record.held is not None and record.held.revision != revision else None
    return replace(record, rejected=tuple(r for r in record.rejected if r.revision != revision), held=held)


def held_back(record: Record, hold: Hold) -> Record:
    """Note that someone rolled back from a revision; an earlier hold on another is not forgotten."""
    before = record.held
    if before is not None and before.revision != hold.revision and before.seen is not None:
        earlier = Rejection(revision=before.revision, reason=before.reason, at_ms=before.at_ms, seen=before.seen)
        record = with_rejection(record, earlier)
    return replace(record, held=hold)


def hold_of(record: Record) -> Rejection | Hold | None:
    """Return why what the source wants is held back; None while it serves or is being tried."""
    wanted = record.wanted.revision.id
    if is_serving(record, wanted) or under_way(record) is not None:
        return None
    return max(refusals(record, wanted), key=lambda entry: entry.at_ms, default=None)


def is_held(record: Record) -> bool:
    """Whether what the source wants is held back."""
    return hold_of(record) is not None


def own_instances(record: Record, instances: Sequence[ObservedInstance]) -> list[ObservedInstance]:
    """Return the instances of what serves."""
    return [i for i in instances if is_serving(record, i.revision)]


def phase_of(seen: ObservedDeployment) -> DeploymentPhase:
    """Say in one word how a deployment is."""
    record = seen.record
    if record.deleted:
        return DeploymentPhase.REMOVING
    if seen.fault:  # its instances run on, but nobody sees to it
        has_some = any(i.ready for i in seen.instances or ())
        return DeploymentPhase.DEGRADED if has_some else DeploymentPhase.FAILED
    if is_suspended(record):
        return DeploymentPhase.SUSPENDED
    return _phase_of_job(record, seen) if is_job(record) else _phase_of_service(record, seen)


def ending_of(seen: ObservedDeployment) -> Conclusion | None:
    """Say how a deployment came to rest; None while it waits for more than time or a person."""
    record, phase = seen.record, phase_of(seen)
    if phase is DeploymentPhase.REMOVING:
        return None
    if seen.fault:
        return Conclusion.FAILED
    if seen.restarting:
        return None
    if phase in _ENDINGS:
        return _ENDINGS[phase] if phase is DeploymentPhase.FAILED or not is_held(record) else Conclusion.HELD
    return _ending_of_service(record, phase, seen.instances or ())


def _ending_of_service(
    record: Record, phase: DeploymentPhase, instances: Sequence[ObservedInstance]
) -> Conclusion | None:  # fmt: skip
    replicas, ready = (record.stable or record.wanted).replicas, sum(i.ready for i in own_instances(record, instances))
    if record.rollout is not None and record.rollout.phase is RolloutPhase.PAUSED:
        new = [i for i in instances if i.revision == record.rollout.target.revision.id]
        is_whole = _is_whole(own_instances(record, instances), replicas)
        return Conclusion.PAUSED if is_whole and _is_whole(new, record.rollout.target.replicas) else None
    if under_way(record) is not None or ready > replicas:
        return None
    is_ill = phase is DeploymentPhase.DEGRADED and ready == replicas  # all are there, and one is not well
    if phase is not DeploymentPhase.RUNNING and not is_ill:
        return None
    return Conclusion.HELD if is_held(record) else Conclusion.AS_WANTED


def _is_whole(instances: Sequence[ObservedInstance], replicas: int) -> bool:
    """Whether a set has as many instances as it should, each ready or failed: an ill one is not awaited."""
    return len(instances) == replicas and all(i.ready or i.phase in _FAILED for i in instances)


_FAILED = (Phase.FAILED, Phase.BACKING_OFF, Phase.GAVE_UP, Phase.STOPPED)
_ENDINGS = {
    DeploymentPhase.SUSPENDED: Conclusion.SUSPENDED,
    DeploymentPhase.FAILED: Conclusion.FAILED,
    DeploymentPhase.STOPPED: Conclusion.STOPPED,
    DeploymentPhase.SUCCEEDED: Conclusion.AS_WANTED,
    DeploymentPhase.SCHEDULED: Conclusion.AS_WANTED,
}


def _phase_of_job(record: Record, seen: ObservedDeployment) -> DeploymentPhase:
    if under_way(record) is not None:
        return DeploymentPhase.RUNNING
    if record.stable is not None and record.stable.schedule is not None:
        is_at_work = any(i.phase is Phase.RUNNING for i in seen.instances or ())
        return DeploymentPhase.RUNNING if is_at_work else DeploymentPhase.SCHEDULED
    is_rejected = isinstance(hold_of(record), Rejection)
    return DeploymentPhase.FAILED if record.stable is None or is_rejected else DeploymentPhase.SUCCEEDED


def _phase_of_service(record: Record, seen: ObservedDeployment) -> DeploymentPhase:
    if under_way(record) is not None:
        return DeploymentPhase.PROGRESSING
    if record.stable is None:
        return DeploymentPhase.FAILED
    return serving_phase(seen)


def serving_phase(seen: ObservedDeployment) -> DeploymentPhase:
    """Say in one word how what serves is, whatever else is under way; progressing where nothing serves yet."""
    stable = seen.record.stable
    if stable is None:
        return DeploymentPhase.PROGRESSING
    return _phase_of(stable.replicas, own_instances(seen.record, seen.instances or ()))


def _phase_of(replicas: int, own: list[ObservedInstance]) -> DeploymentPhase:
    ready = sum(i.ready for i in own)
    if ready >= replicas:
        is_ill = any(i.ready and i.health is Health.DEGRADED for i in own)
        return DeploymentPhase.DEGRADED if is_ill else DeploymentPhase.RUNNING
    if ready:
        return DeploymentPhase.DEGRADED
    if any(i.phase is Phase.GAVE_UP for i in own):
        return DeploymentPhase.FAILED
    is_over = own and all(i.phase is Phase.STOPPED for i in own)
    return DeploymentPhase.STOPPED if is_over else DeploymentPhase.PROGRESSING
