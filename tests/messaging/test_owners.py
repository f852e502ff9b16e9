"""The ring of owners: every key has one, and one that comes or goes moves only its own."""

from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis import given

from orchestrator.messaging.mailbox.owners import Members


@dataclass(eq=False)
class Member:
    name: str


NAMES = st.sets(st.text(max_size=8), min_size=1, max_size=12)
KEYS = st.lists(st.text(max_size=12), min_size=1, max_size=50)


def members(names) -> Members[Member]:
    ring: Members[Member] = Members()
    for name in names:
        ring.join(Member(name))
    return ring


@given(NAMES, KEYS)
def test_the_owner_depends_on_the_names_alone_and_not_on_the_order_they_came_in(names, keys):
    one, other = members(sorted(names)), members(sorted(names, reverse=True))
    for key in keys:
        found = one.owner(key)
        assert found is not None
        assert found.name == other.owner(key).name


@given(NAMES, st.text(max_size=8), KEYS)
def test_one_that_comes_takes_keys_and_gives_none_to_others_and_back_when_it_goes(names, more, keys):
    ring = members(names - {more} or {more + "x"})
    before = {key: ring.owner(key) for key in keys}
    newcomer = Member(more)
    ring.join(newcomer)
    assert all(ring.owner(key) in (before[key], newcomer) for key in keys)
    ring.leave(newcomer)
    assert {key: ring.owner(key) for key in keys} == before


def test_shares_are_about_equal():
    ring = members([f"abc123-{number}" for number in range(10)])
    counts = dict.fromkeys((f"abc123-{number}" for number in range(10)), 0)
    for number in range(10_000):
        counts[ring.owner(f"user-{number}").name] += 1
    assert max(counts.values()) < 2_000
    assert min(counts.values()) > 400


def test_nobody_owns_anything_where_nobody_is():
    ring = members([])
    assert ring.owner("x") is None
    assert ring.next_in_turn() is None
    ring.leave(Member("never there"))
    assert len(ring) == 0


def test_turns_go_round():
    ring = members(["a", "b", "c"])
    turns = [ring.next_in_turn().name for _ in range(7)]
    assert turns[:3] == turns[3:6]
    assert sorted(turns[:3]) == ["a", "b", "c"]


def test_one_of_the_same_name_takes_the_place():
    ring = members(["a"])
    successor = Member("a")
    ring.join(successor)
    assert ring.owner("k") is successor
    assert ring.named("a") is successor
    ring.leave(Member("a"))
    assert successor in ring
