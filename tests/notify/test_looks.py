"""A flood of requests is one look at a time, and none is forgotten."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.notify.looks import PendingLooks


def test_the_first_look_is_at_once_and_the_next_after_the_interval():
    looks = PendingLooks(1_000)
    assert looks.ask("a", 0) == 0
    assert looks.ask("a", 0) is None
    looks.done("a", 10)
    assert looks.ask("b", 20) == 0
    assert looks.ask("a", 20) == 990
    assert looks.ask("a", 500) is None
    looks.done("a", 1_010)
    assert looks.ask("a", 9_000) == 0


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 1_000))
def test_every_request_is_followed_by_a_look_and_looks_keep_their_distance(gaps, interval):
    looks, now, due, done, asked = PendingLooks(interval), 0, None, [], []
    for gap in [*gaps, 10 * interval]:
        now += gap
        if due is not None and due <= now:
            looks.done("a", due)
            done.append(due)
            due = None
        delay = looks.ask("a", now)
        asked.append(now)
        assert (delay is None) == (due is not None)
        due = due if delay is None else now + delay
    done.append(due)
    assert all(any(look >= ask for look in done) for ask in asked)
    assert all(later - earlier >= interval for earlier, later in pairwise(done))
