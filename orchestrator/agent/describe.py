"""A deployment's record, what its instances do, and its source → how it is: in one word, in numbers, in sentences.

Asked by the API, and by the command line where no agent runs; `views.py` makes documents of it. Where a rollout stands
is read in `rollout/standing.py`, how a source is in `describe_sources.py`. Pure: it reads values.
"""

from typing import NamedTuple

from orchestrator.agent.describe_sources import SourceSeen, Sync, sync_of, why_invalid
from orchestrator.model.message import Health
from orchestrator.model.observed import Hold, ObservedDeployment, ObservedInstance, Phase, Record, Rejection
from orchestrator.model.rollout import Rollout
from orchestrator.model.spec import Revision
from orchestrator.plan.dependencies import names_of
from orchestrator.rollout.standing import (
    Conclusion,
    DeploymentPhase,
    ending_of,
    hold_of,
    is_job,
    is_suspended,
    own_instances,
    phase_of,
    under_way,
)

UNWELL_SHOWN = 3  # instances that say how they are, in one sentence
RESUMES = "once its manifest says `suspend: false`"
_UNWELL = (Health.DEGRADED, Health.UNHEALTHY)
_LASTING = (DeploymentPhase.SUSPENDED, DeploymentPhase.REMOVING, DeploymentPhase.SUCCEEDED, DeploymentPhase.FAILED)


class Described(NamedTuple):
    """The state of a deployment. `conditions` are sentences that say why, the most urgent first; none if all is well.

    `ending` is None while it waits for more than time or a person.
    """

    phase: DeploymentPhase
    ending: Conclusion | None
    ready: int
    replicas: int
    sync: Sync
    conditions: tuple[str, ...] = ()


def describe(seen: ObservedDeployment, source: SourceSeen) -> Described:
    """Say how a deployment of `source` is."""
    record = seen.record
    return Described(
        phase=phase_of(seen),
        ending=ending_of(seen),
        ready=sum(each.ready for each in own_instances(record, seen.instances or ())),
        replicas=(record.stable or record.wanted).replicas,
        sync=sync_of(record, source),
        conditions=tuple(
            filter(None, (seen.fault or _why(seen), why_invalid(record, source), _lack(seen), seen.ruling))
        ),
    )


def describe_recorded(seen: ObservedDeployment, source: SourceSeen) -> Described:
    """Say how a deployment is where no agent runs: stopped, unless its phase is one that lasts."""
    now = describe(seen, source)
    is_lasting = now.phase in _LASTING and not (now.phase is DeploymentPhase.FAILED and seen.fault)
    return now if is_lasting else now._replace(phase=DeploymentPhase.STOPPED, ending=Conclusion.STOPPED)


def _why(seen: ObservedDeployment) -> str:
    """Say why it is as it is; empty where that needs no words."""
    record, hold, rollout = seen.record, hold_of(seen.record), under_way(seen.record)
    if record.deleted:
        return ""
    if hold is not None:
        return _held(record, hold)
    if rollout is not None:
        return _stands_still(record, rollout) if is_suspended(record) else _on_its_way(seen, rollout)
    if is_job(record):
        return _last_run(record)
    return "" if record.stable is None else _serves(seen, record.stable.revision)


def _last_run(record: Record) -> str:
    """Say of a job by schedule how its last run ended that did not end well."""
    is_scheduled = record.stable is not None and record.stable.schedule is not None
    if not is_scheduled or record.job is None or record.job.outcome.succeeded:
        return ""
    return f"its last run failed: {record.job.outcome}; `airs get runs {record.key}` shows what it printed"


def _on_its_way(seen: ObservedDeployment, rollout: Rollout) -> str:
    return rollout.conclusion or _down(seen, rollout.target.revision)


def _serves(seen: ObservedDeployment, revision: Revision) -> str:
    group = seen.group
    if group is not None and group.gave_up:
        return f"group {group.name} gave up: {group.gave_up}; `airs restart {seen.record.key}` starts all of it again"
    return _down(seen, revision)


def _stands_still(record: Record, rollout: Rollout) -> str:
    """Say what resumes the rollout; a promotion does not."""
    version = rollout.target.revision.version
    if record.stable is None:
        return f"{version} {'is run' if is_job(record) else 'starts'} {RESUMES}"
    where = f" at {rollout.weight} %" if rollout.weight else ""
    return f"the rollout of {version} stands still{where}, and goes on {RESUMES}"


def _held(record: Record, hold: Rejection | Hold) -> str:
    if is_job(record):
        return f"{record.wanted.revision.version} is not run: {hold.reason}"
    running, wanted = _told_apart(record.stable.revision if record.stable else None, record.wanted.revision)
    state = "suspended at" if is_suspended(record) and record.stable is not None else "running"
    return f"{state} {running}, the source wants {wanted}, held because {hold.reason}"


def _told_apart(running: Revision | None, wanted: Revision) -> tuple[str, str]:
    """Name two revisions by their versions, and by their ids as well where the versions are the same."""
    if running is None:
        return "nothing", wanted.version
    if running.version != wanted.version:
        return running.version, wanted.version
    return f"{running.version} ({running.short})", f"{wanted.version} ({wanted.short})"


def _down(seen: ObservedDeployment, revision: Revision) -> str:
    """Say how the first of a revision's instances ended that is not Ready, or else which are not well."""
    own = [each for each in seen.instances or () if each.revision == revision.id]
    down = [each for each in own if each.last_exit is not None and not each.ready]
    unwell = [_unwell(each) for each in own if each.health in _UNWELL]
    why = str(down[0].last_exit) if down else ", ".join(unwell[:UNWELL_SHOWN])
    gave_up = any(each.phase is Phase.GAVE_UP for each in down)
    return f"{why}; given up, `airs restart {seen.record.key}` tries again" if gave_up else why


def _unwell(instance: ObservedInstance) -> str:
    if instance.unwell:
        return f"{instance.name} is unhealthy: {instance.unwell}"
    return f"{instance.name} says that it is {instance.health.value}"


def _lack(seen: ObservedDeployment) -> str:
    if not seen.missing:
        return ""
    return f"depends on {names_of(seen.missing)}, which {'is' if len(seen.missing) == 1 else 'are'} not deployed"
