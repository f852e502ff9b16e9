import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.model.base import canonical_json
from orchestrator.store.files import NotPrivate, have_private_folder
from orchestrator.store.lock import Owner, StateLocked, is_held
from orchestrator.store.state_dir import StateDamaged, StateDir, StateTooNew, holder, read_recorded
from tests.store.values import OWNER

HOLD = """
import sys
from pathlib import Path
from orchestrator.decoding import from_json
from orchestrator.store.lock import Owner
from orchestrator.store.state_dir import StateDir
held = StateDir(Path(sys.argv[1])).lock(from_json(sys.argv[2], Owner))
print("held", flush=True)
sys.stdin.read()
held.release()
print("released", flush=True)
sys.stdin.read()
"""

KEEP = """
import sys
from pathlib import Path
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
state = StateDir(Path(sys.argv[1]))
state.artifacts.put(b"x")
assert state.cache.is_dir()
Store.open(state).close()
"""


def hold(path: Path, owner: Owner) -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), canonical_json(owner)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen) -> None:
    child.kill()
    child.communicate()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_state_is_private_and_keeps_its_identity(tmp_path):
    first, second = StateDir(tmp_path / "a" / "state"), StateDir(tmp_path / "a" / "state")
    assert (first.lineage, first.key) == (second.lineage, second.key)
    assert (len(first.lineage), len(first.key)) == (32, 32)
    assert [mode(first.path / name) for name in (".", "key", "lineage")] == [0o700, 0o600, 0o600]
    assert sorted(os.listdir(first.path)) == ["VERSION", "key", "lineage", "synced"]
    assert StateDir(tmp_path / "b").lineage != first.lineage


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_nobody_else_may_look_into_what_is_kept_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        subprocess.run([sys.executable, "-c", KEEP, str(tmp_path / "a" / "state")], check=True)
    finally:
        os.umask(before)
    folders = ["", "db", "artifacts", "artifacts/sha256", "cache"]
    assert {name: mode(tmp_path / "a" / "state" / name) for name in folders} == dict.fromkeys(folders, 0o700)


def test_an_existing_folder_of_ours_becomes_private(tmp_path):
    (tmp_path / "state").mkdir(mode=0o755)
    assert mode(StateDir(tmp_path / "state").path) == 0o700


@pytest.mark.parametrize("bits", [0o770, 0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path, bits):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(bits)
    with pytest.raises(NotPrivate, match="chmod 700"):
        StateDir(tmp_path / "state")
    assert not (tmp_path / "state" / "key").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 12345, -1)
    with pytest.raises(NotPrivate, match="belongs to user 12345"):
        StateDir(tmp_path / "state")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(NotPrivate, match="not a folder"):
        StateDir(tmp_path / "state")


def test_the_state_of_a_newer_version_is_refused_and_left_alone(state):
    (state.path / "VERSION").write_text("2\n")
    for use in (StateDir, read_recorded):
        with pytest.raises(StateTooNew, match="state format 2, this airs knows up to 1"):
            use(state.path)
    assert (state.path / "VERSION").read_text() == "2\n"


@pytest.mark.parametrize(("name", "content"), [("VERSION", b"one"), ("lineage", b""), ("key", b"short")])
def test_a_damaged_identity_is_named(state, name, content):
    (state.path / name).write_bytes(content)
    with pytest.raises(StateDamaged, match=name):
        StateDir(state.path)


def test_a_key_that_others_could_read_is_refused(state):
    (state.path / "key").chmod(0o644)
    with pytest.raises(NotPrivate, match="mode 0600"):
        StateDir(state.path)


def test_a_key_that_is_a_link_is_refused(state, tmp_path):
    (state.path / "key").rename(tmp_path / "elsewhere")
    (state.path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotPrivate, match="ordinary file"):
        StateDir(state.path)


# -- the lock


def test_a_second_process_is_told_who_holds_the_state(state):
    child = hold(state.path, OWNER)
    try:
        with pytest.raises(StateLocked, match=r"process 4711 \(`airs up \.`, since 2025") as caught:
            state.lock(OWNER)
        assert caught.value.owner == OWNER
        assert holder(state.path) == OWNER
    finally:
        end(child)


def test_a_killed_holder_holds_nothing(state):
    end(hold(state.path, OWNER))
    assert holder(state.path) is None
    with state.lock(OWNER):
        assert holder(state.path) == OWNER
    assert holder(state.path) is None


def test_a_released_lock_is_free_while_its_process_lives(state):
    child = hold(state.path, OWNER)
    child.stdin.close()
    assert child.stdout.readline() == "released\n"
    state.lock(OWNER).release()
    child.wait()
    child.stdout.close()


def test_a_lock_that_is_a_link_is_neither_followed_nor_believed(state, tmp_path):
    (tmp_path / "elsewhere").write_text("precious")
    (state.path / "lock").symlink_to(tmp_path / "elsewhere")
    for use in (lambda: state.lock(OWNER), lambda: holder(state.path), lambda: is_held(state.path / "lock")):
        with pytest.raises(OSError, match="symbolic links"):
            use()
    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_a_lock_is_in_place_until_its_file_is_removed_or_replaced(state):
    lock = state.lock(OWNER)
    assert lock.is_in_place
    (state.path / "lock").rename(state.path / "moved")
    assert not lock.is_in_place
    (state.path / "lock").write_text("")
    assert not lock.is_in_place
    (state.path / "moved").rename(state.path / "lock")
    assert lock.is_in_place
    lock.release()


def test_nobody_holds_a_state_that_does_not_exist(tmp_path):
    assert holder(tmp_path / "absent") is None
    assert not (tmp_path / "absent").exists()


def test_a_child_process_does_not_inherit_the_lock(state):
    lock = state.lock(OWNER)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        lock.release()
        state.lock(OWNER).release()
    finally:
        end(child)


def test_a_private_folder_is_made_with_its_parents(tmp_path):
    have_private_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700
