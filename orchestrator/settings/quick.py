"""Reads nothing but the state directory out of an `airs.toml`, as every command needs it, and most need no more.

Where the file could mean anything else by it, this says nothing, and the whole file is read and checked. The commands
that use the rest of the file check it.
"""

import os
import stat
import tomllib
from pathlib import Path

FILE_MAX_BYTES = 64 << 10
NOT_NAMED = ""
KEY = "state-dir"


def state_dir_of(path: Path) -> str | None:
    """Return the state directory as the file writes it, `NOT_NAMED`, or None where the file has to be read whole.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=opened) as file:
        if distrusted(os.fstat(file.fileno())):
            return None
        data = file.read(FILE_MAX_BYTES + 1)
    try:
        tree = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    named = tree.get(KEY, NOT_NAMED)
    could_mean_it = any(not isinstance(value, dict) for key, value in tree.items() if key != KEY)
    if len(data) > FILE_MAX_BYTES or not isinstance(named, str) or (not named and (KEY in tree or could_mean_it)):
        return None
    return named if named.isprintable() else None


def opened(path: str, flags: int) -> int:
    """Open a file that may be a pipe, which is no reason to wait."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def distrusted(about: os.stat_result) -> str:
    """Say why the operator alone could not have written a file, empty where nothing speaks against it."""
    if not stat.S_ISREG(about.st_mode):
        return "is not an ordinary file"
    if about.st_uid not in (0, os.geteuid()):
        return f"belongs to user {about.st_uid}, who could name other secrets and policies in it"
    if about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and about.st_gid != os.getegid()):
        return "can be written by others, who could name other secrets and policies in it"
    return ""
