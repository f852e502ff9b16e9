"""A package: one component as it was fetched, and the note of the reference by which it is known."""

from orchestrator.model.base import Value
from orchestrator.model.component_source import Provenance


class Package(Value, frozen=True):
    """A component in the component store; `digest` covers its Component.toml, its signatures and its artifact.

    `name` and `version` are those of its Component.toml, empty where it brings none.
    """

    digest: str
    artifact: str
    size_bytes: int
    name: str = ""
    version: str = ""
    has_manifest: bool = False
    has_signatures: bool = False


class PackageReference(Value, frozen=True):
    """The note of a reference: what it stood for at the last look that succeeded, and the failures since.

    `package` is empty where nothing was ever fetched. `previous` is what the name stood for before it moved.
    `is_installed` says that somebody asked for it by hand, so that it stays until it is removed by hand.
    """

    reference: str
    resolved: str = ""
    package: str = ""
    fetched_ms: int = 0
    looked_ms: int = 0
    previous: Provenance | None = None
    is_installed: bool = False
    failure: str = ""
    failed_ms: int = 0
    failures: int = 0

    @property
    def origin(self) -> Provenance:
        """Where the package came from."""
        return Provenance(reference=self.reference, resolved=self.resolved)
