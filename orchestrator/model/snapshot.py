"""A source at one moment; its answer is known, known-empty or unknown, and nothing follows from an unknown one."""

import msgspec

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.component_source import Fetched, is_virtual
from orchestrator.model.world import ArtifactFault, World


class Content(msgspec.Struct, frozen=True):
    """A file that was read whole; `fetched` is where it comes from, None for one of the source itself."""

    data: bytes
    fetched: Fetched | None = None


class Artifact(msgspec.Struct, frozen=True):
    """A wasm file: its digest (`sha256:<hex>`), its bytes, and what inspecting it found."""

    digest: str
    data: bytes
    world: World | ArtifactFault


class Unreadable(msgspec.Struct, frozen=True):
    """A path that could not be read. `kind` is `missing`, `submodule`, `escapes`, `link`, `too-large`, `not-a-file`,
    `misnamed` (a manifest by its name, but for its case) or `io`; of a component that is fetched, `fetching`,
    `unfetched` or `unusable`.
    """

    kind: str
    detail: str


class Listing(msgspec.Struct, frozen=True):
    """The manifests in a folder that an overlay names as a base, and below it: root-relative paths, sorted.

    It stands in a snapshot under the folder's path with `/` at the end, where no file can stand.
    """

    paths: tuple[str, ...]


FileEntry = Content | Artifact | Unreadable | Listing


class Snapshot(msgspec.Struct, frozen=True):
    """The files a source held: manifests, and whatever those refer to (bases of overlays, Component.toml, artifacts).

    All paths are root-relative, `/`-separated and normalised, but for those of fetched components, which begin with
    their references. `manifests` lists the YAML files, sorted; `files` has
    an entry for each of them and for every path they refer to, directly or through a Component.toml. `display` turns a
    root-relative path into one as the user would type it: it is put in front, after `here` (the directory below the
    root that the user stands in, ending in `/`) is taken off. `commit` is the git commit that was read, or at which the
    folder's work tree stands; None for a folder in no work tree. `namespaces` are the only ones that its manifests may
    name; empty for any.
    """

    source: str
    root: str
    root_reason: str
    folder: str
    manifests: tuple[str, ...]
    files: dict[str, FileEntry]
    display: str = ""
    commit: Commit | None = None
    here: str = ""
    namespaces: tuple[str, ...] = ()

    @property
    def revision(self) -> str | None:
        """The commit's id, with `-dirty` where the files differ from it."""
        return self.commit.revision if self.commit else None

    def shown(self, path: str) -> str:
        """Return the path as the user would type it."""
        if is_virtual(path):
            entry = self.files.get(path)
            return entry.fetched.shown if isinstance(entry, Content) and entry.fetched is not None else path
        if self.here and path.startswith(self.here):
            return path.removeprefix(self.here)
        return self.display + path


class RefusedCommit(Value, frozen=True):
    """A commit that is not signed as the operator wants, `why`, and whose signature it `claims` to have, if any."""

    commit: Commit
    why: str
    claims: str = ""


class SourceFailure(Value, frozen=True):
    """Why a source could not be read, or its commit was `refused`; what it said last still stands.

    `unreachable` says that its repository could not be asked at all.
    """

    source: str
    summary: str
    detail: str = ""
    suggestion: str = ""
    refused: RefusedCommit | None = None
    unreachable: bool = False


class Known(msgspec.Struct, frozen=True):
    """The source was read and holds at least one manifest file."""

    snapshot: Snapshot


class KnownEmpty(msgspec.Struct, frozen=True):
    """The source was read and holds no manifest file at all."""

    snapshot: Snapshot


class Unknown(msgspec.Struct, frozen=True):
    """The source could not be read; nothing may be concluded from that."""

    failure: SourceFailure


SourceAnswer = Known | KnownEmpty | Unknown
