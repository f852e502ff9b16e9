"""A registry's documents → where the parts of a component are; and the documents of one that is pushed.

Ours is the layout that `wkg` writes and reads: a config of type `…wasm.config.v0+json` and one layer
`application/wasm`. `wkg` refuses a second layer, so Component.toml and signatures are blobs beside it, named by their
digests in annotations of the manifest: its digest covers them. A second manifest, the *companion*, has them as layers
and the first as its `subject`, which keeps a registry from collecting them. Pure: no network here.
"""

import re
from typing import Any, NamedTuple

from orchestrator.fetch.foreign import ForeignJsonBroken, foreign_json
from orchestrator.fetch.limits import SIGNATURES_MAX_BYTES, TOML_MAX_BYTES, FetchFailed
from orchestrator.model.base import canonical_json

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
EMPTY = "application/vnd.oci.empty.v1+json"

CONFIG = "application/vnd.wasm.config.v0+json"
WASM = "application/wasm"
WASM_LAYERS = (
    WASM,
    "application/vnd.wasm.content.layer.v1+wasm",  # Spin, and older tools
    "application/vnd.module.wasm.content.layer.v1+wasm",  # wasmCloud's `wash`
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",  # `warg` and early `wkg`
)
COMPANION = "application/vnd.airs.component.v1"
TOML = "application/vnd.airs.component.manifest.v1+toml"
SIGNATURES = "application/vnd.airs.component.signatures.v1+jsonl"
TOML_NOTE, SIGNATURES_NOTE = "dev.airs.component.manifest", "dev.airs.component.signatures"
CREATED = "1970-01-01T00:00:00Z"  # the same component is the same digest, whenever it is pushed

LAYERS_MAX = 256
MANIFESTS_MAX = 256
REFERRERS_MAX = 32  # of one component that are looked at for signatures
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Blob(NamedTuple):
    """A part of a component in a registry. `size` is None where only its digest is known."""

    digest: str
    size: int | None = None

    @property
    def sha256(self) -> str:
        """The digest's hex."""
        return self.digest.removeprefix("sha256:")


class OciParts(NamedTuple):
    """Where the parts of a component are; those that it does not have are None."""

    artifact: Blob
    manifest: Blob | None = None
    signatures: Blob | None = None


def chosen_manifest(data: bytes) -> str | None:
    """Return the digest of the manifest that an index leads to; None for a document that is a manifest itself.

    Raises:
        FetchFailed: it is neither, or leads to several.
    """
    document = _document(data)
    listed = document.get("manifests")
    if listed is None:
        return None
    if not isinstance(listed, list) or len(listed) > MANIFESTS_MAX:
        raise FetchFailed(
            "the registry's index is not well formed", f"`manifests` is no list of at most {MANIFESTS_MAX}"
        )
    entries = [_mapping(entry) for entry in listed]
    wasm = [e for e in entries if _mapping(e.get("platform") or {}).get("architecture") == "wasm"] or entries
    if len(wasm) != 1:
        raise FetchFailed("the registry has several components under this name", f"its index has {len(wasm)} for wasm")
    return _digest_in(wasm[0])


def parts_of(data: bytes) -> OciParts:
    """Return the parts that a manifest names, of any layout that is known.

    Raises:
        FetchFailed: it is no manifest of a component.
    """
    document = _document(data)
    layers = document.get("layers")
    if not isinstance(layers, list) or len(layers) > LAYERS_MAX:
        raise FetchFailed("the registry's manifest is not well formed", f"`layers` is no list of at most {LAYERS_MAX}")
    found = [layer for layer in map(_mapping, layers) if layer.get("mediaType") in WASM_LAYERS]
    if len(found) != 1:
        types = ", ".join(sorted({_printable(_mapping(layer).get("mediaType")) for layer in layers})[:5])
        what = f"{len(found)} layers of wasm" if found else f"no layer of wasm, but {types or 'none at all'}"
        hint = "An application of several components is none that airs runs: name each of them." if found else ""
        raise FetchFailed("the registry holds something that is not one component", f"it has {what}", hint)
    notes = document.get("annotations") or {}
    return OciParts(_blob_in(found[0]), _noted(notes, TOML_NOTE), _noted(notes, SIGNATURES_NOTE))


class Pushed(NamedTuple):
    """The documents of a component that is pushed, the manifest's digest, and the blobs that they name, by digest."""

    digest: str
    manifest: bytes
    companion: bytes
    blobs: dict[str, bytes]


class Attached(NamedTuple):
    """The documents of attached signatures: the digest that they are about, their manifest, and its blobs by digest."""

    subject: str
    manifest: bytes
    blobs: dict[str, bytes]


def pushed(artifact: bytes, manifest: bytes, signatures: bytes, digest_of: Any, notes: dict[str, str]) -> Pushed:
    """Make the documents for a component; `notes` are further annotations, `digest_of` hashes bytes."""
    wasm = _described(WASM, artifact, digest_of)
    config = canonical_json({
        "architecture": "wasm", "author": None, "created": CREATED, "os": "wasip2", "layerDigests": [wasm["digest"]],
        "component": {"exports": [], "imports": [], "target": None},
    })  # fmt: skip
    beside = [(TOML, TOML_NOTE, manifest)] + ([(SIGNATURES, SIGNATURES_NOTE, signatures)] if signatures else [])
    annotations = {**notes, **{note: digest_of(data) for _, note, data in beside}}
    main = canonical_json({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": _described(CONFIG, config, digest_of), "layers": [wasm],
        "annotations": annotations,
    })  # fmt: skip
    companion = canonical_json({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": COMPANION,
        "config": _described(EMPTY, b"{}", digest_of),
        "layers": [_described(kind, data, digest_of) for kind, _, data in beside],
        "subject": _described(MANIFEST, main, digest_of),
    })  # fmt: skip
    blobs = {digest_of(data): data for data in (artifact, config, b"{}", *(data for _, _, data in beside))}
    return Pushed(digest_of(main), main, companion, blobs)


def attached(main: bytes, signatures: bytes, digest_of: Any) -> Attached:
    """Make the documents of signatures that are attached to the component with the manifest `main`."""
    kind = _document(main).get("mediaType")
    subject = _described(kind if kind in ACCEPTED else MANIFEST, main, digest_of)
    document = canonical_json({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": SIGNATURES,
        "config": _described(EMPTY, b"{}", digest_of), "layers": [_described(SIGNATURES, signatures, digest_of)],
        "subject": subject,
    })  # fmt: skip
    return Attached(subject["digest"], document, {digest_of(data): data for data in (b"{}", signatures)})


def referrers_in(data: bytes) -> tuple[str, ...]:
    """Return the digests of the manifests in a list of referrers that may hold signatures: the newest of many.

    Raises:
        FetchFailed: it is no such list.
    """
    listed = _document(data).get("manifests")
    if not isinstance(listed, list):
        raise FetchFailed("the registry's list of referrers is not well formed", "`manifests` is no list")
    ours = [each for each in listed if isinstance(each, dict) and each.get("artifactType") in (COMPANION, SIGNATURES)]
    return tuple(_digest_in(each) for each in ours[-REFERRERS_MAX:])


def attached_blob(data: bytes, subject: str) -> Blob | None:
    """Return the signatures that a referrer of `subject` holds; None where it holds none, or is of another.

    Raises:
        FetchFailed: it is no manifest.
    """
    document = _document(data)
    layers = document.get("layers")
    if _mapping(document.get("subject")).get("digest") != subject or not isinstance(layers, list):
        return None
    found = [layer for layer in layers[:LAYERS_MAX] if isinstance(layer, dict) and layer.get("mediaType") == SIGNATURES]
    return _blob_in(found[0]) if found else None


def index_with(existing: bytes, companion: bytes, digest_of: Any, kind: str = COMPANION) -> bytes:
    """Return the index of referrers, as registries without an API for them want it, with one more of this kind."""
    entry = {**_described(MANIFEST, companion, digest_of), "artifactType": kind}
    try:
        listed = _document(existing).get("manifests", []) if existing else []
    except FetchFailed:  # somebody else's, and of no use
        listed = []
    others = [each for each in listed if isinstance(each, dict) and each.get("digest") != entry["digest"]]
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*others[-MANIFESTS_MAX:], entry]})


def _described(kind: str, data: bytes, digest_of: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def _document(data: bytes) -> dict[str, Any]:
    try:
        found = foreign_json(data)
    except ForeignJsonBroken:
        raise FetchFailed("the registry's manifest is not well formed", "it is no JSON") from None
    document = _mapping(found)
    if document.get("schemaVersion") != 2:
        raise FetchFailed("the registry's manifest is not well formed", "its schemaVersion is not 2")
    return document


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FetchFailed("the registry's manifest is not well formed", "a mapping is missing in it")
    return value


def _blob_in(entry: dict[str, Any]) -> Blob:
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise FetchFailed("the registry's manifest is not well formed", "a layer has no size")
    return Blob(_digest_in(entry), size)


def _digest_in(entry: dict[str, Any]) -> str:
    return _digest(entry.get("digest"))


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise FetchFailed("the registry's manifest is not well formed", "a digest in it is not sha256:<64 hex digits>")
    return value


def _noted(notes: object, name: str) -> Blob | None:
    value = _mapping(notes).get(name)
    return None if value is None else Blob(_digest(value))


def _printable(value: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(value))[:80]


LIMITS = {TOML: TOML_MAX_BYTES, SIGNATURES: SIGNATURES_MAX_BYTES}
