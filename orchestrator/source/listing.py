"""Turns a folder into the paths of its manifests, listing again only directories that changed since the last time.

A directory's times tell whether a name came or went, unless they are young; a file's own change is told by its name.
Folder reading keeps one for each folder. Names are taken as by `gather.manifest_paths`, within the same limits.
"""

import os
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, cast

from orchestrator.source import gather
from orchestrator.source.changes import Changed
from orchestrator.source.gather import SUFFIXES, Manifests, TooMuch

if TYPE_CHECKING:
    from orchestrator.source.folder import FolderDirectory
    from orchestrator.source.walk import Directory

LISTINGS_MAX = 1_000  # folders that are remembered; beyond that each is listed anew

About = tuple[int, Hashable | None]  # of a file: its inode, 0 where it is no plain one, and its identity where known


class _Listed(NamedTuple):
    """One directory as it was listed: its identity at that time, its manifests by name, its folders, and all names."""

    identity: Hashable | None
    manifests: dict[str, About]
    folders: tuple[str, ...]
    names: int


class FolderListing:
    """The manifests of one folder, as they were listed last."""

    def __init__(self) -> None:
        self._directories: dict[str, _Listed] = {}
        self._manifests: Manifests = {}

    def look(self, folder: "FolderDirectory", prefix: str, changed: Changed) -> Manifests:
        """List what is in `folder` and below now, sorted, each with `prefix` in front and its identity where known.

        Of files that are not `changed`, the identity may be that of the last time, or none. It is the very same value
        as the last time while nothing differs.

        Raises:
            PathFault: a directory in it cannot be read.
            TooMuch: there are more manifests or names than a source may have, or directories are nested too deeply.
        """
        before, found = self._directories, {}
        self._directories = {}
        names_changed = None if changed is None else _by_directory(changed)
        names = count = 0
        for path, listed in _below(folder, prefix, before, names_changed, 0):
            found[path] = listed
            names, count = names + listed.names, count + len(listed.manifests)
            if names > gather.MAX_NAMES:
                raise TooMuch(f"more than {gather.MAX_NAMES} names")
            if count > gather.MAX_MANIFESTS:
                raise TooMuch(f"more than {gather.MAX_MANIFESTS} manifests")
        self._directories = found
        if not _are_same(before, found):
            self._manifests = _manifests(found)
        return self._manifests

    def forget(self) -> None:
        """List everything the next time."""
        self._directories = {}


class FolderListings:
    """The folders that overlays name as their bases, each as it was listed last; there may be any number of them."""

    def __init__(self) -> None:
        self._of: dict[str, FolderListing] = {}

    def look(self, folder: "Directory", prefix: str, changed: Changed) -> Manifests:
        """List a folder as `FolderListing.look` does; the folders are told apart by their prefixes."""
        if prefix not in self._of and len(self._of) >= LISTINGS_MAX:
            self._of.clear()
        return self._of.setdefault(prefix, FolderListing()).look(cast("FolderDirectory", folder), prefix, changed)


def _are_same(before: Mapping[str, _Listed], now: Mapping[str, _Listed]) -> bool:
    return before.keys() == now.keys() and all(
        one is before[path] or one.manifests == before[path].manifests for path, one in now.items()
    )


def _manifests(directories: Mapping[str, _Listed]) -> Manifests:
    found = {
        prefix + name: identity
        for prefix, listed in directories.items()
        for name, (_, identity) in listed.manifests.items()
    }
    return dict(sorted(found.items()))


def _by_directory(changed: frozenset[str]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for path in changed:
        above, slash, name = path.rpartition("/")
        names.setdefault(above + slash, set()).add(name)
    return names


def _below(
    directory: "FolderDirectory",
    prefix: str,
    before: Mapping[str, _Listed],
    changed: Mapping[str, set[str]] | None,
    depth: int,
) -> Iterator[tuple[str, _Listed]]:
    """Yield each directory from here on down as it is now."""
    if depth > gather.MAX_DEPTH:
        raise TooMuch(f"directories nested more than {gather.MAX_DEPTH} deep")
    known = None if changed is None else before.get(prefix)
    listed = _now(directory, known, changed.get(prefix, ()) if changed else ())
    yield prefix, listed
    for name in listed.folders:
        with closing(directory.enter(name)) as inner:
            yield from _below(inner, f"{prefix}{name}/", before, changed, depth + 1)


def _now(directory: "FolderDirectory", known: _Listed | None, changed: Collection[str]) -> _Listed:
    identity = directory.identity  # first: a name that comes while it is listed is found the next time
    if known is None or identity is None or known.identity != identity:
        return _listed(directory, identity, known.manifests if known else {}, changed)
    touched = {name: directory.about(name) for name in changed if name in known.manifests}
    if all(known.manifests[name] == about for name, about in touched.items()):
        return known
    kept = known.manifests | touched
    return known._replace(manifests={name: about for name, about in kept.items() if about is not None})


def _listed(
    directory: "FolderDirectory",
    identity: Hashable | None,
    known: Mapping[str, About],
    changed: Collection[str],
) -> _Listed:
    """List a directory; a file of the same inode that is not `changed` has the identity that is `known` of it."""
    manifests: dict[str, About] = {}
    folders: list[str] = []
    names = 0
    with directory.entries() as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name == "lost+found":
                continue
            names += 1
            if entry.is_dir(follow_symlinks=False):
                folders.append(name)
            elif name.lower().endswith(SUFFIXES):
                about = known.get(name)
                if about is None or name in changed or about[0] != _inode(entry):
                    about = _about(directory, entry)
                if about is not None:
                    manifests[name] = about
    return _Listed(identity, manifests, tuple(sorted(folders)), names)


def _inode(entry: "os.DirEntry[str]") -> int:
    return entry.inode() if entry.is_file(follow_symlinks=False) else 0


def _about(directory: "FolderDirectory", entry: "os.DirEntry[str]") -> "About | None":
    is_read = entry.name.endswith(SUFFIXES) and entry.is_file(follow_symlinks=False)
    return directory.about(entry.name) if is_read else (_inode(entry), None)
