"""Says which further files a snapshot needs: every deployment's Component.toml, its signatures, and its artifact.

The source reader calls `references` while it reads. It says nothing about what is wrong: `resolve` does, later.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from orchestrator.manifest.component_source import BadReferenceError, component_path, local_file, use_of
from orchestrator.manifest.documents import read_documents
from orchestrator.manifest.node import Node, text_at
from orchestrator.manifest.overlay.document import component_nodes, folders_of, is_overlay
from orchestrator.manifest.parsed import Parse
from orchestrator.manifest.paths import BadPathError, folder_of, join_confined
from orchestrator.manifest.toml import read_toml
from orchestrator.model.component_source import ComponentUse
from orchestrator.model.snapshot import Content, FileEntry
from orchestrator.signing.dsse import SUFFIX as SIGNATURES_SUFFIX


class Reference(msgspec.Struct, frozen=True, order=True):
    """A root-relative path to read. `confined_to` is the folder it may not leave, links included; empty is the root.

    It is None for a file below the root that need not be there. A folder of manifests, which an overlay names, has a
    slash at its end.
    """

    path: str
    is_artifact: bool
    confined_to: str | None
    is_folder: bool = False


def references(
    files: Mapping[str, FileEntry], manifests: Sequence[str], parse: Parse = read_documents
) -> tuple[Reference, ...]:
    """Return what the given files refer to, sorted: components of the `manifests`, artifacts of every `*.toml`.

    Call it with the manifests, then with the Component.toml files that were read and no manifests; nothing refers
    any further. The file of a component's signatures is among them whether or not it has any. Calling it with
    everything read so far is right as well, and parses again. A path that leaves the root, or the component's folder,
    is never among them.
    """
    found = {ref for path in manifests for ref in _components(path, files.get(path), parse)}
    for path, entry in files.items():
        if path.endswith(".toml"):
            found.update(_artifacts(path, entry))
            found.add(Reference(signatures_path(path), False, None))
    return tuple(sorted(found))


def artifact_path(component: str, written: str) -> str:
    """Return the root-relative path of the artifact that `written`, in the Component.toml `component`, means.

    Raises:
        BadPathError: it may not be followed.
    """
    folder = folder_of(component)
    return join_confined(folder, written, folder)


def signatures_path(component: str) -> str:
    """Return the path of the signatures of the Component.toml at `component`."""
    return component + SIGNATURES_SUFFIX


def component_uses(manifest: str, data: bytes) -> tuple[ComponentUse, ...]:
    """Return the components that the deployments in a manifest want fetched, each once.

    Those of its overlays are not among them: `overlay.uses` knows them, and `may_hold_overlays` whether to ask.
    """
    if not any(word in data for word in REMOTE_WORDS):  # most manifests name none, and reading them takes long
        return ()
    return uses_of(manifest, (one.root for one in read_documents(data).documents if not is_overlay(one.root)))


def uses_of(manifest: str, roots: Iterable[Node | None]) -> tuple[ComponentUse, ...]:
    """Return the components that documents of a manifest want fetched, each once."""
    found: dict[ComponentUse, None] = {}
    for root in roots:
        try:
            use = use_of(root, manifest) if root is not None else None
        except (BadPathError, BadReferenceError):  # malformed, and said to be by `resolve`
            continue
        if use is not None:
            found[use] = None
    return tuple(found)


REMOTE_WORDS = (b"git", b"url", b"oci")


def _components(manifest: str, entry: FileEntry | None, parse: Parse) -> Iterator[Reference]:
    if not isinstance(entry, Content):
        return
    for document in parse(entry.data).documents:
        if document.root is None:
            continue
        if is_overlay(document.root):
            yield from _of_overlay(document.root, manifest)
            continue
        try:
            path = local_file(document.root, manifest)
        except BadPathError:
            continue
        if path is not None:
            yield Reference(path, False, "")


def _of_overlay(root: Node, manifest: str) -> Iterator[Reference]:
    for folder, _ in folders_of(root, manifest):
        yield Reference(folder, False, "", is_folder=True)
    for component in component_nodes(root):
        for key in ("path", "manifest"):
            written = text_at(component, key)
            try:
                found = None if written is None else component_path(manifest, written)
            except BadPathError:
                continue
            if found is not None:
                yield Reference(found, False, "")


def _artifacts(component: str, entry: FileEntry) -> Iterator[Reference]:
    root: Node | None = read_toml(entry.data).root if isinstance(entry, Content) else None
    written = text_at(root, "artifact", "path")
    if written is not None:
        try:
            yield Reference(artifact_path(component, written), True, folder_of(component))
        except BadPathError:
            return
