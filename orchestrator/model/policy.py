"""Policies and approvals as values: what those in charge of an agent wrote down, and where each rule stands."""

from enum import Enum

from orchestrator.model.base import Value, digest_of
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Grant
from orchestrator.model.who import Peer


class Mode(Enum):
    """How strictly a policy is kept; its schema says what each mode refuses."""

    STRICT = "strict"
    PERMISSIVE = "permissive"
    DEVELOPMENT = "development"


class OnViolation(Enum):
    """The consequence for a deployment that runs and breaks a rule."""

    REPORT = "report"
    STOP = "stop"


class SignerRule(Value, frozen=True):
    """At least so many of these keys must have signed each component that a pattern covers."""

    components: tuple[str, ...]
    keys: tuple[str, ...]
    at_least: int
    line: int


class CapabilityRule(Value, frozen=True):
    """Patterns of one capability that are forbidden, or need an approval."""

    capability: str
    patterns: tuple[str, ...]
    line: int


class RuledFolder(Value, frozen=True):
    """A directory that a rule is about: of guests that may change it, or of all; `rule` is its policy and place."""

    path: str
    only_writable: bool
    rule: str


class NamespaceLimits(Value, frozen=True):
    """The most that all deployments of one namespace have together; None for no limit. `lines` are of those set."""

    deployments: int | None = None
    instances: int | None = None
    memory_bytes: int | None = None
    storage_bytes: int | None = None
    fuel_per_s: int | None = None
    line: int = 0


class Policy(Value, frozen=True):
    """One policy. `sources` None allows every place; `file` is shown as its reader would type it."""

    name: str
    file: str
    line: int
    mode: Mode
    namespaces: tuple[str, ...] = ("*",)
    signers: tuple[SignerRule, ...] = ()
    signers_line: int = 0
    sources: tuple[str, ...] | None = None
    sources_line: int = 0
    forbid: tuple[CapabilityRule, ...] = ()
    approve: tuple[CapabilityRule, ...] = ()
    limits: NamespaceLimits = NamespaceLimits()
    on_violation: OnViolation = OnViolation.REPORT


class Approval(Value, frozen=True):
    """A person's consent to exactly these capabilities, for one deployment of one artifact.

    It was given by the user `by` at the agent, or written in `file` of the policy source.
    """

    key: DeploymentKey
    artifact: str
    capabilities: tuple[Grant, ...]
    by: Peer | None = None
    why: str = ""
    at_ms: int = 0
    file: str = ""
    line: int = 0

    @property
    def subject(self) -> str:
        """The digest of what it is for; another deployment, artifact or capability has another."""
        return approval_subject(self.key, self.artifact, self.capabilities)

    @property
    def origin(self) -> str:
        """The person who approved it, or the place where that is written."""
        return f"{self.file}:{self.line}" if self.file else str(self.by or "the agent's user")


def approval_subject(key: DeploymentKey, artifact: str, capabilities: tuple[Grant, ...]) -> str:
    """Return the digest of what an approval is for."""
    return digest_of((key, artifact, capabilities))


class MachineLimits(Value, frozen=True):
    """The most that all deployments of an agent have together, as its operator set it in a file."""

    limits: NamespaceLimits
    file: str


class PolicySet(Value, frozen=True):
    """All policies in force, the approvals written beside them, and the place that they were read from.

    `place` is empty where no policy was configured. `problem` says why they cannot be known: then nothing new runs.
    `machine` is no policy: it limits all namespaces together, with or without policies.
    """

    place: str = ""
    revision: str = ""
    policies: tuple[Policy, ...] = ()
    approvals: tuple[Approval, ...] = ()
    problem: str = ""
    machine: MachineLimits | None = None


NO_POLICY = PolicySet()
