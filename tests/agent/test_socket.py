"""Where an agent listens: real folders, no agent."""

import os
import stat
from pathlib import Path

import pytest

from orchestrator.agent.socket import socket_path
from orchestrator.store.files import NotPrivate


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_socket_lies_in_the_state_directory_by_its_real_path(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    assert socket_path(tmp_path / "link", None) == tmp_path.resolve() / "state" / "agent.sock"


def test_a_socket_path_that_is_too_long_is_replaced_by_a_short_private_one(tmp_path):
    deep = tmp_path / ("x" * 100)
    runtime_dir = Path("/tmp") / f"run-{os.getpid()}"
    runtime_dir.mkdir(mode=0o700)
    try:
        short = socket_path(deep, runtime_dir)
        assert short == socket_path(deep / ".." / deep.name, runtime_dir)
        assert short.parent == runtime_dir / "airs"
        assert mode(short.parent) == 0o700
        assert len(os.fsencode(short)) <= 100
        assert socket_path(tmp_path / ("y" * 100), runtime_dir) != short
        (runtime_dir / "airs").rmdir()
    finally:
        runtime_dir.rmdir()


@pytest.mark.parametrize("runtime_dir", [None, Path("/nonexistent")])
def test_without_a_runtime_folder_the_short_socket_lies_in_ours_under_tmp(tmp_path, runtime_dir):
    short = socket_path(tmp_path / ("x" * 100), runtime_dir)
    assert short.parent == Path(f"/tmp/airs-{os.geteuid()}")
    assert (mode(short.parent), short.parent.stat().st_uid) == (0o700, os.geteuid())


def test_a_socket_folder_that_is_a_link_or_open_to_others_is_refused(tmp_path):
    runtime_dir = Path("/tmp") / f"run-{os.getpid()}"
    runtime_dir.mkdir(mode=0o700)
    try:
        (runtime_dir / "airs").symlink_to(tmp_path)
        with pytest.raises(NotPrivate, match="link"):
            socket_path(tmp_path / ("x" * 100), runtime_dir)
        (runtime_dir / "airs").unlink()
        (runtime_dir / "airs").mkdir()
        (runtime_dir / "airs").chmod(0o777)
        with pytest.raises(NotPrivate, match="others may write"):
            socket_path(tmp_path / ("x" * 100), runtime_dir)
        (runtime_dir / "airs").rmdir()
    finally:
        runtime_dir.rmdir()
