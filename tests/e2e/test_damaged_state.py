"""A state whose database is damaged is not taken for an empty one: it is refused, told, and saved as far as it goes."""

import hashlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Airs, wait_until
from .test_doctor import looked_at

COUNT = 20


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 0x01
    path.write_bytes(data)


def log_of(state: Path) -> Path:
    return max((state / "db").glob("*.log"), key=lambda path: path.stat().st_size)


HARM: dict[str, Callable[[Path], object]] = {
    "no CURRENT": lambda state: (state / "db" / "CURRENT").unlink(),
    "a byte of the log": lambda state: flip(log_of(state)),
    "an empty log": lambda state: os.truncate(log_of(state), 0),
    "no log": lambda state: log_of(state).unlink(),
    "a shorter MANIFEST": lambda state: os.truncate(next((state / "db").glob("MANIFEST-*")), 100),
    "no database": lambda state: shutil.rmtree(state / "db"),
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a user whose agent counted, was started once more, counted on, and was killed."""
    user = Airs(tmp_path_factory.mktemp("killed"))
    try:
        user.run("apply", user.copy_example("02-counter") / "manifests")
        user.run("agent", "stop")
        user.run("agent", "start")
        wait_until(lambda: user.phase("counter") == "running")
        for _ in range(COUNT):
            user.quick("request", "counter", "increment")
        log, synced = log_of(user.state_dir), user.state_dir / "synced"
        wait_until(lambda: f'"{log.name}":{log.stat().st_size}' in synced.read_text())
        os.kill(user.client().about().pid, signal.SIGKILL)
    finally:
        user.close()
    return user.state_dir.parent


@pytest.fixture
def left(airs: Airs, killed: Path) -> Airs:
    """A user with a copy of that state, and of the manifests."""
    shutil.copytree(killed / "state", airs.state_dir, ignore=shutil.ignore_patterns("agent.sock"))
    airs.copy_example("02-counter")
    return airs


def digest(folder: Path) -> str:
    """Return a digest of every file's place, inode and bytes."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(f"{path} {path.stat().st_ino} {path.stat().st_mtime_ns}\n".encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def test_a_whole_state_of_an_agent_that_was_killed_goes_on(left: Airs):
    assert looked_at(left)[0] == 0
    left.run("agent", "start")
    wait_until(lambda: left.phase("counter") == "running")
    assert left.run("request", "counter", "get").stdout == f"{COUNT}\n"


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_database_is_refused_told_and_left_as_it_is(left: Airs, harm: str):
    HARM[harm](left.state_dir)
    before = digest(left.state_dir / "db")
    for _ in range(2):
        refused = left.run("agent", "run", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Traceback" not in refused.stderr
        assert "airs doctor --repair" in refused.stderr
    planned = left.run("plan", left.folder / "02-counter" / "manifests", check=False)
    assert (planned.returncode, planned.stdout) == (1, "")
    for command in (("status",), ("get", "deployments"), ("history", "counter")):
        asked = left.quick(*command, check=False)
        assert asked.returncode != 0
        assert "the state directory cannot be used" in asked.stderr or command[0] == "history"
        assert "Nothing is deployed" not in asked.stdout + asked.stderr
    code, found = looked_at(left)
    assert (code, found["store"]["verdict"]) == (1, "problem")
    assert digest(left.state_dir / "db") == before


@pytest.mark.parametrize("harm", ["no CURRENT", "a byte of the log", "a shorter MANIFEST"])
def test_what_can_be_read_of_a_damaged_database_is_saved(left: Airs, harm: str):
    HARM[harm](left.state_dir)
    repaired = left.run("doctor", "--repair")
    assert "db.damaged-1" in repaired.stdout
    assert "1 deployments" in repaired.stdout
    assert (left.state_dir / "db.damaged-1").is_dir()
    left.run("agent", "start")
    wait_until(lambda: left.phase("counter") == "running")
    count = int(left.run("request", "counter", "get").stdout)
    assert count <= COUNT if harm == "a byte of the log" else count == COUNT
    assert left.run("doctor", "--repair", check=False).returncode == 1, "an agent runs"


def test_a_whole_database_is_not_repaired(left: Airs):
    before = digest(left.state_dir / "db")
    assert "left as it is" in left.run("doctor", "--repair").stdout
    assert digest(left.state_dir / "db") == before
