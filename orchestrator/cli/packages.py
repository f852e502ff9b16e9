"""A component's folder, or its Component.toml → the package that signatures are about, as it lies there."""

from pathlib import Path
from typing import NamedTuple

from orchestrator.cli.context import Settings
from orchestrator.cli.reading import read_wasm
from orchestrator.contract.codes import INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.manifest import COMPONENT_MAX_BYTES
from orchestrator.manifest.package import ComponentDocument, read_document
from orchestrator.manifest.references import signatures_path
from orchestrator.model.component_source import COMPONENT_FILE
from orchestrator.model.signed import Signer
from orchestrator.signing.dsse import FILE_MAX_BYTES
from orchestrator.signing.statement import Subject
from orchestrator.signing.verify import Signatures, signatures
from orchestrator.store.artifacts import digest_of_bytes
from orchestrator.store.layout import TRUST
from orchestrator.store.packages import StoredPackage
from orchestrator.store.trust import TrustStore


class LocalPackage(NamedTuple):
    """A package that is here: what it is, its size, and its file of signatures with what that holds; None for none.

    The file's name is for people where the package lies in the component store.
    """

    subject: Subject
    size_bytes: int
    file: str
    signatures: bytes | None

    def checked(self) -> Signatures:
        """Check its signatures."""
        return Signatures() if self.signatures is None else signatures(self.signatures, self.subject)


def stored_package(stored: StoredPackage, reference: str) -> LocalPackage | None:
    """Return a package of the component store as one to verify; None where it has no Component.toml to sign."""
    document = read_document(stored.manifest)
    if not isinstance(document, ComponentDocument):
        return None
    package, file = stored.package, signatures_path(f"{reference}/{COMPONENT_FILE}")
    data = stored.signatures if package.has_signatures else None
    return LocalPackage(document.subject(package.artifact), package.size_bytes, file, data)


def local_package(path: Path) -> LocalPackage:
    """Read a package from a folder or a Component.toml.

    Raises:
        Failure: it is none, or its parts do not go together.
    """
    toml = path / COMPONENT_FILE if path.is_dir() else path
    document = _document(toml)
    data = read_wasm(toml.parent / document.artifact)
    digest = digest_of_bytes(data)
    if document.pinned not in (None, digest):
        summary = f"the artifact is not the one that {toml} names"
        raise Failure(summary, f"`artifact.sha256` is {document.pinned}, the file is {digest}.", "", INVALID)
    beside = signatures_path(str(toml))
    return LocalPackage(document.subject(digest), len(data), beside, _read(Path(beside), FILE_MAX_BYTES, missing=None))


def _document(toml: Path) -> ComponentDocument:
    data = _read(toml, COMPONENT_MAX_BYTES, missing="name a folder with a Component.toml, or that file")
    document = read_document(data or b"")
    if isinstance(document, ComponentDocument):
        return document
    told = "\n".join(f"{one.within(str(toml)).location}: {one.summary}" for one in sorted(document))
    raise Failure(f"{toml} is not a valid Component.toml", told, "`airs validate` checks it whole.", INVALID)


def _read(file: Path, limit: int, *, missing: str | None) -> bytes | None:
    """Read a small file whole; where `missing` says nothing, it need not be there."""
    try:
        with file.open("rb") as opened:
            data = opened.read(limit + 1)
    except FileNotFoundError:
        if missing is None:
            return None
        raise Failure(f"there is no {file}", suggestion=missing, exit_code=USAGE) from None
    except OSError as problem:
        raise Failure(f"cannot read {file}", str(problem.strerror), exit_code=USAGE) from None
    if len(data) > limit:
        raise Failure(f"{file} has more than {limit >> 10} KiB", exit_code=INVALID)
    return data


def read_bytes(path: Path) -> tuple[bytes, bytes]:
    """Read the Component.toml of a package that `local_package` found to be one, and its artifact.

    Raises:
        Failure: they cannot be read.
    """
    toml = path / COMPONENT_FILE if path.is_dir() else path
    data = _read(toml, COMPONENT_MAX_BYTES, missing="name a folder with a Component.toml, or that file") or b""
    return data, read_wasm(toml.parent / _document(toml).artifact)


def signers_of(settings: Settings, stored: StoredPackage) -> tuple[Signer, ...]:
    """Return who signed a package in the store, as this machine knows them."""
    package = stored_package(stored, "")
    found = package.checked().signers if package is not None else ()
    return TrustStore(settings.state_dir / TRUST).read().recognised(found)
