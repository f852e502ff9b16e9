"""Who may begin and who may end, of those that need each other: whatever the needs, all do in the end."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.dependencies import free_to_end, may_begin
from tests.plan.build import key

NAMES = "abcdef"
NEEDS = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), min_size=1).map(
    lambda drawn: {key(name): tuple(map(key, sorted(needs))) for name, needs in drawn.items()}
)
A, B, C = map(key, "abc")


def test_what_nobody_needs_ends_first_and_what_needs_nothing_begins_first():
    needs = {A: (), B: (A,), C: (B,)}
    assert free_to_end(needs) == [C]
    assert free_to_end({A: (), B: (A,)}) == [B]
    assert may_begin(needs, lambda _key: False) == [A]
    assert may_begin(needs, {A}.__contains__) == [A, B]
    assert may_begin({C: (B,)}, lambda _key: False) == [C]  # what is not among them is not waited for


def ended_in_turn(needs):
    left, ended = dict(needs), []
    while left:
        free = free_to_end(left)
        assert free
        ended += free
        left = {one: its for one, its in left.items() if one not in free}
    return ended


@given(NEEDS)
def test_all_end_also_those_that_need_each_other(needs):
    assert sorted(ended_in_turn(needs)) == sorted(needs)


@given(NEEDS)
def test_each_ends_before_what_it_needs(drawn):
    needs = {one: [need for need in its if need in drawn and need < one] for one, its in drawn.items()}
    ended = ended_in_turn(needs)
    assert all(ended.index(one) < ended.index(need) for one, its in needs.items() for need in its)


@given(NEEDS)
def test_all_begin(needs):
    begun: set = set()
    while len(begun) < len(needs):
        free = set(may_begin(needs, begun.__contains__))
        assert free - begun
        begun |= free
