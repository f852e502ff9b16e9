"""Tells git which files of the operator it may use for a host, and for no other: a login, an authority, an SSH key.

git and ssh read the files themselves; they are checked here first, as git would only say that something failed.
"""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from orchestrator.model.base import Value
from orchestrator.model.source import GitSpec
from orchestrator.source.command import SSH, GitFailed
from orchestrator.store.files import NotPrivate, read_private


class GitAccess(Value, frozen=True):
    """Paths of files for one host, empty for none.

    `credentials` are of `git credential-store` and `ca` certificates, both for https; `ssh_key` is a private key, and
    `known_hosts` holds the keys by which the host has to answer.
    """

    credentials: str = ""
    ca: str = ""
    ssh_key: str = ""
    known_hosts: str = ""


Access = Callable[[str, int], GitAccess]  # by host and port


def no_access(_host: str, _port: int) -> GitAccess:
    """Name no files."""
    return GitAccess()


def https_settings(spec: GitSpec, access: GitAccess) -> dict[str, str]:
    """Return settings of git for a host that is asked by https.

    Raises:
        GitFailed: a file cannot be used.
    """
    if spec.transport != "https":
        return {}
    site, found = site_of(spec), dict[str, str]()
    if access.ca:
        _check_readable(access.ca)
        found[f"http.{site}.sslCAInfo"] = access.ca
    if access.credentials:
        _check_private(access.credentials)
        file = shlex.quote(access.credentials)
        found[f"credential.{site}.helper"] = f'!f() {{ test "$1" = get && git credential-store --file={file} get; }}; f'
    return found


def site_of(spec: GitSpec) -> str:
    """Name a host by https as git's settings have to: with the port where that is not the usual one."""
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    return f"https://{host}" if spec.port in (0, 443) else f"https://{host}:{spec.port}"


def ssh_command(access: GitAccess) -> str:
    """Return the command by which git runs ssh: with the key and the hosts that are named, and then with no others.

    Raises:
        GitFailed: a file cannot be used.
    """
    command = [SSH]
    if access.ssh_key:
        _check_private(access.ssh_key)
        command += ["-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-i", access.ssh_key]
    if access.known_hosts:
        _check_readable(access.known_hosts)
        quoted = '"' + access.known_hosts + '"'  # for ssh itself, which takes several files parted by blanks
        command += ["-oStrictHostKeyChecking=yes", "-oGlobalKnownHostsFile=none", f"-oUserKnownHostsFile={quoted}"]
    return " ".join([command[0], *map(shlex.quote, command[1:])])


def _check_private(path: str) -> None:
    try:
        read_private(Path(path))
    except FileNotFoundError:
        raise GitFailed(f"{path}, which airs.toml names for this host, does not exist") from None
    except NotPrivate as problem:
        raise GitFailed(str(problem)) from None


def _check_readable(path: str) -> None:
    if not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise GitFailed(f"{path}, which airs.toml names for this host, is no file that can be read")
