"""A reference → a package of the component store: what the name stands for now is looked up, and fetched if it is new.

Commands call it and wait; `lookout.py` calls it on threads of the agent. Failures are noted beside what is known, which
stays in force. It decides nothing about when.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

from msgspec.structs import replace

from orchestrator.fetch.download import Downloads, Heard, with_attempts
from orchestrator.fetch.git import GitFetcher
from orchestrator.fetch.http import Http
from orchestrator.fetch.limits import FetchedFiles, FetchFailed, FetchSettings
from orchestrator.fetch.oci.pull import OciFetcher
from orchestrator.fetch.url import fetch_url
from orchestrator.manifest.component_source import package_name
from orchestrator.model.component_source import DIGITS, GitComponent, OciComponent, RemoteComponent, UrlComponent
from orchestrator.model.package import PackageReference
from orchestrator.store.artifacts import Artifacts
from orchestrator.store.packages import PackageDamaged, Packages, StoredPackage


class Fetcher:
    """Looks references up and fetches components. Safe to use from several threads."""

    def __init__(
        self, settings: FetchSettings, state_dir: Path, heard: Heard, *,
        plain_http: bool = False, passed_on: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self.artifacts = Artifacts(state_dir / "artifacts" / "sha256")
        self.packages = Packages(state_dir, self.artifacts)
        http = Http(settings, plain_http=plain_http)
        self._downloads = Downloads(http, state_dir / "incoming", heard)
        self._oci = OciFetcher(http, self._downloads, self.artifacts, settings)
        self._git = GitFetcher(state_dir / "git", settings, passed_on or {})
        self._jitter = Random().random  # noqa: S311 — for waits that should not all end at once

    def look(self, remote: RemoteComponent, now_ms: int, *, keep: bool = False) -> PackageReference:
        """Look up what a reference stands for, fetch that where it is not here, and note it; `keep` it for good.

        Raises:
            FetchFailed: it cannot be; that is noted, too.
        """
        known = self.packages.reference(remote.reference) or PackageReference(reference=remote.reference)
        known = replace(known, is_installed=known.is_installed or keep)
        attempts = (
            1 if known.package else self._settings.attempts
        )  # somebody waits, and there is something to go on with
        try:
            return self._attempted(lambda: self._look(remote, known, now_ms), attempts)
        except FetchFailed as failed:
            if remote.is_fixed and self._stored(known.package) is not None:  # it cannot have moved
                known = replace(known, looked_ms=now_ms)
                self.packages.note(known)
                return known
            failure = replace(known, failure=failed.sentence, failed_ms=now_ms, failures=known.failures + 1)
            self.packages.note(replace(failure, is_installed=known.is_installed and bool(known.package)))
            raise

    def _attempted(self, look: Callable[[], PackageReference], attempts: int) -> PackageReference:
        return with_attempts(look, attempts, self._settings.first_delay_s, self._jitter)

    def _look(self, remote: RemoteComponent, known: PackageReference, now_ms: int) -> PackageReference:
        resolved = self._resolved(remote)
        looked = replace(known, looked_ms=now_ms, failure="", failed_ms=0, failures=0)
        stored = self._stored(known.package) if resolved == known.resolved else None
        if stored is not None:
            return self._signed_now(remote, stored, looked)
        if known.resolved and known.resolved != resolved:
            looked = replace(looked, previous=known.origin)
        looked = replace(looked, fetched_ms=now_ms)
        return self._kept(looked, self._fetched(remote, resolved, partial(self._kept, looked)))

    def _kept(self, looked: PackageReference, files: FetchedFiles) -> PackageReference:
        looked = replace(looked, resolved=files.resolved)
        named = package_name(files.manifest) if files.manifest else ("", "")
        package = self.packages.put(files.artifact, files.manifest, files.signatures, named, looked)
        return replace(looked, package=package.digest)

    def _held(self, remote: UrlComponent) -> FetchedFiles | None:
        """Return the component that another URL with the same digest brought, if it is here."""
        for note in self.packages.references():
            is_url = note.reference.startswith("http") and note.reference.endswith(f"#{remote.sha256[:DIGITS]}")
            if is_url and note.resolved == f"sha256:{remote.sha256}":
                stored = self._stored(note.package)
                if stored is not None and stored.package.has_manifest is not remote.is_bare:
                    artifact = self.artifacts.read(stored.package.artifact)
                    return FetchedFiles(note.resolved, artifact, stored.manifest, stored.signatures)
        return None

    def _signed_now(self, remote: RemoteComponent, stored: StoredPackage, looked: PackageReference) -> PackageReference:
        """Note a look that found the package that is here, with signatures that were attached to it since."""
        found = stored.signatures
        if isinstance(remote, OciComponent):
            found = self._oci.signed_now(remote, looked.resolved, stored)
        if found == stored.signatures:
            self.packages.note(looked)
            return looked
        package, artifact = stored.package, self.artifacts.read(stored.package.artifact)
        signed = self.packages.put(artifact, stored.manifest, found, (package.name, package.version), looked)
        return replace(looked, package=signed.digest)

    def _stored(self, package: str) -> StoredPackage | None:
        """Return a package that is here whole; None for none."""
        try:
            stored = self.packages.read(package) if package else None
        except (FileNotFoundError, PackageDamaged):
            return None
        return stored if stored is not None and self.artifacts.has(stored.package.artifact) else None

    def _resolved(self, remote: RemoteComponent) -> str:
        match remote:
            case UrlComponent():
                return f"sha256:{remote.sha256}"
            case GitComponent():
                return self._git.resolve(remote)
            case OciComponent():
                return self._oci.resolve(remote)

    def _fetched(self, remote: RemoteComponent, resolved: str, keep: Callable[[FetchedFiles], object]) -> FetchedFiles:
        match remote:
            case UrlComponent():
                return fetch_url(remote, self._downloads, self._settings, keep, partial(self._held, remote))
            case GitComponent():
                return self._git.fetch(remote, resolved)
            case OciComponent():
                return self._oci.fetch(remote, resolved)
