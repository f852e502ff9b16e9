"""How a deployment is: a row for each way it can be, from its record and what is observed to word, numbers, reason."""

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from orchestrator.agent.describe import Described, describe, describe_recorded
from orchestrator.agent.describe_sources import SourceSeen, Sync
from orchestrator.model.desired import DesiredState
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobOutcome, Schedule
from orchestrator.model.message import Health
from orchestrator.model.observed import (
    Hold,
    JobResult,
    ObservedDeployment,
    ObservedGroup,
    ObservedInstance,
    Phase,
    Record,
    Rejection,
)
from orchestrator.model.rollout import Cause, Rollout, RolloutPhase
from orchestrator.model.source import Follow, SourceRecord
from orchestrator.model.spec import (
    Deployment,
    GroupStrategy,
    Job,
    Limits,
    PauseStep,
    Revision,
    RolloutPolicy,
    Strategy,
    WeightStep,
)
from orchestrator.rollout.advance import begin
from orchestrator.rollout.standing import Conclusion, DeploymentPhase

KEY = DeploymentKey("default", "hello")
SOURCE = "/srv/manifests"
CANARY = RolloutPolicy(strategy=Strategy.CANARY, steps=(WeightStep(weight=20), PauseStep()))
TRAP = ExitReason(kind=ExitKind.TRAPPED, detail="unreachable")
WATCHED = SourceSeen(SOURCE, SourceRecord(name=SOURCE, follow=Follow.WATCHED, since_ms=1))


def deployment(version: str, **fields: Any) -> Deployment:
    revision = Revision(
        id=version.replace(".", "") * 10, component="hello", version=version, artifact="sha256:" + "0" * 64,
        stateful=False, config="{}", grants=(), limits=Limits(memory_bytes=1, fuel=1, timeout_ms=1),
        job=fields.pop("job", None),
    )  # fmt: skip
    return Deployment(key=KEY, revision=revision, **{"replicas": 2, **fields})


OLD, NEW = deployment("1.0.0"), deployment("2.0.0", rollout=CANARY)
JOB, NEXT_JOB = (deployment(version, job=Job(), replicas=0) for version in ("1.0.0", "2.0.0"))

NIGHTLY = deployment("1.0.0", job=Job(), replicas=0, schedule=Schedule(cron="@daily"))
FAILED_RUN = JobResult(revision=NIGHTLY.revision.id, outcome=JobOutcome(code=3), started_ms=1, ended_ms=2)


def record(stable: Deployment | None = OLD, wanted: Deployment | None = None, **fields: Any) -> Record:
    wanted = wanted or stable or OLD
    return Record(key=KEY, source=SOURCE, generation=1, wanted=wanted, stable=stable, **fields)


def rolling(phase: RolloutPhase, to: Deployment = NEW, since: Deployment | None = OLD, **fields: Any) -> Rollout:
    stable = since.revision.id if since is not None else None
    return replace(begin(to, stable, Cause.APPLY, 0, 2, since), phase=phase, **fields)


def instance(name: str = "0", of: Deployment = OLD, phase: Phase = Phase.RUNNING, **fields: Any) -> ObservedInstance:
    ready = fields.pop("ready", phase is Phase.RUNNING)
    return ObservedInstance(name=name, revision=of.revision.id, phase=phase, ready=ready, **fields)


def both(**fields: Any) -> tuple[ObservedInstance, ...]:
    return instance("0", **fields), instance("1", **fields)


def down(phase: Phase, name: str = "0", of: Deployment = OLD) -> ObservedInstance:
    return instance(name, of, phase, last_exit=TRAP)


def rejected(of: Deployment, reason: str) -> tuple[Rejection, ...]:
    return (Rejection(revision=of.revision.id, reason=reason, at_ms=5),)


def group(gave_up: str) -> ObservedGroup:
    return ObservedGroup(name="front", strategy=GroupStrategy.ONE_FOR_ALL, members=(KEY,), gave_up=gave_up)


class Row(NamedTuple):
    seen: ObservedDeployment
    phase: DeploymentPhase
    ending: Conclusion | None
    ready: int
    sync: Sync
    conditions: tuple[str, ...] = ()


def of(record: Record, instances: tuple[ObservedInstance, ...] = (), **fields: Any) -> ObservedDeployment:
    return ObservedDeployment(record=record, instances=instances, **fields)


P, C = DeploymentPhase, Conclusion
HELD_NEW = record(OLD, NEW, rejected=rejected(NEW, "1 of 50 messages failed"))
TRAPPED = str(TRAP)
RESUMED = "once its manifest says `suspend: false`"
SUSPENDED_OLD, SUSPENDED_NEW = replace(OLD, suspend=True), replace(NEW, suspend=True)
ROWS = {
    # nothing but what serves
    "runs": Row(of(record(), both()), P.RUNNING, C.AS_WANTED, 2, Sync.SYNCED),
    "has none yet that is ready": Row(
        of(record(), both(phase=Phase.STARTING)), P.PROGRESSING, None, 0, Sync.SYNCED
    ),
    "has none at all yet": Row(of(record()), P.PROGRESSING, None, 0, Sync.SYNCED),
    "has one of two": Row(
        of(record(), (instance(), down(Phase.BACKING_OFF, "1"))), P.DEGRADED, None, 1, Sync.SYNCED, (TRAPPED,)
    ),
    "has one too many": Row(of(record(), (*both(), instance("2"))), P.RUNNING, None, 3, Sync.SYNCED),
    "is degraded by its own word": Row(
        of(record(), (instance(), instance("1", health=Health.DEGRADED))),
        P.DEGRADED, C.AS_WANTED, 2, Sync.SYNCED, ("1 says that it is degraded",),
    ),
    "is unhealthy by a call": Row(
        of(record(), (instance(), instance("1", ready=False, health=Health.UNHEALTHY, unwell="it returned 3"))),
        P.DEGRADED, None, 1, Sync.SYNCED, ("1 is unhealthy: it returned 3",),
    ),
    "names three that are not well": Row(
        of(record(), tuple(instance(str(n), health=Health.DEGRADED) for n in range(4))),
        P.DEGRADED, None, 4, Sync.SYNCED, (", ".join(f"{n} says that it is degraded" for n in range(3)),),
    ),
    "gave up": Row(
        of(record(), (down(Phase.GAVE_UP), down(Phase.GAVE_UP, "1"))), P.FAILED, C.FAILED, 0, Sync.SYNCED,
        (f"{TRAPPED}; given up, `airs restart default/hello` tries again",),
    ),
    "gave up with its group": Row(
        of(record(), (down(Phase.GAVE_UP),), group=group("5 failures in 60s")), P.FAILED, C.FAILED, 0, Sync.SYNCED,
        ("group front gave up: 5 failures in 60s; `airs restart default/hello` starts all of it again",),
    ),
    "is in a group that is well": Row(of(record(), both(), group=group("")), P.RUNNING, C.AS_WANTED, 2, Sync.SYNCED),
    "ended by its restart policy": Row(of(record(), both(phase=Phase.STOPPED)), P.STOPPED, C.STOPPED, 0, Sync.SYNCED),
    "is restarted by hand": Row(of(record(), both(), restarting=True), P.RUNNING, None, 2, Sync.SYNCED),
    "lacks what it depends on": Row(
        of(record(), both(), missing=(DeploymentKey("default", "db"),)), P.RUNNING, C.AS_WANTED, 2, Sync.SYNCED,
        ("depends on default/db, which is not deployed",),
    ),
    "lacks several": Row(
        of(record(), both(), missing=(DeploymentKey("default", "db"), DeploymentKey("default", "mq"))),
        P.RUNNING, C.AS_WANTED, 2, Sync.SYNCED, ("depends on default/db, default/mq, which are not deployed",),
    ),
    "cannot be looked after and runs": Row(
        of(record(), both(), fault="the disk is full"), P.DEGRADED, C.FAILED, 2, Sync.SYNCED, ("the disk is full",)
    ),
    "cannot be looked after nor runs": Row(
        of(record(), fault="the disk is full"), P.FAILED, C.FAILED, 0, Sync.SYNCED, ("the disk is full",)
    ),
    # deleted meanwhile
    "is being removed": Row(of(record(deleted=True), both()), P.REMOVING, None, 2, Sync.SYNCED),
    "is being removed while held": Row(of(replace(HELD_NEW, deleted=True), both()), P.REMOVING, None, 2, Sync.HELD),
    # on its way
    "starts for the first time": Row(
        of(record(None, OLD, rollout=rolling(RolloutPhase.STARTING, OLD, None)), (down(Phase.BACKING_OFF),)),
        P.PROGRESSING, None, 0, Sync.OUT_OF_SYNC, (TRAPPED,),
    ),
    "never ran": Row(
        of(record(None, OLD, rollout=rolling(RolloutPhase.FAILED, OLD, None, conclusion="it gave up"))),
        P.FAILED, C.FAILED, 0, Sync.OUT_OF_SYNC,
    ),
    "never ran, which holds it": Row(
        of(record(None, OLD, rejected=rejected(OLD, "it gave up"))), P.FAILED, C.FAILED, 0, Sync.HELD,
        ("running nothing, the source wants 1.0.0, held because it gave up",),
    ),
    "rolls out": Row(
        of(record(OLD, NEW, rollout=rolling(RolloutPhase.PROGRESSING)), (*both(), down(Phase.FAILED, "2", NEW))),
        P.PROGRESSING, None, 2, Sync.OUT_OF_SYNC, (TRAPPED,),
    ),
    "is paused, all in place": Row(
        of(record(OLD, NEW, rollout=rolling(RolloutPhase.PAUSED, conclusion="step 2 of 2 waits")),
           (*both(), *both(of=NEW))),
        P.PROGRESSING, C.PAUSED, 2, Sync.OUT_OF_SYNC, ("step 2 of 2 waits",),
    ),
    "is paused, one still to come": Row(
        of(record(OLD, NEW, rollout=rolling(RolloutPhase.PAUSED, conclusion="step 2 of 2 waits")),
           (*both(), instance(of=NEW), instance("1", NEW, Phase.STARTING))),
        P.PROGRESSING, None, 2, Sync.OUT_OF_SYNC, ("step 2 of 2 waits",),
    ),
    "is paused over one that failed": Row(
        of(record(OLD, NEW, rollout=rolling(RolloutPhase.PAUSED, conclusion="step 2 of 2 waits")),
           (*both(), instance(of=NEW), down(Phase.GAVE_UP, "1", NEW))),
        P.PROGRESSING, C.PAUSED, 2, Sync.OUT_OF_SYNC, ("step 2 of 2 waits",),
    ),
    "goes back": Row(
        of(record(OLD, NEW, rollout=rolling(RolloutPhase.ROLLING_BACK, conclusion="aborted by request")), both()),
        P.PROGRESSING, None, 2, Sync.OUT_OF_SYNC, ("aborted by request",),
    ),
    "keeps the old version warm": Row(
        of(record(NEW, rollout=rolling(RolloutPhase.KEEPING)), (*both(of=NEW), *both())),
        P.RUNNING, C.AS_WANTED, 2, Sync.SYNCED,
    ),
    # held
    "is held after a failure": Row(
        of(HELD_NEW, both()), P.RUNNING, C.HELD, 2, Sync.HELD,
        ("running 1.0.0, the source wants 2.0.0, held because 1 of 50 messages failed",),
    ),
    "is held after a rollback": Row(
        of(record(OLD, NEW, held=Hold(revision=NEW.revision.id, reason="rolled back", at_ms=1)), both()),
        P.RUNNING, C.HELD, 2, Sync.HELD, ("running 1.0.0, the source wants 2.0.0, held because rolled back",),
    ),
    "is held at another revision of one version": Row(
        of(record(OLD, replace(OLD, revision=replace(OLD.revision, id="f" * 64)),
                  held=Hold(revision="f" * 64, reason="rolled back", at_ms=1)), both()),
        P.RUNNING, C.HELD, 2, Sync.HELD,
        ("running 1.0.0 (1001001001), the source wants 1.0.0 (ffffffffff), held because rolled back",),
    ),
    # suspended
    "is suspended": Row(of(record(SUSPENDED_OLD)), P.SUSPENDED, C.SUSPENDED, 0, Sync.SYNCED),
    "is suspended before it ever started": Row(
        of(record(None, SUSPENDED_OLD, rollout=rolling(RolloutPhase.PENDING, SUSPENDED_OLD, None))),
        P.SUSPENDED, C.SUSPENDED, 0, Sync.OUT_OF_SYNC, (f"1.0.0 starts {RESUMED}",),
    ),
    "is suspended amid a canary": Row(
        of(record(SUSPENDED_OLD, SUSPENDED_NEW, rollout=rolling(
            RolloutPhase.PAUSED, SUSPENDED_NEW, weight=20, step=1,
            conclusion="step 2 of 2 waits for `airs rollout promote default/hello`",
        ))),
        P.SUSPENDED, C.SUSPENDED, 0, Sync.OUT_OF_SYNC,
        (f"the rollout of 2.0.0 stands still at 20 %, and goes on {RESUMED}",),
    ),
    "is suspended amid a rollout that has no traffic yet": Row(
        of(record(OLD, SUSPENDED_NEW, rollout=rolling(RolloutPhase.STARTING, SUSPENDED_NEW))),
        P.SUSPENDED, C.SUSPENDED, 0, Sync.OUT_OF_SYNC,
        (f"the rollout of 2.0.0 stands still, and goes on {RESUMED}",),
    ),
    "is suspended and held": Row(
        of(record(SUSPENDED_OLD, SUSPENDED_NEW, rejected=rejected(NEW, "aborted by request"))),
        P.SUSPENDED, C.HELD, 0, Sync.HELD,
        ("suspended at 1.0.0, the source wants 2.0.0, held because aborted by request",),
    ),
    # jobs
    "a job is to run": Row(
        of(record(None, JOB, rollout=rolling(RolloutPhase.PENDING, JOB, None))), P.RUNNING, None, 0, Sync.OUT_OF_SYNC
    ),
    "a job runs": Row(
        of(record(None, JOB, rollout=rolling(RolloutPhase.STARTING, JOB, None))), P.RUNNING, None, 0, Sync.OUT_OF_SYNC
    ),
    "a job is suspended before it ran": Row(
        of(record(None, replace(JOB, suspend=True),
                  rollout=rolling(RolloutPhase.PENDING, replace(JOB, suspend=True), None))),
        P.SUSPENDED, C.SUSPENDED, 0, Sync.OUT_OF_SYNC, (f"1.0.0 is run {RESUMED}",),
    ),
    "a job succeeded": Row(of(record(JOB)), P.SUCCEEDED, C.AS_WANTED, 0, Sync.SYNCED),
    "a job ended with a code": Row(
        of(record(None, JOB, rejected=rejected(JOB, "ended with 3"))), P.FAILED, C.FAILED, 0, Sync.HELD,
        ("1.0.0 is not run: ended with 3",),
    ),
    "a job's next version took too long": Row(
        of(record(JOB, NEXT_JOB, rejected=rejected(NEXT_JOB, "deadline exceeded"))), P.FAILED, C.FAILED, 0, Sync.HELD,
        ("2.0.0 is not run: deadline exceeded",),
    ),
    "a job was rolled back": Row(
        of(record(JOB, NEXT_JOB, held=Hold(revision=NEXT_JOB.revision.id, reason="rolled back", at_ms=1))),
        P.SUCCEEDED, C.HELD, 0, Sync.HELD, ("2.0.0 is not run: rolled back",),
    ),
    "a job waits for its schedule": Row(of(record(NIGHTLY)), P.SCHEDULED, C.AS_WANTED, 0, Sync.SYNCED),
    "a job by schedule is at work": Row(
        of(record(NIGHTLY), (instance(of=NIGHTLY, ready=False),)), P.RUNNING, C.AS_WANTED, 0, Sync.SYNCED,
    ),
    "a job by schedule failed last": Row(
        of(record(NIGHTLY, job=FAILED_RUN)), P.SCHEDULED, C.AS_WANTED, 0, Sync.SYNCED,
        ("its last run failed: exit code 3; `airs get runs default/hello` shows what it printed",),
    ),
    # its source
    "its source wants another that nobody tries yet": Row(
        of(record(OLD, NEW), both()), P.RUNNING, C.AS_WANTED, 2, Sync.OUT_OF_SYNC
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_how_a_deployment_is(row: Row):
    replicas = (row.seen.record.stable or row.seen.record.wanted).replicas
    assert describe(row.seen, WATCHED) == Described(
        row.phase, row.ending, row.ready, replicas, row.sync, row.conditions
    )


def test_every_phase_and_every_ending_has_a_row():
    of_records = set(DeploymentPhase) - {P.FETCHING, P.BLOCKED}  # which have no record yet
    assert {row.phase for row in ROWS.values()} == of_records
    assert {row.ending for row in ROWS.values()} == {*Conclusion, None}


def test_a_manifest_that_turned_wrong_is_told_after_what_is_down():
    broken = WATCHED._replace(desired=DesiredState(source=SOURCE, invalid=(KEY,)))
    described = describe(of(record(), (down(Phase.BACKING_OFF),)), broken)
    assert described.sync is Sync.INVALID
    assert described.conditions == (
        TRAPPED,
        "its manifest is invalid: `airs validate` says what is wrong; the last valid one stays in force",
    )


LASTING = {P.SUSPENDED, P.REMOVING, P.SUCCEEDED, P.FAILED}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_without_an_agent_only_what_lasts_is_still_so(row: Row):
    seen = replace(row.seen, instances=None)
    now, recorded = describe(seen, WATCHED), describe_recorded(seen, WATCHED)
    assert recorded.conditions == now.conditions
    if now.phase in LASTING and not seen.fault:
        assert recorded == now
    else:
        assert (recorded.phase, recorded.ending) == (P.STOPPED, C.STOPPED)
