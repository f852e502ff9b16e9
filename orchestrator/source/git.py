"""Turns a place in a git repository into a snapshot of one commit; `open_source` calls it.

A bare mirror in the state directory is fetched one ref and one commit deep, then read object by object. The same
commit is the same snapshot. A ref that cannot be fetched is unknown; the caller keeps what it had. It never writes to
the repository it reads, and never decides when to look again.
"""

import fcntl
import hashlib
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.model.commit import SHORT, Commit, read_commit
from orchestrator.model.snapshot import Snapshot, SourceAnswer, SourceFailure, Unknown
from orchestrator.model.source import GitSpec
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.command import FETCH_LIMIT_S, GitCommand, GitFailed
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
from orchestrator.source.objects import GitDirectory, Objects, ObjectsBroken
from orchestrator.source.refs import RefRefused, candidates, full_name
from orchestrator.source.spec import is_forbidden, is_loopback, plain_address
from orchestrator.source.walk import Directory, PathFault, located, located_directory

MAX_PACKS = 50  # fetched into a mirror before it is made anew
COMMIT_MAX_BYTES = 1024 * 1024
MAX_MIRROR_BYTES = 1024 * 1024 * 1024
_FETCHED = "refs/airs/fetched"


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
    ) -> None:
        self.spec = spec
        self._remembered = Remembered(references)
        self._artifacts = artifacts
        key = hashlib.sha256(f"{spec.repository}#{spec.ref}".encode()).hexdigest()[:16]
        self._mirror = work_dir / f"{key}.git"
        self._command = GitCommand(self._mirror, spec.transport, passed_on or {})
        self._last: Snapshot | None = None
        self._tip = ""  # the object that the ref named when `_last` was read

    def read(self) -> SourceAnswer:
        """Fetch and read the commit the ref names now; a failure is in the answer."""
        try:
            with _locked(self._mirror):
                return answer(self._snapshot())
        except GitFailed as failure:
            return Unknown(explained(self.spec, failure.said))
        except ObjectsBroken as broken:
            return Unknown(explained(self.spec, str(broken)))
        except RefRefused as refused:
            return Unknown(refused.failure(self.spec.identity))
        except (PathFault, TooMuch) as fault:
            return self._unknown_place(fault.detail if isinstance(fault, PathFault) else f"it holds {fault}")
        except OSError as error:
            return Unknown(explained(self.spec, f"the mirror in {self._mirror}: {error.strerror}"))

    def _snapshot(self) -> Snapshot:
        """Read what the ref names now; once more with a new mirror if it is the old one that is broken."""
        try:
            return self._read_ref()
        except (ObjectsBroken, GitFailed):
            if not self._mirror.exists() or self._is_sound():
                raise
        _remove(self._mirror)
        return self._read_ref()

    def _read_ref(self) -> Snapshot:
        """Fetch and read; a ref that names what it named before needs neither."""
        settings = _pinned(self.spec)
        self._prepare()
        name, tip = self._looked_up(settings)
        if self._last is None or not tip or tip != self._tip:
            self._last, self._tip = self._read_commit(self._fetch(name, settings)), tip
        return self._last

    def _is_sound(self) -> bool:
        """Tell whether no killed fetch left a lock behind, and the disk lost nothing."""
        if any(self._mirror.glob("*.lock")) or any((self._mirror / "refs").rglob("*.lock")):
            return False
        try:
            self._command.run("fsck", "--connectivity-only", "--no-dangling")
        except GitFailed:
            return False
        return True

    def _looked_up(self, settings: Mapping[str, str]) -> tuple[str, str]:
        """Ask what the ref is called in full and which object it names; a commit is what it is called.

        Raises:
            RefRefused: it names nothing, or two things.
        """
        names = candidates(self.spec.ref)
        if not names:
            return self.spec.ref, ""
        ask = ("ls-remote", "--quiet", "--upload-pack=git-upload-pack", "--end-of-options", self.spec.repository)
        said = self._command.run(*ask, *names, settings=settings, limit_s=FETCH_LIMIT_S)
        rows = (line.partition("\t") for line in said.splitlines())
        advertised = {name: tip for tip, _, name in rows}
        name = full_name(self.spec.ref, advertised, self.spec.repository)
        return name, advertised[name]

    def _fetch(self, name: str, settings: Mapping[str, str]) -> str:
        """Bring the mirror up to date and return the commit."""
        fetch = ("fetch", "--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules")
        tame = ("--no-write-fetch-head", "--no-auto-maintenance", "--upload-pack=git-upload-pack")
        what = ("--end-of-options", self.spec.repository, f"+{name}:{_FETCHED}")
        self._command.run(*fetch, *tame, *what, settings=settings, limit_s=FETCH_LIMIT_S)
        return self._command.run("rev-parse", "--verify", f"{_FETCHED}^{{commit}}").strip()

    def _prepare(self) -> None:
        if self._mirror.exists() and _is_worn(self._mirror):
            _remove(self._mirror)
        if not (self._mirror / "HEAD").exists():
            self._mirror.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._command.run("init", "--quiet", "--bare", "--template=")

    def _read_commit(self, commit: str) -> Snapshot:
        if self._last is not None and self._last.revision == commit:
            return self._last
        with self._command.talking("cat-file", "--batch") as (stdin, stdout):
            objects = Objects(stdin, stdout)
            about = read_commit(*objects.read(commit, "commit", COMMIT_MAX_BYTES))
            return self._read_tree(about, GitDirectory(objects, f"{commit}^{{tree}}"))

    def _read_tree(self, commit: Commit, root: GitDirectory) -> Snapshot:
        manifests = _manifests(root, self.spec.path)
        return Snapshot(
            source=self.spec.identity,
            root=self.spec.repository,
            root_reason="the repository",
            folder=self.spec.path,
            manifests=tuple(sorted(map(printable, manifests))),
            files=gather(root, manifests, self._remembered, self._artifacts),
            display=f"{self.spec.repository}@{commit.id[:SHORT]}:",
            commit=commit,
        )

    def _unknown_place(self, detail: str) -> Unknown:
        where = f"{self.spec.repository}#{self.spec.ref}:{self.spec.path}"
        suggestion = "git keeps no empty directory: to delete everything, leave a .gitkeep in it."
        return Unknown(
            SourceFailure(
                source=self.spec.identity, summary=f"cannot read {where}", detail=detail, suggestion=suggestion
            )
        )


def _manifests(root: Directory, path: str) -> Manifests:
    if path.endswith(SUFFIXES):
        try:
            with located(root, path):
                return {path: None}
        except PathFault as fault:
            if fault.kind != "not-a-file":
                raise
    with located_directory(root, path) as folder:
        return manifest_paths(folder, f"{path}/" if path else "")


@contextmanager
def _locked(mirror: Path) -> Iterator[None]:
    """Keep other processes with the same state directory off the mirror; git's limits bound how long."""
    mirror.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with mirror.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_worn(mirror: Path) -> bool:
    """Tell whether so much was fetched that a new mirror is cheaper than housekeeping."""
    packs = list((mirror / "objects" / "pack").glob("*.pack"))
    return len(packs) > MAX_PACKS or sum(pack.stat().st_size for pack in packs) > MAX_MIRROR_BYTES


def _pinned(spec: GitSpec) -> dict[str, str]:
    """Look the host up, refuse where it may not lead, and pin git to what was looked up.

    Raises:
        GitFailed: the host has no address, or one that no git server has.
    """
    if not spec.host:
        return {}
    try:
        found = socket.getaddrinfo(spec.host, spec.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        if spec.transport == "ssh":
            return {}  # it may be an alias of the user's ssh configuration
        raise GitFailed(f"Could not resolve host {spec.host}") from None
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in map(plain_address, addresses):
        if is_forbidden(address) or (address.is_loopback and not is_loopback(spec.host)):
            raise GitFailed(f"{spec.host} leads to {address}, where no git server may be")
    if spec.transport == "ssh" or is_loopback(spec.host):
        return {}
    return {"http.curloptResolve": f"{spec.host}:{spec.port}:" + ",".join(addresses)}


_EXPLANATIONS = (
    ("couldn't find remote ref", "there is no {ref} in {repository}", "Push it, or name a ref that exists."),
    ("dubious ownership", "{repository} belongs to another user", "Clone it with --bare as your own, and name that."),
    ("not installed", "git is not installed", "Install git."),
    ("larger than", "{repository} is too large", "Keep manifests and components in a repository of their own."),
    ("took longer", "{repository} answers too slowly", "It is tried again."),
    ("redirect", "{repository} redirects elsewhere", "Name the address it redirects to."),
    ("resolve host", "cannot find the host of {repository}", "Check the URL and the network; it is tried again."),
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
            )
    return SourceFailure(
        source=spec.identity,
        summary=f"cannot fetch {spec.ref} from {spec.repository}",
        detail=said,
        suggestion="The deployments of the last reading still run; airs tries again.",
    )


def _remove(mirror: Path) -> None:
    from shutil import rmtree  # with every kind of archive that Python knows, and a folder's reader needs none

    rmtree(mirror)
