import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from orchestrator.model.ids import DeploymentKey
from orchestrator.store import keys
from orchestrator.store.data import KEY_MAX_BYTES, VALUE_MAX_BYTES, DataError
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from tests.store.values import COUNTER

QUOTA = 1_000


@pytest.fixture
def data(store):
    return store.data


def test_what_was_set_is_read_listed_counted_and_deleted(data):
    data.set(COUNTER, "count", b"41", QUOTA)
    data.set(COUNTER, "count", b"142", QUOTA)
    data.set(COUNTER, "empty", b"", QUOTA)
    assert data.get(COUNTER, "count") == b"142"
    assert data.get(COUNTER, "empty") == b""
    assert data.exists(COUNTER, "empty")
    usage = data.usage(COUNTER)
    assert (usage.used_bytes, usage.key_count) == (5 + 3 + 5, 2)
    data.delete(COUNTER, "count")
    assert data.get(COUNTER, "count") is None
    assert not data.exists(COUNTER, "count")
    assert (data.usage(COUNTER).used_bytes, data.usage(COUNTER).key_count) == (5, 1)


def test_deleting_what_is_not_there_is_no_error(data):
    data.delete(COUNTER, "nothing")
    assert data.usage(COUNTER).key_count == 0


def test_keys_are_listed_by_prefix_in_byte_order(data):
    for key in ("b", "a/2", "a/10", "ä", "a"):
        data.set(COUNTER, key, b"", QUOTA)
    assert data.list_keys(COUNTER) == ["a", "a/10", "a/2", "b", "ä"]
    assert data.list_keys(COUNTER, "a/") == ["a/10", "a/2"]
    assert data.list_keys(COUNTER, "zz") == []


def test_deployments_whose_joined_names_are_equal_do_not_meet(data):
    one, other = DeploymentKey(namespace="a/b", name="c"), DeploymentKey(namespace="a", name="b/c")
    data.set(one, "k", b"one", QUOTA)
    data.set(other, "k", b"other", QUOTA)
    assert (data.get(one, "k"), data.get(other, "k")) == (b"one", b"other")
    assert data.list_keys(one) == ["k"]


names = st.text(max_size=20)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_no_two_names_share_a_row(one, other):
    def row(parts):
        return keys.of_deployment(keys.DATA, DeploymentKey(namespace=parts[0], name=parts[1])) + parts[2].encode()

    assert (row(one) == row(other)) == (one == other)


def test_a_name_that_begins_like_another_sees_nothing_of_it(data):
    longer = DeploymentKey(namespace="default", name="counter-2")
    data.set(longer, "k", b"", QUOTA)
    assert data.list_keys(COUNTER) == []


@pytest.mark.parametrize("key", ["", "x" * (KEY_MAX_BYTES + 1), "ä" * 129, "\ud800"])
def test_keys_outside_the_limits_are_invalid(data, key):
    for call in (lambda: data.get(COUNTER, key), lambda: data.set(COUNTER, key, b"", QUOTA)):
        with pytest.raises(DataError) as caught:
            call()
        assert caught.value.case == "invalid-key"


def test_keys_and_values_at_the_limits_are_kept(data):
    data.set(COUNTER, "x" * KEY_MAX_BYTES, bytes(VALUE_MAX_BYTES), 2 << 20)
    assert data.get(COUNTER, "x" * KEY_MAX_BYTES) == bytes(VALUE_MAX_BYTES)
    with pytest.raises(DataError, match="at most 1048576"):
        data.set(COUNTER, "x", bytes(VALUE_MAX_BYTES + 1), 8 << 20)


def test_the_quota_counts_keys_and_values_and_a_refused_write_changes_nothing(data):
    data.set(COUNTER, "k", b"x" * 9, 10)
    for key, value in (("k", b"x" * 10), ("l", b"")):
        with pytest.raises(DataError) as caught:
            data.set(COUNTER, key, value, 10)
        assert caught.value.case == "quota-exceeded"
    assert data.get(COUNTER, "k") == b"x" * 9
    assert (data.usage(COUNTER).used_bytes, data.usage(COUNTER).key_count) == (10, 1)


def test_a_lowered_quota_still_allows_writes_that_do_not_grow(data):
    data.set(COUNTER, "k", b"x" * 99, 100)
    data.set(COUNTER, "k", b"y" * 99, 10)
    data.set(COUNTER, "k", b"z", 10)
    assert data.usage(COUNTER).used_bytes == 2


def test_one_deployments_quota_is_not_anothers(data):
    data.set(COUNTER, "k", b"x" * 9, 10)
    data.set(DeploymentKey(namespace="other", name="counter"), "k", b"x" * 9, 10)


def test_counters_hold_when_many_write_at_once(data):
    def write(worker):
        for n in range(100):
            data.set(COUNTER, f"{worker}-{n}", b"1234", 1 << 20)
            data.set(COUNTER, "shared", b"x" * (worker + n), 1 << 20)

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that a missing lock shows
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
    finally:
        sys.setswitchinterval(interval_s)
    kept = data.list_keys(COUNTER)
    assert data.usage(COUNTER).key_count == len(kept) == 401
    assert data.usage(COUNTER).used_bytes == sum(len(k) + len(data.get(COUNTER, k)) for k in kept)


def test_a_closed_store_is_an_io_error_not_an_absent_key(store):
    store.data.set(COUNTER, "k", b"v", QUOTA)
    store.close()
    for call in (store.data.get, store.data.delete, store.data.exists):
        with pytest.raises(DataError) as caught:
            call(COUNTER, "k")
        assert caught.value.case == "io-error"


def test_data_behaves_like_a_dictionary_with_a_quota(tmp_path):
    store = Store.open(StateDir(tmp_path / "state"))
    runs = iter(range(10_000))

    class Kept(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.key = DeploymentKey(namespace="run", name=str(next(runs)))
            self.model: dict[str, bytes] = {}

        @rule(key=st.sampled_from("abcd"), value=st.binary(max_size=40))
        def write(self, key, value):
            wanted = {**self.model, key: value}
            size, before = size_of(wanted), size_of(self.model)
            try:
                store.data.set(self.key, key, value, 100)
            except DataError:
                assert size > max(100, before)
            else:
                self.model = wanted
                assert size <= max(100, before)

        @rule(key=st.sampled_from("abcd"))
        def remove(self, key):
            store.data.delete(self.key, key)
            self.model.pop(key, None)

        @invariant()
        def agrees(self):
            kept = {key: store.data.get(self.key, key) for key in store.data.list_keys(self.key)}
            assert kept == self.model
            usage = store.data.usage(self.key)
            assert (usage.used_bytes, usage.key_count) == (size_of(kept), len(kept))

    def size_of(kept):
        return sum(len(key) + len(value) for key, value in kept.items())

    try:
        run_state_machine_as_test(Kept, settings=settings(max_examples=25, stateful_step_count=15, deadline=None))
    finally:
        store.close()
