"""Where a component comes from that does not lie beside its manifest: an OCI registry, a git repository, a URL.

Each has a *reference*: the text that names it for people, under which the component store knows it, and below which its
files stand in a snapshot. No reference is a path, for each holds `://`.
"""

from orchestrator.model.base import Value

REFRESH_MS = 300_000  # between two looks at a name that can move
DIGITS = 12  # of a digest, that tell it apart for people
COMPONENT_FILE = "Component.toml"
SIGNATURES_FILE = "Component.toml.dsse"
BARE_ARTIFACT = "component.wasm"  # the name of an artifact whose Component.toml names none


class OciComponent(Value, frozen=True, tag="oci"):
    """A component in a registry: `repository` is HOST/NAME, `version` a tag, or a digest (`sha256:…`)."""

    repository: str
    version: str

    @property
    def reference(self) -> str:
        """The text that names it."""
        return f"oci://{self.repository}{'@' if self.is_fixed else ':'}{self.version}"

    @property
    def is_fixed(self) -> bool:
        """Whether its name cannot move."""
        return self.version.startswith("sha256:")

    @property
    def host(self) -> str:
        """The registry, with its port where one is named."""
        return self.repository.partition("/")[0]

    @property
    def name(self) -> str:
        """The repository's name in its registry."""
        return self.repository.partition("/")[2]


class GitComponent(Value, frozen=True, tag="git"):
    """A component in the folder `path` of a repository, at a branch, a tag or a commit."""

    url: str
    ref: str
    path: str = ""

    @property
    def reference(self) -> str:
        """The text that names it."""
        scheme = "" if "://" in self.url else "git+ssh://"
        return f"{scheme}{self.url}#{self.ref}:{self.path}"

    @property
    def is_fixed(self) -> bool:
        """Whether its name cannot move: it is a commit."""
        return len(self.ref) in (40, 64) and not set(self.ref) - set("0123456789abcdef")


class UrlComponent(Value, frozen=True, tag="url"):
    """A file at a URL whose digest is known: an archive of a component, or, with `is_bare`, the artifact alone."""

    url: str
    sha256: str
    is_bare: bool = False

    @property
    def reference(self) -> str:
        """The text that names it."""
        return f"{self.url}#{self.sha256[:DIGITS]}"

    @property
    def is_fixed(self) -> bool:
        """Whether its name cannot move: never, the digest is part of it."""
        return True


RemoteComponent = OciComponent | GitComponent | UrlComponent


class ComponentUse(Value, frozen=True):
    """A deployment's wish for a remote component.

    `manifest` is the root-relative path of a Component.toml in the source for an artifact that brings none, empty for
    one that does. `refresh_ms` is the time between two looks at a name that can move, 0 for one look only.
    """

    remote: RemoteComponent
    manifest: str = ""
    refresh_ms: int = REFRESH_MS

    @property
    def folder(self) -> str:
        """The place of its files in a snapshot; an artifact that is used with two manifests is two components."""
        return self.remote.reference + (f"#{self.manifest}" if self.manifest else "")

    @property
    def file(self) -> str:
        """The place of its Component.toml in a snapshot."""
        return f"{self.folder}/{COMPONENT_FILE}"


def is_virtual(path: str) -> bool:
    """Whether a path of a snapshot is that of a fetched file."""
    return "://" in path


class Provenance(Value, frozen=True):
    """The reference of a fetched component, and the commit or digest that it stood for."""

    reference: str
    resolved: str

    @property
    def short(self) -> str:
        """The commit or digest as people tell it apart."""
        algorithm, colon, hexadecimal = self.resolved.rpartition(":")
        return f"{algorithm}{colon}{hexadecimal[:DIGITS]}"


class Fetched(Value, frozen=True):
    """The story of a file that was fetched: its origin, how to show it, and what people should know of it."""

    origin: Provenance
    shown: str
    warning: str = ""
