"""The settings of an agent and of the commands on its machine, and where each value is from.

A field has the name and the default of its key in `schemas/airs.schema.json`; durations are in milliseconds and sizes
in bytes here, under the key's own name.
"""

from enum import Enum
from typing import Any

import msgspec

from orchestrator.model.base import Value
from orchestrator.model.verification import Verification, VerifyMode


class Origin(Enum):
    """Where the value of a setting is from, the weakest first."""

    DEFAULT = "default"
    FILE = "file"
    VARIABLE = "variable"
    FLAG = "flag"


class Setting(Value, frozen=True):
    """One value in force: `where` is `file:line:column`, the variable or the flag; None is nothing set."""

    key: str
    value: Any
    origin: Origin
    where: str = ""


class SecretSettings(Value, frozen=True, rename="kebab"):
    """The section `secrets`."""

    dir: str


class FetchSection(Value, frozen=True, rename="kebab"):
    """The section `fetch`."""

    max_bytes: int
    timeout: int
    attempts: int
    at_once: int
    proxy: str = ""
    netrc: str = ""


class RegistrySection(Value, frozen=True, rename="kebab"):
    """A section of `registries`."""

    credentials: str = ""
    ca: str = ""
    plain_http: bool = False
    token_host: str = ""


class GitHostSection(Value, frozen=True, rename="kebab"):
    """A section of `git`."""

    credentials: str = ""
    ssh_key: str = ""
    known_hosts: str = ""
    ca: str = ""


class VerifySection(Value, frozen=True, rename="kebab"):
    """The section `verify` of a source; all of it is empty where nothing is verified."""

    mode: str = ""
    signers: tuple[str, ...] = ()
    revoked: str = ""

    @property
    def wanted(self) -> Verification | None:
        """How commits have to be signed, None for not at all."""
        if not self.mode:
            return None
        return Verification(mode=VerifyMode(self.mode), signers=self.signers, revoked=self.revoked)


class SourceSection(Value, frozen=True, rename="kebab"):
    """An entry of `sources`: one that the agent follows from its start on."""

    name: str
    place: str
    interval: int
    root: str = ""
    namespaces: tuple[str, ...] = ()
    suspend: bool = False
    allow_mass_prune: bool = False
    allow_empty: bool = False
    verify: VerifySection = VerifySection()


class LimitsSection(Value, frozen=True, rename="kebab"):
    """The section `limits`; None for no limit."""

    deployments: int | None = None
    instances: int | None = None
    memory: int | None = None


class StoreSection(Value, frozen=True, rename="kebab"):
    """The section `store`."""

    retain: int


class WebhookEndpoint(Value, frozen=True, rename="kebab"):
    """An entry of `webhooks.endpoints`: who may ask for a look, by which secret, at which sources."""

    name: str
    kind: str
    path: str = ""
    secret_file: str = ""
    secret_name: str = ""
    header: str = ""
    sources: tuple[str, ...] = ()

    @property
    def at(self) -> str:
        """The path that requests name."""
        return self.path or f"/{self.name}"


class WebhooksSection(Value, frozen=True, rename="kebab"):
    """The section `webhooks`."""

    listen: str = ""
    certificate: str = ""
    key: str = ""
    max_bytes: int = 0
    min_interval: int = 0
    endpoints: tuple[WebhookEndpoint, ...] = ()


class ForgeSection(Value, frozen=True, rename="kebab"):
    """An entry of `forges`: who is told what became of a commit."""

    name: str
    kind: str
    url: str = ""
    repository: str = ""
    token_file: str = ""
    sources: tuple[str, ...] = ()
    context: str = ""
    link: str = ""
    per_minute: int = 60


class NotificationSection(Value, frozen=True, rename="kebab"):
    """An entry of `notifications`: who is told of which events."""

    name: str
    kind: str
    url: str = ""
    url_file: str = ""
    secret_file: str = ""
    events: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    link: str = ""
    per_minute: int = 30


class PublishSection(Value, frozen=True, rename="kebab"):
    """The section `publish`."""

    file: str = ""
    repository: str = ""
    branch: str = ""
    name: str = ""


class AgentSettings(Value, frozen=True, rename="kebab"):
    """All settings, typed."""

    state_dir: str
    secrets: SecretSettings
    limits: LimitsSection
    fetch: FetchSection
    store: StoreSection
    policy_refresh: int
    registries: dict[str, RegistrySection] = msgspec.field(default_factory=dict)
    git: dict[str, GitHostSection] = msgspec.field(default_factory=dict)
    policy: str = ""
    webhooks: WebhooksSection = WebhooksSection()
    forges: tuple[ForgeSection, ...] = ()
    notifications: tuple[NotificationSection, ...] = ()
    sources: tuple[SourceSection, ...] = ()
    publish: PublishSection = PublishSection()
