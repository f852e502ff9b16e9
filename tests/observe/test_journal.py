"""What a journal keeps: the newest, within its bounds, and of everybody some."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.observe.journal import Bounds, Journal

BOUNDS = Bounds(entries=20, weight=1_000, share=2)


def journal() -> Journal[tuple[str, int]]:
    return Journal(BOUNDS, lambda entry: entry[1], lambda entry: entry[0])


def test_who_writes_much_loses_their_own_oldest_and_nobody_elses():
    kept = journal()
    kept.append(("quiet", 1))
    for number in range(100):
        kept.append(("loud", number % 7))
    entries = [entry for _, entry in kept.since(0)]
    assert entries[0] == ("quiet", 1)
    assert len(entries) == 1 + BOUNDS.entries // BOUNDS.share


def test_a_follower_gets_what_is_newer_in_order_and_is_woken_by_each():
    kept, woken = journal(), []
    leave = kept.follow(lambda: woken.append(1))
    for name in "abc":
        kept.append((name, 1))
    assert kept.since(1) == [(2, ("b", 1)), (3, ("c", 1))]
    assert kept.since(3) == []
    leave()
    kept.append(("d", 1))
    assert len(woken) == 3


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1_500)), max_size=200))
def test_promise_bounds_are_held_and_of_each_group_the_newest_are_kept(entries: list[tuple[str, int]]):
    kept = journal()
    for entry in entries:
        kept.append(entry)
    left = kept.since(0)
    assert len(left) <= BOUNDS.entries
    assert sum(weight for _, (_, weight) in left) <= BOUNDS.weight
    for name in "abcdef":
        own = [entry for entry in entries if entry[0] == name]
        newest = [entry for _, entry in left if entry[0] == name]
        assert newest == own[len(own) - len(newest) :]
        assert len(newest) * BOUNDS.share <= BOUNDS.entries
