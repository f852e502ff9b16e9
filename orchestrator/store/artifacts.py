"""Component binaries by what they contain: written once, verified each time they are read."""

import hashlib
import os
import re
from collections.abc import Set
from pathlib import Path

from orchestrator.store.files import have_private_folder, write_whole

ARTIFACT_MAX_BYTES = 256 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ArtifactMissing(Exception):
    """No artifact with this digest is kept here."""


class ArtifactDamaged(Exception):
    """The file's bytes are not those that its name promises."""


class Artifacts:
    """The folder `artifacts/sha256`; digests are written `sha256:<hex>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep `data` and return its digest; a damaged copy is replaced.

        Raises:
            ValueError: it is larger than `ARTIFACT_MAX_BYTES`.
        """
        if len(data) > ARTIFACT_MAX_BYTES:
            raise ValueError(f"an artifact has at most {ARTIFACT_MAX_BYTES} bytes, this one {len(data)}")
        digest = digest_of_bytes(data)
        if not self.has(digest):
            have_private_folder(self._folder.parent)
            have_private_folder(self._folder)
            write_whole(self.path(digest), data)
        return digest

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

    def gc(self, keep: Set[str]) -> list[str]:
        """Remove every artifact that is not in `keep`, and what interrupted writes left; return the digests removed."""
        removed = []
        for name in sorted(os.listdir(self._folder)) if self._folder.is_dir() else []:
            if f"sha256:{name}" not in keep:
                (self._folder / name).unlink()
                removed += [f"sha256:{name}"] if _DIGEST.fullmatch(f"sha256:{name}") else []
        return removed

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
