"""Special files in a directory that is about to be handed to a guest: they would hold it up, or reach more than files.

Opening a FIFO waits for somebody at its other end, and a device is whatever its driver makes of it; wasmtime opens
either, and cannot be told not to. A guest can make neither. So `wasi` looks before it hands a directory over: at its
first entries, as a directory may be of any size. Entries made later, or beyond those, are not seen.
"""

import os
import stat
from collections import deque
from collections.abc import Iterator

LOOKED_AT_MAX = 10_000  # entries of one directory and of those in it: about ten milliseconds
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def find_special(descriptor: int) -> tuple[str, str] | None:
    """Return an entry that is no file, as `a FIFO` and its path in the directory; None if none was found."""
    for number, entry in enumerate(_entries(f"/proc/self/fd/{descriptor}")):
        if number >= LOOKED_AT_MAX:
            return None
        kind = _kind(entry)
        if kind is not None:
            return kind, entry.path.removeprefix(f"/proc/self/fd/{descriptor}/")
    return None


def _entries(top: str) -> Iterator["os.DirEntry[str]"]:
    """Yield the entries of a directory, nearest first, without following links; unreadable ones are left out."""
    left = deque([top])
    while left:
        try:
            listing = os.scandir(left.popleft())
        except OSError:  # it is gone, or closed to us and so to a guest
            continue
        with listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                yield entry


def _kind(entry: "os.DirEntry[str]") -> str | None:
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False) or entry.is_symlink():
        return None
    try:
        return _KINDS.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode))
    except OSError:  # it is gone
        return None
