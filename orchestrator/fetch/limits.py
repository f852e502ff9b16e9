"""The limits of fetching, and the failure that everything here ends in."""

from typing import NamedTuple

import msgspec

from orchestrator.model.base import Value
from orchestrator.model.settings import AgentSettings, GitHostSection, RegistrySection
from orchestrator.source.access import GitAccess

ARTIFACT_MAX_BYTES = 128 << 20  # as of a file beside a manifest
DOCUMENT_MAX_BYTES = 4 << 20  # of a manifest or an index of a registry, which refuse larger ones, too
TOML_MAX_BYTES = 64 << 10
SIGNATURES_MAX_BYTES = 256 << 10
ENTRIES_MAX = 1_000  # of an archive
RATIO_MAX = 200  # unpacked bytes for one packed; wasm takes 3 to 6
RATIO_FREE_BYTES = 1 << 20  # that many are unpacked whatever the ratio
REDIRECTS_MAX = 5
SPARE_BYTES = 64 << 20  # of a disk that are left for the state


class HostSettings(Value, frozen=True):
    """The operator's words about one host: where its credentials lie, who may sign it, whether it speaks TLS."""

    credentials: str = ""
    ca: str = ""
    plain_http: bool = False
    token_host: str = ""
    git_credentials: str = ""
    git_ssh_key: str = ""
    git_known_hosts: str = ""
    git_ca: str = ""

    @property
    def git(self) -> GitAccess:
        """The files that git may use for it."""
        return GitAccess(
            credentials=self.git_credentials, ca=self.git_ca, ssh_key=self.git_ssh_key, known_hosts=self.git_known_hosts
        )


class FetchSettings(Value, frozen=True):
    """How things are fetched. `hosts` are by HOST or HOST:PORT; `stall_s` is without any byte, `timeout_s` in all."""

    max_bytes: int = ARTIFACT_MAX_BYTES
    timeout_s: float = 600.0
    stall_s: float = 30.0
    attempts: int = 4
    first_delay_s: float = 0.5
    at_once: int = 4
    proxy: str = ""
    netrc: str = ""
    hosts: dict[str, HostSettings] = msgspec.field(default_factory=dict)

    def git_of(self, host: str, port: int) -> GitAccess:
        """Return the files that git may use for a host."""
        return self.of(host, port).git

    def of(self, host: str, port: int | None = None) -> HostSettings:
        """Return what is said of a host, with its port or without."""
        known = self.hosts.get(f"{host}:{port}") if port is not None else None
        return known or self.hosts.get(host) or HostSettings()


def fetch_settings(settings: AgentSettings) -> FetchSettings:
    """Return how things are fetched, of the agent's settings."""
    own, hosts = settings.fetch, {}
    for host in {*settings.registries, *settings.git}:
        about, git = settings.registries.get(host, RegistrySection()), settings.git.get(host, GitHostSection())
        hosts[host.lower()] = HostSettings(
            credentials=about.credentials, ca=about.ca, plain_http=about.plain_http, token_host=about.token_host,
            git_credentials=git.credentials, git_ca=git.ca,
            git_ssh_key=git.ssh_key, git_known_hosts=git.known_hosts,
        )  # fmt: skip
    return FetchSettings(
        max_bytes=own.max_bytes, timeout_s=own.timeout / 1000, attempts=own.attempts, at_once=own.at_once,
        proxy=own.proxy, netrc=own.netrc, hosts=hosts,
    )  # fmt: skip


class FetchFailed(Exception):
    """Something was not fetched. `is_passing` says that another attempt may go better."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "", *, is_passing: bool = False) -> None:
        super().__init__(f"{summary}: {detail}" if detail else summary)
        self.summary, self.detail, self.suggestion, self.is_passing = summary, detail, suggestion, is_passing

    @property
    def sentence(self) -> str:
        """The failure in one line."""
        return str(self)


class FetchedFiles(NamedTuple):
    """A component as it was fetched, files that it does not bring are empty. `resolved` is what its name stood for."""

    resolved: str
    artifact: bytes
    manifest: bytes = b""
    signatures: bytes = b""
