"""A component → a registry, so that `wkg` and we can pull it again."""

from collections.abc import Callable

from orchestrator.fetch.http import Http
from orchestrator.fetch.limits import DOCUMENT_MAX_BYTES, FetchedFiles, FetchFailed, FetchSettings
from orchestrator.fetch.oci.manifest import (
    ACCEPTED,
    COMPANION,
    INDEX,
    MANIFEST,
    SIGNATURES,
    Pushed,
    attached,
    index_with,
    parts_of,
    pushed,
)
from orchestrator.fetch.oci.registry import Registry, digest_of
from orchestrator.model.component_source import OciComponent

BOTH = "pull,push"


def documents_of(files: FetchedFiles, notes: dict[str, str]) -> Pushed:
    """Make the documents of a component; `notes` are annotations for people."""
    return pushed(files.artifact, files.manifest, files.signatures, digest_of, notes)


def standing(http: Http, settings: FetchSettings, remote: OciComponent) -> str:
    """Return the digest that a tag stands for, empty for none.

    Raises:
        FetchFailed: the registry cannot be asked.
    """
    registry = Registry(http, settings, remote)
    if not _has(registry, f"/manifests/{remote.version}", {"Accept": ", ".join(ACCEPTED)}):
        return ""
    return registry.digest(remote.version)


def push_documents(
    http: Http, settings: FetchSettings, remote: OciComponent, made: Pushed, told: Callable[[str], None]
) -> None:  # fmt: skip
    """Push a component; `told` hears what is sent. The tag is moved last, once everything that it names is there.

    Raises:
        FetchFailed: the registry did not take it.
    """
    registry = Registry(http, settings, remote)
    _upload_blobs(registry, made.blobs, told)
    _put(registry, made.digest, made.manifest, MANIFEST)
    if not _put(registry, digest_of(made.companion), made.companion, MANIFEST):
        _list_referrer(registry, made.digest, made.companion, COMPANION)
    _put(registry, remote.version, made.manifest, MANIFEST)


def attach_signatures(
    http: Http, settings: FetchSettings, remote: OciComponent, signatures: bytes, artifact: str
) -> str:
    """Attach signatures to a component that is there, of this artifact; returns the digest that they are about.

    Raises:
        FetchFailed: there is none, or the registry did not take them.
    """
    registry = Registry(http, settings, remote)
    main, _ = registry.manifest(remote.version)
    there = parts_of(main).artifact.digest
    if there != artifact:
        raise FetchFailed(f"{remote.reference} is another component", f"its artifact is {there}, not {artifact}")
    made = attached(main, signatures, digest_of)
    _upload_blobs(registry, made.blobs, lambda _: None)
    if not _put(registry, digest_of(made.manifest), made.manifest, MANIFEST):
        _list_referrer(registry, made.subject, made.manifest, SIGNATURES)
    return made.subject


def _upload_blobs(registry: Registry, blobs: dict[str, bytes], told: Callable[[str], None]) -> None:
    for digest, data in blobs.items():
        if not _has(registry, f"/blobs/{digest}", {}):
            told(f"{digest[:19]} ({len(data)} bytes)")
            _upload(registry, digest, data)


def _has(registry: Registry, path: str, headers: dict[str, str]) -> bool:
    with registry.asked("HEAD", path, headers, actions=BOTH) as answer:
        return answer.status == 200


def _upload(registry: Registry, digest: str, data: bytes) -> None:
    with registry.asked("POST", "/blobs/uploads/", {"Content-Length": "0"}, b"", BOTH) as answer:
        if answer.status != 202:
            raise _refused(registry, "an upload", answer.status)
        where = registry.joined(answer.header("Location"))
    url = f"{where}{'&' if '?' in where else '?'}digest={digest}"
    with registry.asked("PUT", url, {"Content-Type": "application/octet-stream"}, data, BOTH) as answer:
        if answer.status != 201:
            raise _refused(registry, f"blob {digest}", answer.status)


def _put(registry: Registry, version: str, data: bytes, kind: str) -> bool:
    """Put a manifest; whether the registry keeps lists of referrers itself."""
    with registry.asked("PUT", f"/manifests/{version}", {"Content-Type": kind}, data, BOTH) as answer:
        if answer.status != 201:
            raise _refused(registry, f"the manifest {version}", answer.status)
        return bool(answer.header("OCI-Subject"))


def _list_referrer(registry: Registry, digest: str, referrer: bytes, kind: str) -> None:
    """Keep the list of referrers under a tag, as registries want it that have no API for it."""
    tag = digest.replace(":", "-")
    with registry.asked("GET", f"/manifests/{tag}", {"Accept": INDEX}, actions=BOTH) as answer:
        existing = answer.body(DOCUMENT_MAX_BYTES) if answer.status == 200 else b""
    _put(registry, tag, index_with(existing, referrer, digest_of, kind), INDEX)


def _refused(registry: Registry, what: str, status: int) -> FetchFailed:
    hint = "Name credentials that may write there." if status in (401, 403) else ""
    return FetchFailed(f"{registry.remote.host} did not take {what}", f"status {status}", hint)
