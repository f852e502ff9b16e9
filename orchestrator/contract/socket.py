"""The path of the socket of a state directory's agent: agent and client get the same answer."""

import os
from pathlib import Path
from typing import NamedTuple

SOCKET_PATH_MAX_BYTES = 100  # sun_path has 108 on Linux, 104 elsewhere


class Socket(NamedTuple):
    """A socket's path. `folder` is the one it lies in where that is not the state directory: it must be private."""

    path: Path
    folder: Path | None


def socket_of(state_dir: Path, runtime_dir: Path | None) -> Socket:
    """Say where the agent of `state_dir` listens.

    A path that is too long for a socket is replaced by one in `runtime_dir`, or in a folder of the user's under /tmp.
    """
    real = Path(os.path.realpath(state_dir))
    if _fits(real / "agent.sock"):
        return Socket(real / "agent.sock", None)
    name = _short(real)
    if runtime_dir is not None and runtime_dir.is_dir() and _fits(runtime_dir / "airs" / name):
        return _in(runtime_dir / "airs", name)
    return _in(Path(f"/tmp/airs-{os.geteuid()}"), name)  # noqa: S108 — its users check whose it is


def _short(real: Path) -> str:
    from hashlib import sha256  # takes every command a while to import, and few need it

    return sha256(os.fsencode(real)).hexdigest()[:16] + ".sock"


def _in(folder: Path, name: str) -> Socket:
    return Socket(folder / name, folder)


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_MAX_BYTES
