"""A folder of a git repository → the files of a component, of the commit that a branch or tag names now.

The hardened `git` of `source` does it: hooks, submodules, filters and other programs take no part, no redirect is
followed, and objects are checked as they come. Here a local path is no repository: nothing outside a source is read.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from orchestrator.fetch.credentials import check_private
from orchestrator.fetch.http import trusted_by
from orchestrator.fetch.limits import (
    SIGNATURES_MAX_BYTES,
    TOML_MAX_BYTES,
    FetchedFiles,
    FetchFailed,
    FetchSettings,
)
from orchestrator.manifest.component_source import artifact_name
from orchestrator.model.component_source import COMPONENT_FILE, SIGNATURES_FILE, GitComponent
from orchestrator.model.source import FolderSpec, GitSpec
from orchestrator.source.access import https_settings
from orchestrator.source.command import GitFailed
from orchestrator.source.git import explained
from orchestrator.source.mirror import Mirror
from orchestrator.source.objects import GitDirectory, ObjectsBroken
from orchestrator.source.refs import RefRefused
from orchestrator.source.spec import SourceRefused, parse_source
from orchestrator.source.walk import PathFault, located

_PASSING = ("Could not resolve", "took longer", "timed out", "Connection", "connect to", "503", "502", "early EOF")


class GitFetcher:
    """Fetches components of repositories; mirrors lie in `work_dir`, beside those of sources."""

    def __init__(self, work_dir: Path, settings: FetchSettings, passed_on: Mapping[str, str]) -> None:
        self._work_dir, self._settings, self._passed_on = work_dir, settings, passed_on

    def resolve(self, remote: GitComponent) -> str:
        """Return the commit that the ref names now.

        Raises:
            FetchFailed: it names none, or the repository cannot be asked.
        """
        spec = spec_of(remote)
        if remote.is_fixed:
            return remote.ref
        mirror = self._mirror(spec)
        try:
            with mirror.locked():
                mirror.prepare()
                return mirror.looked_up().tip
        except (GitFailed, RefRefused, OSError) as fault:
            raise _failed(spec, fault) from None

    def fetch(self, remote: GitComponent, commit: str) -> FetchedFiles:
        """Fetch the component at a commit.

        Raises:
            FetchFailed: it cannot be fetched, or is not there.
        """
        spec = spec_of(remote)
        mirror = self._mirror(spec)
        try:
            with mirror.locked():
                mirror.prepare()
                name = remote.ref if remote.is_fixed else mirror.looked_up().name
                fetched = mirror.fetch(name)
                with mirror.objects() as objects:
                    return _component(
                        GitDirectory(objects, f"{fetched}^{{tree}}"), remote.path, fetched, self._settings
                    )
        except PathFault as fault:
            raise FetchFailed(f"{remote.reference} holds no component", fault.detail) from None
        except (GitFailed, RefRefused, ObjectsBroken, OSError) as fault:
            raise _failed(spec, fault) from None

    def _mirror(self, spec: GitSpec) -> Mirror:
        files = self._settings.git_of(spec.host, spec.port)
        return Mirror(spec, self._work_dir, self._passed_on, self.of_host(spec), access=files)

    def of_host(self, spec: GitSpec) -> dict[str, str]:
        """Let git read the files that the operator named for this host, and no other; it never writes to them.

        Raises:
            FetchFailed: one cannot be used.
        """
        about = self._settings.of(spec.host, spec.port)
        if spec.transport == "https" and about.git_ca:
            trusted_by(about.git_ca)  # git would only say that it failed
        if spec.transport == "https" and about.git_credentials:
            check_private(about.git_credentials)
        try:
            return https_settings(spec, about.git)
        except GitFailed as failed:
            raise FetchFailed(f"{spec.repository} is not fetched", failed.said) from None


def spec_of(remote: GitComponent) -> GitSpec:
    """Decide what a reference names.

    Raises:
        FetchFailed: it is nothing that is fetched.
    """
    if remote.url.lower().startswith("file:") or ("://" not in remote.url and "@" not in remote.url):
        raise FetchFailed(f"{remote.url} is not fetched", "a component's repository is named by a URL", "Use https://.")
    try:
        spec = parse_source(f"{remote.url}#{remote.ref}:{remote.path}", cwd=Path("/"))
    except SourceRefused as refused:
        raise FetchFailed(refused.summary, refused.detail, refused.suggestion) from None
    if isinstance(spec, FolderSpec) or spec.transport == "file":
        raise FetchFailed(f"{remote.url} is not fetched", "a component's repository is named by a URL", "Use https://.")
    return replace(spec, identity=remote.reference)


def _component(root: GitDirectory, path: str, commit: str, settings: FetchSettings) -> FetchedFiles:
    folder = f"{path}/" if path else ""
    manifest = _read(root, f"{folder}{COMPONENT_FILE}", path, TOML_MAX_BYTES)
    artifact = artifact_name(manifest)
    if artifact is None:
        raise PathFault("missing", f"{folder}{COMPONENT_FILE} names no artifact beside it")
    data = _read(root, f"{folder}{artifact}", path, settings.max_bytes)
    try:
        signatures = _read(root, f"{folder}{SIGNATURES_FILE}", path, SIGNATURES_MAX_BYTES)
    except PathFault as fault:
        if fault.kind != "missing":
            raise
        signatures = b""
    return FetchedFiles(commit, data, manifest, signatures)


def _read(root: GitDirectory, path: str, confined_to: str, limit: int) -> bytes:
    try:
        with located(root, path, confined_to) as (directory, name), directory.opened(name) as file:
            return file.read(limit)
    except PathFault as fault:
        raise PathFault(fault.kind, f"{path}: {fault.detail}") from None


def _failed(spec: GitSpec, fault: Exception) -> FetchFailed:
    if isinstance(fault, RefRefused):
        return FetchFailed(fault.summary, fault.detail, fault.suggestion)
    said = fault.said if isinstance(fault, GitFailed) else str(fault)
    failure = explained(spec, said)
    is_passing = any(sign in said for sign in _PASSING)
    return FetchFailed(failure.summary, failure.detail, failure.suggestion, is_passing=is_passing)
