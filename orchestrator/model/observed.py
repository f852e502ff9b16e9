"""The observed state: the record of every deployment, and the state of its instances."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.exits import ExitReason
from orchestrator.model.facts import Switch
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import Attended, JobOutcome
from orchestrator.model.message import Health
from orchestrator.model.rollout import Cause, Rollout
from orchestrator.model.spec import Deployment, GroupStrategy, Revision
from orchestrator.model.who import By


class Phase(Enum):
    """Where an instance is in its life; `supervise/life.py` holds the table."""

    INSTALLED = "installed"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    BACKING_OFF = "backing-off"
    GAVE_UP = "gave-up"


class ObservedSession(Value, frozen=True, order=True):
    """A session of typed calls, the instance it is bound to, and how many handles it has."""

    name: str
    instance: str
    handles: int


class Spent(Value, frozen=True):
    """The fuel that messages and calls took of which it was read, and how many those were."""

    calls: int = 0
    fuel: int = 0


class ObservedInstance(Value, frozen=True):
    """One instance: `ready` only after a real call answered; `restarts` counts since its set was started.

    `memory_bytes` are its linear memories, 0 while nothing of it runs; `spent` goes on counting when it starts again.
    `next_start_ms` is when its back-off is over, in wall-clock milliseconds; 0 where its group or nothing starts it.
    """

    name: str
    revision: str
    phase: Phase
    ready: bool
    restarts: int = 0
    health: Health = Health.UNKNOWN
    unwell: str = ""  # what its health call came to, where that is why it is unhealthy
    last_exit: ExitReason | None = None
    memory_bytes: int = 0
    spent: Spent = Spent()
    next_start_ms: int = 0


class ObservedGroup(Value, frozen=True):
    """A group: its members in the order of their start, and how many failures count towards its intensity now.

    `restarting` are the members that are still to be started, none of them before `due_ms` (wall-clock milliseconds, 0
    when they wait for no time); `gave_up` is why it gave up, empty while it has not.
    """

    name: str
    strategy: GroupStrategy
    members: tuple[DeploymentKey, ...]
    failures: int = 0
    restarting: tuple[DeploymentKey, ...] = ()
    gave_up: str = ""
    due_ms: int = 0


class Rejection(Value, frozen=True):
    """A revision that failed: it is not tried again until someone says retry, or the spec asks for another.

    `seen` is the spec that wanted it last. Later edits in place act on the revision that serves.
    """

    revision: str
    reason: str
    at_ms: int
    seen: Deployment | None = None


class Hold(Value, frozen=True):
    """A revision that someone rolled back from; released like a rejection, and `seen` as there."""

    revision: str
    reason: str
    at_ms: int
    seen: Deployment | None = None


class Barred(Value, frozen=True):
    """A revision that a policy does not let run, with the policy's words; it is stopped, and stays so."""

    revision: str
    reason: str
    at_ms: int


class Number(Value, frozen=True):
    """One entry of a deployment's history: the n-th revision, what began it, and how it ended.

    `source_revision` is the commit's id, `commit` what else is known of it, `by` who asked for the rollout by hand.
    `of` is the entry that a rollback went back to, 0 for one that repeats none. `switch` is how long it took
    until it had taken over from another one.
    """

    number: int
    revision: Revision
    cause: Cause
    reason: str
    started_ms: int
    source_revision: str | None = None
    outcome: str = ""  # "", "running", "superseded" by a later one, "replaced" before it had arrived, "rejected"
    ended_ms: int = 0
    commit: Commit | None = None
    by: By | None = None
    of: int = 0
    switch: Switch | None = None


class JobResult(Value, frozen=True):
    """How the run of a job's revision ended that a manifest, not a person, asked for."""

    revision: str
    outcome: JobOutcome
    started_ms: int
    ended_ms: int


class Record(Value, frozen=True):
    """The durable truth about one deployment: the inventory entry, written before anything is created.

    `source` owns it. `wanted` is the spec that the source asked for last. `stable` is the one that serves (None until
    the first set is Ready once), with the in-place fields in force. `generation` counts changed specs. `deleted` means
    that someone asked for its removal, which a restart of the agent does not forget.
    `attempted` and `applied` are source revisions (git commits). `job` is the newest result of a job.
    `barred` is a revision that a policy stopped. `attended` is how far a job's schedule was attended to.
    """

    key: DeploymentKey
    source: str
    generation: int
    wanted: Deployment
    stable: Deployment | None = None
    rollout: Rollout | None = None
    rejected: tuple[Rejection, ...] = ()
    held: Hold | None = None
    adopted: bool = False
    deleted: bool = False
    attempted: str | None = None
    applied: str | None = None
    job: JobResult | None = None
    barred: Barred | None = None
    attended: Attended | None = None


class Traffic(Value, frozen=True):
    """Counts of a deployment's messages and calls since the agent started; `waiting` is how many wait now.

    Of those that came, `received` were let in and `rejected` were not, for want of room; `dropped` made way for newer
    ones, `expired` waited too long, and instances `handled` the others, `errors` of them not well. Of those without a
    reply, which nobody hears of, all that were received and not handled well were `lost`, and of published ones those
    that were rejected; `dead_letters` are kept of them now, whenever they were lost. Where delivery is at least once,
    `sent_again` counts further attempts, each of which is received and handled anew, and `kept` are in the store until
    they were handled well, whatever they wait for. `limited` are what its own instances wanted to send beyond its rate
    limit.
    """

    waiting: int = 0
    received: int = 0
    handled: int = 0
    errors: int = 0
    rejected: int = 0
    dropped: int = 0
    expired: int = 0
    lost: int = 0
    dead_letters: int = 0
    sent_again: int = 0
    limited: int = 0
    kept: int = 0


class RequestCounts(Value, frozen=True):
    """Counts of the requests that a deployment's instances made since the agent started; `waiting` still wait.

    Each that was `sent` is `answered`, `failed`, `timed_out` or `cancelled`, by its instance or with it, in the end.
    `late` are answers that came after that.
    """

    waiting: int = 0
    sent: int = 0
    answered: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    late: int = 0


class ObservedDeployment(Value, frozen=True):
    """A record and its instances; `instances` is None where no agent runs, which is not the same as none.

    `fault` says what keeps the agent from looking after this one, empty while it can. `messages_per_s` is how many
    messages and calls came lately, None where that is not known. `missing` are those that it depends on and that are
    not deployed. `restarting` while somebody's restart is not over. `ruling` are the rules of policies that it breaks.
    """

    record: Record
    instances: tuple[ObservedInstance, ...] | None = None
    traffic: Traffic = Traffic()
    requests: RequestCounts = RequestCounts()
    group: ObservedGroup | None = None
    fault: str = ""
    messages_per_s: float | None = None
    missing: tuple[DeploymentKey, ...] = ()
    restarting: bool = False
    ruling: str = ""


class ObservedState(Value, frozen=True):
    """Everything that is, sorted by key. `lineage` names the state directory, `serial` counts its decisions.

    Two observations with equal lineage and serial have equal records.
    """

    lineage: str
    serial: int
    deployments: tuple[ObservedDeployment, ...] = ()
    agent_running: bool = False

    def by_key(self) -> dict[DeploymentKey, ObservedDeployment]:
        """Index the deployments."""
        return {d.record.key: d for d in self.deployments}
