"""Turns a root-relative path into one opened directory and a name in it, one component at a time.

Folders and git trees are both walked by this one piece of code, so that both have the same idea of what lies inside.
Links are followed here, by hand, and only while they stay inside: the operating system (or git) never follows one
for us, so nothing can be swapped between the check and the use. It reads no file contents.
"""

import errno
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import Enum
from typing import NamedTuple, Protocol

from orchestrator.model.snapshot import Unreadable

MAX_LINKS = 40  # as Linux itself
MAX_PATH = 4096  # characters


class Kind(Enum):
    """The kind of a name in a directory: of the name itself, not of what it may point to."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"
    MISSING = "missing"


class PathFault(Exception):
    """A path that cannot be read; `kind` and `detail` are those of `Unreadable`."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail

    @property
    def entry(self) -> Unreadable:
        """The same as a snapshot holds it."""
        return Unreadable(self.kind, self.detail)


class OpenFile(Protocol):
    """A file that was opened once; everything about it is asked of the descriptor, never of its path again.

    `identity` is equal only for equal content, None where no such promise can be made.
    """

    @property
    def identity(self) -> Hashable | None:
        """A value to compare instead of the content."""

    def read(self, limit: int) -> bytes:
        """Read it whole.

        Raises:
            PathFault: it has more than `limit` bytes, or does not hold still.
        """


class Listed(NamedTuple):
    """A name in a directory. `identity` is that of a file whose name ends as the caller said, as `OpenFile` has it."""

    name: str
    kind: Kind
    identity: Hashable | None


class Directory(Protocol):
    """One directory that was opened once; names are looked up in it, not in its path."""

    def listed(self, suffixes: tuple[str, ...]) -> list[Listed]:
        """List what is in it and not hidden, sorted, with the identity of files whose names end in `suffixes`."""

    def look(self, name: str) -> Kind:
        """Tell what `name` is, without following it."""

    def target(self, name: str) -> str:
        """Return where the link `name` points, as it is written."""

    def inside(self, target: str) -> tuple[str, ...] | None:
        """Turn an absolute link target into components below the root; None if it is not below it."""

    def enter(self, name: str) -> "Directory":
        """Open the directory `name`; the caller closes it."""

    def opened(self, name: str) -> AbstractContextManager[OpenFile]:
        """Open the regular file `name`."""

    def close(self) -> None:
        """Give the descriptor back."""


def fault_of(error: OSError) -> PathFault:
    """Say what an operating system error means for the path it happened on."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return PathFault("missing", "there is no such file")
        case errno.ELOOP:
            return PathFault("link", "it was replaced by a link while it was being opened")
        case errno.ENAMETOOLONG:
            return PathFault("missing", "a name this long cannot exist")
        case _:
            return PathFault("io", (error.strerror or type(error).__name__).lower())


@contextmanager
def located(root: Directory, path: str, confined_to: str | None = None) -> Iterator[tuple[Directory, str]]:
    """Walk to `path` below `root`, and below `confined_to` where that is given; yield its directory and last name.

    Raises:
        PathFault: a component is missing, or a link or `..` leaves where it must stay, or links go round in a circle.
    """
    with ExitStack() as opened:
        steps = _Steps(root, opened)
        here, name = steps.to_file(_below(path, confined_to), confined_to)
        yield here, name


@contextmanager
def located_directory(root: Directory, path: str) -> Iterator[Directory]:
    """Walk to the directory `path` below `root` ("" is the root itself).

    Raises:
        PathFault: as `located`; `not-a-file` where it is not a directory.
    """
    with ExitStack() as opened:
        yield _Steps(root, opened).to_directory(path)


def _below(path: str, confined_to: str | None) -> str:
    """Return the rest of `path` below `confined_to`."""
    if not confined_to or confined_to == ".":
        return path
    prefix = confined_to.rstrip("/") + "/"
    if not path.startswith(prefix):
        raise PathFault("escapes", f"it leaves {confined_to}")
    return path[len(prefix) :]


class _Steps:
    """A walk under way: the directories opened from the root to here, and how far up it may go again."""

    def __init__(self, root: Directory, opened: ExitStack) -> None:
        self._stack = [root]
        self._real: list[str] = []
        self._opened = opened
        self._floor = 0
        self._where = "the root"
        self._links = 0

    def to_directory(self, path: str) -> Directory:
        name = self._walk(path)
        if name is not None:
            raise PathFault("not-a-file", "it is not a directory")
        return self._stack[-1]

    def to_file(self, path: str, confined_to: str | None) -> tuple[Directory, str]:
        if confined_to and confined_to != ".":
            self.to_directory(confined_to)
            self._floor, self._where = len(self._real), confined_to
        name = self._walk(path)
        if name is None:
            raise PathFault("not-a-file", "it is a directory")
        return self._stack[-1], name

    def _walk(self, path: str) -> str | None:
        """Go to `path`; return its last name if that is a file, None if it is the directory now on top."""
        pending = deque(_components(path))
        while pending:
            name = pending.popleft()
            if name == "..":
                self._up()
                continue
            match self._stack[-1].look(name):
                case Kind.LINK:
                    pending.extendleft(reversed(self._follow(name)))
                case Kind.DIRECTORY:
                    self._down(name)
                case Kind.MISSING:
                    raise PathFault("missing", f"there is no {name}" + ("" if not pending else " on the way to it"))
                case Kind.FILE | Kind.OTHER if pending:
                    raise PathFault("missing", f"{name} on the way to it is not a directory")
                case Kind.FILE:
                    return name
                case Kind.OTHER:
                    raise PathFault("not-a-file", "it is a pipe, a socket or a device")
        return None

    def _up(self) -> None:
        if len(self._real) <= self._floor:
            raise PathFault("escapes", f"it leaves {self._where}")
        self._stack.pop()
        self._real.pop()

    def _down(self, name: str) -> None:
        directory = self._stack[-1].enter(name)
        self._opened.callback(directory.close)
        self._stack.append(directory)
        self._real.append(name)

    def _follow(self, name: str) -> list[str]:
        """Return the components the link `name` stands for, after going back to where they start."""
        self._links += 1
        if self._links > MAX_LINKS:
            raise PathFault("link", "its links go round in a circle")
        target = self._stack[-1].target(name)
        if not target.startswith("/"):
            return _components(target)
        inside = self._stack[-1].inside(target)
        floor = tuple(self._real[: self._floor])
        if inside is None or inside[: self._floor] != floor:
            raise PathFault("escapes", f"the link {name} leads out of {self._where}")
        del self._stack[self._floor + 1 :], self._real[self._floor :]
        return list(inside[self._floor :])


def _components(path: str) -> list[str]:
    if len(path) > MAX_PATH:
        raise PathFault("missing", f"a path of more than {MAX_PATH} characters cannot exist")
    if "\0" in path:
        raise PathFault("missing", "a path with a NUL character cannot exist")
    return [part for part in path.split("/") if part not in ("", ".")]
