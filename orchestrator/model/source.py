"""A source: where manifests come from, how the agent follows it, and the note of its last look."""

from enum import Enum

from orchestrator.model.base import Value
from orchestrator.model.commit import Commit
from orchestrator.model.desired import Permissions
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.snapshot import SourceFailure
from orchestrator.model.verification import Verification

NOBODY = ""  # the source of a deployment whose source was removed
INTERVAL_MS = 15_000  # between two looks at a repository


class FolderSpec(Value, frozen=True, tag="folder"):
    """A folder below a root (`folder` is root-relative, "" the root itself), or one `file` in it.

    `display`, `here` and `namespaces` are those of `Snapshot`. `work_tree` is the git work tree around the folder,
    empty for none.
    """

    identity: str
    root: str
    root_reason: str
    folder: str
    file: str | None = None
    display: str = ""
    here: str = ""
    work_tree: str = ""
    namespaces: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The absolute path of the folder or file."""
        below = (part for part in (self.folder, self.file) if part)
        return "/".join((self.root.rstrip("/"), *below)) or "/"


class GitSpec(Value, frozen=True, tag="git"):
    """The directory (or one file) `path` at `ref` of `repository`; `transport` is `file`, `https`, `http` or `ssh`.

    `host` and `port` are where it is fetched from, empty and 0 for a local repository. `verify` says how its commits
    have to be signed, None for not at all; `namespaces` are those of `Snapshot`.
    """

    identity: str
    repository: str
    ref: str
    path: str
    transport: str
    host: str = ""
    port: int = 0
    verify: Verification | None = None
    namespaces: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The place that is read, as it would be typed."""
        return f"{self.repository}#{self.ref}:{self.path}"


SourceSpec = FolderSpec | GitSpec


def place_of(spec: SourceSpec) -> str:
    """Return the place that is read, as it would be typed."""
    return spec.path if isinstance(spec, FolderSpec) else spec.place


def root_of(spec: SourceSpec) -> str:
    """Name the root, outside of which nothing is read, and why it is that one."""
    return f"{spec.root}, {spec.root_reason}" if isinstance(spec, FolderSpec) else "the repository"


def overlap(first: SourceSpec, second: SourceSpec) -> bool:
    """Whether two sources read some of the same files, as far as their names tell."""
    if isinstance(first, FolderSpec) and isinstance(second, FolderSpec):
        return _is_within(first.path, second.path) or _is_within(second.path, first.path)
    if isinstance(first, GitSpec) and isinstance(second, GitSpec):
        is_same = (first.repository, first.ref) == (second.repository, second.ref)
        return is_same and (_is_within(first.path, second.path) or _is_within(second.path, first.path))
    return False


def are_siblings(first: SourceSpec, second: SourceSpec) -> bool:
    """Whether two sources read parts of one whole: a repository at one ref, a root or a work tree."""
    if isinstance(first, FolderSpec) and isinstance(second, FolderSpec):
        return first.root == second.root or bool(first.work_tree and first.work_tree == second.work_tree)
    if isinstance(first, GitSpec) and isinstance(second, GitSpec):
        return (first.repository, first.ref) == (second.repository, second.ref)
    return False


def _is_within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder.rstrip("/") + "/")


class Follow(Enum):
    """How a source is followed; the word is what tools see."""

    APPLIED = "applied"  # read once, by `airs apply`; nobody looks again
    WATCHED = "watched"  # by each agent of this state directory, until it is suspended or removed
    UP = "up"  # as long as an `airs up` runs
    SUSPENDED = "suspended"  # added, and not looked at until it is resumed
    UNWATCHED = "not-watched"  # its `airs up` has ended

    @property
    def is_watched(self) -> bool:
        """Whether a running agent looks at it."""
        return self in (Follow.WATCHED, Follow.UP)

    @property
    def is_added(self) -> bool:
        """Whether it outlives the command that began it: it was added with `airs source add`."""
        return self in (Follow.WATCHED, Follow.SUSPENDED)


class Declaration(Value, frozen=True):
    """The part of an `airs.toml` that declares a source which decides how it is followed."""

    suspend: bool = False


class SourceRecord(Value, frozen=True):
    """How a source is followed since when, durably; `spec` is None where the agent never could tell what to read.

    `permissions` are the operator's, as long as it is followed; `adopt` is used up by the first look that is believed.
    `declared` is as the agent's `airs.toml` declared it last, None for a source that it does not declare.
    """

    name: str
    follow: Follow
    since_ms: int
    spec: SourceSpec | None = None
    interval_ms: int = INTERVAL_MS
    permissions: Permissions = Permissions()
    declared: Declaration | None = None


class SourceStatus(Value, frozen=True):
    """The findings of the last looks at a source: its commit, its problems, and since when it could not be read."""

    source: str
    revision: str | None = None
    commit: Commit | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    failure: SourceFailure | None = None
    stale_since_ms: int | None = None


class SourceNote(Value, frozen=True):
    """A status as it was noted down, when the source was last read whole, and until when it was surely watched.

    `looked_ms` is when the newest look at it began, whatever came of that, of those that were acted upon.
    """

    status: SourceStatus
    read_ms: int
    watched_ms: int = 0
    looked_ms: int = 0
