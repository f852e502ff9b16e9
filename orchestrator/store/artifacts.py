"""Component binaries by what they contain: written once, verified each time they are read, collected when unneeded.

An artifact is on the disk before a decision names it, so one that is not named yet must not be collected. A caller that
is about to name one *claims* it, which its time of modification says; an old claim protects nothing.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import NamedTuple

from orchestrator.store.files import have_private_folder, write_each_whole

ARTIFACT_MAX_BYTES = 256 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LEAVING = ".leaving."  # begins the name of a file while it is decided whether it goes


class ArtifactMissing(Exception):
    """No artifact with this digest is kept here."""


class ArtifactDamaged(Exception):
    """The file's bytes are not those that its name promises."""


class Collected(NamedTuple):
    """The artifacts that a collection removed: how many, and their size together."""

    artifacts: int = 0
    size_bytes: int = 0


class Artifacts:
    """The folder `artifacts/sha256`; digests are written `sha256:<hex>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep `data`, claim it and return its digest; a damaged copy is replaced.

        Raises:
            ValueError: it is larger than `ARTIFACT_MAX_BYTES`.
        """
        if len(data) > ARTIFACT_MAX_BYTES:
            raise ValueError(f"an artifact has at most {ARTIFACT_MAX_BYTES} bytes, this one {len(data)}")
        digest = digest_of_bytes(data)
        self.keep([digest], {digest: data})
        return digest

    def keep(self, digests: Iterable[str], found: Mapping[str, bytes]) -> None:
        """Claim each of these; write those that are not here, or damaged, from `found`, where they lie by digest.

        Raises:
            KeyError: one is neither here nor `found`.
        """
        absent = {self.path(digest).name: found[digest] for digest in digests if not self.claim(digest)}
        if absent:
            have_private_folder(self._folder.parent)
            have_private_folder(self._folder)
            write_each_whole(self._folder, absent)

    def read(self, digest: str) -> bytes:
        """Return an artifact's bytes, verified.

        Raises:
            ArtifactMissing: there is none.
            ArtifactDamaged: the file was changed after it was written.
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ArtifactMissing(f"no artifact {digest} in {self._folder}; apply its manifest again") from None
        if digest_of_bytes(data) != digest:
            raise ArtifactDamaged(f"{path} does not contain what its name says; apply its manifest again")
        return data

    def has(self, digest: str) -> bool:
        """Say whether `read` would return it; this reads the whole file."""
        try:
            self.read(digest)
        except (ArtifactMissing, ArtifactDamaged):
            return False
        return True

    def digests(self) -> list[str]:
        """Name every artifact that is kept, whole or not."""
        names = [f"sha256:{name}" for name in sorted(os.listdir(self._folder))] if self._folder.is_dir() else []
        return [name for name in names if _DIGEST.fullmatch(name)]

    def claim(self, digest: str) -> bool:
        """Keep an artifact for a while, until a decision names it; return whether there is one, whole."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return False
        return self.has(digest)

    def collect(self, named: Callable[[], Set[str]], before_s: float) -> Collected:
        """Remove artifacts that nothing names and nobody claimed since `before_s`, and drafts of interrupted writes.

        `named` is called once the old files are known, if there are any: a decision that comes later names an artifact
        that was claimed since. A kill at any instant leaves each artifact whole or gone.
        """
        old = [name for name in self._names() if self._is_old(name, before_s)]
        if not old:
            return Collected()
        kept, removed = named(), []
        for name in old:
            if f"sha256:{name}" not in kept:
                removed.append(self._remove(name, before_s))
        return Collected(sum(size > 0 for size in removed), sum(removed))

    def _names(self) -> list[str]:
        return sorted(os.listdir(self._folder)) if self._folder.is_dir() else []

    def _is_old(self, name: str, before_s: float) -> bool:
        try:
            return (self._folder / name).lstat().st_mtime < before_s
        except FileNotFoundError:  # a draft that became an artifact meanwhile
            return False

    def _remove(self, name: str, before_s: float) -> int:
        """Remove a file unless it is claimed at the last moment; returns the size of an artifact that went."""
        path = self._folder / name
        if not _DIGEST.fullmatch(f"sha256:{name}"):  # a draft, or what another collection was killed at
            path.unlink(missing_ok=True)
            return 0
        leaving = path.with_name(_LEAVING + name)
        os.rename(path, leaving)  # from here on, a claim finds nothing, and its caller writes it again
        about = leaving.lstat()
        if about.st_mtime >= before_s:
            os.rename(leaving, path)
            return 0
        leaving.unlink()
        return about.st_size

    def path(self, digest: str) -> Path:
        """Name an artifact's file.

        Raises:
            ValueError: `digest` is not a digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is not sha256:<64 hex digits>")
        return self._folder / digest.removeprefix("sha256:")


def digest_of_bytes(data: bytes) -> str:
    """Return `sha256:<hex>` of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
