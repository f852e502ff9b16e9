"""A Component.toml's bytes → what a signature on it names, without looking into the artifact.

`airs sign` and `airs verify` call it. `component.py` reads the same file for what runs.
"""

import msgspec

from orchestrator.manifest.check import check
from orchestrator.manifest.component import written_twice
from orchestrator.manifest.node import Node, Unplaced, nearest, plain, text_at
from orchestrator.manifest.paths import BadPathError
from orchestrator.manifest.references import artifact_path
from orchestrator.manifest.toml import read_toml
from orchestrator.signing.canonical import manifest_digest
from orchestrator.signing.statement import Subject


class ComponentDocument(msgspec.Struct, frozen=True):
    """A well-formed Component.toml: where its artifact lies below its folder, and the digest it pins, if any."""

    name: str
    version: str
    manifest: str
    artifact: str
    pinned: str | None

    def subject(self, artifact_digest: str) -> Subject:
        """Return the package that it makes with an artifact."""
        return Subject(artifact_digest, self.manifest, self.name, self.version)


def read_document(data: bytes) -> ComponentDocument | tuple[Unplaced, ...]:
    """Read a Component.toml, or say all that is wrong with its form."""
    read = read_toml(data)
    if read.root is None:
        return read.problems
    problems = (*check("component", read.root), *written_twice(read.root))
    return problems or _document(read.root)


def _document(root: Node) -> ComponentDocument | tuple[Unplaced, ...]:
    document = plain(root)
    assert isinstance(document, dict)  # the schema wants a table
    try:
        artifact = artifact_path("", text_at(root, "artifact", "path") or "")
    except BadPathError as error:
        return (Unplaced(*nearest(root, "artifact", "path"), f"`artifact.path`: {error}"),)
    pinned = text_at(root, "artifact", "sha256")
    return ComponentDocument(
        name=text_at(root, "package", "name") or "",
        version=text_at(root, "package", "version") or "",
        manifest=manifest_digest(document),
        artifact=artifact,
        pinned=None if pinned is None else f"sha256:{pinned}",
    )
