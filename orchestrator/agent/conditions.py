"""A deployment and its source → its conditions: does it serve, is it on its way, does it wait for a person?

Each condition has one reason, the most urgent. Durable facts say since when themselves (a hold, a rollout, a source
that cannot be read); of everything else `condition_times.py` remembers when it was seen first. Pure: it reads values.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from orchestrator.agent.describe import Described
from orchestrator.agent.describe_sources import SourceSeen, Sync
from orchestrator.model.condition import Condition, ConditionType, Truth
from orchestrator.model.observed import ObservedDeployment, Phase, Record, Rejection
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.rollout import Rollout, RolloutPhase
from orchestrator.rollout.standing import (
    DeploymentPhase,
    hold_of,
    is_barred,
    is_going_back,
    is_job,
    is_suspended,
    serving_phase,
    under_way,
)

Conditions = tuple[Condition, ...]


class Why(NamedTuple):
    """A reason for a condition: its word, a sentence, and since when it is so, 0 where its record does not tell."""

    reason: str
    message: str = ""
    since_ms: int = 0


def conditions_of(seen: ObservedDeployment, described: Described, source: SourceSeen) -> Conditions:
    """Answer the three questions about a deployment of `source`."""
    told = "; ".join(described.conditions)
    stalled = next(_stalled(seen, described, source, told), None)
    is_over = stalled is not None and described.ending is not None
    reconciling = None if is_over else next(_on_its_way(seen, described, told), None)
    is_ready, ready = _ready(seen, described, source, told)
    return (
        _condition(ConditionType.READY, is_ready, ready),
        _condition(ConditionType.RECONCILING, _truth(reconciling), reconciling or Why("AtRest")),
        _condition(ConditionType.STALLED, _truth(stalled), stalled or Why("NothingInTheWay")),
    )


def conditions_of_awaited(why: str) -> Conditions:
    """Answer for a deployment that never ran, as its component is not here yet; fetching it is tried again."""
    return (
        _condition(ConditionType.READY, Truth.FALSE, Why("NeverServed", why)),
        _condition(ConditionType.RECONCILING, Truth.TRUE, Why("Fetching", why)),
        _condition(ConditionType.STALLED, Truth.FALSE, Why("NothingInTheWay")),
    )


def conditions_of_blocked(why: str) -> Conditions:
    """Answer for a deployment that never ran, as its creation is blocked until somebody acts."""
    return (
        _condition(ConditionType.READY, Truth.FALSE, Why("NeverServed", why)),
        _condition(ConditionType.RECONCILING, Truth.FALSE, Why("AtRest")),
        _condition(ConditionType.STALLED, Truth.TRUE, Why("Blocked", why)),
    )


def _truth(why: Why | None) -> Truth:
    return Truth.TRUE if why is not None else Truth.FALSE


def _condition(about: ConditionType, status: Truth, why: Why) -> Condition:
    return Condition(type=about, status=status, reason=why.reason, message=why.message, since=why.since_ms)


def _ready(
    seen: ObservedDeployment, described: Described, source: SourceSeen, told: str
) -> tuple[Truth, Why]:  # fmt: skip
    """Say whether what serves answers calls with all of its instances; of a job, whether its run went well."""
    record = seen.record
    if is_job(record) and not record.deleted:
        return _job_is_ready(record, described, told)
    if not source.is_agent_running and not record.deleted:
        return Truth.UNKNOWN, Why("NoAgent", "no agent runs, so nothing of it does")
    not_meant_to = next(_not_meant_to_serve(record, told), None)
    return _SERVING[serving_phase(seen)](described, told) if not_meant_to is None else (Truth.FALSE, not_meant_to)


def _not_meant_to_serve(record: Record, told: str) -> Iterator[Why]:
    if record.deleted:
        yield Why("Removing")
    if is_barred(record):
        yield Why("PolicyRefused", told)
    if is_suspended(record):
        yield Why("Suspended")
    if record.stable is None:
        yield Why("FirstRollout" if under_way(record) is not None else "NeverServed", told)


def _job_is_ready(record: Record, described: Described, told: str) -> tuple[Truth, Why]:
    ended_ms = record.job.ended_ms if record.job is not None else 0
    if described.phase is DeploymentPhase.SUCCEEDED:
        return Truth.TRUE, Why("Succeeded", told, ended_ms)
    if described.phase is DeploymentPhase.FAILED:
        return Truth.FALSE, Why("Failed", told, ended_ms)
    if described.phase is DeploymentPhase.SUSPENDED:
        return Truth.FALSE, Why("Suspended")
    if record.stable is not None and record.stable.schedule is not None and under_way(record) is None:
        went_well = record.job is None or record.job.outcome.succeeded
        if went_well:
            return Truth.TRUE, Why("Scheduled", told)
        return Truth.FALSE, Why("LastRunFailed", told, ended_ms)
    return Truth.FALSE, Why("Running", told)


def _serves(described: Described, told: str) -> tuple[Truth, Why]:
    return Truth.TRUE, Why("Serving", f"{described.ready} of {described.replicas} instances are ready")


def _is_degraded(described: Described, told: str) -> tuple[Truth, Why]:
    if described.ready >= described.replicas:
        return Truth.FALSE, Why("Degraded", told)
    few = f"{described.ready} of {described.replicas} instances are ready"
    return Truth.FALSE, Why("TooFewReady", f"{few}: {told}" if told else few)


_SERVING: dict[DeploymentPhase, Callable[[Described, str], tuple[Truth, Why]]] = {
    DeploymentPhase.RUNNING: _serves,
    DeploymentPhase.DEGRADED: _is_degraded,
    DeploymentPhase.FAILED: lambda _described, told: (Truth.FALSE, Why("GaveUp", told)),
    DeploymentPhase.STOPPED: lambda _described, told: (Truth.FALSE, Why("Stopped", told)),
    DeploymentPhase.PROGRESSING: lambda _described, told: (Truth.FALSE, Why("Starting", told)),
}


def _on_its_way(seen: ObservedDeployment, described: Described, told: str) -> Iterator[Why]:
    """Yield how it gets nearer to what is wanted without anybody, the most telling first."""
    record, rollout = seen.record, under_way(seen.record)
    if record.deleted:
        yield Why("Removing")
    if described.phase is DeploymentPhase.SUSPENDED:
        return
    if rollout is not None and rollout.phase is not RolloutPhase.PAUSED:
        yield _rolling(record, rollout, told)
    if seen.restarting:
        yield Why("Restarting")
    if described.sync is Sync.FETCHING:
        yield Why("Fetching", told)
    if rollout is None and described.ending is None:
        yield Why(_UNSETTLED.get(described.phase, "Starting"), told)
    if rollout is None and described.sync is Sync.OUT_OF_SYNC:
        yield Why("OutOfSync")


_UNSETTLED = {DeploymentPhase.DEGRADED: "Recovering", DeploymentPhase.RUNNING: "Scaling"}


def _rolling(record: Record, rollout: Rollout, told: str) -> Why:
    word = "RollingBack" if is_going_back(record) else "RunningJob" if is_job(record) else "RollingOut"
    to = f"{rollout.phase.value} {rollout.target.revision.version}"
    return Why(word, f"{to}: {told}" if told else to, rollout.started_ms)


def _stalled(seen: ObservedDeployment, described: Described, source: SourceSeen, told: str) -> Iterator[Why]:
    """Yield all that keeps it from what is wanted until somebody acts, the most urgent first."""
    record = seen.record
    if record.deleted:
        return
    if seen.fault:
        yield Why("HostFault", seen.fault)
    if is_barred(record) and record.barred is not None:
        yield Why("PolicyRefused", record.barred.reason, record.barred.at_ms)
    yield from _standing_still(seen, described, told)
    if described.sync is Sync.INVALID:
        yield Why("InvalidManifest", told)
    left = source.left.get(record.key)
    if left is not None and left.status in _LEFT:
        yield _blocked(left)
    if seen.missing:
        yield Why("MissingDependency", told)
    if source.is_watched and source.status.stale_since_ms is not None:
        failure = source.status.failure
        why = f"{failure.summary}: {failure.detail}" if failure is not None else "the source cannot be read"
        yield Why("SourceUnreadable", why, source.status.stale_since_ms)


def _standing_still(seen: ObservedDeployment, described: Described, told: str) -> Iterator[Why]:
    rollout, hold = under_way(seen.record), hold_of(seen.record)
    if hold is not None:
        yield Why("Rejected" if isinstance(hold, Rejection) else "RolledBack", told or hold.reason, hold.at_ms)
    is_paused = rollout is not None and rollout.phase is RolloutPhase.PAUSED
    if rollout is not None and is_paused and described.phase is not DeploymentPhase.SUSPENDED:
        yield Why("Paused", rollout.conclusion, rollout.phase_since_ms)
    if any(each.phase is Phase.GAVE_UP for each in seen.instances or ()):
        yield Why("GaveUp", told)
    if described.phase is DeploymentPhase.FAILED and not seen.instances and hold is None:
        yield Why("Failed", told)


def _blocked(left: ActionOutcome) -> Why:
    return Why("Failed" if left.status is Status.FAILED else "Blocked", left.detail)


_LEFT = (Status.BLOCKED, Status.FAILED)
