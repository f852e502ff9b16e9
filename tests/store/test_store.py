import pytest

from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.who import Act, By, Peer, Verb
from orchestrator.store import keys
from orchestrator.store.database import Database, DatabaseFault
from orchestrator.store.decisions import (
    AppendAct,
    AppendHistory,
    DeleteAct,
    DeleteDesired,
    DeleteHistory,
    DeleteRecord,
    PutDesired,
    PutRecord,
    UpdateHistory,
)
from orchestrator.store.state_dir import read_recorded
from orchestrator.store.store import Store
from tests.store.values import COUNTER, deployment, number, record

WANTED = DesiredState(source="/srv/manifests", deployments=(deployment(),))


def test_a_decision_is_there_after_reopening_and_counts_one(state):
    store = Store.open(state)
    assert store.serial == 0
    changes = [PutRecord(record=record()), PutDesired(desired=WANTED), AppendHistory(key=COUNTER, number=number(1))]
    assert store.decide(changes) == 1
    store.close()
    again = Store.open(state)
    assert again.records() == [record()]
    assert again.record(COUNTER) == record()
    assert again.desired() == [WANTED]
    assert again.history(COUNTER) == [number(1)]
    assert (again.serial, again.lineage) == (1, state.lineage)
    again.close()


def test_acts_are_in_order_of_their_numbers_and_one_deployments_own(store):
    ada = By(peer=Peer(uid=1000, user="ada"), why="slow")
    acts = [Act(number=number, verb=Verb.RESTART, by=ada, at_ms=number) for number in (1, 2, 300)]
    other = DeploymentKey(namespace="default", name="counter2")
    store.decide([*(AppendAct(key=COUNTER, act=act) for act in reversed(acts)), AppendAct(key=other, act=acts[0])])
    store.decide([DeleteRecord(key=COUNTER), DeleteAct(key=COUNTER, number=2)])
    assert store.acts(COUNTER) == [acts[0], acts[2]]
    assert store.acts(other) == [acts[0]]
    assert store.history(COUNTER) == []


def test_nothing_decided_is_no_decision(store):
    assert store.decide([]) == 0
    assert store.serial == 0


def test_records_are_replaced_deleted_and_sorted_by_key(store):
    names = ["zeta", "a", "middle", "a-much-longer-name"]
    keys_ = [DeploymentKey(namespace="default", name=name) for name in names]
    store.decide([PutRecord(record=record(key)) for key in keys_])
    assert [r.key for r in store.records()] == sorted(keys_)
    store.decide([PutRecord(record=record(keys_[0], generation=2)), DeleteRecord(key=keys_[1])])
    assert store.record(keys_[0]).generation == 2
    assert store.record(keys_[1]) is None
    assert len(store.records()) == 3


def test_sources_are_replaced_and_forgotten_apart_from_each_other(store):
    other = DesiredState(source="/srv", empty=True)
    store.decide([PutDesired(desired=WANTED), PutDesired(desired=other)])
    assert store.desired() == [other, WANTED]
    store.decide([DeleteDesired(source="/srv")])
    assert store.desired() == [WANTED]


def test_history_is_in_order_of_its_numbers_and_one_deployments_own(store):
    other = DeploymentKey(namespace="default", name="counter2")
    store.decide([AppendHistory(key=COUNTER, number=number(n)) for n in (300, 1, 2)])
    store.decide([AppendHistory(key=other, number=number(7))])
    store.decide([UpdateHistory(key=COUNTER, number=number(2, "superseded")), DeleteHistory(key=COUNTER, number=1)])
    assert [(n.number, n.outcome) for n in store.history(COUNTER)] == [(2, "superseded"), (300, "")]
    assert [n.number for n in store.history(other)] == [7]


def test_a_closed_store_says_so_and_closes_again(store):
    store.close()
    store.close()
    with pytest.raises(DatabaseFault, match="closed"):
        store.decide([PutRecord(record=record())])
    with pytest.raises(DatabaseFault, match="closed"):
        store.records()
    assert store.serial == 0


def test_a_second_writer_is_refused(state, store):
    with pytest.raises(DatabaseFault, match="cannot be opened"):
        Store.open(state)


def test_a_damaged_database_is_named_and_not_replaced(state):
    Store.open(state).close()
    (state.database / "CURRENT").write_text("garbage")
    with pytest.raises(DatabaseFault, match=str(state.database)):
        Store.open(state)
    with pytest.raises(DatabaseFault, match=str(state.database)):
        read_recorded(state.path)


def test_a_row_of_an_unknown_format_is_not_guessed_at(state, store):
    store.decide([PutRecord(record=record())])
    store.close()
    database = Database(state.database)
    row = keys.of_deployment(keys.RECORDS, COUNTER)
    database.write([(row, b"\x02" + database.get(row)[1:])], sync=True)
    database.close()
    with pytest.raises(DatabaseFault, match="unknown format 02"):
        read_recorded(state.path)


def test_rows_are_not_pickles(state, store):
    store.decide([PutRecord(record=record())])
    store.close()
    database = Database(state.database, readonly=True)
    assert database.get(keys.of_deployment(keys.RECORDS, COUNTER))[:1] == keys.FORMAT
    database.close()


def test_what_is_recorded_can_be_read_without_an_agent(state, store):
    store.decide([PutRecord(record=record())])
    store.close()
    observed = read_recorded(state.path)
    assert (observed.lineage, observed.serial, observed.agent_running) == (state.lineage, 1, False)
    assert [d.record for d in observed.deployments] == [record()]
    assert observed.deployments[0].instances is None


def test_reading_where_there_is_no_state_finds_nothing_and_creates_nothing(tmp_path):
    observed = read_recorded(tmp_path / "absent")
    assert (observed.lineage, observed.serial, observed.deployments) == ("", 0, ())
    assert not (tmp_path / "absent").exists()


def test_reading_a_state_without_a_database_creates_none(state):
    assert read_recorded(state.path).lineage == state.lineage
    readonly = Store.open(state, readonly=True)
    assert (readonly.serial, readonly.records(), readonly.history(COUNTER)) == (0, [], [])
    readonly.close()
    assert not state.database.exists()
