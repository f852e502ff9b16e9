"""The signatures of packages that may have to start: kept by what they sign, and read again before each start.

    signatures/<artifact hex>.<manifest hex>.dsse

A file holds lines as `Component.toml.dsse` does. A line is kept once it was found good, which bounds them by what can
run; it is checked again each time, as a file may be changed. A file goes with its artifact.
"""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from orchestrator.signing.dsse import FILE_MAX_BYTES, NotAnEnvelope, lines_of, read_envelope
from orchestrator.signing.statement import NotAStatement, Subject, statement_of
from orchestrator.signing.verify import signatures
from orchestrator.store.files import have_private_folder, write_whole

_NAME = re.compile(r"([0-9a-f]{64})\.[0-9a-f]{64}\.dsse")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class KeptSignatures:
    """The folder `signatures`; digests are written `sha256:<hex>`. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[bytes] = set()  # lines that were kept or found worthless, by this process

    def keep(self, files: Iterable[bytes], artifacts: Collection[str]) -> None:
        """Keep the good lines of some files of signatures that are on one of these artifacts."""
        for data in files:
            for _, line in lines_of(data[:FILE_MAX_BYTES]):
                if line not in self._known:
                    self._keep_line(line, artifacts)
                    self._known.add(line)

    def of(self, artifact: str, manifest: str) -> bytes:
        """Return the lines that were kept for a package; empty for none."""
        path = self._path(artifact, manifest)
        try:
            with path.open("rb") as file:
                return file.read(FILE_MAX_BYTES)
        except FileNotFoundError:
            return b""

    def collect(self, kept: Collection[str]) -> None:
        """Remove the files of artifacts that are not among these."""
        for name in sorted(os.listdir(self._folder)) if self._folder.is_dir() else ():
            named = _NAME.fullmatch(name)
            if named is not None and f"sha256:{named[1]}" not in kept:
                (self._folder / name).unlink(missing_ok=True)
                self._known.clear()

    def _keep_line(self, line: bytes, artifacts: Collection[str]) -> None:
        subject = _good(line)
        if subject is None or subject.artifact not in artifacts or not _DIGEST.fullmatch(subject.manifest):
            return
        before = self.of(subject.artifact, subject.manifest)
        lines = [kept for _, kept in lines_of(before)]
        if line in lines or len(before) + len(line) >= FILE_MAX_BYTES:
            return
        have_private_folder(self._folder)
        write_whole(self._path(subject.artifact, subject.manifest), b"".join(each + b"\n" for each in (*lines, line)))

    def _path(self, artifact: str, manifest: str) -> Path:
        """Name a package's file.

        Raises:
            ValueError: one of these is not a digest.
        """
        if not (_DIGEST.fullmatch(artifact) and _DIGEST.fullmatch(manifest)):
            raise ValueError(f"{artifact!r} and {manifest!r} are not both sha256:<64 hex digits>")
        return self._folder / f"{artifact.removeprefix('sha256:')}.{manifest.removeprefix('sha256:')}.dsse"


def _good(line: bytes) -> Subject | None:
    """Return the package that a line is a good signature on, whichever that is."""
    try:
        subject = statement_of(read_envelope(line)).subject
    except (NotAnEnvelope, NotAStatement):
        return None
    return subject if signatures(line, subject).signers else None
