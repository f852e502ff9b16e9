"""The spec of a deployment: its parts after defaults are filled in and units are normalised."""

from enum import Enum
from typing import Any

from msgspec import UNSET, UnsetType, field

from orchestrator.model.base import Value
from orchestrator.model.component_source import Provenance
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import Schedule
from orchestrator.model.secret import SecretUse
from orchestrator.model.signed import Signer

LOG_PER_S = 100  # lines, for a component that does not say


class Limits(Value, frozen=True):
    """The limits of one instance: memory as a total in bytes, fuel and wall time per call, storage quota in bytes.

    `storage_bytes` None means the component has no storage at all. `log_per_s` is in lines, in the long run.
    """

    memory_bytes: int
    fuel: int
    timeout_ms: int
    storage_bytes: int | None = None
    log_per_s: int = LOG_PER_S


class Grant(Value, frozen=True, order=True):
    """One capability (`messaging.send`, `storage.read` …) and the patterns it is granted for."""

    capability: str
    patterns: tuple[str, ...]


class Mount(Value, frozen=True):
    """A granted directory, or one in it, that a WASI guest finds under another path than its own; both absolute."""

    path: str
    guest_path: str


class WhenFull(Enum):
    """The rule of a full mailbox: it rejects the message, its sender waits, or the oldest message makes way."""

    REJECT = "reject"
    BLOCK = "block"
    DROP_OLDEST = "drop-oldest"


class Delivery(Enum):
    """The promise for a message without a reply: that it is handled at most once, or at least once."""

    AT_MOST_ONCE = "at-most-once"
    AT_LEAST_ONCE = "at-least-once"


class Mailbox(Value, frozen=True):
    """The deployment's queue: at most `capacity` messages wait, each for at most `ttl_ms`.

    An instance is given up to `batch` messages at once where they want no reply, for which they share its limits. Where
    `delivery` is at least once, one that fails is given `attempts` times in all, and one whose id was seen within
    `dedupe_ms` is not taken again.
    """

    capacity: int = 1000
    batch: int = 1
    when_full: WhenFull = WhenFull.REJECT
    ttl_ms: int | None = None
    delivery: Delivery = Delivery.AT_MOST_ONCE
    attempts: int = 5
    dedupe_ms: int = 600_000


class RateLimit(Value, frozen=True):
    """How many messages may be sent in how long, and how many of them at once after a pause."""

    messages: int
    burst: int
    per_ms: int = 1_000


class RoutingPolicy(Enum):
    """The instance that takes a message: the one with least to do, each in its turn, or the one that owns it."""

    LEAST_LOADED = "least-loaded"
    ROUND_ROBIN = "round-robin"
    CONSISTENT_HASH = "consistent-hash"


class RouteBy(Enum):
    """The part of a message that decides its owner: its key, its conversation, or the deployment it is from."""

    KEY = "key"
    CONVERSATION = "conversation"
    SENDER = "sender"


class Routing(Value, frozen=True):
    """Which instance a message goes to; `by` matters where instances own something."""

    policy: RoutingPolicy = RoutingPolicy.LEAST_LOADED
    by: RouteBy = RouteBy.KEY

    @property
    def is_keyed(self) -> bool:
        """Whether messages have keys, each of which is worked on by one instance at a time, with storage of its own."""
        return self.policy is RoutingPolicy.CONSISTENT_HASH and self.by is RouteBy.KEY


class Priority(Enum):
    """The share of turns that a deployment's instances get where others want to work too."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class RestartType(Enum):
    """Which exits start an instance again: every one, only abnormal ones, none."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Backoff(Value, frozen=True):
    """How long to wait before the n-th restart: initial × factor^n, at most `max_ms`, less up to the share `jitter`."""

    initial_ms: int = 100
    factor: float = 2.0
    max_ms: int = 30_000
    jitter: float = 0.1


class RestartPolicy(Value, frozen=True):
    """More than `intensity` restarts within `period_ms` and the supervisor gives up."""

    type: RestartType = RestartType.PERMANENT
    intensity: int = 5
    period_ms: int = 60_000
    backoff: Backoff = Backoff()


class GroupStrategy(Enum):
    """The members that restart when one of a group fails: it alone, all of them, or it and those started after it."""

    ONE_FOR_ONE = "one-for-one"
    ONE_FOR_ALL = "one-for-all"
    REST_FOR_ONE = "rest-for-one"


class Group(Value, frozen=True):
    """The group of its namespace that a deployment is a member of. All its members say the same of it.

    More than `intensity` failures of members within `period_ms` and the whole group gives up.
    """

    name: str
    strategy: GroupStrategy = GroupStrategy.ONE_FOR_ONE
    intensity: int = 5
    period_ms: int = 60_000


class CheckCall(Value, frozen=True, tag="function"):
    """A typed call that shows how an instance is.

    `args` and `expect` are canonical JSON, the latter as the function's result is printed; None takes any but err.
    """

    function: str
    args: str = "[]"
    expect: str | None = None


class CheckMessage(Value, frozen=True, tag="message"):
    """A message that shows how an actor is; without `expect` any answer but err will do."""

    message: str
    expect: str | None = None


class DeploymentUse(Value, frozen=True, order=True):
    """A deployment's use of another one: functions, named as `airs call` names them, or all of an `interface`.

    Functions are sought within the interface where both are given; without either, it is messages.
    """

    deployment: DeploymentKey
    interface: str = ""
    functions: tuple[str, ...] = ()

    @property
    def is_of_messages(self) -> bool:
        """Whether it only sends messages."""
        return not (self.interface or self.functions)

    def __str__(self) -> str:
        names = " ".join(self.functions)
        return " ".join(filter(None, (str(self.deployment), self.interface, names)))


class HealthPolicy(Value, frozen=True):
    """How often `health()` is asked, how long it may take, and how many failures in a row end the instance.

    `call` is made each time as well, within as long again.
    """

    interval_ms: int = 5_000
    timeout_ms: int = 1_000
    failure_threshold: int = 3
    call: CheckCall | CheckMessage | None = None


class Strategy(Enum):
    """How another revision takes over."""

    RECREATE = "recreate"
    BLUE_GREEN = "blue-green"
    CANARY = "canary"


class WeightStep(Value, frozen=True, tag="weight"):
    """Send `weight` percent of conversations to the new revision."""

    weight: int


class PauseStep(Value, frozen=True, tag="pause"):
    """Wait `duration_ms`; None waits for `promote`."""

    duration_ms: int | None = None


class Analysis(Value, frozen=True):
    """When a canary has failed: checks every `interval_ms`, on at least `minimum_messages` of its own messages."""

    interval_ms: int = 5_000
    minimum_messages: int = 50
    failure_limit: int = 1
    inconclusive_limit: int = 5
    error_rate_max: float = 0.01


class RolloutPolicy(Value, frozen=True):
    """How another revision is rolled out, how long the old one is kept warm, and how many are kept for rollback."""

    strategy: Strategy = Strategy.BLUE_GREEN
    steps: tuple[WeightStep | PauseStep, ...] = ()
    analysis: Analysis = Analysis()
    progress_deadline_ms: int = 300_000
    keep_previous_ms: int = 600_000
    retain: int = 5


class Job(Value, frozen=True):
    """How a job is run: its arguments after its name, and variables (sorted pairs) over those of the config."""

    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


class Revision(Value, frozen=True):
    """Everything that makes an instance what it is; `id` hashes all of it, so equal ids mean equal content.

    All but `origin`, which is where the component was fetched: the same bytes from elsewhere need no new instance.
    `artifact` is `sha256:<hex>`; `config` is the canonical JSON text of the config mapping. Grants are sorted.
    `limits` are effective: the component's own, tightened by the deployment. `job` is None for one that stays.
    `accepts` are the codecs that its messages may have, sorted; none is any. `mounts` are in the order of the manifest.
    `manifest` is the digest of the canonical Component.toml where that is signed, else empty.
    `secrets` are sorted; their values are no part of it, but for their fingerprints.
    """

    id: str
    component: str
    version: str
    artifact: str
    stateful: bool
    config: str
    grants: tuple[Grant, ...]
    limits: Limits
    job: Job | None = None
    accepts: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    manifest: str = ""
    origin: Provenance | None = None
    secrets: tuple[SecretUse, ...] = ()

    @property
    def is_job(self) -> bool:
        """Whether it is run to its end, and not kept running."""
        return self.job is not None

    @property
    def short(self) -> str:
        """The first ten hex digits of the id, as people see it."""
        return self.id[:10]


class Deployment(Value, frozen=True):
    """One deployment as desired: its revision, and the fields that change in place.

    `file` and `line` say where it was written, as the reader of the source would type it; they are not part of
    what is compared (see `plan`). `labels` are sorted pairs, `subscribe` sorted patterns. `rate_limit` is on what its
    instances send together. `rationale` is why the component asks for each capability, in its author's words.
    `requires` are the components that it needs, by name, and a range of versions for each.
    `formerly` are the names that it had before, whose record, data and history it takes over; left out where none is.
    `signers` signed the component, as of the reading of the source, and `asks` are the capabilities that it asks for;
    they are not compared either.
    """

    key: DeploymentKey
    revision: Revision
    replicas: int = 1
    labels: tuple[tuple[str, str], ...] = ()
    mailbox: Mailbox = Mailbox()
    subscribe: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None
    routing: Routing = Routing()
    priority: Priority = Priority.NORMAL
    restart: RestartPolicy = RestartPolicy()
    group: Group | None = None
    depends_on: tuple[DeploymentKey, ...] = ()
    uses: tuple[DeploymentUse, ...] = ()
    health: HealthPolicy = HealthPolicy()
    rollout: RolloutPolicy = RolloutPolicy()
    schedule: Schedule | None = None
    suspend: bool = False
    file: str = ""
    line: int = 0
    rationale: tuple[tuple[str, str], ...] = ()
    signers: tuple[Signer, ...] = ()
    asks: tuple[Grant, ...] = ()
    requires: tuple[tuple[str, str], ...] = ()
    names_before: tuple[DeploymentKey, ...] | UnsetType = field(default=UNSET, name="formerly")

    @property
    def formerly(self) -> tuple[DeploymentKey, ...]:
        """The names that it had before."""
        return () if self.names_before is UNSET else self.names_before


Json = Any  # a decoded JSON value: None, bool, int, float, str, list or dict of the same
