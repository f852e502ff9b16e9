"""A reference to a registry → the files of a component."""

from pathlib import Path

from orchestrator.fetch.download import Download, Downloads
from orchestrator.fetch.http import Http
from orchestrator.fetch.limits import (
    SIGNATURES_MAX_BYTES,
    TOML_MAX_BYTES,
    FetchedFiles,
    FetchFailed,
    FetchSettings,
)
from orchestrator.fetch.oci.manifest import Blob, chosen_manifest, parts_of
from orchestrator.fetch.oci.referrers import attached_signatures, with_attached
from orchestrator.fetch.oci.registry import Registry
from orchestrator.model.component_source import OciComponent
from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing, Artifacts
from orchestrator.store.packages import StoredPackage


class OciFetcher:
    """Fetches components of registries."""

    def __init__(self, http: Http, downloads: Downloads, artifacts: Artifacts, settings: FetchSettings) -> None:
        self._http, self._downloads, self._artifacts, self._settings = http, downloads, artifacts, settings

    def resolve(self, remote: OciComponent) -> str:
        """Return the digest that the reference stands for now.

        Raises:
            FetchFailed: there is none, or the registry cannot be asked.
        """
        return remote.version if remote.is_fixed else self._registry(remote).digest(remote.version)

    def fetch(self, remote: OciComponent, digest: str) -> FetchedFiles:
        """Fetch the component with a digest.

        Raises:
            FetchFailed: it cannot be fetched, or is no component.
        """
        registry = self._registry(remote)
        document, _ = registry.manifest(digest)
        inner = chosen_manifest(document)
        if inner is not None:
            document, _ = registry.manifest(inner)
        parts = parts_of(document)
        artifact = self._blob(registry, parts.artifact, self._settings.max_bytes, remote.name)
        toml = self._blob(registry, parts.manifest, TOML_MAX_BYTES, "its Component.toml")
        signatures = self._blob(registry, parts.signatures, SIGNATURES_MAX_BYTES, "its signatures")
        return FetchedFiles(digest, artifact, toml, _signed(registry, digest, signatures, toml, parts.artifact.digest))

    def signed_now(self, remote: OciComponent, digest: str, stored: StoredPackage) -> bytes:
        """Return the signatures of a package that is here, with those attached to it in the registry since.

        Raises:
            FetchFailed: the registry cannot be asked.
        """
        return _signed(self._registry(remote), digest, stored.signatures, stored.manifest, stored.package.artifact)

    def _blob(self, registry: Registry, blob: Blob | None, max_bytes: int, what: str) -> bytes:
        if blob is None:
            return b""
        if blob.size is not None and blob.size > max_bytes:
            raise FetchFailed(f"{what} is too large", f"it has {blob.size} bytes, of at most {max_bytes}")
        url = registry.blob_url(blob.digest)
        wanted = Download(url, blob.sha256, max_bytes, what, registry.authorization)
        if blob.size is None:  # a small file beside the artifact
            return self._downloads.fetch(wanted, Path.read_bytes)
        return self._downloads.fetch(wanted, self._kept, lambda: self._held(blob.digest))

    def _kept(self, path: Path) -> bytes:
        """Keep an artifact before another reference asks for it: each digest is fetched once."""
        data = path.read_bytes()
        self._artifacts.put(data)
        return data

    def _held(self, digest: str) -> bytes | None:
        try:
            return self._artifacts.read(digest)
        except (ArtifactMissing, ArtifactDamaged):
            return None

    def _registry(self, remote: OciComponent) -> Registry:
        return Registry(self._http, self._settings, remote)


def _signed(registry: Registry, digest: str, signatures: bytes, toml: bytes, artifact: str) -> bytes:
    if not toml:  # the signatures of a component of others lie beside the Component.toml that the source has for it
        return signatures
    return with_attached(signatures, attached_signatures(registry, digest), toml, artifact)
