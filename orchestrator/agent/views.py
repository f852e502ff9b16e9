"""What the API says of things: flat documents for tools, made from records and services. Nothing here decides."""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from orchestrator.agent.describe_sources import SourceSeen, sync_of, why_invalid
from orchestrator.contract.documents import (
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
    SessionView,
    SubscriptionView,
)
from orchestrator.messaging.topics import Subscription
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.letter import DeadLetter
from orchestrator.model.message import Health
from orchestrator.model.observed import (
    Number,
    ObservedDeployment,
    ObservedGroup,
    ObservedInstance,
    ObservedSession,
    Phase,
    Record,
)
from orchestrator.model.spec import Revision
from orchestrator.model.who import Act
from orchestrator.plan.dependencies import names_of
from orchestrator.rollout.analysis import wanted_messages
from orchestrator.rollout.standing import (
    end_of,
    ending_of,
    hold_of,
    is_job,
    own_instances,
    phase_of,
    under_way,
)

UNWELL_SHOWN = 3  # instances that say how they are, in the message of a deployment


def deployment_view(
    seen: ObservedDeployment, source: SourceSeen, compiling: Callable[[str], CompilingView | None]
) -> DeploymentView:
    """Describe a deployment of `source`; `compiling` tells whether an artifact is being compiled."""
    record = seen.record
    instances = seen.instances or ()
    shown = record.stable or record.wanted
    ending = ending_of(seen)
    return DeploymentView(
        kind="Deployment",
        namespace=record.key.namespace,
        name=record.key.name,
        version=shown.revision.version,
        revision=shown.revision.id,
        phase=phase_of(seen).value,
        ending=ending.value if ending else "",
        ready=sum(i.ready for i in own_instances(record, instances)),
        replicas=shown.replicas,
        sync=sync_of(record, source).value,
        wanted_version=record.wanted.revision.version,
        wanted_revision=record.wanted.revision.id,
        message="; ".join(filter(None, _messages(seen, source))),
        missing_dependencies=tuple(map(str, seen.missing)),
        source=record.source,
        source_revision=record.applied,
        attempted_revision=record.attempted,
        generation=record.generation,
        restarts=sum(i.restarts for i in instances),
        mailbox=seen.traffic.waiting,
        mailbox_capacity=shown.mailbox.capacity,
        traffic=seen.traffic,
        accepts=shown.revision.accepts,
        requests=seen.requests,
        labels=dict(shown.labels),
        instances=tuple(instance_view(record, i, seen.group) for i in instances),
        rollout=rollout_view(record),
        compiling=compiling(record.wanted.revision.artifact) or compiling(shown.revision.artifact),
        job=_job_view(record) if is_job(record) else None,
        group=_group_view(record, seen.group),
    )


def _messages(seen: ObservedDeployment, source: SourceSeen) -> tuple[str, ...]:
    why = seen.fault or _message(seen.record, seen.instances or (), seen.group)
    return why, why_invalid(seen.record, source), _lack(seen)


def _lack(seen: ObservedDeployment) -> str:
    if not seen.missing:
        return ""
    return f"depends on {names_of(seen.missing)}, which {'is' if len(seen.missing) == 1 else 'are'} not deployed"


def recorded_view(seen: ObservedDeployment, source: SourceSeen) -> DeploymentView:
    """Describe a deployment from its record alone, where no agent runs and so nothing of it does."""
    view = deployment_view(seen, source, _no_compilation)
    is_settled = view.phase in ("suspended", "removing", "succeeded") or (view.phase == "failed" and not seen.fault)
    return view if is_settled else replace(view, phase="stopped", ending="stopped")


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
    result = record.job
    if result is None:
        return JobView(revision="", exit_code=None, message="", started_at=0, ended_at=0)
    return JobView(
        revision=result.revision,
        exit_code=result.outcome.exit_code,
        message=str(result.outcome),
        started_at=result.started_ms,
        ended_at=result.ended_ms,
    )


def _told_apart(running: Revision | None, wanted: Revision) -> tuple[str, str]:
    """Name two revisions by their versions, and by their ids as well where the versions are the same."""
    if running is None:
        return "nothing", wanted.version
    if running.version != wanted.version:
        return running.version, wanted.version
    return f"{running.version} ({running.short})", f"{wanted.version} ({wanted.short})"


_UNWELL = (Health.DEGRADED, Health.UNHEALTHY)


def _message(record: Record, instances: Iterable[ObservedInstance], group: ObservedGroup | None) -> str:
    hold, rollout = hold_of(record), under_way(record)
    if hold is not None:
        if is_job(record):
            return f"{record.wanted.revision.version} is not run: {hold.reason}"
        running, wanted = _told_apart(record.stable.revision if record.stable else None, record.wanted.revision)
        return f"running {running}, the source wants {wanted}, held because {hold.reason}"
    shown = record.stable
    if is_job(record) and rollout is None:
        return ""
    if rollout is not None:
        if rollout.conclusion:
            return rollout.conclusion
        shown = rollout.target
    if group is not None and group.gave_up and shown is record.stable:
        return f"group {group.name} gave up: {group.gave_up}; `airs restart {record.key}` starts all of it again"
    of = shown.revision.id if shown else ""
    own = [i for i in instances if i.revision == of]
    down = [i for i in own if i.last_exit is not None and not i.ready]
    unwell = [
        f"{i.name} is unhealthy: {i.unwell}" if i.unwell else f"{i.name} says that it is {i.health.value}"
        for i in own
        if i.health in _UNWELL
    ]
    why = str(down[0].last_exit) if down else ", ".join(unwell[:UNWELL_SHOWN])
    if any(i.phase is Phase.GAVE_UP for i in down):
        why += f"; given up, `airs restart {record.key}` tries again"
    return why
