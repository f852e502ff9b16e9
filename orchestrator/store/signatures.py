"""The signatures of packages that may have to start: kept by what they sign, and read again before each start.

    signatures/<artifact hex>.<manifest hex>.dsse

A file holds lines as `Component.toml.dsse` does, one for each key: the one that holds for longest, so that a signature
which is renewed every month takes no more room than one. A line is kept once it was found good, which bounds the files
by what can run; it is checked again each time, as a file may be changed. A file goes with its artifact.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from orchestrator.model.signed import Signer
from orchestrator.signing.dsse import ENVELOPES_MAX, FILE_MAX_BYTES, NotAnEnvelope, lines_of, read_envelope
from orchestrator.signing.statement import NotAStatement, Subject, statement_of
from orchestrator.signing.verify import signatures
from orchestrator.store.files import have_private_folder, write_whole

KNOWN_MAX = 10_000  # lines of which it is remembered that they were seen to
Tell = Callable[[Subject, tuple[Signer, ...]], None]
_NAME = re.compile(r"([0-9a-f]{64})\.[0-9a-f]{64}\.dsse")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class KeptSignatures:
    """The folder `signatures`; digests are written `sha256:<hex>`. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[bytes] = set()  # lines that were kept or found worthless, by this process

    def keep(self, files: Iterable[bytes], artifacts: Collection[str], tell: Tell = lambda *_: None) -> None:
        """Keep the good lines of some files of signatures that are on one of these artifacts; `tell` of new ones first.

        Raises:
            OSError: the machine would not, or `tell` could not: it is tried again with the next call.
        """
        for data in files:
            beside = [line for _, line in lines_of(data[:FILE_MAX_BYTES])]
            for line in beside:
                if line not in self._known:
                    self._keep_line(line, beside, artifacts, tell)
                    self._remember(line)

    def _remember(self, line: bytes) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known.add(line)

    def of(self, artifact: str, manifest: str) -> bytes:
        """Return the lines that were kept for a package; empty for none."""
        path = self._path(artifact, manifest)
        try:
            with path.open("rb") as file:
                return file.read(FILE_MAX_BYTES)
        except FileNotFoundError:
            return b""

    def collect(self, artifacts: Callable[[], Collection[str]]) -> None:
        """Remove the files of artifacts that are kept no longer, which are asked for once the files are listed."""
        names = sorted(os.listdir(self._folder)) if self._folder.is_dir() else []
        kept = frozenset(artifacts()) if names else frozenset()
        gone = [name for name in names if (named := _NAME.fullmatch(name)) and f"sha256:{named[1]}" not in kept]
        for name in gone:
            self._known.clear()  # they may come back
            (self._folder / name).unlink(missing_ok=True)

    def _keep_line(self, line: bytes, beside: list[bytes], artifacts: Collection[str], tell: Tell) -> None:
        subject, signers = _good(line)
        if subject is None or subject.artifact not in artifacts or not _DIGEST.fullmatch(subject.manifest):
            return
        before = [kept for _, kept in lines_of(self.of(subject.artifact, subject.manifest))]
        lines = with_line(before, line, beside, subject)
        if lines == before:
            return
        tell(subject, signers)
        have_private_folder(self._folder)
        write_whole(self._path(subject.artifact, subject.manifest), b"".join(each + b"\n" for each in lines))

    def _path(self, artifact: str, manifest: str) -> Path:
        """Name a package's file.

        Raises:
            ValueError: one of these is not a digest.
        """
        if not (_DIGEST.fullmatch(artifact) and _DIGEST.fullmatch(manifest)):
            raise ValueError(f"{artifact!r} and {manifest!r} are not both sha256:<64 hex digits>")
        return self._folder / f"{artifact.removeprefix('sha256:')}.{manifest.removeprefix('sha256:')}.dsse"


def with_line(kept: list[bytes], line: bytes, beside: Collection[bytes], subject: Subject) -> list[bytes]:
    """Return good lines on a package with one more, in place of one of the same key that holds no longer.

    Where there are too many, the oldest goes that is not `beside` it in the source.
    """
    (own,) = signatures(line, subject).signers
    same = [each for each in kept if any(one.key_id == own.key_id for one in signatures(each, subject).signers)]
    best = signatures(b"\n".join((*same, line)), subject).signers
    if same and best == signatures(b"\n".join(same), subject).signers:
        return kept
    lines = [*(each for each in kept if each not in same), line]
    while len(lines) > ENVELOPES_MAX or sum(map(len, lines)) + len(lines) > FILE_MAX_BYTES:
        gone = next((each for each in lines if each not in beside), None)
        if gone is None:
            return kept
        lines.remove(gone)
    return lines


def _good(line: bytes) -> tuple[Subject | None, tuple[Signer, ...]]:
    """Return the package that a line is a good signature on, whichever that is, and by whom; None for none."""
    try:
        subject = statement_of(read_envelope(line)).subject
    except (NotAnEnvelope, NotAStatement):
        return None, ()
    signers = signatures(line, subject).signers
    return (subject if signers else None), signers
