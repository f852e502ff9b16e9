"""The documents that the manifests in an overlay's bases hold, as far as it asks before it makes anything of them.

A file is parsed for it once for each content, whichever overlays name it, and however often one is made anew.
"""

from collections.abc import Callable, Mapping

import msgspec

from orchestrator.manifest.deployment import KIND as DEPLOYMENT_KIND
from orchestrator.manifest.deployment import key_of
from orchestrator.manifest.documents import Document, Documents
from orchestrator.manifest.node import Node, text_at
from orchestrator.manifest.overlay.document import is_overlay
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.snapshot import Content, FileEntry

Parse = Callable[[bytes], Documents]


class Outline(msgspec.Struct, frozen=True):
    """One document: the key of a deployment, the tree of an overlay, or neither for all else."""

    key: DeploymentKey | None = None
    overlay: Node | None = None


class Outlines:
    """The outlines of files, remembered while their contents are the same; `keep` forgets those of all others."""

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._known: dict[str, tuple[FileEntry, tuple[Outline, ...]]] = {}

    def of(self, path: str, entry: FileEntry | None) -> tuple[Outline, ...]:
        """Return the outlines of a file's documents; of one that could not be read, none."""
        if not isinstance(entry, Content):
            return ()
        known = self._known.get(path)
        if known is None or not (known[0] is entry or known[0] == entry):
            made = tuple(outline(document) for document in self._parse(entry.data).documents)
            known = self._known[path] = (entry, made)
        return known[1]

    def keep(self, files: Mapping[str, FileEntry]) -> None:
        """Forget the files that are not there any more."""
        if len(self._known) > len(files):
            self._known = {path: known for path, known in self._known.items() if path in files}


def outline(document: Document) -> Outline:
    """Return the outline of one document."""
    root = document.root
    if root is None:
        return Outline()
    if is_overlay(root) and is_well_formed(document):
        return Outline(overlay=root)
    return Outline(key=key_of(root)) if text_at(root, "kind") == DEPLOYMENT_KIND else Outline()


def is_well_formed(document: Document) -> bool:
    """Whether all of a document could be read."""
    return document.whole and not any(problem.is_error for problem in document.problems)
