"""Reads manifests as a commit of the repository around a folder has them, where they lie: nothing is fetched.

`cli/against.py` calls it for `--against REVISION`. It looks the revision up as git does, runs nothing that a repository
names, and checks nothing out.
"""

import os
from pathlib import Path

from orchestrator.model.commit import SHORT, Commit, read_commit
from orchestrator.model.snapshot import KnownEmpty, Snapshot, SourceAnswer, SourceFailure, Unknown
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.command import GitCommand, GitFailed
from orchestrator.source.gather import References, Remembered, TooMuch, answer, gather, printable
from orchestrator.source.git import manifests_at
from orchestrator.source.guard import COMMIT_MAX_BYTES
from orchestrator.source.objects import GitDirectory, Objects, ObjectsBroken
from orchestrator.source.walk import PathFault

NO_TRANSPORT = "none"
REVISION_MAX = 255


class RevisionPlace:
    """A folder or file, by its `path` in the repository that lies at `repository`, a work tree or a bare one."""

    def __init__(self, identity: str, repository: str, path: str) -> None:
        self.identity, self.repository, self.path = identity, repository, path
        inside = os.path.join(repository, ".git")
        self._command = GitCommand(Path(inside if os.path.lexists(inside) else repository), NO_TRANSPORT, {})

    def commit_of(self, revision: str) -> str:
        """Return the id of the commit that a revision names.

        Raises:
            GitFailed: it names none.
        """
        if not revision.isprintable() or len(revision) > REVISION_MAX:
            raise GitFailed("it is not the name of a revision")
        return self._command.run("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()

    def read(self, commit: str, references: References, artifacts: ArtifactCache) -> SourceAnswer:
        """Read it as a commit has it; a path that this commit does not have is empty."""
        try:
            with self._command.talking("cat-file", "--batch") as (stdin, stdout):
                objects = Objects(stdin, stdout)
                about = read_commit(*objects.read(commit, "commit", COMMIT_MAX_BYTES))
                return self._read(about, GitDirectory(objects, f"{commit}^{{tree}}"), references, artifacts)
        except PathFault as fault:
            return self._unknown(fault.detail)
        except (GitFailed, ObjectsBroken, TooMuch) as failed:
            return self._unknown(str(failed))

    def _read(
        self, about: Commit, root: GitDirectory, references: References, artifacts: ArtifactCache
    ) -> SourceAnswer:  # fmt: skip
        empty = Snapshot(
            source=self.identity, root=self.repository, root_reason="the repository", folder=self.path, manifests=(),
            files={}, display=f"{about.id[:SHORT]}:", commit=about,
        )  # fmt: skip
        try:
            manifests = manifests_at(root, self.path)
        except PathFault as fault:
            if fault.kind == "missing":
                return KnownEmpty(empty)
            raise
        return answer(
            Snapshot(
                source=self.identity, root=self.repository, root_reason="the repository", folder=self.path,
                manifests=tuple(sorted(map(printable, manifests))),
                files=gather(root, manifests, Remembered(references), artifacts).files,
                display=f"{about.id[:SHORT]}:", commit=about,
            )
        )  # fmt: skip

    def _unknown(self, detail: str) -> Unknown:
        return Unknown(SourceFailure(source=self.identity, summary=f"cannot read {self.path or '.'}", detail=detail))
