"""Turns the objects of a bare repository into directories that `walk` can walk; `git.py` calls it.

Objects are read raw, by id, from one `git cat-file` process: nothing is checked out, so no filter, attribute, hook or
submodule ever takes part. It fetches nothing.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import msgspec

from orchestrator.source.walk import Directory, Kind, Listed, PathFault

MAX_TREE_BYTES = 16 * 1024 * 1024
MAX_LINK_BYTES = 4096

_KINDS = {b"100": Kind.FILE, b"400": Kind.DIRECTORY, b"120": Kind.LINK}


class ObjectsBroken(Exception):
    """The repository lacks an object, or one is not what its name promises."""


class Objects:
    """One conversation with `git cat-file --batch`."""

    def __init__(
        self, stdin: IO[bytes], stdout: IO[bytes], fetch: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        """Set it up; `fetch` fetches blobs that were left out, None where none is."""
        self._stdin, self._stdout, self._fetch = stdin, stdout, fetch
        self._here: set[str] = set()  # blobs that are known to be here
        self._broken = False

    def bring(self, names: Collection[str]) -> None:
        """Bring objects here that were left out so far, those that are not read yet.

        Raises:
            GitFailed: they cannot be fetched.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self._here]
        if missing and self._fetch is not None:
            self._fetch(missing)
            self._here.update(missing)

    def read(self, name: str, kind: str, limit: int) -> tuple[str, bytes]:
        """Return the id and the content of the object `name`.

        Raises:
            PathFault: it has more than `limit` bytes.
            ObjectsBroken: there is none, it is no `kind`, or git stopped answering.
            GitFailed: it was left out, and cannot be fetched.
        """
        if kind == "blob" and self._fetch is not None:
            self.bring((name,))
        return self._read(name, kind, limit)

    def _read(self, name: str, kind: str, limit: int) -> tuple[str, bytes]:
        if self._broken:
            raise ObjectsBroken("git stopped answering")
        try:
            self._stdin.write(name.encode("ascii") + b"\n")
            self._stdin.flush()
            head = self._stdout.readline(1024).split()
        except (BrokenPipeError, ValueError):
            head = []
        if len(head) != 3 or head[1] != kind.encode("ascii"):
            self._broken = True
            raise ObjectsBroken(f"{name} is missing, broken or no {kind}")
        size = int(head[2])
        if size > limit:
            self._skip(size)
            raise PathFault("too-large", f"it has {size} bytes, of at most {limit}")
        data = self._stdout.read(size)
        self._end(len(data) == size)
        return head[0].decode("ascii"), data

    def _skip(self, size: int) -> None:
        while size > 0 and (chunk := self._stdout.read(min(size, 1024 * 1024))):
            size -= len(chunk)
        self._end(size == 0)

    def _end(self, whole: bool) -> None:
        if not whole or self._stdout.read(1) != b"\n":
            self._broken = True
            raise ObjectsBroken("git stopped in the middle of an object")


class TreeEntry(msgspec.Struct, frozen=True):
    """One line of a tree: what it is and which object holds it."""

    kind: Kind
    id: str


def parse_tree(data: bytes, id_length: int) -> dict[str, TreeEntry]:
    """Read a raw tree; submodules are left out, names keep odd bytes as surrogates.

    Raises:
        ObjectsBroken: it is not a tree.
    """
    entries: dict[str, TreeEntry] = {}
    position = 0
    while position < len(data):
        space, end = data.find(b" ", position), data.find(b"\0", position)
        if not position < space < end or end + 1 + id_length > len(data):
            raise ObjectsBroken("a tree is cut off")
        kind = _KINDS.get(data[position:space].lstrip(b"0")[:3])
        name = data[space + 1 : end].decode("utf-8", "surrogateescape")
        position = end + 1 + id_length
        if kind is not None:
            entries[name] = TreeEntry(kind, data[end + 1 : position].hex())
    return entries


class GitDirectory:
    """One tree of a repository."""

    def __init__(self, objects: Objects, tree: str) -> None:
        self._objects = objects
        name, data = objects.read(tree, "tree", MAX_TREE_BYTES)
        self._entries = parse_tree(data, len(name) // 2)
        self._entered: dict[str, GitDirectory] = {}  # walks begin at the root each time

    def listed(self, suffixes: tuple[str, ...]) -> list[Listed]:
        """List what is in it and not hidden, sorted, with the identity of files whose names end in `suffixes`."""
        shown = sorted((name, entry) for name, entry in self._entries.items() if not name.startswith("."))
        return [
            Listed(name, entry.kind, _identity(entry.id) if name.endswith(suffixes) else None) for name, entry in shown
        ]

    def blob(self, name: str) -> str:
        """Return the id of the file or link `name`; empty for none."""
        entry = self._entries.get(name)
        return entry.id if entry is not None and entry.kind is not Kind.DIRECTORY else ""

    def look(self, name: str) -> Kind:
        """Tell what `name` is, without following it."""
        entry = self._entries.get(name)
        return Kind.MISSING if entry is None else entry.kind

    def target(self, name: str) -> str:
        """Return where the link `name` points, as it is written."""
        data = self._objects.read(self._entries[name].id, "blob", MAX_LINK_BYTES)[1]
        return data.decode("utf-8", "surrogateescape")

    def inside(self, target: str) -> None:
        """Refuse every absolute link: a repository does not know where it will lie."""

    def enter(self, name: str) -> "GitDirectory":
        """Read the tree `name`, once."""
        if name not in self._entered:
            self._entered[name] = GitDirectory(self._objects, self._entries[name].id)
        return self._entered[name]

    @contextmanager
    def opened(self, name: str) -> Iterator["GitFile"]:
        """Name the blob `name`; it is read when asked for."""
        yield GitFile(self._objects, self._entries[name].id)

    def close(self) -> None:
        """Do nothing: a tree that was read holds no descriptor."""


class GitFile:
    """One blob of a repository."""

    def __init__(self, objects: Objects, blob: str) -> None:
        self._objects = objects
        self._blob = blob

    @property
    def identity(self) -> Hashable:
        """The id: it is a hash of the content."""
        return _identity(self._blob)

    def read(self, limit: int) -> bytes:
        """Read it whole.

        Raises:
            PathFault: it has more than `limit` bytes.
        """
        return self._objects.read(self._blob, "blob", limit)[1]


def _identity(blob: str) -> Hashable:
    return ("git", blob)


_: Callable[[Objects, str], Directory] = GitDirectory
