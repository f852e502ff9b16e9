"""A revision and the grants in force → what WASI gives an instance of it. The rest of `host` guards airs's own imports.

A directory or the network is given when both the revision and the source's present wish grant it, as with every other
capability. What is given lies in the instance's store, so a change acts by starting the instance anew (`supervise`).
"""

import pwd
from collections.abc import Sequence
from os import geteuid
from os.path import join, realpath

from orchestrator.model.folders import FORBIDDEN, SECRETS_OF_A_HOME
from orchestrator.model.spec import Grant, Job, Revision
from orchestrator.runtime import Folder, Output, Wasi, environment
from orchestrator.security.grants import given_at_start


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
    forbidden: tuple[str, ...],
    output: Output,
    args: tuple[str, ...] | None = None,
) -> Wasi:
    """Return what an instance gets; every one of `grant_sets` must allow it. `args` replace those of a job."""
    job = revision.job or Job()
    given = given_at_start(grant_sets)
    folders = [(folder, True) for folder in given.writable] + [(folder, False) for folder in given.readable]
    return Wasi(
        args=(revision.component, *(job.args if args is None else args)),
        env=tuple((dict(environment(revision.config)) | dict(job.env)).items()),
        folders=tuple(Folder(path, writable) for path, writable in folders),
        network=given.network,
        forbidden=forbidden,
        output=output,
    )
