"""Turns one manifest file and all that it names into entries: small values without the file's tree.

`resolve` calls it for each file, and keeps what it returns for as long as nothing of that changed. Problems between
files (duplicates, dependencies, groups) are `resolve`'s business.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.manifest.component import ROOT, ComponentFile, collision_summary, unreadable_hint, unreadable_summary
from orchestrator.manifest.deployment import draft
from orchestrator.manifest.documents import Document, Documents
from orchestrator.manifest.entry import DocumentEntry, entry_of
from orchestrator.manifest.node import Unplaced
from orchestrator.manifest.overlay.document import is_overlay
from orchestrator.manifest.overlay.environment import ManifestReading, OverlayEntries, environment
from orchestrator.manifest.overlay.outlines import is_well_formed
from orchestrator.model.snapshot import Content, FileEntry, Unreadable


class ManifestFile(msgspec.Struct, frozen=True):
    """The entries of one file, and what is wrong with the file. `used` are the components that its entries name.

    `is_unreadable` says that not every deployment it may hold could be named. `environments` are what its overlays come
    to, by the number of the document, and `documents` those of a file with overlays, which are read more often.
    """

    entries: tuple[DocumentEntry, ...] = ()
    problems: tuple[Unplaced, ...] = ()
    is_unreadable: bool = False
    used: tuple[tuple[str, ComponentFile], ...] = ()
    environments: dict[int, OverlayEntries] = {}
    documents: Documents | None = None

    @property
    def needs(self) -> Iterator[tuple[str, FileEntry]]:
        """The files of its bases, and what they held."""
        for one in self.environments.values():
            yield from one.needs.items()


def read_manifest(
    path: str, file: str, content: FileEntry, collided_with: str | None, reading: ManifestReading,
    before: ManifestFile | None = None,
) -> ManifestFile:  # fmt: skip
    """Read the manifest at `path`, shown as `file`; `collided_with` is another that some file systems take for it.

    `before` was made of the same content; as much of it is kept as is the same.
    """
    if isinstance(content, Unreadable):
        summary, hint = unreadable_summary(file, content, ROOT), unreadable_hint(content, ROOT)
        is_read = content.kind != "misnamed"
        problem = Unplaced(0, 0, summary, content.detail, hint, is_error=is_read)
        return ManifestFile(problems=(problem,), is_unreadable=is_read)
    assert isinstance(content, Content)  # nothing else is read as a manifest
    documents = (before.documents if before is not None else None) or reading.parse(content.data)
    read = _Read(path, file, collided_with, reading, before)
    for index, document in enumerate(documents.documents):
        read.take(index, document)
    return ManifestFile(
        entries=tuple(read.entries),
        problems=tuple(documents.problems),
        is_unreadable=not (read.is_whole and documents.documents),
        used=tuple(read.used.items()),
        environments=read.environments,
        documents=documents if read.environments else None,
    )


class _Read:
    """The documents of one manifest as they are read."""

    def __init__(
        self, path: str, file: str, collided_with: str | None, reading: ManifestReading, before: ManifestFile | None
    ) -> None:
        self.entries: list[DocumentEntry] = []
        self.used: dict[str, ComponentFile] = {}
        self.environments: dict[int, OverlayEntries] = {}
        self.is_whole = True
        self._path, self._file, self._reading = path, file, reading
        self._collision = () if collided_with is None else (collision_summary(path, collided_with),)
        self._before = before.environments if before is not None else {}

    def take(self, index: int, document: Document) -> None:
        """Add one document, or all that comes of it."""
        if is_overlay(document.root) and is_well_formed(document):
            one = environment(self._path, document, index, self._reading, self._before.get(index))
            self.environments[index] = one
            self.entries += one.entries
            self.used |= one.used
            self.is_whole = self.is_whole and one.is_whole
            return
        source = draft(document)
        self.is_whole = self.is_whole and (source.is_other or (source.key is not None and source.is_whole))
        self.entries.append(entry_of(self._path, self._file, source, self._collision, self._component))

    def _component(self, toml: str) -> ComponentFile:
        return self.used.setdefault(toml, self._reading.components(toml))
