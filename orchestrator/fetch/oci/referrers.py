"""A component in a registry → the signatures that were attached to it after it was pushed.

A registry lists the manifests that name another as their `subject`: by its API of referrers, or, where it has none,
in an index that who attaches something keeps under the tag `sha256-<hex>`. Both are looked at, as a registry that was
updated may hold some in each.
"""

from collections.abc import Iterator

from orchestrator.fetch.http import check_status
from orchestrator.fetch.limits import DOCUMENT_MAX_BYTES, SIGNATURES_MAX_BYTES, FetchFailed
from orchestrator.fetch.oci.manifest import INDEX, Blob, attached_blob, referrers_in
from orchestrator.fetch.oci.registry import Registry, digest_of
from orchestrator.manifest.package import ComponentDocument, read_document
from orchestrator.signing.dsse import lines_of
from orchestrator.signing.verify import BrokenSignature, checked_line

_PASSING = (429, 500, 502, 503, 504)


def attached_signatures(registry: Registry, digest: str) -> list[bytes]:
    """Return the files of signatures that are attached to a manifest.

    Raises:
        FetchFailed: the registry cannot be asked, or one is not what its digest says.
    """
    found = [_blob(registry, blob) for blob in _blobs(registry, digest)]
    return [*dict.fromkeys(found)]


def with_attached(kept: bytes, attached: list[bytes], manifest: bytes, artifact: str) -> bytes:
    """Return the signatures of a package with the good ones among those that were attached.

    A line that is no good signature on this package is left out: else a stranger could attach one, and with it keep a
    component from running that comes without any.
    """
    document = read_document(manifest)
    if not isinstance(document, ComponentDocument):
        return kept
    subject = document.subject(artifact)
    before = dict.fromkeys(line for _, line in lines_of(kept))
    lines = dict(before)
    for data in attached:
        for number, line in lines_of(data):
            if line not in lines and not isinstance(checked_line(number, line, subject), BrokenSignature):
                lines[line] = None
    joined = b"".join(line + b"\n" for line in lines)
    return joined if len(lines) > len(before) and len(joined) <= SIGNATURES_MAX_BYTES else kept


def _blobs(registry: Registry, digest: str) -> Iterator[Blob]:
    for referrer in dict.fromkeys((*_listed(registry, f"/referrers/{digest}"), *_listed(registry, _tag(digest)))):
        try:
            document, _ = registry.manifest(referrer)
            blob = attached_blob(document, digest)
        except FetchFailed as failed:
            if failed.is_passing:
                raise
            continue  # it is listed and gone, or somebody else's
        if blob is not None:
            yield blob


def _tag(digest: str) -> str:
    return f"/manifests/{digest.replace(':', '-')}"


def _listed(registry: Registry, path: str) -> tuple[str, ...]:
    with registry.asked("GET", path, {"Accept": INDEX}) as answer:
        if answer.status in _PASSING:
            check_status(answer, "list of signatures")
        data = answer.body(DOCUMENT_MAX_BYTES) if answer.status == 200 else b""
    try:
        return referrers_in(data) if data else ()
    except FetchFailed:  # no list: a page that says so
        return ()


def _blob(registry: Registry, blob: Blob) -> bytes:
    if (blob.size or 0) > SIGNATURES_MAX_BYTES:
        raise FetchFailed("attached signatures are too large", f"{blob.size} bytes, of at most {SIGNATURES_MAX_BYTES}")
    with registry.asked("GET", f"/blobs/{blob.digest}", {}) as answer:
        check_status(answer, "attached signatures")
        data = answer.body(SIGNATURES_MAX_BYTES)
    if digest_of(data) != blob.digest:
        raise FetchFailed(f"{registry.remote.host} served other signatures than {blob.digest}")
    return data
