"""Turns what was read of a folder in a git work tree into the commit it was read at; `folder.py` calls it.

The files read are compared with the objects of HEAD, hash by hash: no index is read and nothing is checked out or
converted, so no filter, hook, attribute or setting of the repository takes part. It reads nothing that the folder's
snapshot does not hold, and a repository that cannot be asked is as good as none.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from orchestrator.model.commit import Commit, read_commit
from orchestrator.model.snapshot import Artifact, FileEntry, Listing, Unreadable
from orchestrator.model.source import FolderSpec
from orchestrator.source.command import GitCommand, GitFailed
from orchestrator.source.gather import TooMuch, manifest_paths, printable
from orchestrator.source.objects import GitDirectory, Objects, ObjectsBroken
from orchestrator.source.walk import Directory, PathFault, located, located_directory

COMMIT_MAX_BYTES = 1024 * 1024
LOOK_LIMIT_S = 5.0  # for git to answer; a folder is read without its commit then
HEAD_MAX_BYTES = 4096
PACKED_REFS_MAX_BYTES = 16 * 1024 * 1024
HASHES_KEPT = 4096  # of artifacts that were read
NO_TRANSPORT = "none"  # a commit is read where it lies: nothing is fetched, whatever the repository's settings say


class _Compared:
    """The commit that was compared last: its manifests, None for too many, and the files that were as it has them."""

    def __init__(self, commit: str, manifests: set[str] | None) -> None:
        self.commit, self.manifests = commit, manifests
        self.agreeing: dict[str, FileEntry] = {}


class WorkTree:
    """The git work tree around a folder."""

    def __init__(self, spec: FolderSpec) -> None:
        self._spec = spec
        self._git_dir = os.path.join(spec.work_tree, ".git")
        self._command = GitCommand(Path(self._git_dir), NO_TRANSPORT, {})
        self._hashes: OrderedDict[tuple[str, int], frozenset[str]] = OrderedDict()
        self._compared = _Compared("", None)

    def commit(self, manifests: Collection[str], files: Mapping[str, FileEntry]) -> Commit | None:
        """Return the commit that HEAD names and whether what was read differs from it; None where git cannot say."""
        try:
            with self._command.talking("cat-file", "--batch", limit_s=LOOK_LIMIT_S) as (stdin, stdout):
                objects = Objects(stdin, stdout)
                id, data = objects.read("HEAD^{commit}", "commit", COMMIT_MAX_BYTES)
                commit = read_commit(id, data)
                if self._compared.commit != id:
                    self._compared = _Compared(id, self._committed(GitDirectory(objects, f"{id}^{{tree}}")))
                return replace(commit, dirty=self._differs(GitDirectory(objects, f"{id}^{{tree}}"), manifests, files))
        except (GitFailed, ObjectsBroken, PathFault, OSError):
            return (
                None  # no commit yet, a repository of a newer git, one that was half copied: the folder is still read
            )

    def _committed(self, tree: Directory) -> set[str] | None:
        try:
            return self._manifests(tree)
        except TooMuch:
            return None

    def _differs(self, tree: Directory, manifests: Collection[str], files: Mapping[str, FileEntry]) -> bool:
        """Tell whether anything differs; of a commit that was compared before, only what was read since is compared."""
        if self._compared.manifests is None or self._compared.manifests != set(manifests):
            return True
        before, agreeing = self._compared.agreeing, dict[str, FileEntry]()
        self._compared.agreeing = agreeing
        for path, entry in files.items():
            if before.get(path) is not entry and not self._agrees(tree, path, entry):
                return True
            agreeing[path] = entry
        return False

    def _manifests(self, tree: Directory) -> set[str]:
        """Return the manifests that the folder has in the commit, as paths below the source's root."""
        folder = self._inside(self._spec.folder)
        prefix = f"{self._spec.folder}/" if self._spec.folder else ""
        if folder is None:
            return set()
        if self._spec.file is not None:
            there = _blob(tree, f"{folder}/{self._spec.file}") is not None
            return {prefix + self._spec.file} if there else set()
        try:
            with located_directory(tree, folder) as found:
                return set(map(printable, manifest_paths(found, prefix)))
        except PathFault:
            return set()

    def _agrees(self, tree: Directory, path: str, entry: FileEntry) -> bool:
        if isinstance(entry, Unreadable) and entry.kind == "misnamed":  # which is not read
            return True
        inside = self._inside(path)
        if isinstance(entry, Listing):
            return inside is not None and _listing(tree, inside, path.lstrip("/")) == entry
        blob = None if inside is None else _blob(tree, inside)
        if isinstance(entry, Unreadable) or blob is None:
            return isinstance(entry, Unreadable) and blob is None
        return blob in self._possible(entry.digest if isinstance(entry, Artifact) else "", entry.data, len(blob))

    def _possible(self, digest: str, data: bytes, length: int) -> frozenset[str]:
        """Return the ids that the file may have in a commit; those of an artifact are worked out once."""
        if not digest:
            return frozenset(_ids(data, "", length))
        key = digest, length
        if key not in self._hashes:
            self._hashes[key] = frozenset(_ids(data, digest, length))
            if len(self._hashes) > HASHES_KEPT:
                self._hashes.popitem(last=False)
        return self._hashes[key]

    def _inside(self, path: str) -> str | None:
        """Turn a path below the source's root into one below the work tree; None where it lies outside."""
        whole, top = os.path.normpath(os.path.join(self._spec.root, path)), self._spec.work_tree
        if whole == top:
            return ""
        return whole.removeprefix(top.rstrip("/") + "/") if whole.startswith(top.rstrip("/") + "/") else None


def _listing(tree: Directory, folder: str, prefix: str) -> Listing | None:
    """Return the manifests that a commit has in a folder, None where it has no such folder."""
    try:
        with located_directory(tree, folder) as found:
            return Listing(tuple(sorted(map(printable, manifest_paths(found, prefix)))))
    except (PathFault, TooMuch):
        return None


def _blob(tree: Directory, path: str) -> str | None:
    """Return the id of what a commit has at `path`, None for nothing that is a file."""
    try:
        with located(tree, path) as (directory, name), directory.opened(name) as file:
            identity = file.identity
    except PathFault:
        return None
    return str(identity[1]) if isinstance(identity, tuple) else None


def _ids(data: bytes, digest: str, length: int) -> Iterator[str]:
    """Yield the ids of a file: as it is, with git's own line ends, and as the pointer that git LFS commits."""
    yield _id(data, length)
    if not digest and b"\r\n" in data:
        yield _id(data.replace(b"\r\n", b"\n"), length)
    if digest:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid {digest}\nsize {len(data)}\n"
        yield _id(pointer.encode("ascii"), length)


def _id(data: bytes, length: int) -> str:
    make = hashlib.sha256 if length == 64 else hashlib.sha1  # by the repository's object format
    named = make(b"blob %d\0" % len(data), usedforsecurity=False)
    named.update(data)
    return named.hexdigest()


def head_of(work_tree: str) -> str:
    """Return the id of the commit that HEAD names, read without git; empty where that is not plain to see.

    For noticing that it moved, which is why a wrong answer costs no more than one look.
    """
    try:
        git_dir = git_dir_of(work_tree)
        head = _line(os.path.join(git_dir, "HEAD"))
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        if not ref.startswith("refs/") or ".." in ref:
            return ""
        return _resolved(git_dir, ref)
    except OSError:
        return ""


def git_dir_of(work_tree: str) -> str:
    """Return where git keeps what belongs to a work tree: `.git`, or where the `.git` file of a linked one points."""
    path = os.path.join(work_tree, ".git")
    try:
        return path if os.path.isdir(path) else os.path.join(work_tree, _line(path).removeprefix("gitdir: "))
    except OSError:
        return path


def _resolved(git_dir: str, ref: str) -> str:
    common = git_dir
    if os.path.lexists(os.path.join(git_dir, "commondir")):
        common = os.path.join(git_dir, _line(os.path.join(git_dir, "commondir")))
    try:
        return _line(os.path.join(common, ref))
    except FileNotFoundError:
        packed = _read(os.path.join(common, "packed-refs"), PACKED_REFS_MAX_BYTES).decode("utf-8", "replace")
        return next((line.partition(" ")[0] for line in packed.splitlines() if line.endswith(f" {ref}")), "")


def _line(path: str) -> str:
    return _read(path, HEAD_MAX_BYTES).decode("utf-8", "replace").strip()


def _read(path: str, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe of that name is no reason to wait
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)
