"""Every file of a database is damaged in every way: what was acknowledged is there, or its loss is said. Never neither.

The state is made by a process of its own, which closes it or is killed; each case works on a copy.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.store.data import DataError
from orchestrator.store.database import DatabaseDamaged, DatabaseFault
from orchestrator.store.state_dir import StateDir, read_recorded
from orchestrator.store.store import Store
from orchestrator.store.synced import note_anew, read_synced
from tests.store.filler import LIVES, ROWS, value_of
from tests.store.values import COUNTER

ROOT = Path(__file__).parents[2]
KINDS = ("CURRENT", "MANIFEST", "log", "sst", "OPTIONS", "IDENTITY", "LOG", "LOCK", "rocksdict-config.json", "synced")
VITAL = ("CURRENT", "MANIFEST", "log")  # no way of damaging these can leave everything there


def made(path: Path, *, killed: bool) -> Path:
    command = [sys.executable, "-m", "tests.store.filler", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "filled\n"
        if killed:
            child.kill()
        else:
            child.communicate("\n")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return {
        name: made(tmp_path_factory.mktemp(name) / "state", killed=name == "killed") for name in ("stopped", "killed")
    }


def flip(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    data[int((len(data) - 1) * share)] ^= 0x10
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the first byte": lambda path: flip(path, 0),
    "a byte in the middle": lambda path: flip(path, 0.5),
    "a byte near the end": lambda path: flip(path, 0.95),
    "its end is missing": lambda path: path.write_bytes(path.read_bytes()[: -max(1, path.stat().st_size // 3)]),
    "its last byte is missing": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


def files_of(state: Path, kind: str) -> list[Path]:
    if kind == "synced":
        return [state / "synced"]
    pattern = f"*.{kind}" if kind in ("log", "sst") else f"{kind}*"
    return sorted(path for path in (state / "db").glob(pattern) if path.stat().st_size)


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(p.relative_to(folder)): (p.stat().st_ino, p.stat().st_mtime_ns, p.read_bytes()) for p in paths}


def told(store: Store, read: Callable[[], object], wanted: object) -> bool:
    """Whether what is read is as it was, or its loss is said: by an error, and by what is wrong for good."""
    try:
        return read() == wanted
    except (DatabaseFault, DataError) as said:
        return "cannot be read" in str(said) and bool(store.condition)


def lost(store: Store) -> list[str]:
    """Return what is not there and whose loss is not said either."""
    names = [(f"k{life}-{n}", value_of(life, n)) for life in range(LIVES) for n in range(ROWS)]
    records = sorted(f"d-{life}-{n}" for life in range(LIVES) for n in range(10))
    missing = [name for name, value in names if not told(store, lambda name=name: store.data.get(COUNTER, name), value)]
    whole = {
        "records": (lambda: sorted(record.key.name for record in store.records()), records),
        "history": (lambda: len(store.history(COUNTER)), LIVES * 10),
        "keys": (lambda: len(store.data.list_keys(COUNTER)), LIVES * ROWS),
    }
    return missing + [name for name, (read, wanted) in whole.items() if not told(store, read, wanted)]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_what_was_acknowledged_is_there_or_its_loss_is_said(whole, tmp_path, end, kind, damage):
    for number, file in enumerate(files_of(whole[end], kind)):
        state = tmp_path / str(number)
        shutil.copytree(whole[end], state)
        DAMAGES[damage](state / file.relative_to(whole[end]))
        before = tree(state)
        try:
            recorded = read_recorded(state)
        except DatabaseFault:
            assert is_refused(state)
            assert is_refused(state), "and again"
            assert tree(state / "db") == tree_of(before, "db/"), "a start that fails changes nothing"
        else:
            assert kind not in VITAL, file
            assert len(recorded.deployments) == LIVES * 10
            store = Store.open(StateDir(state))
            assert lost(store) == []
            store.close()


def tree_of(files: dict[str, tuple[int, int, bytes]], begin: str) -> dict[str, tuple[int, int, bytes]]:
    return {name.removeprefix(begin): about for name, about in files.items() if name.startswith(begin)}


def is_refused(state: Path) -> bool:
    try:
        Store.open(StateDir(state)).close()
    except DatabaseDamaged:
        return True
    return False


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_database_that_is_missing_is_not_taken_for_one_that_never_was(whole, tmp_path, end):
    state = tmp_path / "state"
    shutil.copytree(whole[end], state)
    shutil.rmtree(state / "db")
    for _ in range(2):
        for use in (read_recorded, lambda path: Store.open(StateDir(path))):
            with pytest.raises(DatabaseDamaged, match="missing"):
                use(state)
            assert not (state / "db").exists()
        (state / "synced").unlink(missing_ok=True)  # the lock says that an agent ran here, still


def test_a_whole_database_is_opened_as_often_as_one_likes(whole, tmp_path):
    for end, origin in whole.items():
        state = tmp_path / end
        shutil.copytree(origin, state)
        for _ in range(3):
            store = Store.open(StateDir(state))
            assert (lost(store), store.doubts, store.condition) == ([], (), "")
            store.close()


def test_a_log_that_was_noted_and_is_gone_is_missed_though_later_ones_are_there(whole, tmp_path):
    state = StateDir(shutil.copytree(whole["killed"], tmp_path / "state"))
    known = read_synced(state.path / "synced")
    note_anew(state.path / "synced", replace(known, logs={**known.logs, "000099.log": 10}))
    with pytest.raises(DatabaseDamaged, match=r"000099\.log is missing; 10 bytes"):
        Store.open(state)
