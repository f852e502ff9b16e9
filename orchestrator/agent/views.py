"""The API's views of things: flat documents for tools, made from records and services. Nothing here decides."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from orchestrator.agent.conditions import Conditions, conditions_of, conditions_of_awaited, conditions_of_blocked
from orchestrator.agent.describe import Described, describe, describe_recorded
from orchestrator.agent.describe_sources import AwaitedDeployment, BlockedDeployment, SourceSeen, Sync
from orchestrator.contract.documents import (
    SIGNER_STATES,
    ActView,
    CompilingView,
    DeadLetterView,
    DeploymentView,
    GroupView,
    HistoryView,
    InstanceView,
    JobView,
    RevisionView,
    RolloutView,
    RunView,
    SessionView,
    SignerView,
    SubscriptionView,
)
from orchestrator.cron import next_due
from orchestrator.messaging.topics import Subscription
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobRun
from orchestrator.model.letter import DeadLetter
from orchestrator.model.observed import (
    Number,
    ObservedDeployment,
    ObservedGroup,
    ObservedInstance,
    ObservedSession,
    Phase,
    Record,
    RequestCounts,
    Traffic,
)
from orchestrator.model.spec import Deployment, Revision
from orchestrator.model.who import Act
from orchestrator.rollout.analysis import wanted_messages
from orchestrator.rollout.standing import (
    Conclusion,
    DeploymentPhase,
    end_of,
    is_job,
    leading_to,
    revisions_of,
)

SignedBy = Callable[[Revision], tuple[SignerView, ...]]
Dated = Callable[[DeploymentKey, Conditions], Conditions]  # says since when each is so


def deployment_view(
    seen: ObservedDeployment, source: SourceSeen, compiling: Callable[[str], CompilingView | None],
    signed: SignedBy, dated: Dated,
) -> DeploymentView:  # fmt: skip
    """Describe a deployment of `source`; `compiling` tells whether an artifact is being compiled."""
    described = describe(seen, source)
    conditions = dated(seen.record.key, conditions_of(seen, described, source))
    return _deployment_view(seen, source, described, compiling, signed, conditions)


def recorded_view(seen: ObservedDeployment, source: SourceSeen, signed: SignedBy, dated: Dated) -> DeploymentView:
    """Describe a deployment from its record alone, where no agent runs and so nothing of it does."""
    described = describe_recorded(seen, source)
    conditions = dated(seen.record.key, conditions_of(seen, described, source))
    return _deployment_view(seen, source, described, _no_compilation, signed, conditions)


def awaited_view(awaited: AwaitedDeployment) -> DeploymentView:
    """Describe a deployment that never ran, as its component is not here yet; nothing more is known of it."""
    never = _never_ran(awaited.key, awaited.source, awaited.why)
    return replace(
        never, phase=DeploymentPhase.FETCHING.value, ending=Conclusion.FAILED.value if awaited.has_failed else "",
        conditions=conditions_of_awaited(awaited.why), sync=Sync.FETCHING.value,
    )  # fmt: skip


def blocked_view(blocked: BlockedDeployment) -> DeploymentView:
    """Describe a deployment that never ran, as its creation is blocked."""
    never = _never_ran(blocked.key, blocked.source, blocked.why)
    return replace(
        never, phase=DeploymentPhase.BLOCKED.value, ending=Conclusion.FAILED.value,
        conditions=conditions_of_blocked(blocked.why), sync=Sync.OUT_OF_SYNC.value,
        wanted_version=blocked.version, wanted_revision=blocked.revision,
    )  # fmt: skip


def _never_ran(key: DeploymentKey, source: str, why: str) -> DeploymentView:
    return DeploymentView(
        kind="Deployment", namespace=key.namespace, name=key.name, version="", revision="", phase="", ending="",
        conditions=(),
        ready=0, replicas=0, sync="", wanted_version="", wanted_revision="", message=why,
        missing_dependencies=(), source=source, source_revision=None, attempted_revision=None, generation=0,
        restarts=0, mailbox=0, mailbox_capacity=0, traffic=Traffic(), accepts=(), signature="", signers=(),
        requests=RequestCounts(), labels={}, instances=(), rollout=None, compiling=None, job=None, group=None,
    )  # fmt: skip


def signature_of(revision: Revision, signers: tuple[SignerView, ...]) -> str:
    """Say what the signatures on a revision come to: the best that any of its signers is."""
    if not revision.manifest:
        return ""
    states = {signer.state for signer in signers}
    return next((state for state in SIGNER_STATES if state in states), "broken")


def _deployment_view(
    seen: ObservedDeployment, source: SourceSeen, described: Described,
    compiling: Callable[[str], CompilingView | None], signed: SignedBy, conditions: Conditions,
) -> DeploymentView:  # fmt: skip
    record = seen.record
    attempted, applied = revisions_of(record, source.desired)
    instances = seen.instances or ()
    shown = record.stable or record.wanted
    signers = signed(shown.revision)
    return DeploymentView(
        kind="Deployment",
        namespace=record.key.namespace,
        name=record.key.name,
        version=shown.revision.version,
        revision=shown.revision.id,
        phase=described.phase.value,
        ending=described.ending.value if described.ending else "",
        conditions=conditions,
        ready=described.ready,
        replicas=described.replicas,
        sync=described.sync.value,
        wanted_version=record.wanted.revision.version,
        wanted_revision=record.wanted.revision.id,
        message="; ".join(described.conditions),
        missing_dependencies=tuple(map(str, seen.missing)),
        source=record.source,
        source_revision=applied,
        attempted_revision=attempted,
        generation=record.generation,
        restarts=sum(i.restarts for i in instances),
        mailbox=seen.traffic.waiting,
        mailbox_capacity=shown.mailbox.capacity,
        traffic=seen.traffic,
        accepts=shown.revision.accepts,
        signature=signature_of(shown.revision, signers),
        signers=signers,
        requests=seen.requests,
        labels=dict(shown.labels),
        instances=tuple(instance_view(record, i, seen.group) for i in instances),
        rollout=rollout_view(record),
        compiling=compiling(record.wanted.revision.artifact) or compiling(shown.revision.artifact),
        job=_job_view(record) if is_job(record) else None,
        group=_group_view(record, seen.group),
    )


def _no_compilation(_artifact: str) -> None:
    return None


def _group_view(record: Record, seen: ObservedGroup | None) -> GroupView | None:
    said = record.stable.group if record.stable is not None else None
    if said is None or seen is None:
        return None
    restarting = "restarting" if seen.restarting else "running"
    return GroupView(
        kind="Group",
        namespace=record.key.namespace,
        name=seen.name,
        strategy=seen.strategy.value,
        phase="gave-up" if seen.gave_up else restarting,
        members=tuple(map(str, seen.members)),
        failures=seen.failures,
        intensity=said.intensity,
        period_ms=said.period_ms,
        restarting=tuple(map(str, seen.restarting)),
        gave_up=seen.gave_up,
        next_start_at=seen.due_ms,
    )


def instance_view(record: Record, seen: ObservedInstance, group: ObservedGroup | None) -> InstanceView:
    """Describe an instance; one that backs off without a time of its own waits for its group's."""
    due_with_group = group.due_ms if group is not None and seen.phase is Phase.BACKING_OFF else 0
    return InstanceView(
        kind="Instance",
        namespace=record.key.namespace,
        deployment=record.key.name,
        name=seen.name,
        revision=seen.revision,
        phase=seen.phase.value,
        ready=seen.ready,
        restarts=seen.restarts,
        health=seen.health.value,
        unwell=seen.unwell,
        last_exit=replace(seen.last_exit) if seen.last_exit else None,
        memory_bytes=seen.memory_bytes,
        metered_calls=seen.spent.calls,
        metered_fuel=seen.spent.fuel,
        next_start_at=seen.next_start_ms or due_with_group,
    )


def session_view(key: DeploymentKey, seen: ObservedSession) -> SessionView:
    """Describe a session."""
    return SessionView(
        kind="Session",
        namespace=key.namespace,
        deployment=key.name,
        name=seen.name,
        instance=seen.instance,
        handles=seen.handles,
    )


def dead_letter_view(number: int, letter: DeadLetter, sent_again: bool) -> DeadLetterView:
    """Describe a dead letter."""
    return DeadLetterView(
        kind="DeadLetter",
        number=number,
        namespace=letter.key.namespace,
        deployment=letter.key.name,
        sender=str(letter.sender),
        reason=letter.reason,
        detail=letter.detail,
        at=letter.at_ms,
        sent_at=letter.sent_ns // 1_000_000,
        attempts=letter.attempts,
        sent_again=sent_again,
        conversation=letter.correlation_id,
        content_type=letter.content_type,
        payload=letter.payload,
        topic=letter.topic,
    )


def subscription_view(seen: Subscription) -> SubscriptionView:
    """Describe a subscription."""
    return SubscriptionView(
        kind="Subscription",
        namespace=seen.key.namespace,
        deployment=seen.key.name,
        pattern=seen.pattern,
        by=seen.by,
        instance=seen.instance,
        in_force=seen.in_force,
    )


def rollout_view(record: Record) -> RolloutView | None:
    """Describe a deployment's rollout."""
    rollout = record.rollout
    if rollout is None:
        return None
    end = end_of(rollout)
    return RolloutView(
        number=rollout.number,
        ended=end.value if end else "",
        phase=rollout.phase.value,
        cause=rollout.cause.value,
        target_version=rollout.target.revision.version,
        target_revision=rollout.target.revision.id,
        stable_revision=rollout.stable,
        stable_version=_version_of(rollout.stable, rollout.old, record.stable),
        weight=rollout.weight,
        step=rollout.step,
        steps=len(rollout.target.rollout.steps),
        messages=rollout.messages,
        errors=rollout.errors,
        evidence_messages=rollout.evidence.handled,
        evidence_errors=rollout.evidence.errors,
        minimum_messages=wanted_messages(rollout.target.rollout),
        passed_checks=rollout.passed_checks,
        failed_checks=rollout.failed_checks,
        inconclusive_checks=rollout.inconclusive_checks,
        conclusion=rollout.conclusion,
        started_at=rollout.started_ms,
        keep_until=rollout.keep_until_ms,
    )


def _version_of(revision: str | None, *known: Deployment | None) -> str | None:
    return next((one.revision.version for one in known if one is not None and one.revision.id == revision), None)


_JOB_OUTCOMES = {"running": "succeeded", "rejected": "failed"}  # nothing of a job goes on


def history_of(key: DeploymentKey, numbers: Sequence[Number], acts: Sequence[Act]) -> list[HistoryView | ActView]:
    """Describe a deployment's history in the order of time; an act comes before what it began."""
    revisions = (_number_view(key, number) for number in numbers)
    by_hand = (_act_view(key, act) for act in acts)
    return sorted((*by_hand, *revisions), key=lambda view: view.at if isinstance(view, ActView) else view.started_at)


def revision_view(key: DeploymentKey, number: Number) -> RevisionView:
    """Describe what a revision contained."""
    return RevisionView(entry=_number_view(key, number), content=number.revision)


def _number_view(key: DeploymentKey, number: Number) -> HistoryView:
    return HistoryView(
        namespace=key.namespace,
        name=key.name,
        number=number.number,
        version=number.revision.version,
        revision=number.revision.id,
        cause=number.cause.value,
        reason=number.reason,
        outcome=_JOB_OUTCOMES.get(number.outcome, number.outcome) if number.revision.is_job else number.outcome,
        source_revision=number.source_revision,
        commit=number.commit,
        by=number.by.peer if number.by else None,
        why=number.by.why if number.by else "",
        started_at=number.started_ms,
        ended_at=number.ended_ms,
    )


def _act_view(key: DeploymentKey, act: Act) -> ActView:
    return ActView(
        namespace=key.namespace,
        name=key.name,
        number=act.number,
        verb=act.verb,
        detail=act.detail,
        by=act.by.peer,
        why=act.by.why,
        at=act.at_ms,
    )


def _job_view(record: Record) -> JobView:
    result, schedule, attended = record.job, leading_to(record).schedule, record.attended
    is_attended = schedule is not None and attended is not None
    coming = next_due(attended.cron, attended.time_zone, attended.at_ms) if attended and is_attended else None
    return JobView(
        revision=result.revision if result else "",
        exit_code=result.outcome.exit_code if result else None,
        message=str(result.outcome) if result else "",
        started_at=result.started_ms if result else 0,
        ended_at=result.ended_ms if result else 0,
        schedule=schedule.cron if schedule else "",
        time_zone=schedule.time_zone if schedule else "",
        next_at=coming or 0,
    )


def run_view(key: DeploymentKey, run: JobRun) -> RunView:
    """Describe a run of a job."""
    outcome = run.outcome
    return RunView(
        kind="Run",
        namespace=key.namespace,
        deployment=key.name,
        number=run.number,
        revision=run.revision,
        version=run.version,
        cause=run.cause.value,
        by=run.by.peer if run.by else None,
        due_at=run.due_ms,
        started_at=0 if run.skipped else run.started_ms,
        ended_at=run.ended_ms,
        instance=run.instance,
        exit_code=outcome.exit_code if outcome else None,
        message=str(outcome) if outcome else "",
        skipped=run.skipped,
        output=run.output,
    )
