"""A file in a branch of a git repository, each version of it one commit: pushed by the hardened `git` of `source`.

A bare repository in the state directory holds the branch's tip alone. A push never overwrites what somebody else
pushed: it is refused, and the next attempt begins at what is there then. `publishing.py` calls it and tries again.
"""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.exported.signed import STATE_MAX_BYTES
from orchestrator.model.settings import PublishSection
from orchestrator.model.source import FolderSpec, GitSpec
from orchestrator.source.command import FETCH_LIMIT_S, GitCommand, GitFailed
from orchestrator.source.mirror import pinned
from orchestrator.source.spec import SourceRefused, parse_source

_HERE = "refs/airs/published"
_ABSENT = "couldn't find remote ref"
IDENTITY = ("user.name", "user.email")


class PublishedBranch:
    """One file of one branch; `folder` is ours, `of_host` lets git read the credentials for a host."""

    def __init__(
        self, section: PublishSection, folder: Path, passed_on: Mapping[str, str],
        of_host: Callable[[GitSpec], Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._section, self._folder, self._passed_on, self._of_host = section, folder, passed_on, of_host
        said = ("airs", f"airs@{socket.gethostname() or 'localhost'}")
        self._settings = {**dict(zip(IDENTITY, said, strict=True)), "commit.gpgSign": "false"}

    @property
    def place(self) -> str:
        """The place, as people read it."""
        return f"{self._section.repository}#{self._section.branch}:{self._section.name}"

    @property
    def spec(self) -> GitSpec:
        """The repository as it is now: one that is not there today may be tomorrow.

        Raises:
            GitFailed: it is nothing that is pushed to.
        """
        try:
            spec = parse_source(f"{self._section.repository}#{self._section.branch}", cwd=Path("/"))
        except SourceRefused as refused:
            raise GitFailed(f"{refused.summary}: {refused.detail}") from None
        if isinstance(spec, FolderSpec):
            raise GitFailed(f"{spec.path} is a folder, not a git repository")
        return spec

    def current(self) -> bytes:
        """Return the bytes that the branch has now; empty for none.

        Raises:
            GitFailed: it cannot be asked.
            OSError: our own folder cannot be written.
        """
        before = self._fetched()
        held = self._run("ls-tree", "-l", before, "--", self._section.name).split() if before else []
        if len(held) < 4 or int(held[3]) > STATE_MAX_BYTES:
            return b""
        return self._run("cat-file", "blob", held[2]).encode()

    def put(self, data: bytes, subject: str) -> None:
        """Commit and push these bytes, on top of what the branch has now; nothing where it has them already.

        Raises:
            GitFailed: it could not be pushed, or somebody else pushed meanwhile.
            OSError: our own folder cannot be written.
        """
        before = self._fetched()
        tree = self._tree(data, before)
        if before and self._run("rev-parse", f"{before}^{{tree}}") == tree:
            return
        parents = ("-p", before) if before else ()
        commit = self._run("commit-tree", tree, *parents, "-m", subject)
        spec = self.spec
        where = ("--end-of-options", spec.repository, f"{commit}:refs/heads/{spec.ref}")
        self._run("push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", *where, is_far=True)

    def _fetched(self) -> str:
        """Return the commit that the branch names; empty where there is no such branch yet."""
        if not (self._folder / "HEAD").exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._run("init", "--quiet", "--bare", "--template=")
        spec = self.spec
        what = ("--end-of-options", spec.repository, f"+refs/heads/{spec.ref}:{_HERE}")
        tame = ("--no-tags", "--depth=1", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance")
        try:
            self._run("fetch", "--quiet", *tame, *what, is_far=True)
        except GitFailed as failed:
            if _ABSENT in failed.said:
                return ""
            raise
        return self._run("rev-parse", "--verify", f"{_HERE}^{{commit}}")

    def _tree(self, data: bytes, before: str) -> str:
        """Write the tree of the branch with these bytes in it; other files of it stay."""
        draft = self._folder / "draft"
        draft.write_bytes(data)
        try:
            blob = self._run("hash-object", "-w", "--no-filters", str(draft))
        finally:
            draft.unlink()
        self._run("read-tree", *([before] if before else ["--empty"]))
        self._run("update-index", "--add", "--cacheinfo", f"100644,{blob},{self._section.name}")
        return self._run("write-tree")

    def _run(self, *arguments: str, is_far: bool = False) -> str:
        spec = self.spec
        git = GitCommand(self._folder, spec.transport, self._passed_on)
        if not is_far:
            return git.run(*arguments, settings=self._settings).strip()
        settings = {**self._settings, **pinned(spec), **self._of_host(spec)}
        return git.run(*arguments, settings=settings, limit_s=FETCH_LIMIT_S).strip()
