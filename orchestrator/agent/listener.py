"""The agent's socket: mode 0600, in the place of a dead one at most, and removed only by the process that made it."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from orchestrator.agent.handover import Handed
from orchestrator.store.lock import Owner, StateLocked

BACKLOG = 128
CONNECT_S = 1.0
_PEER = struct.Struct("3i")  # pid, uid, gid


def refuse_if_served(path: Path) -> None:
    """Refuse to go on where a living process listens at `path`, as after the lock's file was removed under an agent.

    Raises:
        StateLocked: one does; the error names it.
    """
    pid = _listening_at(path)
    if pid is not None:
        raise StateLocked(path.parent, Owner(pid=pid, started_at="", command=_command_of(pid), socket=str(path)))


@contextlib.contextmanager
def listening(path: Path, handed: Handed | None = None) -> Iterator["Listening"]:
    """Listen on a Unix socket at `path`, or on the one that was handed over; a dead one found there is replaced.

    Raises:
        StateLocked: the one found there is not dead.
    """
    found = _bound(path) if handed is None else Listening(handed.listener)
    ours = os.stat(path, follow_symlinks=False) if handed is None or (handed.is_own and path.exists()) else None
    try:
        yield found
    finally:
        found.listener.close()
        if ours is not None and not found.is_handed_on:
            _remove(path, ours)


class Listening:
    """A listener; one that is handed on stays at its path when this process leaves it."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.is_handed_on = False

    def hand_on(self) -> socket.socket:
        """Return another descriptor of it, for the process that comes after this one."""
        self.is_handed_on = True
        return self.listener.dup()


def _bound(path: Path) -> Listening:
    refuse_if_served(path)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    return Listening(listener)


def _remove(path: Path, ours: os.stat_result) -> None:
    with contextlib.suppress(FileNotFoundError):
        there = os.stat(path, follow_symlinks=False)
        if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
            path.unlink()


def _listening_at(path: Path) -> int | None:
    """Return the process that listens at a path; 0 for one that cannot be known, None for nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(CONNECT_S)
        try:
            trial.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        except OSError:  # so many wait to be let in that one more may not, which is no sign of death
            return 0
        return int(_PEER.unpack(trial.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[0])


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:  # it has ended meanwhile, or there is no /proc
        return "unknown"
