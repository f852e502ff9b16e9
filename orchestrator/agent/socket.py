"""The agent's socket, in a folder where nobody else can listen instead."""

from pathlib import Path

from orchestrator.contract.socket import socket_of
from orchestrator.store.files import NotPrivate, have_private_folder


def socket_path(state_dir: Path, runtime_dir: Path | None) -> Path:
    """Say where the agent of a state directory listens, and make the folder of that socket.

    Raises:
        NotPrivate: that folder is not the user's own.
    """
    path, folder = socket_of(state_dir, runtime_dir)
    return path if folder is None else _private(folder) / path.name


def _private(folder: Path) -> Path:
    if folder.is_symlink():
        raise NotPrivate(f"{folder} is a link; remove it, the agent's socket goes there")
    have_private_folder(folder)
    return folder
