"""What can still be read of a damaged database is in the one that replaces it, and the damaged one is kept."""

import shutil

import pytest

from orchestrator.store.database import DatabaseFault
from orchestrator.store.salvage import damage, salvage
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.filler import LIVES, ROWS, value_of
from tests.store.test_damage import DAMAGES, files_of, tree, whole  # noqa: F401 — the fixture
from tests.store.values import COUNTER

KINDS = ("CURRENT", "MANIFEST", "log", "sst")
RECORDS = LIVES * 10
TOLD = ("deployments", "entries of history", "values of guests")


def there(store):
    """Count what is there, and make sure that nothing is there which never was."""
    values = 0
    for name in store.data.list_keys(COUNTER):
        life, _, n = name.removeprefix("k").partition("-")
        assert store.data.get(COUNTER, name) == value_of(int(life), int(n))
        values += 1
    usage = store.data.usage(COUNTER)
    assert (usage.key_count, usage.used_bytes) == (
        values, sum(len(n) + len(store.data.get(COUNTER, n)) for n in store.data.list_keys(COUNTER)),
    )  # fmt: skip
    return len(store.records()), len(store.history(COUNTER)), values


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_read_is_saved_and_the_old_database_stays(whole, tmp_path, kind, how):  # noqa: F811
    for nth, file in enumerate(files_of(whole["killed"], kind)):
        state = StateDir(shutil.copytree(whole["killed"], tmp_path / str(nth)))
        DAMAGES[how](state.path / file.relative_to(whole["killed"]))
        if not damage(state.database):  # a byte that nobody reads
            continue
        before = {name: data for name, (*_, data) in tree(state.database).items()}
        saved = salvage(state.database)
        assert {name: data for name, (*_, data) in tree(saved.kept_at).items()} == before
        assert damage(state.database) == ""
        store = Store.open(state)
        assert store.serial == RECORDS
        found = there(store)
        assert found == tuple(
            saved.counts.get(name, 0) for name in ("deployments", "entries of history", "values of guests")
        )
        if kind in ("CURRENT", "MANIFEST"):
            assert found == (RECORDS, RECORDS, LIVES * ROWS), "the files themselves are whole"
        else:
            assert sum(found) >= (2 * RECORDS + LIVES * ROWS) * 2 / 3 - 10, "what other files hold is whole"
        store.decide([])
        store.data.set(COUNTER, "new", b"1", 1 << 30)
        store.close()
        Store.open(state).close()


def test_a_repair_that_was_cut_off_is_finished_by_the_next(whole, tmp_path):  # noqa: F811
    state = StateDir(shutil.copytree(whole["stopped"], tmp_path / "state"))
    state.database.rename(state.path / "db.damaged-1")
    assert "missing" in damage(state.database)
    salvage(state.database)
    store = Store.open(state)
    assert there(store) == (RECORDS, RECORDS, LIVES * ROWS)
    store.close()


def test_nothing_is_made_where_nothing_can_be_saved(whole, tmp_path):  # noqa: F811
    state = StateDir(shutil.copytree(whole["stopped"], tmp_path / "state"))
    shutil.rmtree(state.database)
    with pytest.raises(DatabaseFault, match="backup"):
        salvage(state.database)
    assert not state.database.exists()
