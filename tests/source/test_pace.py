"""How long it is until the next look at a repository."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.source.pace import BACKOFF_MAX_S, JITTER, Pace


def waits(pace: Pace, unreachable: list[bool]) -> list[float]:
    found = []
    for failed in unreachable:
        pace.begin()
        pace.looked(is_unreachable=failed)
        found.append(pace.wait_s)
    return found


@given(st.floats(0.01, 86_400), st.text(max_size=20), st.lists(st.booleans(), max_size=50))
def test_a_wait_is_the_interval_doubled_for_each_failure_in_a_row_within_a_bound(interval_s, name, unreachable):
    failures = 0
    for failed, wait_s in zip(unreachable, waits(Pace(name, interval_s), unreachable), strict=True):
        failures = failures + 1 if failed else 0
        wanted = min(interval_s * 2**failures, max(interval_s, BACKOFF_MAX_S))
        assert wanted * (1 - JITTER) <= wait_s <= wanted * (1 + JITTER)


def test_sources_keep_beats_of_their_own_and_the_same_ones_each_time():
    beats = {name: waits(Pace(name, 15), [False] * 20) for name in ("shop", "bank", "game")}
    assert len({tuple(each) for each in beats.values()}) == 3
    assert len(set(beats["shop"])) > 15
    assert beats["shop"] == waits(Pace("shop", 15), [False] * 20)
