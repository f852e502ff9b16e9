"""Lets a commit through only where it is signed as the operator wants; `git.py` asks before it reads any file of one.

`every-commit` follows the first parents of a branch back to the commit that was accepted last: each of them is one that
the branch stood at, and a merge's signer answers for the commits that it merges. A history that does not lead there was
rewritten, and is refused. The first commit of all has no other before it, and is verified by itself.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from orchestrator.model.commit import SHORT, Commit, read_commit
from orchestrator.model.snapshot import RefusedCommit, SourceFailure
from orchestrator.model.source import GitSpec
from orchestrator.model.verification import CommitSigner, Verification, VerifyMode
from orchestrator.source.mirror import FETCHED, Mirror
from orchestrator.source.objects import Objects
from orchestrator.source.refs import NamedCommit
from orchestrator.source.signatures import NotSigned, SignedObject, parents, signed_commit, signed_tag, tagged
from orchestrator.source.signers import Signers, SignersUnusable, read_signers
from orchestrator.source.verify import PACKAGES, PROGRAMS, ProgramMissing, SignatureRefused, verified

COMMIT_MAX_BYTES = 1024 * 1024
DEPTHS = (32, 512, 10_000)  # commits fetched, without their files, in search of the one that was accepted last
_COMMITS_ALONE = "tree:0"


class CommitRefused(Exception):
    """A commit that nothing may be read of. `passes` says that the cause is not in the repository, and may pass."""

    def __init__(self, commit: Commit, why: str, claims: str = "", hint: str = "", *, passes: bool = False) -> None:
        super().__init__(why)
        self.refusal, self.hint, self.passes = RefusedCommit(commit=commit, why=why, claims=claims), hint, passes

    def failure(self, spec: GitSpec) -> SourceFailure:
        """Say it as the reason why a source is not followed."""
        commit, claims = self.refusal.commit, self.refusal.claims
        by = f"; its author is {commit.author}" if commit.author else ""
        return SourceFailure(
            source=spec.identity,
            summary=f"commit {commit.named} of {spec.repository} is refused",
            detail=f"{self.refusal.why}{f'; it claims to be signed by {claims}' if claims else ''}{by}",
            suggestion=self.hint or "Everything keeps running as it is. Push a commit that is signed as wanted.",
            refused=self.refusal,
        )


class Guard:
    """Verifies the commits of one source. `accepted` is the id of the one that was accepted last, empty for none."""

    def __init__(self, spec: GitSpec, work_dir: Path, commits: Mirror, accepted: str) -> None:
        """Set it up; `commits` is a mirror for commits without their files."""
        self._spec, self._work_dir, self._commits, self._accepted = spec, work_dir, commits, accepted
        self._refused: tuple[NamedCommit, str, CommitRefused] | None = None

    def keys(self) -> str:
        """Return a digest of the keys that count now; empty where nothing is verified, or they cannot be read."""
        try:
            return read_signers(self._spec.verify).digest if self._spec.verify is not None else ""
        except SignersUnusable:
            return ""

    def refuse_again(self, named: NamedCommit, keys: str) -> None:
        """Refuse at once what was refused before by the same keys.

        Raises:
            CommitRefused: it was.
        """
        if self._refused is not None and self._refused[:2] == (named, keys) and named.tip:
            raise self._refused[2]

    def check(
        self, named: NamedCommit, commit: Commit, raw: bytes, objects: Objects, fetched: Callable[[], str]
    ) -> Commit:
        """Return the commit with its signer; `fetched` tells the kind of object that the ref names.

        Raises:
            CommitRefused: it is not signed as it has to be.
        """
        if self._spec.verify is None:
            return commit
        keys = self.keys()
        try:
            signer = self._judged(self._spec.verify, named, commit, (raw, objects, fetched))
        except CommitRefused as refused:
            self._refused = None if refused.passes else (named, keys, refused)
            raise
        self._accepted = commit.id
        return replace(commit, verified=signer)

    def _judged(
        self, wanted: Verification, named: NamedCommit, commit: Commit, read: tuple[bytes, Objects, Callable[[], str]]
    ) -> CommitSigner:
        raw, objects, fetched = read
        try:
            signers = read_signers(wanted)
            if wanted.mode is VerifyMode.TAG:
                return self._tag(named, commit, _raw_tag(named, commit, objects, fetched()), signers)
            signer = self._signer(commit, signed_commit(raw, commit.id), signers)
            if wanted.mode is VerifyMode.EVERY_COMMIT and self._accepted not in ("", commit.id):
                self._chain(named, commit, signers)
        except NotSigned as problem:
            raise CommitRefused(commit, str(problem)) from None
        except SignersUnusable as problem:
            raise CommitRefused(commit, f"nothing can be verified: {problem}", passes=True) from None
        return signer

    def _signer(self, commit: Commit, signed: SignedObject, signers: Signers) -> CommitSigner:
        try:
            return verified(signed, signers, self._work_dir)
        except SignatureRefused as refused:
            raise CommitRefused(commit, refused.why, refused.claimed) from None
        except ProgramMissing as missing:
            why = f"it cannot be verified: {missing}, which {PROGRAMS[missing.program]} signatures need"
            hint = f"Install {missing.program} (Debian: apt install {PACKAGES[missing.program]}); it is tried again."
            raise CommitRefused(commit, why, hint=hint, passes=True) from None

    def _tag(self, named: NamedCommit, commit: Commit, raw: bytes, signers: Signers) -> CommitSigner:
        """Verify an annotated tag, and that it is the one that its ref says: any ref can be made to name any tag."""
        says = tagged(raw)
        if says.name != named.tag:
            raise CommitRefused(commit, f"{named.name} names the signed tag {says.name!r}, which is another")
        if not says.is_commit or says.object != commit.id:
            raise CommitRefused(commit, f"the tag {named.tag} names no commit itself")
        return self._signer(commit, signed_tag(raw), signers)

    def _chain(self, named: NamedCommit, commit: Commit, signers: Signers) -> None:
        """Verify the commits between the one that was accepted last and this one."""
        for id, raw in self._between(named, commit):
            if id == commit.id:
                continue
            between = read_commit(id, raw)
            try:
                self._signer(between, signed_commit(raw, id), signers)
            except NotSigned as problem:
                raise CommitRefused(commit, f"{between} came before it, and {problem}") from None
            except CommitRefused as refused:
                claims = refused.refusal.claims
                raise CommitRefused(
                    commit, f"{between} came before it: {refused.refusal.why}", claims, refused.hint,
                    passes=refused.passes,
                ) from None  # fmt: skip

    def _between(self, named: NamedCommit, commit: Commit) -> Iterator[tuple[str, bytes]]:
        chain = self._fetched_chain(named, commit)
        with self._commits.objects() as objects:
            for id in chain:
                yield objects.read(id, "commit", COMMIT_MAX_BYTES)

    def _fetched_chain(self, named: NamedCommit, commit: Commit) -> list[str]:
        """Fetch commits until the one that was accepted last is among them, and return those since then."""
        self._commits.prepare()
        for depth in DEPTHS:
            if self._commits.fetch(named.name, depth=depth, only=_COMMITS_ALONE) != commit.id:
                raise CommitRefused(commit, f"{named.name} moved while its history was read", passes=True)
            chain = self._commits.first_parents()
            if self._accepted in chain:
                return chain[: chain.index(self._accepted)]
            if len(chain) < depth:
                break
            with self._commits.objects() as objects:
                if not parents(objects.read(chain[-1], "commit", COMMIT_MAX_BYTES)[1]):
                    break
        else:
            raise self._rewritten(commit, f"more than {DEPTHS[-1]} commits lie between")
        raise self._rewritten(commit, "its history was rewritten, or goes back to an older commit")

    def _rewritten(self, commit: Commit, why: str) -> CommitRefused:
        said = f"by first parents it does not lead to {self._accepted[:SHORT]}, which was accepted last: {why}"
        hint = "Push on top of that one; `airs source add` once more accepts what is there now, if it is signed."
        return CommitRefused(commit, said, hint=hint)


def _raw_tag(named: NamedCommit, commit: Commit, objects: Objects, fetched: str) -> bytes:
    if fetched != "tag" or not named.tag:
        what = f"{named.name} is no {'annotated ' if named.tag else ''}tag"
        raise CommitRefused(commit, f"{what}, and only a signed tag is accepted", hint="Sign it: `git tag -s`.")
    return objects.read(FETCHED, "tag", COMMIT_MAX_BYTES)[1]
