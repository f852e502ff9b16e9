"""Files that are there whole or not at all, and private folders."""

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

PRIVATE_MAX_BYTES = 64 << 10  # of a key or a name
WRITERS = 8  # that wait for the disk at the same time, which then writes its journal once for them


class NotPrivate(Exception):
    """A folder or file that others could read or change: the machine's fault, and the user's to settle."""


def write_whole(path: Path, data: bytes) -> None:
    """Write `path`, over what was there, so that a crash leaves the old file or the new one, on the disk."""
    draft = _draft(path, data)
    os.replace(draft, path)
    _sync_folder(path.parent)


def write_each_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files of one folder as `write_whole` would; once it returns, all of them are on the disk.

    A crash before leaves some of them, each of them whole.
    """
    if len(files) < 2:
        for name, data in files.items():
            write_whole(folder / name, data)
        return
    from concurrent.futures import ThreadPoolExecutor  # which one file has no use for

    def write(name: str) -> None:
        path = folder / name
        os.replace(_draft(path, files[name]), path)

    with ThreadPoolExecutor(WRITERS) as writers:
        for _written in writers.map(write, files):  # which raises the first problem, and begins no more
            pass
    _sync_folder(folder)


def write_once(path: Path, data: bytes) -> None:
    """Write `path` unless it exists; where two processes try at once, the first one's bytes stay."""
    if path.exists():
        return
    draft = _draft(path, data)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """Read a file that only its user may read.

    Raises:
        NotPrivate: somebody else owns it, may read it, or it is a link.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotPrivate(f"{path} cannot be read as an ordinary file: {error.strerror}") from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise NotPrivate(f"{path} is not an ordinary file")
        if about.st_uid != os.geteuid() or about.st_mode & 0o077:
            raise NotPrivate(
                f"{path} must be yours and have mode 0600; a user who could read it can forge what it protects"
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(PRIVATE_MAX_BYTES)
    finally:
        os.close(descriptor)


def have_private_folder(path: Path) -> None:
    """Make sure of a folder with mode 0700 that is the user's own; make it, and its parents, as needed.

    Raises:
        NotPrivate: it is somebody else's, others may write to it, or it is no folder.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise NotPrivate(f"{path} is not a folder") from None
    check_own_folder(path)
    if stat.S_IMODE(path.stat().st_mode) != 0o700:
        path.chmod(0o700)


def check_own_folder(path: Path) -> None:
    """Check that a folder is the user's own and nobody else may write to it.

    Raises:
        NotPrivate: it is not.
    """
    about = path.stat()
    if about.st_uid != os.geteuid():
        raise NotPrivate(
            f"{path} belongs to user {about.st_uid}, not to you (user {os.geteuid()}); name another folder"
        )
    if about.st_mode & 0o022:
        raise NotPrivate(f"others may write to {path} (mode {stat.S_IMODE(about.st_mode):04o}); run `chmod 700 {path}`")


def _draft(path: Path, data: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        draft.unlink(missing_ok=True)  # half of it would only fill a full disk further
        error.filename = error.filename or str(path)
        raise
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
