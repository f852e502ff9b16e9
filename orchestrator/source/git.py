"""Turns a place in a git repository into a snapshot of one commit; `open_source` calls it.

A bare mirror in the state directory is fetched one ref and one commit deep, of a host elsewhere without its files:
those are fetched as it is known that they are read, many at a time. The same commit is the same snapshot. A ref that
cannot be fetched is unknown; the caller keeps what it had. It never writes to the repository it reads, and never
decides when to look again.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.model.commit import Commit, read_commit
from orchestrator.model.snapshot import Snapshot, SourceAnswer, SourceFailure, Unknown
from orchestrator.model.source import GitSpec
from orchestrator.source.access import Access, no_access
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.command import GitFailed
from orchestrator.source.gather import (
    SUFFIXES,
    Manifests,
    References,
    Remembered,
    TooMuch,
    answer,
    gather,
    manifest_paths,
    printable,
)
from orchestrator.source.guard import COMMIT_MAX_BYTES, CommitRefused, Guard
from orchestrator.source.mirror import BLOBS_LATER, Mirror
from orchestrator.source.objects import GitDirectory, Objects, ObjectsBroken
from orchestrator.source.ranges import TAGS
from orchestrator.source.refs import NamedCommit, RefRefused
from orchestrator.source.walk import Directory, PathFault, located, located_directory

_NO_BLOBS = ("not our ref", "unadvertised object", "allow request for")  # of servers that give no object by its id


class GitSource:
    """Reads one place in one repository, as often as asked; `work_dir` is a directory of ours for its mirror."""

    def __init__(
        self,
        spec: GitSpec,
        work_dir: Path,
        references: References,
        artifacts: ArtifactCache,
        *,
        passed_on: Mapping[str, str] | None = None,
        accepted: Commit | None = None,
        access: Access = no_access,
    ) -> None:
        """Set it up; `accepted` is the commit of it that was believed last, by an agent before."""
        self.spec = spec
        self._remembered = Remembered(references)
        self._artifacts = artifacts
        files = access(spec.host, spec.port)
        self._is_partial = spec.transport != "file"  # until a server cannot do that
        part = "-partial" if self._is_partial else ""
        self._mirror = Mirror(spec, work_dir, passed_on or {}, access=files, part=part)
        commits = Mirror(spec, work_dir, passed_on or {}, access=files, part="-commits")
        self._guard = Guard(spec, work_dir, commits, accepted.id if accepted else "")
        self._last: Snapshot | None = None
        self._keys = ""  # by which `_last` was verified
        self._accepted = NamedCommit(TAGS + accepted.tag, accepted.id) if accepted and accepted.tag else None

    def read(self) -> SourceAnswer:
        """Fetch and read the commit the ref names now; a failure is in the answer."""
        try:
            with self._mirror.locked():
                return answer(self._snapshot())
        except (GitFailed, ObjectsBroken) as failure:
            return Unknown(explained(self.spec, str(failure)))
        except RefRefused as refused:
            return Unknown(refused.failure(self.spec.identity))
        except CommitRefused as refused:
            return Unknown(refused.failure(self.spec))
        except (PathFault, TooMuch) as fault:
            return self._unknown_place(fault.detail if isinstance(fault, PathFault) else f"it holds {fault}")
        except OSError as error:
            return Unknown(explained(self.spec, f"the mirror in {self._mirror.path}: {error.strerror}"))

    def _snapshot(self) -> Snapshot:
        """Read what the ref names now; once more with a new mirror if it is the old one that is broken."""
        try:
            return self._read_ref()
        except (ObjectsBroken, GitFailed) as failure:
            if self._is_partial and any(sign in str(failure) for sign in _NO_BLOBS):
                self._is_partial = False
            elif not self._mirror.path.exists() or self._mirror.is_sound():
                raise
        self._mirror.remove()
        return self._read_ref()

    def _read_ref(self) -> Snapshot:
        """Fetch and read; a ref that names what it named before needs neither."""
        self._mirror.prepare()
        named, keys = self._mirror.looked_up(self._accepted), self._guard.keys()
        if self._last is None or not named.tip or (named, keys) != (self._accepted, self._keys):
            self._guard.refuse_again(named, keys)
            only = BLOBS_LATER if self._is_partial else ""
            self._last = self._read_commit(self._mirror.fetch(named.name, only=only), named)
            self._accepted, self._keys = named, keys
        return self._last

    def _read_commit(self, id: str, named: NamedCommit) -> Snapshot:
        with self._mirror.objects(is_partial=self._is_partial) as objects:
            raw = objects.read(id, "commit", COMMIT_MAX_BYTES)
            about = replace(read_commit(*raw), read_by=named.tag or UNSET)
            about = self._guard.check(named, about, raw[1], objects, self._mirror.fetched_kind)
            if self._last is not None and self._last.revision == id:
                return _about(self._last, about)
            return self._read_tree(about, GitDirectory(objects, f"{id}^{{tree}}"), objects)

    def _read_tree(self, commit: Commit, root: GitDirectory, objects: Objects) -> Snapshot:
        manifests = manifests_at(root, self.spec.path)

        def expect(paths: Collection[str]) -> None:
            if self._is_partial:
                objects.bring([*_blobs(root, paths)])

        return Snapshot(
            source=self.spec.identity,
            root=self.spec.repository,
            root_reason="the repository",
            folder=self.spec.path,
            manifests=tuple(sorted(map(printable, manifests))),
            files=gather(root, manifests, self._remembered, self._artifacts, None, expect).files,
            display=f"{self.spec.repository}#{self.spec.ref}:",
            commit=commit,
            namespaces=self.spec.namespaces,
        )

    def _unknown_place(self, detail: str) -> Unknown:
        where = f"{self.spec.repository}#{self.spec.ref}:{self.spec.path}"
        suggestion = "git keeps no empty directory: to delete everything, leave a .gitkeep in it."
        return Unknown(
            SourceFailure(
                source=self.spec.identity, summary=f"cannot read {where}", detail=detail, suggestion=suggestion
            )
        )


def _blobs(root: GitDirectory, paths: Iterable[str]) -> Iterator[str]:
    """Name the blobs of the files at these paths, of those that there are."""
    for path in paths:
        with contextlib.suppress(PathFault):  # told when it is read
            with located(root, path) as (directory, name):
                id = directory.blob(name) if isinstance(directory, GitDirectory) else ""
            if id:
                yield id


def _about(snapshot: Snapshot, commit: Commit) -> Snapshot:
    """Say of what was read already that it was read by another tag, or that another verified it."""
    return snapshot if snapshot.commit == commit else replace(snapshot, commit=commit)


def manifests_at(root: Directory, path: str) -> Manifests:
    """Return the manifests of a folder, or of a path that is one itself."""
    if path.endswith(SUFFIXES):
        try:
            with located(root, path):
                return {path: None}
        except PathFault as fault:
            if fault.kind != "not-a-file":
                raise
    with located_directory(root, path) as folder:
        return manifest_paths(folder, f"{path}/" if path else "")


_EXPLANATIONS = (
    ("couldn't find remote ref", "there is no {ref} in {repository}", "Push it, or name a ref that exists."),
    ("dubious ownership", "{repository} belongs to another user", "Clone it with --bare as your own, and name that."),
    ("not installed", "git is not installed", "Install git."),
    ("larger than", "{repository} is too large", "Keep manifests and components in a repository of their own."),
    ("took longer", "{repository} answers too slowly", "It is tried again."),
    ("redirect", "{repository} redirects elsewhere", "Name the address it redirects to."),
    ("resolve host", "cannot find the host of {repository}", "Check the URL and the network; it is tried again."),
    (
        "Host key verification failed",
        "the host of {repository} does not answer by a key that is known",
        'Compare its key, and name it in `known-hosts` under `[git."HOST"]` of airs.toml; it is tried again.',
    ),
    (
        "Permission denied",
        "{repository} refuses the login",
        'Name a key that it accepts: `ssh-key` under `[git."HOST"]` of airs.toml; it is tried again.',
    ),
    ("not appear to be a git", "{repository} is not a git repository", "Check the path; it is tried again."),
)


def explained(spec: GitSpec, said: str) -> SourceFailure:
    """Say in our words what git said in its own."""
    for sign, summary, suggestion in _EXPLANATIONS:
        if sign in said:
            return SourceFailure(
                source=spec.identity,
                summary=summary.format(ref=spec.ref, repository=spec.repository),
                detail=said,
                suggestion=suggestion,
                unreachable=True,
            )
    return SourceFailure(
        source=spec.identity,
        summary=f"cannot fetch {spec.ref} from {spec.repository}",
        detail=said,
        suggestion="The deployments of the last reading still run; airs tries again.",
        unreachable=True,
    )
