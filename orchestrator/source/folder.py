"""Turns a folder, or a single file, into a snapshot; `open_source` and the watcher call it.

Every component of every path is opened relative to the directory before it and without following links, and files
are read from the descriptor that was checked. A folder that is missing, unreadable or being replaced is unknown, never
empty. It does not watch.
"""

import os
import stat
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from orchestrator.model.snapshot import FileEntry, Snapshot, SourceAnswer, SourceFailure, Unknown
from orchestrator.model.source import FolderSpec
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.changes import NOTHING, Changed
from orchestrator.source.gather import (
    SUFFIXES,
    Before,
    Gathered,
    Manifests,
    References,
    Remembered,
    TooMuch,
    answer,
    gather,
    manifest_paths,
    patch,
    printable,
)
from orchestrator.source.listing import About, FolderListing, FolderListings
from orchestrator.source.walk import Directory, Kind, Listed, PathFault, fault_of, located_directory
from orchestrator.source.work_tree import WorkTree
from orchestrator.time_of_day import wall_ns

MAX_ATTEMPTS = 3  # at reading something that changes meanwhile
YOUNG_NS = 2_000_000_000  # a file changed this lately may change again without its times showing it

_NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC


class FolderDirectory:
    """One open directory of a real file system; `root` is its tree's absolute, canonical path."""

    def __init__(self, root: str, descriptor: int) -> None:
        self.root = root
        self._descriptor = descriptor

    @classmethod
    def at(cls, root: str) -> "FolderDirectory":
        """Open the directory `root`; the caller closes it."""
        return cls(root, os.open(root, os.O_PATH | os.O_DIRECTORY | _NO_LINKS))

    @property
    def inode(self) -> tuple[int, int]:
        """The identity of this directory, under any name."""
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    @property
    def identity(self) -> Hashable | None:
        """Which directory it is and when a name in it came or went; None while that is recent, as of a file."""
        return _identity(os.fstat(self._descriptor), wall_ns())

    @contextmanager
    def entries(self) -> Iterator[Iterator[os.DirEntry[str]]]:
        """List all names in it."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | _NO_LINKS, dir_fd=self._descriptor)
        try:
            with os.scandir(descriptor) as entries:
                yield entries
        finally:
            os.close(descriptor)

    def about(self, name: str) -> About | None:
        """Return the inode and the identity of a file, None where there is none of this name any more."""
        try:
            status = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return (status.st_ino, _identity(status, wall_ns())) if stat.S_ISREG(status.st_mode) else (0, None)

    def listed(self, suffixes: tuple[str, ...]) -> list[Listed]:
        """List what is in it and not hidden, sorted, with the identity of files whose names end in `suffixes`."""
        now_ns = wall_ns()
        with self.entries() as entries:
            shown = (entry for entry in entries if not entry.name.startswith("."))
            return sorted(_listed(entry, suffixes, now_ns) for entry in shown)

    def look(self, name: str) -> Kind:
        """Tell what `name` is, without following it."""
        try:
            mode = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return Kind.MISSING
        return _kind(mode)

    def target(self, name: str) -> str:
        """Return where the link `name` points, as it is written."""
        return os.readlink(name, dir_fd=self._descriptor)

    def inside(self, target: str) -> tuple[str, ...] | None:
        """Turn an absolute link target into components below the root; None if it is not below it."""
        parts = tuple(p for p in target.split("/") if p not in ("", "."))
        root = tuple(p for p in self.root.split("/") if p)
        return parts[len(root) :] if parts[: len(root)] == root else None

    def enter(self, name: str) -> "FolderDirectory":
        """Open the directory `name`; the caller closes it."""
        flags = os.O_PATH | os.O_DIRECTORY | _NO_LINKS
        return FolderDirectory(self.root, os.open(name, flags, dir_fd=self._descriptor))

    @contextmanager
    def opened(self, name: str) -> Iterator["FolderFile"]:
        """Open the regular file `name`; a pipe that took its place does not make this wait."""
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | _NO_LINKS, dir_fd=self._descriptor)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PathFault("not-a-file", "it is a pipe, a socket or a device")
            yield FolderFile(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class FolderFile:
    """One open regular file."""

    def __init__(self, descriptor: int, now_ns: Callable[[], int] = wall_ns) -> None:
        self._descriptor = descriptor
        self._now_ns = now_ns

    @property
    def identity(self) -> Hashable | None:
        """Which inode it is and when it changed; None while that is so recent that another change could hide in it."""
        return _identity(os.fstat(self._descriptor), self._now_ns())

    def read(self, limit: int) -> bytes:
        """Read it whole, again if it was written to meanwhile.

        Raises:
            PathFault: it has more than `limit` bytes, or is written to all the time.
        """
        for _ in range(MAX_ATTEMPTS):
            before = os.fstat(self._descriptor)
            data = self._read_once(limit)
            if _change(os.fstat(self._descriptor)) == _change(before) and len(data) == before.st_size:
                return data
        raise PathFault("io", "it is being written to")

    def _read_once(self, limit: int) -> bytes:
        if os.fstat(self._descriptor).st_size > limit:
            raise PathFault("too-large", f"it is larger than {_size(limit)}")
        chunks: list[bytes] = []
        length = 0
        while chunk := os.pread(self._descriptor, min(1024 * 1024, limit + 1 - length), length):
            chunks.append(chunk)
            length += len(chunk)
            if length > limit:
                raise PathFault("too-large", f"it is larger than {_size(limit)}")
        return b"".join(chunks)


class _Last(NamedTuple):
    """The folder as it was read last."""

    manifests: Manifests
    gathered: Gathered
    snapshot: Snapshot


class FolderSource:
    """Reads one folder, as often as asked."""

    def __init__(self, spec: FolderSpec, references: References, artifacts: ArtifactCache) -> None:
        self.spec = spec
        self._remembered = Remembered(references, FolderListings().look)
        self._artifacts = artifacts
        self._listing = FolderListing()
        self._last: _Last | None = None  # while nothing but what is told of can have changed since
        self._work_tree = WorkTree(spec) if spec.work_tree else None

    def read(self) -> SourceAnswer:
        """Read the folder now; a failure is in the answer."""
        return self._read(None, is_alone=True)

    def glance(self, changed: Changed = None) -> SourceAnswer:
        """Read the folder for a reader that compares two readings: manifests may come and go during this one.

        Of the files that were there the last time, only those that may have `changed` are looked at. It is the very
        same snapshot as then where none has.
        """
        return self._read(changed, is_alone=False)

    def _read(self, changed: Changed, *, is_alone: bool) -> SourceAnswer:
        last, self._last = self._last, None
        try:
            for _ in range(MAX_ATTEMPTS):
                snapshot = self._read_once(last if changed is not None else None, changed, is_alone=is_alone)
                if snapshot is not None:
                    return answer(snapshot)
        except PathFault as fault:
            return self._unknown(fault.detail)
        except OSError as error:
            return self._unknown(fault_of(error).detail)
        except TooMuch as excess:
            return self._unknown(f"it holds {excess}", "Split it into several sources.")
        return self._unknown("files appear and disappear in it faster than it can be read")

    def _read_once(self, last: "_Last | None", changed: Changed, *, is_alone: bool) -> Snapshot | None:
        """Read it; None if the list of manifests was another one at the end, which nobody else sees if `is_alone`."""
        with opened_root(self.spec.root) as root:
            inode, manifests = self._listed(root, changed if last is not None else None)
            gathered = self._gathered(root, manifests, last, changed)
            if is_alone and not self._is_still(root, inode, manifests):
                return None
        snapshot = self._snapshot(manifests, gathered.files, last)
        self._last = _Last(manifests, gathered, snapshot)
        return snapshot

    def _gathered(
        self, root: FolderDirectory, manifests: Manifests, last: "_Last | None", changed: Changed
    ) -> Gathered:
        if last is None or changed is None or not last.gathered.stands_alone:
            return gather(root, manifests, self._remembered, self._artifacts)
        before = Before(last.manifests, last.gathered, changed)
        patched = patch(root, manifests, self._remembered, self._artifacts, before)
        return patched or gather(root, manifests, self._remembered, self._artifacts, before)

    def _listed(self, root: FolderDirectory, changed: Changed) -> tuple[tuple[int, int], Manifests]:
        spec = self.spec
        if spec.file is not None:
            return listing(root, spec)
        with located_directory(root, spec.folder) as folder:
            assert isinstance(folder, FolderDirectory)
            return folder.inode, self._listing.look(folder, f"{spec.folder}/" if spec.folder else "", changed)

    def _snapshot(self, paths: Manifests, files: dict[str, FileEntry], last: "_Last | None") -> Snapshot:
        spec, before = self.spec, last.snapshot if last is not None else None
        if last is not None and (paths is last.manifests or paths.keys() == last.manifests.keys()):
            manifests = last.snapshot.manifests
        else:
            manifests = tuple(sorted(printable(path) for path in paths))
        commit = self._work_tree.commit(manifests, files) if self._work_tree else None
        if before is not None and (before.manifests, before.commit) == (manifests, commit) and before.files is files:
            return before
        return Snapshot(
            source=spec.identity,
            root=spec.root,
            root_reason=spec.root_reason,
            folder=spec.folder,
            manifests=manifests,
            files=files,
            display=spec.display,
            commit=commit,
            namespaces=spec.namespaces,
            here=spec.here,
        )

    def _is_still(self, root: FolderDirectory, inode: tuple[int, int], manifests: Manifests) -> bool:
        with opened_root(self.spec.root) as again:
            folder, names = self._listed(again, NOTHING)
            return again.inode == root.inode and folder == inode and names.keys() == manifests.keys()

    def _unknown(self, detail: str, suggestion: str = "Make it readable again; it is looked at again.") -> Unknown:
        where = self.spec.path
        return Unknown(
            SourceFailure(
                source=self.spec.identity,
                summary=f"cannot read {where}",
                detail=detail,
                suggestion=suggestion,
            )
        )


@contextmanager
def opened_root(root: str) -> Iterator[FolderDirectory]:
    """Open the directory everything else is looked up in."""
    directory = FolderDirectory.at(root)
    try:
        yield directory
    finally:
        directory.close()


def listing(
    root: FolderDirectory, spec: FolderSpec, identified: tuple[str, ...] = SUFFIXES
) -> tuple[tuple[int, int], Manifests]:
    """Return which directory the folder is now, and the manifests in it, with the identities of those `identified`.

    Raises:
        PathFault: the folder, or the one file that was named, is gone.
        TooMuch: it holds more than a snapshot may.
    """
    with located_directory(root, spec.folder) as folder:
        assert isinstance(folder, FolderDirectory)
        prefix = f"{spec.folder}/" if spec.folder else ""
        if spec.file is None:
            return folder.inode, manifest_paths(folder, prefix, identified)
        if folder.look(spec.file) is Kind.MISSING:
            raise PathFault("missing", f"there is no {spec.file}")
        return folder.inode, {prefix + spec.file: None}


def _listed(entry: os.DirEntry[str], suffixes: tuple[str, ...], now_ns: int) -> Listed:
    if not entry.name.endswith(suffixes) or not entry.is_file(follow_symlinks=False):
        return Listed(entry.name, _kind_of(entry), None)
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # its directory is listed once more at the end, which tells
        return Listed(entry.name, Kind.MISSING, None)
    return Listed(entry.name, _kind(status.st_mode), _identity(status, now_ns))


def _kind_of(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    if entry.is_dir(follow_symlinks=False):
        return Kind.DIRECTORY
    return Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.OTHER


def _identity(status: os.stat_result, now_ns: int) -> Hashable | None:
    young = now_ns - max(status.st_mtime_ns, status.st_ctime_ns) < YOUNG_NS
    return None if young else _change(status)


def _change(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _size(limit: int) -> str:
    return f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"


_: type[Directory] = FolderDirectory
