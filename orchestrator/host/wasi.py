"""A revision and the grants in force → the WASI of its instances. The rest of `host` guards airs's own imports.

A directory is found under its own path, or where a mount says; a mount gives nothing that no grant gives.
A directory or the network is given when both the revision and the source's present wish grant it, as with every other
capability. Both lie in the instance's store, so a change acts by starting the instance anew (`supervise`).
"""

import pwd
from collections.abc import Iterator, Sequence
from os import geteuid
from os.path import join, realpath
from typing import NamedTuple

from orchestrator.model.policy import RuledFolder
from orchestrator.model.secret import Secret
from orchestrator.model.spec import Grant, Job, Mount, Revision
from orchestrator.patterns.folders import FORBIDDEN, SECRETS_OF_A_HOME, folder_of, is_within
from orchestrator.runtime import Folder, Output, Wasi, environment
from orchestrator.security.grants import GivenAtStart, given_at_start


class Never(NamedTuple):
    """The directories that no guest gets, and those that policies have a rule on, where no link leads."""

    forbidden: tuple[str, ...]
    ruled: tuple[RuledFolder, ...] = ()


def forbidden_folders(own: Sequence[str]) -> tuple[str, ...]:
    """Return the real paths that no guest gets: the system's, the secrets of our user, and airs's `own`."""
    try:
        home = [pwd.getpwuid(geteuid()).pw_dir]
    except KeyError:  # a user without an entry has no home
        home = []
    secrets = [join(folder, name) for folder in home for name in SECRETS_OF_A_HOME]
    return tuple(sorted({realpath(path) for path in (*FORBIDDEN, *secrets, *own)} | set(FORBIDDEN)))


def wasi_for(
    revision: Revision,
    grant_sets: Sequence[tuple[Grant, ...]],
    never: Never,
    output: Output,
    args: tuple[str, ...] | None = None,
    secrets: tuple[tuple[str, Secret], ...] = (),
) -> Wasi:
    """Return the WASI of an instance; every one of `grant_sets` must allow it. `args` replace those of a job."""
    job = revision.job or Job()
    given = given_at_start(grant_sets)
    return Wasi(
        args=(revision.component, *(job.args if args is None else args)),
        env=tuple((dict(environment(revision.config)) | dict(job.env)).items()),
        secrets=secrets,
        folders=(*_mounted(given, revision.mounts), *_unmoved(given, revision.mounts)),
        network=given.network,
        forbidden=never.forbidden,
        ruled=never.ruled,
        output=output,
    )


def _mounted(given: GivenAtStart, mounts: Sequence[Mount]) -> Iterator[Folder]:
    """Yield what a guest finds elsewhere than under its own path, in the order of the manifest."""
    for mount in mounts:
        writable = any(is_within(mount.path, folder) for folder in given.writable)
        if writable or any(is_within(mount.path, folder) for folder in given.readable):
            yield Folder(mount.path, writable, mount.guest_path)


def _unmoved(given: GivenAtStart, mounts: Sequence[Mount]) -> Iterator[Folder]:
    moved = {mount.path for mount in mounts}
    for folders, writable in ((given.writable, True), (given.readable, False)):
        yield from (Folder(folder, writable, folder) for folder in folders if folder not in moved)


def withheld(asks: Sequence[Grant], wasi: Wasi) -> Iterator[tuple[str, str]]:
    """Yield each directory, and the network, that a component asks for and its instance gets nothing of.

    The attempts of a guest are refused within wasmtime, which tells nobody: this is as much as the host can see.
    """
    for grant in asks:
        for pattern in grant.patterns:
            if grant.capability == "network.connect" and not wasi.network:
                yield grant.capability, pattern
            elif grant.capability in ("filesystem.read", "filesystem.write"):
                is_write = grant.capability == "filesystem.write"
                if not _has_some_of(folder_of(pattern), wasi, is_write=is_write):
                    yield grant.capability, pattern


def _has_some_of(asked: str, wasi: Wasi, *, is_write: bool) -> bool:
    return any(
        is_within(given.path, asked) or is_within(asked, given.path)
        for given in wasi.folders
        if given.writable or not is_write
    )
