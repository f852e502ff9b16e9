"""Reads a secret's file: an ordinary file of ours that nobody else may read, in a folder that nobody else may change.

Links are followed as long as they stay in the folder, as mounted volumes need them. Nothing here raises: a secret that
cannot be read is a refusal that says why.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from orchestrator.model.ids import DEFAULT_NAMESPACE, NAME_MAX_LENGTH, NAME_PATTERN
from orchestrator.model.secret import SECRET_MAX_BYTES, Secret, SecretName

ENTRIES_MAX = 10_000  # of the folder that are looked at for changes
_NAME = re.compile(NAME_PATTERN, re.ASCII)


class RefusedSecret(NamedTuple):
    """The reason why a value that is there cannot be used, and what to do."""

    why: str
    hint: str = ""


def file_of(folder: Path, name: SecretName) -> Path:
    """Return where the file of a secret is."""
    return folder / name.name if name.namespace == DEFAULT_NAMESPACE else folder / name.namespace / name.name


def read_secret_file(folder: Path, name: SecretName) -> Secret | RefusedSecret | None:
    """Read a secret's file; None where there is none."""
    path = file_of(folder, name)
    try:
        real, inside = os.path.realpath(path, strict=True), os.path.realpath(folder, strict=True)
        if not os.path.isfile(real) and os.path.isdir(real):
            return None  # a namespace of that name
        if os.path.commonpath((real, inside)) != inside:
            return RefusedSecret(f"is a link out of {folder}", "replace the link by a file")
        problem = _folder_problem(Path(inside), Path(real).parent)
        return RefusedSecret(*problem) if problem else _read(real, path)
    except (FileNotFoundError, NotADirectoryError):
        return RefusedSecret(f"is a link to nothing: {path}", "replace the link") if os.path.islink(path) else None
    except OSError as error:
        return RefusedSecret(f"cannot be read from {path}: {error.strerror}", "check its permissions")


def _folder_problem(folder: Path, inner: Path) -> tuple[str, str] | None:
    """Say whose folder somebody else may change, so that the value need not be the operator's."""
    for each in (inner, *(parent for parent in inner.parents if parent.is_relative_to(folder))):
        if problem := folder_problem(each.stat(), each):
            return problem
    return None


def folder_problem(about: os.stat_result, folder: Path) -> tuple[str, str] | None:
    """Say who else may change what lies in a folder, and what to do; None for nobody."""
    if about.st_uid not in (0, os.geteuid()):
        return f"lies in {folder}, which belongs to user {about.st_uid}", "make the folder yours"
    if about.st_mode & 0o022:
        return f"lies in {folder}, which others may write to", f"run `chmod go-w {folder}`"
    return None


def file_problem(about: os.stat_result, shown: Path) -> tuple[str, str] | None:
    """Say why a file is none of a secret: no ordinary one, another user's, or one that others may read."""
    if not stat.S_ISREG(about.st_mode):
        return f"is no ordinary file: {shown}", "write the value into a file"
    if about.st_uid not in (0, os.geteuid()):
        return f"is in {shown}, which belongs to user {about.st_uid}", "make the file yours"
    if about.st_mode & 0o077:
        return f"is in {shown}, which others may read", f"run `chmod 600 {shown}`"
    return None


def _read(real: str, shown: Path) -> Secret | RefusedSecret:
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        problem = file_problem(os.fstat(descriptor), shown)
        return RefusedSecret(*problem) if problem else as_secret(file.read(SECRET_MAX_BYTES + 2))


def as_secret(data: bytes) -> Secret | RefusedSecret:
    """Make a secret of bytes; one line break at the end, as editors and `echo` write it, is no part of the value."""
    value = data[:-1] if data.endswith(b"\n") else data
    if not value:
        return RefusedSecret("is empty", "write the value")
    if len(value) > SECRET_MAX_BYTES:
        return RefusedSecret(f"has more than {SECRET_MAX_BYTES} bytes", "a variable holds no more")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return RefusedSecret("is not UTF-8 text, as a variable has to be", "encode it, as base64 for example")
    if "\0" in text:
        return RefusedSecret("holds a NUL, which no variable can", "encode it, as base64 for example")
    return Secret(text)


def names_in(folder: Path) -> list[SecretName]:
    """Return the secrets that the folder has files for, of all namespaces; files of other names are none."""
    found = {name for path, name in _files(folder) if not path.is_dir()}
    return sorted(name for name in found if _is_name(name.namespace) and _is_name(name.name))


def _is_name(text: str) -> bool:
    return len(text) <= NAME_MAX_LENGTH and _NAME.fullmatch(text) is not None


def _files(folder: Path) -> Iterator[tuple[Path, SecretName]]:
    for entry in _listed(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            for inner in _listed(Path(entry.path)):
                if not inner.name.startswith("."):
                    yield Path(inner.path), SecretName(namespace=entry.name, name=inner.name)
        else:
            yield Path(entry.path), SecretName(namespace=DEFAULT_NAMESPACE, name=entry.name)


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)[:ENTRIES_MAX]
    except OSError:
        return []


def signature(folder: Path) -> tuple[object, ...]:
    """Return something that differs once a file of the folder was changed, links and permissions among it."""
    return (standing(folder), *((str(path), standing(path)) for path, _ in _files(folder)))


def standing(path: Path) -> tuple[int, ...]:
    """Return something that differs once a file was changed; nothing where there is none."""
    try:
        about = path.stat()
    except OSError:
        return ()
    return (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_mode, about.st_uid)
