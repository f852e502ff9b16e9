"""A bare mirror of one ref of a repository, in the state directory: one commit deep, made anew when it is broken.

`git.py` reads manifests of it, `fetch/git.py` components. It never writes to the repository that it mirrors.
"""

import fcntl
import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.model.source import GitSpec
from orchestrator.source.access import GitAccess, https_settings, ssh_command
from orchestrator.source.command import FETCH_LIMIT_S, GitCommand, GitFailed
from orchestrator.source.objects import Objects
from orchestrator.source.refs import NamedCommit, named_commit, patterns
from orchestrator.source.spec import is_forbidden, is_loopback, plain_address

MAX_PACKS = 50  # fetched into a mirror before it is made anew
MAX_MIRROR_BYTES = 1024 * 1024 * 1024
NO_FILES = GitAccess()
FETCHED = "refs/airs/fetched"
BLOBS_LATER = "blob:none"  # a filter: commits and trees alone
BROUGHT_AT_ONCE = 1_000  # blobs in one request
_NO_NEGOTIATION = {"fetch.negotiationAlgorithm": "noop"}
_PROMISOR = "airs"  # a remote of one fetch


class Mirror:
    """The mirror of one ref. `settings` are handed to git besides its own, such as where it finds a credential.

    `access` names files of the operator for the host. `part` tells it from another mirror of the same ref, which holds
    other objects.
    """

    def __init__(
        self, spec: GitSpec, work_dir: Path, passed_on: Mapping[str, str], settings: Mapping[str, str] | None = None,
        *, part: str = "", access: GitAccess = NO_FILES,
    ) -> None:  # fmt: skip
        self.spec = spec
        key = hashlib.sha256(f"{spec.repository}#{spec.ref}".encode()).hexdigest()[:16]
        self.path = work_dir / f"{key}{part}.git"
        self._command = GitCommand(self.path, spec.transport, passed_on, lambda: ssh_command(access))
        self._settings, self._access = settings or {}, access

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes with the same state directory off the mirror; git's limits bound how long."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def prepare(self) -> None:
        """Make the mirror, where there is none that is worth going on with."""
        if self.path.exists() and _is_worn(self.path):
            self.remove()
        if not (self.path / "HEAD").exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._command.run("init", "--quiet", "--bare", "--template=")

    def looked_up(self, before: NamedCommit | None = None) -> NamedCommit:
        """Ask what the ref is called in full and which commit it names; a commit is what it is called.

        `before` is what it named when it was believed: a range of versions does not go back behind that.

        Raises:
            RefRefused: it names nothing, two things, or something older.
        """
        wanted = patterns(self.spec.ref)
        if not wanted:
            return NamedCommit(self.spec.ref, "")
        ask = ("ls-remote", "--quiet", "--upload-pack=git-upload-pack", "--end-of-options", self.spec.repository)
        said = self._command.run(*ask, *wanted, settings=self._pinned(), limit_s=FETCH_LIMIT_S)
        rows = (line.partition("\t") for line in said.splitlines())
        advertised = {name: tip for tip, _, name in rows}
        return named_commit(self.spec.ref, advertised, self.spec.repository, before)

    def fetch(self, name: str, *, depth: int = 1, only: str = "") -> str:
        """Bring the mirror up to date and return the commit; `only` is a filter of objects, where the server has it."""
        promised = _promised(self.spec.repository, only) if only else {}
        fetch = ("fetch", "--quiet", "--no-tags", f"--depth={depth}", "--no-recurse-submodules")
        tame = ("--no-write-fetch-head", "--no-auto-maintenance", "--upload-pack=git-upload-pack")
        what = ("--end-of-options", _PROMISOR if only else self.spec.repository, f"+{name}:{FETCHED}")
        self._command.run(*fetch, *tame, *what, settings=self._pinned() | promised, limit_s=FETCH_LIMIT_S)
        return self._command.run("rev-parse", "--verify", f"{FETCHED}^{{commit}}").strip()

    def first_parents(self) -> list[str]:
        """Return the commits that were fetched, from the newest back by their first parents."""
        return self._command.run("rev-list", "--first-parent", FETCHED).split()

    def fetched_kind(self) -> str:
        """Tell whether a commit or an annotated tag was fetched."""
        return self._command.run("cat-file", "-t", FETCHED).strip()

    @contextmanager
    def objects(self, *, is_partial: bool = False) -> Iterator[Objects]:
        """Read what was fetched, object by object; of a partial mirror, blobs are fetched as they are asked for."""
        with self._command.talking("cat-file", "--batch") as (stdin, stdout):
            yield Objects(stdin, stdout, self._bring if is_partial else None)

    def _bring(self, ids: Sequence[str]) -> None:
        """Fetch those of some blobs that are not here."""
        absent = self._absent(ids)
        fetch = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        tame = ("--no-auto-maintenance", "--upload-pack=git-upload-pack", "--end-of-options", _PROMISOR)
        settings = self._pinned() | _promised(self.spec.repository, BLOBS_LATER) | _NO_NEGOTIATION
        for start in range(0, len(absent), BROUGHT_AT_ONCE):
            some = absent[start : start + BROUGHT_AT_ONCE]
            self._command.run(*fetch, *tame, *some, settings=settings, limit_s=FETCH_LIMIT_S)

    def _absent(self, ids: Sequence[str]) -> list[str]:
        with self._command.talking("cat-file", "--batch-check") as (stdin, stdout):
            found = []
            for id in ids:
                stdin.write(id.encode("ascii") + b"\n")
                stdin.flush()
                if stdout.readline(1024).rstrip().endswith(b" missing"):
                    found.append(id)
        return found

    def is_sound(self) -> bool:
        """Tell whether no killed fetch left a lock behind, and the disk lost nothing."""
        if any(self.path.glob("*.lock")) or any((self.path / "refs").rglob("*.lock")):
            return False
        try:
            promised = _promised(self.spec.repository, BLOBS_LATER)  # objects may be left out of any mirror
            self._command.run("fsck", "--connectivity-only", "--no-dangling", settings=promised)
        except GitFailed:
            return False
        return True

    def remove(self) -> None:
        """Remove it, to be made anew."""
        from shutil import rmtree  # with every kind of archive that Python knows, and a folder's reader needs none

        rmtree(self.path)

    def _pinned(self) -> dict[str, str]:
        return {**pinned(self.spec), **https_settings(self.spec, self._access), **self._settings}


def _promised(repository: str, only: str) -> dict[str, str]:
    """Name the repository, for one fetch, as one that may leave objects out; none is fetched later by itself."""
    named = f"remote.{_PROMISOR}"
    return {f"{named}.url": repository, f"{named}.promisor": "true", f"{named}.partialclonefilter": only}


def _is_worn(mirror: Path) -> bool:
    """Tell whether so much was fetched that a new mirror is cheaper than housekeeping."""
    packs = list((mirror / "objects" / "pack").glob("*.pack"))
    return len(packs) > MAX_PACKS or sum(pack.stat().st_size for pack in packs) > MAX_MIRROR_BYTES


def pinned(spec: GitSpec) -> dict[str, str]:
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
