import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.model.ids import DeploymentKey
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import COUNTER

ROUNDS = 10


def killed_after(path: Path, lines: int) -> list[list[str]]:
    """Run a writer, kill it with SIGKILL once it has said `lines` things, and return all that it said."""
    command = [sys.executable, "-m", "tests.store.writer", str(path), "promise"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    assert all(said[:lines]), "the writer ended by itself"
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.parametrize("seed", [20250101])
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path, seed):
    chance = random.Random(seed)
    path, kept, decided = tmp_path / "state", {}, 0
    for _ in range(ROUNDS):
        for said in killed_after(path, chance.randrange(1, 400)):
            match said:
                case ["decided", serial, n]:
                    assert serial == n, "one number for one decision, across every kill"
                    decided = int(n)
                case ["set", name, key, text, times]:
                    kept[name, key] = text.encode() * int(times)
                case ["deleted", name, key]:
                    kept[name, key] = None
        decided = examine(path, kept, decided)


def test_counters_agree_with_the_data_wherever_the_end_fell(tmp_path):
    chance = random.Random(7)
    for _ in range(ROUNDS):
        command = [sys.executable, "-m", "tests.store.writer", str(tmp_path / "state"), "spin", str(chance.random())]
        ended = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
        assert ended.returncode == -signal.SIGPROF
        store = Store.open(StateDir(tmp_path / "state"))
        agrees_with_its_counters(store, COUNTER)
        assert store.data.usage(COUNTER).key_count > 0
        store.close()


def examine(path: Path, kept: dict, decided: int) -> int:
    store = Store.open(StateDir(path))
    try:
        # The last decision may have been written and not yet announced; never more than one, never half of one.
        assert store.serial in (decided, decided + 1)
        assert [n.number for n in store.history(COUNTER)] == list(range(1, store.serial + 1))
        generations = {r.key.name: r.generation for r in store.records()}
        newest = range(max(1, store.serial - 9), store.serial + 1)
        assert generations == {f"d-{n % 10}": n for n in newest}
        wanted = [
            (desired.revision, {d.key.name: d.replicas for d in desired.deployments}) for desired in store.desired()
        ]
        assert wanted == ([(str(store.serial), generations)] if store.serial else [])
        for (name, key), value in kept.items():
            found = store.data.get(DeploymentKey(namespace="default", name=name), key)
            assert found == value or (value is not None and found is None and key.endswith("-0"))
        for name in generations:
            agrees_with_its_counters(store, DeploymentKey(namespace="default", name=name))
        return store.serial
    finally:
        store.close()


def agrees_with_its_counters(store: Store, key: DeploymentKey) -> None:
    names = store.data.list_keys(key)
    usage = store.data.usage(key)
    assert usage.key_count == len(names)
    assert usage.used_bytes == sum(len(name) + len(store.data.get(key, name)) for name in names)
