"""What sources want is written deployment by deployment, and read as one; RocksDB counts the rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.model.desired import DesiredState
from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.database import Database, DatabaseFault
from orchestrator.store.decisions import DeleteDesired, PutDesired
from orchestrator.store.desired import Desired
from orchestrator.store.engine import DatabaseDamaged, Engine, Tail
from orchestrator.store.salvage import salvage
from orchestrator.store.state_dir import read_all_recorded
from orchestrator.store.store import Store
from tests.store.values import deployment

SOURCE = "/srv/manifests"
HEAD_AND_SERIAL = 3  # and the notes for the audit book


def key(number):
    return DeploymentKey(namespace="default", name=f"d{number}")


def wanting(*numbers, version="1.0.0", source=SOURCE):
    wanted = sorted((deployment(key(number), version) for number in numbers), key=lambda one: one.key)
    return DesiredState(source=source, deployments=tuple(wanted))


def with_one_changed(desired, replicas):
    first, *rest = desired.deployments
    return replace(desired, deployments=(replace(first, replicas=replicas), *rest))


@pytest.fixture
def rows_of(state, store):
    """Count the rows that a change writes."""

    def written():
        reader = Engine.reading(state.database, Tail.CUT_OFF)
        try:
            return reader.sequence()
        finally:
            reader.close()

    def count(*changes):
        before = written()
        store.decide(changes)
        return written() - before

    return count


def test_one_changed_deployment_of_a_thousand_is_one_row(store, rows_of):
    many = wanting(*range(1_000))
    assert rows_of(PutDesired(desired=many)) == 1_000 + HEAD_AND_SERIAL
    assert rows_of(PutDesired(desired=with_one_changed(many, 2))) == 1 + HEAD_AND_SERIAL
    assert rows_of(PutDesired(desired=replace(many, revision="abc", deployments=many.deployments[1:]))) == (
        1 + HEAD_AND_SERIAL
    )
    assert store.desired() == [replace(many, revision="abc", deployments=many.deployments[1:])]


def test_after_a_restart_one_changed_deployment_is_one_row_as_well(state, store):
    many = wanting(*range(100))
    store.decide([PutDesired(desired=many)])
    store.close()
    again = Store.open(state)
    (read,) = again.desired()
    reader = Engine.reading(state.database, Tail.CUT_OFF)
    before = reader.sequence()
    reader.close()
    again.decide([PutDesired(desired=with_one_changed(read, 3))])
    reader = Engine.reading(state.database, Tail.CUT_OFF)
    assert reader.sequence() - before == 1 + HEAD_AND_SERIAL
    reader.close()
    again.close()


CHANGES = st.lists(
    st.one_of(
        st.builds(
            lambda numbers, version, source: PutDesired(desired=wanting(*numbers, version=version, source=source)),
            st.sets(st.integers(0, 5)), st.sampled_from(["1.0.0", "2.0.0"]), st.sampled_from(["a", "b"]),
        ),
        st.builds(lambda source: DeleteDesired(source=source), st.sampled_from(["a", "b"])),
    ),
    max_size=3,
)  # fmt: skip


class Rows:
    """Rows in memory, in the order of their names."""

    def __init__(self):
        self.rows = {}

    def get(self, name):
        return self.rows.get(name)

    def scan(self, prefix):
        return [(name, self.rows[name]) for name in sorted(self.rows) if name.startswith(prefix)]

    def write(self, rows):
        for name, value in rows:
            self.rows.pop(name, None) if value is None else self.rows.update({name: value})


@given(st.lists(st.tuples(CHANGES, st.booleans(), st.booleans()), max_size=6))
def test_what_is_read_is_what_was_put_last_whether_or_not_writing_failed_between(batches):
    rows = Rows()
    desired, expected = Desired(rows), {}
    for changes, fails, is_written in batches:
        try:
            with desired.written(changes) as written:
                if is_written or not fails:  # one who fails may have written all the same
                    rows.write(written)
                    for change in changes:
                        if isinstance(change, PutDesired):
                            expected[change.desired.source] = change.desired
                        else:
                            expected.pop(change.source, None)
                if fails:
                    raise DatabaseFault("full")
        except DatabaseFault:
            assert fails
        assert desired.read() == Desired(rows).read() == [expected[source] for source in sorted(expected)]


def test_the_older_form_is_read_and_written_anew_with_the_next_change(state, store):
    many = wanting(*range(3))
    store.close()
    database = Database(state.database)
    head = keys.DESIRED + keys.part(SOURCE)
    database.write([(head, keys.pack(many))], sync=True)
    database.close()
    assert read_all_recorded(state.path).desired == {SOURCE: many}
    again = Store.open(state)
    changed = with_one_changed(again.desired()[0], 2)
    again.decide([PutDesired(desired=changed)])
    again.close()
    database = Database(state.database, readonly=True)
    assert database.get(head)[:1] != keys.FORMAT, "an older airs refuses it, and does not take it for empty"
    database.close()
    assert read_all_recorded(state.path).desired == {SOURCE: changed}
    again = Store.open(state)
    again.decide([DeleteDesired(source=SOURCE)])
    again.close()
    database = Database(state.database, readonly=True)
    assert database.scan(keys.DESIRED) == database.scan(keys.WANTED) == []
    database.close()


def test_a_lost_deployment_is_damage_and_a_repair_has_the_source_say_nothing(state, store):
    store.decide([PutDesired(desired=wanting(1, 2)), PutDesired(desired=wanting(3, source="whole"))])
    store.close()
    database = Database(state.database)
    row = keys.WANTED + keys.part(SOURCE) + keys.part("default") + keys.part("d1")
    assert database.get(row) is not None
    database.write([(row, None)], sync=True)
    database.close()
    with pytest.raises(DatabaseDamaged, match="2 deployments are wanted by /srv/manifests, of which 1 are there"):
        Store.open(state)
    salvage(state.database)
    again = Store.open(state)
    assert again.desired() == [wanting(3, source="whole")]
    again.decide([PutDesired(desired=wanting(4))])
    again.close()
    assert read_all_recorded(state.path).desired[SOURCE] == wanting(4)


def test_artifacts_are_needed_by_what_is_wanted_and_not_recorded(store):
    store.decide([PutDesired(desired=wanting(1))])
    assert store.artifacts() == {deployment().revision.artifact}
