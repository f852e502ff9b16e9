"""Turns an opened tree and a list of manifests into the files of a snapshot, asking `manifest` what else is needed.

Folder and git reading call it. It decides nothing about what the files mean.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from orchestrator.manifest import COMPONENT_MAX_BYTES, MANIFEST_MAX_BYTES
from orchestrator.model.snapshot import (
    Artifact,
    Content,
    FileEntry,
    Known,
    KnownEmpty,
    Snapshot,
    SourceAnswer,
    Unreadable,
)
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.walk import Directory, Kind, PathFault, fault_of, located

MAX_MANIFESTS = 10_000
MAX_DEPTH = 32  # directories below the folder
MAX_NAMES = 200_000  # looked at while listing manifests; a tree can name one subtree many times over
MAX_ARTIFACT_BYTES = 128 * 1024 * 1024
MAX_FILES = 50_000  # manifests and all they refer to
MAX_TOTAL_BYTES = 1024 * 1024 * 1024  # of one snapshot
MAX_ROUNDS = 8  # manifest → Component.toml → artifact takes two

SUFFIXES = (".yaml", ".yml")


class Reference(Protocol):
    """A file that the files read so far refer to; `orchestrator.manifest` finds them."""

    @property
    def path(self) -> str:
        """Where it is, root-relative."""

    @property
    def is_artifact(self) -> bool:
        """Whether it is a wasm file; otherwise it is a Component.toml."""

    @property
    def confined_to(self) -> str | None:
        """The root-relative directory it may not leave, None for the root."""


# Told the files that are new since it was last asked, and which of those are manifests.
References = Callable[[Mapping[str, FileEntry], Sequence[str]], Sequence[Reference]]


class TooMuch(Exception):
    """The source holds more than a snapshot may; reading a part of it would look like deleting the rest."""


def manifest_paths(folder: Directory, prefix: str) -> list[str]:
    """List the manifests in `folder` and below, sorted, each with `prefix` in front.

    Hidden names are skipped (`..data` and `.git` are among them), links to directories are not followed.

    Raises:
        PathFault: a directory in it cannot be read.
        TooMuch: there are more than `MAX_MANIFESTS`, or directories are nested deeper than `MAX_DEPTH`.
    """
    found: list[str] = []
    for looked_at, path in enumerate(_names_below(folder, prefix, 0)):
        if looked_at >= MAX_NAMES:
            raise TooMuch(f"more than {MAX_NAMES} names")
        if path.endswith(SUFFIXES):
            found.append(path)
        if len(found) > MAX_MANIFESTS:
            raise TooMuch(f"more than {MAX_MANIFESTS} manifests")
    return sorted(found)


def _names_below(folder: Directory, prefix: str, depth: int) -> Iterator[str]:
    """Yield every name that is not hidden; a directory's with a slash at its end, before what is in it."""
    if depth > MAX_DEPTH:
        raise TooMuch(f"directories nested more than {MAX_DEPTH} deep")
    for name in folder.names():
        if name.startswith(".") or name == "lost+found":
            continue
        kind = folder.look(name)
        if kind is Kind.DIRECTORY:
            yield f"{prefix}{name}/"
            with closing(folder.enter(name)) as inner:
                yield from _names_below(inner, f"{prefix}{name}/", depth + 1)
        elif kind is not Kind.MISSING:
            yield prefix + name


def gather(
    root: Directory, manifests: Sequence[str], references: References, artifacts: ArtifactCache
) -> dict[str, FileEntry]:
    """Read the manifests and everything they refer to; the result has printable names (see `printable`).

    Raises:
        TooMuch: that is more than `MAX_FILES` or `MAX_TOTAL_BYTES`.
    """
    files = _Files(root, artifacts)
    for path in manifests:
        files.add_manifest(path)
    new: Mapping[str, FileEntry] = dict(files.entries)
    names = sorted(new)
    for _ in range(MAX_ROUNDS):
        wanted = [r for r in references(new, names) if r.path not in files.entries]
        for reference in sorted(wanted, key=_strictest_first):
            files.add(reference)
        new, names = {r.path: files.entries[r.path] for r in wanted}, []
        if not new:
            break
    return files.entries


def printable(path: str) -> str:
    """Return `path` with what is not valid UTF-8 and what is a control character written out in hexadecimal."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _strictest_first(reference: Reference) -> tuple[str, bool, int]:
    """Of two references to one path, read it as the one that allows less."""
    return (reference.path, reference.is_artifact, -len(reference.confined_to or ""))


class _Files:
    """The entries read so far, and how much they are together."""

    def __init__(self, root: Directory, artifacts: ArtifactCache) -> None:
        self.entries: dict[str, FileEntry] = {}
        self._root = root
        self._artifacts = artifacts
        self._bytes = 0
        self._counted: set[str] = set()

    def add_manifest(self, path: str) -> None:
        name = printable(path)
        if name == path:
            self.add_text(path, MANIFEST_MAX_BYTES)
        else:
            self._put(name, Unreadable("io", "its name has control characters or is not UTF-8; rename it"))

    def add(self, reference: Reference) -> None:
        if reference.path in self.entries:
            return
        if reference.is_artifact:
            self._put(reference.path, self._artifact(reference.path, reference.confined_to))
        else:
            self.add_text(reference.path, COMPONENT_MAX_BYTES, reference.confined_to)

    def add_text(self, path: str, limit: int, confined_to: str | None = None) -> None:
        self._put(path, self._text(path, limit, confined_to))

    def _text(self, path: str, limit: int, confined_to: str | None) -> FileEntry:
        try:
            with located(self._root, path, confined_to) as (directory, name), directory.opened(name) as file:
                return Content(file.read(limit))
        except PathFault as fault:
            return fault.entry
        except OSError as error:
            return fault_of(error).entry

    def _artifact(self, path: str, confined_to: str | None) -> FileEntry:
        try:
            with located(self._root, path, confined_to) as (directory, name), directory.opened(name) as file:
                return self._artifacts.artifact(file.identity, lambda: file.read(MAX_ARTIFACT_BYTES), path)
        except PathFault as fault:
            return fault.entry
        except OSError as error:
            return fault_of(error).entry

    def _put(self, path: str, entry: FileEntry) -> None:
        self.entries[path] = entry
        self._bytes += self._weight(entry)
        if len(self.entries) > MAX_FILES:
            raise TooMuch(f"more than {MAX_FILES} files")
        if self._bytes > MAX_TOTAL_BYTES:
            raise TooMuch(f"more than {MAX_TOTAL_BYTES // 2**20} MiB of files")

    def _weight(self, entry: FileEntry) -> int:
        """Return the bytes it adds; one artifact at several paths is held once."""
        if isinstance(entry, Unreadable) or (isinstance(entry, Artifact) and entry.digest in self._counted):
            return 0
        if isinstance(entry, Artifact):
            self._counted.add(entry.digest)
        return len(entry.data)


def answer(snapshot: Snapshot) -> SourceAnswer:
    """Tell apart a source that holds manifests from one that was read and holds none."""
    return Known(snapshot) if snapshot.manifests else KnownEmpty(snapshot)
