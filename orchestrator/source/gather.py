"""Turns an opened tree and a list of manifests into the files of a snapshot, asking `manifest` what else is needed.

Folder and git reading call it. It decides nothing about what the files mean.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple, Protocol

from orchestrator.manifest import COMPONENT_MAX_BYTES, MANIFEST_MAX_BYTES
from orchestrator.model.snapshot import (
    Artifact,
    Content,
    FileEntry,
    Known,
    KnownEmpty,
    Listing,
    Snapshot,
    SourceAnswer,
    Unreadable,
)
from orchestrator.patterns.folders import is_within
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.changes import Changed
from orchestrator.source.walk import Directory, Kind, PathFault, fault_of, located, located_directory

MAX_MANIFESTS = 100_000
MAX_DEPTH = 32  # directories below the folder
MAX_NAMES = 500_000  # looked at while listing manifests; a tree can name one subtree many times over
MAX_ARTIFACT_BYTES = 128 * 1024 * 1024
MAX_FILES = 200_000  # manifests and all they refer to
MAX_TOTAL_BYTES = 1024 * 1024 * 1024  # of one snapshot
MAX_ROUNDS = 16  # manifest → Component.toml → artifact takes two, each overlay that is another's base one more

SUFFIXES = (".yaml", ".yml")
GITMODULES = ".gitmodules"
MAX_GITMODULES_BYTES = 64 * 1024
MAX_COMPARED = 1_000  # names of a directory that a missing one is compared with
_SUBMODULE = re.compile(r"^\s*path\s*=\s*(.+)$", re.MULTILINE)


class FileReference(Protocol):
    """A file that the files read so far refer to; `orchestrator.manifest` finds them."""

    @property
    def path(self) -> str:
        """Where it is, root-relative."""

    @property
    def is_artifact(self) -> bool:
        """Whether it is a wasm file; otherwise it is a Component.toml."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of manifests, with a slash at its end."""

    @property
    def confined_to(self) -> str | None:
        """The root-relative directory it may not leave, None for the root."""


# Told the files that are new since it was last asked, and which of those are manifests.
References = Callable[[Mapping[str, FileEntry], Sequence[str]], Sequence[FileReference]]


class TooMuch(Exception):
    """The source holds more than a snapshot may; reading a part of it would look like deleting the rest."""


class Remembered:
    """The manifests and Component.toml files that one source held last, and what each refers to.

    A manifest is not read again while its identity is the same, and no file is asked for its references again while its
    content is. Files that a later reading does not come across are forgotten.
    """

    def __init__(self, references: References, lists: "Lists | None" = None) -> None:
        """Remember nothing yet; `lists` lists a folder of manifests, `manifest_paths` where it is not given."""
        self._references = references
        self._lists = lists or (lambda folder, prefix, _changed: manifest_paths(folder, prefix))
        self._texts: dict[str, tuple[Hashable, FileEntry]] = {}
        self._found: dict[str, tuple[FileEntry, Sequence[FileReference]]] = {}
        self._shared: dict[tuple[FileReference, ...], tuple[FileReference, ...]] = {}  # thousands name one component

    def text(self, path: str, identity: Hashable | None) -> FileEntry | None:
        """Return what a manifest holds, None where it has to be read."""
        known = self._texts.get(path)
        return known[1] if known is not None and identity is not None and known[0] == identity else None

    def references(self, path: str, entry: FileEntry, *, is_manifest: bool) -> Sequence[FileReference]:
        """Return what a file refers to."""
        known = self._found.get(path)
        if known is not None and (known[0] is entry or known[0] == entry):
            return known[1]
        read = tuple(self._references({path: entry}, [path] if is_manifest else []))
        found = self._shared.setdefault(read, read)
        self._found[path] = entry, found
        return found

    def listed(self, root: Directory, folder: str, changed: Changed) -> "Manifests":
        """List the manifests of a folder that is no source's own; `folder` ends in a slash.

        Raises:
            PathFault: it cannot be read.
            TooMuch: it holds more than a source may.
        """
        with located_directory(root, folder) as directory:
            return self._lists(directory, folder.lstrip("/"), changed)

    def renew(self, manifests: "Manifests", files: Mapping[str, FileEntry]) -> None:
        """Remember some manifests under these identities, and all else as it is remembered."""
        for path, identity in manifests.items():
            entry = files[path]
            if identity is not None and isinstance(entry, Content):
                self._texts[path] = identity, entry
            else:
                self._texts.pop(path, None)

    def keep(self, manifests: "Manifests", files: Mapping[str, FileEntry]) -> None:
        """Remember what was read under these identities, and nothing else."""
        before, self._texts = self._texts, {}
        for path, identity in manifests.items():
            known, entry = before.get(path), files[path]
            if known is not None and known[0] == identity and known[1] is entry:
                self._texts[path] = known
            elif identity is not None and isinstance(entry, Content):
                self._texts[path] = identity, entry
        if len(self._found) > len(files) or len(self._shared) > len(self._found):
            self._found = {path: found for path, found in self._found.items() if path in files}
            self._shared = {found: found for _, found in self._found.values()}  # type: ignore[misc]  # tuples all


Manifests = Mapping[str, Hashable | None]  # root-relative paths, sorted, and the identity of each where that is known
Lists = Callable[[Directory, str, Changed], Manifests]  # told the prefix of its paths, and which files may be others


def manifest_paths(
    folder: Directory, prefix: str, identified: tuple[str, ...] = SUFFIXES
) -> dict[str, Hashable | None]:
    """List the manifests in `folder` and below, sorted, each with `prefix` in front, with identities if `identified`.

    Hidden names are skipped (`..data` and `.git` are among them), links to directories are not followed.

    Raises:
        PathFault: a directory in it cannot be read.
        TooMuch: there are more than `MAX_MANIFESTS`, or directories are nested deeper than `MAX_DEPTH`.
    """
    found: dict[str, Hashable | None] = {}
    for looked_at, (path, identity) in enumerate(_names_below(folder, prefix, identified, 0)):
        if looked_at >= MAX_NAMES:
            raise TooMuch(f"more than {MAX_NAMES} names")
        if path.lower().endswith(SUFFIXES):  # one written otherwise is not read, and told of
            found[path] = identity
        if len(found) > MAX_MANIFESTS:
            raise TooMuch(f"more than {MAX_MANIFESTS} manifests")
    return dict(sorted(found.items()))


def _names_below(
    folder: Directory, prefix: str, identified: tuple[str, ...], depth: int
) -> Iterator[tuple[str, Hashable | None]]:
    """Yield every name that is not hidden; a directory's with a slash at its end, before what is in it."""
    if depth > MAX_DEPTH:
        raise TooMuch(f"directories nested more than {MAX_DEPTH} deep")
    for name, kind, identity in folder.listed(identified):
        if name == "lost+found":
            continue
        if kind is Kind.DIRECTORY:
            yield f"{prefix}{name}/", None
            with closing(folder.enter(name)) as inner:
                yield from _names_below(inner, f"{prefix}{name}/", identified, depth + 1)
        elif kind is not Kind.MISSING:
            yield prefix + name, identity


class Gathered(NamedTuple):
    """The files of a snapshot, the reference by which each was read that is no manifest, and the bytes of all.

    `bases` are the manifests of each folder that an overlay names.
    """

    files: dict[str, FileEntry]
    references: Mapping[str, FileReference]
    size_bytes: int
    bases: Mapping[str, Manifests] = {}

    def base(self, path: str) -> Manifests | None:
        """Return the manifests of a folder that an overlay names and in which `path` is one; None for none."""
        return next((listed for listed in self.bases.values() if path in listed), None)

    @property
    def stands_alone(self) -> bool:
        """Whether nothing in it can be another while no file of it is: a missing one is told with its neighbours."""
        return all(
            not isinstance(entry, Unreadable) or entry.kind == "misnamed" or self._may_be_missing(path, entry)
            for path, entry in self.files.items()
        )

    def _may_be_missing(self, path: str, entry: Unreadable) -> bool:
        reference = self.references.get(path)
        return entry.kind == "missing" and reference is not None and reference.confined_to is None


class Before(NamedTuple):
    """The last reading of a source, of which only the files named by `changed` may be others now."""

    manifests: Manifests
    gathered: Gathered
    changed: frozenset[str]

    def manifest(self, path: str, identity: Hashable | None) -> FileEntry | None:
        """Return what a manifest holds, None where it has to be read."""
        known = self.manifests if path in self.manifests else self.gathered.base(path)
        is_same = known is not None and known[path] == identity and path not in self.changed
        return self.gathered.files.get(path) if is_same else None

    def referred(self, reference: FileReference) -> FileEntry | None:
        """Return what a file holds that is referred to, None where it has to be read."""
        is_same = self.gathered.references.get(reference.path) == reference and reference.path not in self.changed
        return self.gathered.files.get(reference.path) if is_same else None


def gather(
    root: Directory, manifests: Manifests, remembered: Remembered, artifacts: ArtifactCache,
    before: Before | None = None, expect: Callable[[Collection[str]], None] = lambda _paths: None,
) -> Gathered:  # fmt: skip
    """Read the manifests and everything they refer to; the result has printable names (see `printable`).

    `expect` is told of the files that are about to be read, many at a time.

    Raises:
        TooMuch: that is more than `MAX_FILES` or `MAX_TOTAL_BYTES`.
    """
    files = _Files(root, artifacts, remembered, before)
    expect([path for path, identity in manifests.items() if remembered.text(path, identity) is None])
    files.add_manifests(manifests)
    new = files.taken()
    for _ in range(MAX_ROUNDS):
        lists = (remembered.references(path, entry, is_manifest=files.is_manifest(path)) for path, entry in new.items())
        found = {one for each in {id(found): found for found in lists}.values() for one in each}
        wanted = {one.path: one for one in sorted(found, key=_loosest_first)}
        expect([path for path in wanted if path not in files.entries])
        for reference in wanted.values():
            files.add(reference)
        new = files.taken()
        if not new:
            break
    remembered.keep({path: is_of for path, is_of in files.manifests.items() if path in files.entries}, files.entries)
    return Gathered(files.entries, files.references, files.size_bytes, files.bases)


def patch(
    root: Directory, manifests: Manifests, remembered: Remembered, artifacts: ArtifactCache, before: Before
) -> Gathered | None:  # fmt: skip
    """Return what `gather` would, the very same as before where nothing differs; None where that takes more than this.

    That is where other files than manifests differ, or a manifest came, went, or refers to something else.
    """
    bases = _bases(root, remembered, before)
    touched = None if bases is None else _touched([manifests, *bases], before)
    if touched is None:
        return None
    last, files = before.gathered, _Files(root, artifacts, remembered, None)
    for path in touched:
        files.add_manifest(path, None)
    others = {path: entry for path, entry in files.entries.items() if entry != last.files[path]}
    for path, entry in others.items():
        was = remembered.references(path, last.files[path], is_manifest=True)
        if isinstance(entry, Unreadable) or remembered.references(path, entry, is_manifest=True) != was:
            return None
    now = {**last.files, **others} if others else last.files
    known = [manifests, *(bases or ())]
    remembered.renew({path: next(one[path] for one in known if path in one) for path in touched}, now)
    size_bytes = last.size_bytes + sum(_length(entry) - _length(last.files[path]) for path, entry in others.items())
    if not others:
        return last
    return last._replace(files=now, size_bytes=size_bytes) if size_bytes <= MAX_TOTAL_BYTES else None


def _bases(root: Directory, remembered: Remembered, before: Before) -> list[Manifests] | None:
    """Return the manifests of the bases as they are now; None where one cannot be listed any more."""
    try:
        return [remembered.listed(root, folder, before.changed) for folder in before.gathered.bases]
    except (PathFault, OSError):
        return None


def _touched(manifests: Sequence[Manifests], before: Before) -> set[str] | None:
    """Return the manifests to read again; None where something else is another, or may be.

    `manifests` are those of the source itself, then those of each base.
    """
    last = before.gathered
    touched = set(before.changed & last.files.keys())
    if not all(path in before.manifests or last.base(path) is not None for path in touched):
        return None
    for now, was in zip(manifests, (before.manifests, *last.bases.values()), strict=True):
        if now is was:
            continue
        if now.keys() != was.keys():
            return None
        touched |= {path for path, identity in now.items() if identity != was[path]}
    return touched if all(path in last.files for path in touched) else None


def _length(entry: FileEntry) -> int:
    return len(entry.data) if isinstance(entry, Content) else 0


def _neighbours(root: Directory, path: str) -> str:
    """Name the neighbours of the first missing part of a path that have nearly its name."""
    above, _, missing = path.rpartition("/")
    while above or missing:
        try:
            with located_directory(root, above) as directory:
                is_last = path.rpartition("/")[0] == above
                kinds = (Kind.DIRECTORY, Kind.LINK, *((Kind.FILE,) if is_last else ()))
                names = [one.name for one in directory.listed(()) if one.kind in kinds]
                return ", ".join(map(printable, sorted(get_close_matches(missing, names[:MAX_COMPARED], cutoff=0.5))))
        except (PathFault, OSError):
            above, _, missing = above.rpartition("/")
    return ""


def printable(path: str) -> str:
    """Return `path` with what is not valid UTF-8 and what is a control character written out in hexadecimal."""
    if path.isprintable():  # which surrogates are not
        return path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _loosest_first(reference: FileReference) -> tuple[str, bool, int]:
    """Of two references to one path, the last, as which it is read, is the one that allows less."""
    return (reference.path, not reference.is_artifact, len(reference.confined_to or ""))


class _Files:
    """The entries read so far, and how much they are together."""

    def __init__(
        self, root: Directory, artifacts: ArtifactCache, remembered: Remembered, before: Before | None
    ) -> None:
        self.entries: dict[str, FileEntry] = {}
        self.references: dict[str, FileReference] = {}
        self.manifests: dict[str, Hashable | None] = {}
        self.bases: dict[str, Manifests] = {}
        self.size_bytes = 0
        self._root, self._remembered = root, remembered
        self._artifacts, self._before = artifacts, before
        self._counted: set[str] = set()
        self._taken = 0

    def taken(self) -> dict[str, FileEntry]:
        """Return the entries that came since this was called last."""
        new = dict(islice(self.entries.items(), self._taken, None))
        self._taken = len(self.entries)
        return new

    def is_manifest(self, path: str) -> bool:
        """Tell whether a file is read as one that deploys something."""
        return path in self.manifests

    def add_manifests(self, manifests: Manifests) -> None:
        """Read the manifests that are not there yet."""
        before = self._before
        for path, identity in manifests.items():
            if path not in self.manifests:
                self.manifests[path] = identity
                known = before.manifest(path, identity) if before is not None else None
                self.add_manifest(path, known if known is not None else self._remembered.text(path, identity))

    def add_manifest(self, path: str, known: FileEntry | None) -> None:
        name = printable(path)
        if not path.endswith(SUFFIXES):
            self._put(name, Unreadable("misnamed", ""))
        elif known is not None:
            self._put(path, known)
        elif name == path:
            self.add_text(path, MANIFEST_MAX_BYTES)
        else:
            self._put(name, Unreadable("io", "its name has control characters or is not UTF-8; rename it"))

    def add(self, reference: FileReference) -> None:
        if reference.path in self.entries:
            return
        if reference.is_folder:
            self._add_folder(reference.path)
            return
        self.references[reference.path] = reference
        known = self._before.referred(reference) if self._before is not None else None
        if known is not None:
            self._put(reference.path, known)
        elif reference.is_artifact:
            self._put(reference.path, self._artifact(reference.path, reference.confined_to))
        else:
            self.add_text(reference.path, COMPONENT_MAX_BYTES, reference.confined_to)

    def _add_folder(self, path: str) -> None:
        changed = self._before.changed if self._before is not None else None
        try:
            listed = self._remembered.listed(self._root, path, changed)
        except PathFault as fault:
            self._put(path, self._explained(path.rstrip("/"), fault.entry))
        except OSError as error:
            self._put(path, fault_of(error).entry)
        else:
            self.bases[path] = listed
            self._put(path, Listing(tuple(sorted(map(printable, listed)))))
            self.add_manifests(listed)

    def add_text(self, path: str, limit: int, confined_to: str | None = None) -> None:
        self._put(path, self._text(path, limit, confined_to))

    def _text(self, path: str, limit: int, confined_to: str | None) -> FileEntry:
        try:
            with located(self._root, path, confined_to) as (directory, name), directory.opened(name) as file:
                return Content(file.read(limit))
        except PathFault as fault:
            return self._explained(path, fault.entry) if confined_to is not None else fault.entry
        except OSError as error:
            return fault_of(error).entry

    def _explained(self, path: str, entry: Unreadable) -> Unreadable:
        """Say of a file that is missing whether a submodule lacks it, or which neighbours there are."""
        if entry.kind != "missing":
            return entry
        if any(is_within(path, module) for module in self._submodules()):
            return Unreadable("submodule", "")
        near = _neighbours(self._root, path)
        return Unreadable("missing", f"{entry.detail}; there is {near}") if near else entry

    def _submodules(self) -> list[str]:
        """Return where the root's submodules are, by their list at its top."""
        try:
            with located(self._root, GITMODULES) as (directory, name), directory.opened(name) as file:
                text = file.read(MAX_GITMODULES_BYTES).decode("utf-8", "replace")
        except (PathFault, OSError):
            return []
        return [path.strip().strip('"').rstrip("/") for path in _SUBMODULE.findall(text)]

    def _artifact(self, path: str, confined_to: str | None) -> FileEntry:
        try:
            with located(self._root, path, confined_to) as (directory, name), directory.opened(name) as file:
                return self._artifacts.artifact(file.identity, lambda: file.read(MAX_ARTIFACT_BYTES), path)
        except PathFault as fault:
            return self._explained(path, fault.entry)
        except OSError as error:
            return fault_of(error).entry

    def _put(self, path: str, entry: FileEntry) -> None:
        self.entries[path] = entry
        self.size_bytes += self._weight(entry)
        if len(self.entries) > MAX_FILES:
            raise TooMuch(f"more than {MAX_FILES} files")
        if self.size_bytes > MAX_TOTAL_BYTES:
            raise TooMuch(f"more than {MAX_TOTAL_BYTES // 2**20} MiB of files")

    def _weight(self, entry: FileEntry) -> int:
        """Return the bytes it adds; one artifact at several paths is held once."""
        if isinstance(entry, Listing):
            return sum(map(len, entry.paths))
        if isinstance(entry, Unreadable) or (isinstance(entry, Artifact) and entry.digest in self._counted):
            return 0
        if isinstance(entry, Artifact):
            self._counted.add(entry.digest)
        return len(entry.data)


def answer(snapshot: Snapshot) -> SourceAnswer:
    """Tell apart a source that holds manifests from one that was read and holds none."""
    return Known(snapshot) if snapshot.manifests else KnownEmpty(snapshot)
