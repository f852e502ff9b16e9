"""The agent's answers: flat documents for tools, also those that `-o json` prints. The agent makes them."""

from collections.abc import Iterable

import msgspec

from orchestrator.model.base import Value
from orchestrator.model.calls import Calls
from orchestrator.model.commit import Commit
from orchestrator.model.condition import Condition
from orchestrator.model.desired import Permissions
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.event import Event
from orchestrator.model.exits import ExitReason
from orchestrator.model.goal import Goal
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobOutcome
from orchestrator.model.observed import RequestCounts, Traffic
from orchestrator.model.outcome import ActionOutcome
from orchestrator.model.package import Package
from orchestrator.model.signed import Signer
from orchestrator.model.snapshot import RefusedCommit
from orchestrator.model.source import SourceStatus
from orchestrator.model.spec import Grant, Revision
from orchestrator.model.verification import Verification
from orchestrator.model.who import Peer, Verb


class InstanceView(Value, frozen=True):
    """One instance; `memory_bytes` are its linear memories together.

    `unwell` is what its health call came to, where that is why it is unhealthy.

    `metered_fuel` is what `metered_calls` of its messages and calls took, those whose fuel was read.

    `next_start_at` is when its back-off is over, or that of its group: wall-clock milliseconds, 0 while none is known.
    """

    kind: str
    namespace: str
    deployment: str
    name: str
    revision: str
    phase: str
    ready: bool
    restarts: int
    health: str
    unwell: str
    last_exit: ExitReason | None
    memory_bytes: int
    metered_calls: int
    metered_fuel: int
    next_start_at: int


class SessionView(Value, frozen=True):
    """A session of typed calls, the instance it is bound to, and how many handles it has."""

    kind: str
    namespace: str
    deployment: str
    name: str
    instance: str
    handles: int


class GroupView(Value, frozen=True):
    """A group: its members in the order of their start, and how many failures count towards its intensity now.

    `phase` is running, restarting (`restarting` are the members still to be started) or gave-up, and `gave_up` why.
    `next_start_at` is when the back-off is over that they wait for: wall-clock milliseconds, 0 without one.
    """

    kind: str
    namespace: str
    name: str
    strategy: str
    phase: str
    members: tuple[str, ...]
    failures: int
    intensity: int
    period_ms: int
    restarting: tuple[str, ...]
    gave_up: str
    next_start_at: int


class CompilingView(Value, frozen=True):
    """A compilation under way."""

    artifact: str
    size_bytes: int
    elapsed_ms: int


class RolloutView(Value, frozen=True):
    """A rollout, in progress or the last one; `number` is its entry in the history.

    `messages` and `errors` are what the new version handled in this rollout, as of the last check, which are those that
    checks judge; `evidence_messages` and `evidence_errors` those that no check has judged yet, as each wants
    `minimum_messages`.

    `ended` is arrived or went-back, empty while it goes on or waits.
    """

    number: int
    ended: str
    phase: str
    cause: str
    target_version: str
    target_revision: str
    stable_revision: str | None
    stable_version: str | None
    weight: int
    step: int
    steps: int
    messages: int
    errors: int
    evidence_messages: int
    evidence_errors: int
    minimum_messages: int
    passed_checks: int
    failed_checks: int
    inconclusive_checks: int
    conclusion: str
    started_at: int
    keep_until: int


class JobView(Value, frozen=True):
    """The outcome of the newest run that a manifest or its schedule asked for; no `exit_code` while none has ended.

    `schedule` is a line of cron in `time_zone`, empty without one; `next_at` is when it is due next, 0 while it is not
    attended to.
    """

    revision: str
    exit_code: int | None
    message: str
    started_at: int
    ended_at: int
    schedule: str
    time_zone: str
    next_at: int


class RunView(Value, frozen=True):
    """One run of a job, by its schedule or by request: `cause` is schedule, missed (made up for) or request.

    No `exit_code` while it is at work, and of one that was `skipped`, which says why; `message` says how it ended.
    `output` is the last of what it printed. Times are wall-clock milliseconds, 0 for not yet.
    """

    kind: str
    namespace: str
    deployment: str
    number: int
    revision: str
    version: str
    cause: str
    by: Peer | None
    due_at: int
    started_at: int
    ended_at: int
    instance: str
    exit_code: int | None
    message: str
    skipped: str
    output: str


SIGNER_STATES = ("trusted", "expired", "not-trusted", "revoked")  # the best first


class SignerView(Value, frozen=True):
    """A key that signed a component, and how it stands here: trusted, not-trusted, expired or revoked.

    `name` is empty where the machine does not know the key; `trusted_by` are the machine and the policies that name the
    key for this component; `expires_at` is in wall-clock milliseconds, 0 for never.
    """

    key_id: str
    name: str
    state: str
    trusted_by: tuple[str, ...]
    expires_at: int

    @classmethod
    def of(cls, signer: Signer, now_ms: int, policies: tuple[str, ...] = ()) -> "SignerView":
        """Describe a signer as it stands now, whom these policies name."""
        trusted_by = (*(("this machine",) if signer.is_trusted else ()), *(() if signer.revoked else policies))
        state = _standing(signer, now_ms, is_trusted=bool(trusted_by))
        return cls(
            key_id=signer.key_id, name=signer.name, state=state, trusted_by=trusted_by, expires_at=signer.expires_ms
        )


def _standing(signer: Signer, now_ms: int, *, is_trusted: bool) -> str:
    if signer.revoked:
        return "revoked"
    if not is_trusted:
        return "not-trusted"
    return "expired" if signer.has_expired(now_ms) else "trusted"


class DeploymentView(Value, frozen=True):
    """One deployment: what serves (`version`, `revision`), what is wanted, and how it is.

    `phase` is the one word of status: fetching (it never ran, and its component is not here yet), blocked
    (it never ran, and its creation is blocked: `message` says by what), progressing,
    running, degraded, failed, stopped, suspended, removing; of a job running, succeeded, failed, suspended,
    removing. `ending` says how it came to rest:
    as-wanted, held, failed, paused, suspended or stopped; it is empty until then. `sync` is synced where its source is
    watched and what serves is what that wants, else held, invalid, fetching, out-of-sync, stale, suspended, applied,
    not-watched or unowned. `conditions` are Ready, Reconciling and Stalled, each with
    its reason and since when. Times are wall-clock milliseconds. `signature` is the worth of the signatures on what
    serves: trusted, not-trusted, expired, revoked, broken where none is good any more, or empty where it was
    never signed.
    """

    kind: str
    namespace: str
    name: str
    version: str
    revision: str
    phase: str
    ending: str
    conditions: tuple[Condition, ...]
    ready: int
    replicas: int
    sync: str
    wanted_version: str
    wanted_revision: str
    message: str
    missing_dependencies: tuple[str, ...]
    source: str
    source_revision: str | None
    attempted_revision: str | None
    generation: int
    restarts: int
    mailbox: int
    mailbox_capacity: int
    traffic: Traffic
    accepts: tuple[str, ...]
    signature: str
    signers: tuple[SignerView, ...]
    requests: RequestCounts
    labels: dict[str, str]
    instances: tuple[InstanceView, ...]
    rollout: RolloutView | None
    compiling: CompilingView | None
    job: JobView | None
    group: GroupView | None

    @property
    def is_job(self) -> bool:
        """Whether it is run to its end, and has no instances that stay."""
        return self.job is not None


class HistoryView(Value, frozen=True, tag_field="kind", tag="Revision"):
    """One numbered revision of a deployment: what began it, from which commit, by whose hand, its outcome.

    Times are wall-clock milliseconds; `ended_at` is 0 while it has not ended.
    """

    namespace: str
    name: str
    number: int
    version: str
    revision: str
    cause: str
    reason: str
    outcome: str
    source_revision: str | None
    commit: Commit | None
    by: Peer | None
    why: str
    started_at: int
    ended_at: int


class RevisionView(Value, frozen=True, tag_field="kind", tag="RevisionContent"):
    """The content of one numbered revision of a deployment; `entry` is its line in the history."""

    entry: HistoryView
    content: Revision


class ActView(Value, frozen=True, tag_field="kind", tag="Act"):
    """One manual act on a deployment: what was done or begun, by whom, when, and why if they said so."""

    namespace: str
    name: str
    number: int
    verb: Verb
    detail: str
    by: Peer
    why: str
    at: int


class SourceView(Value, frozen=True):
    """A source: how it is followed, what was read of it and when, its problems.

    `follow` is watched, up (watched as long as an `airs up` runs), suspended, not-watched (its `airs up` has ended) or
    applied (read once), since `since`; `watched` says whether anybody looks now. `reads` is what is read, empty where
    the agent never did. `overlaps` are sources that read some of the same files. `refused` is the newest commit, where
    it is not signed as `verify` wants. `looked_at` is when the newest look began, whatever came of it. Times
    are wall-clock milliseconds.
    """

    kind: str
    name: str
    reads: str
    follow: str
    watched: bool
    since: int | None
    not_watched_since: int | None
    revision: str | None
    commit: Commit | None
    read_at: int | None
    looked_at: int | None
    deployments: int
    stale_since: int | None
    failure: str
    refused: RefusedCommit | None
    verify: Verification | None
    diagnostics: tuple[Diagnostic, ...]
    not_done: tuple[ActionOutcome, ...]
    interval_ms: int
    permissions: Permissions
    namespaces: tuple[str, ...]
    declared: bool
    overlaps: tuple[str, ...]


class SourcesAsked(Value, frozen=True):
    """The sources that are looked at from `at` on, in wall-clock milliseconds."""

    names: tuple[str, ...]
    at: int


class SiblingView(Value, frozen=True):
    """A source of the same repository or work tree as another: its wishes, and why they are not known now."""

    source: str
    wants: tuple[DeploymentKey, ...]
    renames: tuple[tuple[DeploymentKey, DeploymentKey], ...]
    unreadable_files: tuple[str, ...]
    unknown: str
    watched: bool


class SourceAdded(Value, frozen=True):
    """A source that is watched from `at` on, in wall-clock milliseconds, and notes on that, `told` to the operator."""

    name: str
    at: int
    told: tuple[str, ...]


class Removal(Value, frozen=True):
    """The fate of a source's deployments when it is removed: `kept` run on as nobody's, `pruned` are removed.

    `still_needed` are those of `pruned` that deployments of other sources depend on.
    """

    source: str
    kept: tuple[DeploymentKey, ...] = ()
    pruned: tuple[DeploymentKey, ...] = ()
    still_needed: tuple[DeploymentKey, ...] = ()


class UpBegan(Value, frozen=True, tag_field="kind", tag="began"):
    """The source that an `airs up` watches; `ends` says whether that ends with it, as an added source stays."""

    name: str
    reads: str
    root: str
    ends: bool


class UpEvent(Value, frozen=True, tag_field="kind", tag="event"):
    """An event while an `airs up` runs."""

    event: Event


class UpLook(Value, frozen=True, tag_field="kind", tag="look"):
    """The findings of a look at the source, where they are news."""

    status: SourceStatus


class Python(Value, frozen=True):
    """The interpreter of a process; `costs` says why it is slow, and is empty where it was compiled with profiles."""

    version: str
    optimised: bool
    costs: str


class WebhookEndpointView(Value, frozen=True):
    """An endpoint of the webhook listener: its counts since the agent started, and the times of its last requests.

    `forge` is the kind of its signatures, `refused` counts by reason, `problem` is why it has no secret. Times are
    wall-clock milliseconds, 0 for none. No `sources` means every followed repository.
    """

    name: str
    path: str
    forge: str
    sources: tuple[str, ...]
    accepted: int
    accepted_at: int
    refused: dict[str, int]
    refused_at: int
    problem: str


class WebhooksView(Value, frozen=True):
    """The webhook listener: where it listens, empty while it does not, and `problem` says why.

    `looks` were asked of sources, `merged` were asked for while one was pending. `refused` counts requests that named
    no endpoint, by reason.
    """

    listening: str
    problem: str
    encrypted: bool
    looks: int
    merged: int
    refused: dict[str, int]
    endpoints: tuple[WebhookEndpointView, ...]


class ReceiverView(Value, frozen=True):
    """A receiver of news, a forge or a notification: its counts since the agent started, and its last failure.

    `failures` counts those in a row, 0 where the last attempt succeeded; `again_at` is when the next is due. `dropped`
    is news that it never took, or that there was no room for. Times are wall-clock milliseconds, 0 for none.
    """

    name: str
    kind: str
    sent: int
    sent_at: int
    waiting: int
    dropped: int
    failure: str
    failed_at: int
    failures: int
    again_at: int


class PublishedView(Value, frozen=True):
    """A place of the published state: the serial of the version there, when that was found or written, what is wrong.

    `at` is in wall-clock milliseconds, 0 for never.
    """

    place: str
    serial: int = 0
    at: int = 0
    problem: str = ""


class AgentView(Value, frozen=True):
    """The agent process."""

    pid: int
    socket: str
    version: str
    started_at: str
    state_dir: str
    log: str
    lineage: str
    calls: Calls
    why_slower: str  # empty where calls are the quickest
    python: Python
    policy: str = ""  # where its policies are from
    policy_warning: str = ""  # why somebody has to look at them
    policy_fault: str = ""  # why those known last are in force; part of the warning
    policy_read_at: int = 0  # when they were read last, in wall-clock milliseconds; 0 for never
    condition: str = ""  # what is wrong with its store for as long as it is, such as that nothing can be written
    webhooks: WebhooksView | None = None  # where the settings ask for a listener
    receivers: tuple[ReceiverView, ...] = ()  # of news: forges and notifications
    published: tuple[PublishedView, ...] = ()  # where the settings ask for that


class DeadLetterView(Value, frozen=True):
    """A message that was not handled well and whose sender was not told; `sent_again` while it is on its way anew.

    `payload` is in base64 where this is JSON. Times are wall-clock milliseconds.
    """

    kind: str
    number: int
    namespace: str
    deployment: str
    sender: str
    reason: str
    detail: str
    at: int
    sent_at: int
    attempts: int
    sent_again: bool
    conversation: str | None
    content_type: str | None
    payload: bytes
    topic: str | None


class SubscriptionView(Value, frozen=True):
    """A deployment's subscription to a pattern: by its manifest, or by one of its guests, which `instance` names.

    It is in force while every grant is there that it needs.
    """

    kind: str
    namespace: str
    deployment: str
    pattern: str
    by: str
    instance: str
    in_force: bool


class ApprovalView(Value, frozen=True):
    """An approval, waiting or given, of exactly these capabilities; `subject` names all of what it is for.

    `file` is where it is written in the policy source, or the deployment that waits for it. Times are wall-clock
    milliseconds.
    """

    kind: str
    namespace: str
    deployment: str
    state: str
    artifact: str
    capabilities: tuple[Grant, ...]
    subject: str
    by: Peer | None
    why: str
    at: int
    file: str


class GrantView(Value, frozen=True):
    """A pattern of a capability: whether the component asks for it, the deployment grants it, and it is in force."""

    kind: str
    namespace: str
    deployment: str
    capability: str
    pattern: str
    asked: bool
    granted: bool
    in_force: bool
    why: str


class Published(Value, frozen=True):
    """The number of deployments that took a published message, of those that subscribe to its topic."""

    topic: str
    deployments: int
    subscribers: int


class CollectedView(Value, frozen=True):
    """The components that a collection removed from the store, by name and version, and how many it kept."""

    components: tuple[str, ...]
    kept: int

    @classmethod
    def of(cls, removed: Iterable[Package], kept: int) -> "CollectedView":
        """Describe what was collected."""
        names = (f"{package.name or package.artifact} {package.version}".rstrip() for package in removed)
        return cls(components=tuple(names), kept=kept)


class Discarded(Value, frozen=True):
    """The number of dead letters that were discarded."""

    discarded: int


class Queued(Value, frozen=True):
    """The number of messages that a mailbox had room for."""

    queued: int


class Printed(Value, frozen=True, tag_field="kind", tag="printed"):
    """Output of a run to `stdout` or `stderr`; as JSON, in base64."""

    stream: str
    data: bytes


class Ended(Value, frozen=True, tag_field="kind", tag="ended"):
    """The end of a run, and the exit code of `airs run`."""

    exit_code: int
    message: str
    outcome: JobOutcome


class SourceLine(Value, frozen=True):
    """A line of a file as a diagnostic names it."""

    file: str
    line: int
    text: str


class Planned(Value, frozen=True):
    """A plan as JSON, how many deployments its source wants, and the lines that its diagnostics are about.

    Unless the whole plan was asked for, the deployments are left out of it.
    """

    plan: msgspec.Raw
    wanted: int
    lines: tuple[SourceLine, ...] = ()


class Applied(Value, frozen=True):
    """The outcomes of applying a plan, by action."""

    outcomes: tuple[ActionOutcome, ...]


class Done(Value, frozen=True):
    """The effect of a verb, done or begun, in words, and its goal; entry `rollout` of the history has to reach it."""

    message: str
    goal: Goal = Goal.NOTHING
    rollout: int = 0
