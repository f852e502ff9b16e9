"""Token buckets: no stretch of time has more than the limit, nothing is lost to rounding, what is over is counted."""

import threading

import hypothesis.strategies as st
from hypothesis import given

from orchestrator.messaging.rates import Bucket, Rates
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import RateLimit

from .clock import TestClock

KEY = DeploymentKey(namespace="default", name="sender")
LIMITS = st.builds(
    RateLimit, messages=st.integers(1, 1_000_000), burst=st.integers(1, 1_000), per_ms=st.integers(1, 86_400_000)
)


def limit(messages: int, per_ms: int = 1_000, burst: int | None = None) -> RateLimit:
    return RateLimit(messages=messages, per_ms=per_ms, burst=messages if burst is None else burst)


@given(LIMITS, st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 50)), max_size=60))
def test_in_no_stretch_of_time_is_more_let_through_than_the_limit_says(wanted, steps):
    clock = TestClock()
    bucket, taken = Bucket(wanted, clock.monotonic_ms), []
    for wait_ms, count in steps:
        clock.now_ms += wait_ms
        if bucket.takes(count):
            taken.append((clock.now_ms, count))
    for first, (begin_ms, _) in enumerate(taken):
        total = 0
        for at_ms, count in taken[first:]:
            total += count
            assert total <= wanted.burst + (at_ms - begin_ms) * wanted.messages / wanted.per_ms


@given(st.integers(1, 20), st.lists(st.integers(1, 500), min_size=1, max_size=50))
def test_who_always_wants_more_gets_exactly_the_limit_in_the_long_run(messages, waits_ms):
    clock = TestClock()
    bucket = Bucket(limit(messages, per_ms=50, burst=1_000), clock.monotonic_ms)
    assert bucket.takes(1_000)
    got = 0
    for wait_ms in waits_ms:
        clock.now_ms += wait_ms
        while bucket.takes():
            got += 1
    assert got == sum(waits_ms) * messages // 50


def test_a_fraction_of_a_message_is_kept_until_it_is_one():
    clock = TestClock()
    bucket = Bucket(limit(1, per_ms=3, burst=1), clock.monotonic_ms)
    assert bucket.takes()
    seen = []
    for _ in range(9):
        clock.now_ms += 1
        seen.append(bucket.takes())
    assert seen == [False, False, True] * 3
    assert bucket.limited == 6


def test_after_a_pause_a_burst_may_leave_and_no_more():
    clock = TestClock()
    bucket = Bucket(limit(10, burst=3), clock.monotonic_ms)
    clock.now_ms += 1_000_000
    assert [bucket.takes() for _ in range(4)] == [True, True, True, False]


def test_several_are_taken_all_or_none():
    bucket = Bucket(limit(10, burst=10), TestClock().monotonic_ms)
    assert [bucket.takes(6), bucket.takes(6), bucket.takes(4)] == [True, False, True]
    assert bucket.limited == 6


def test_a_changed_limit_goes_on_with_what_was_left():
    clock = TestClock()
    rates = Rates(clock.monotonic_ms)
    rates.limit(KEY, limit(10))
    assert rates.over(KEY, 8) == ""
    rates.limit(KEY, limit(100, per_ms=7))
    assert [rates.over(KEY) == "" for _ in range(3)] == [True, True, False]
    rates.limit(KEY, limit(1, burst=1))
    assert rates.over(KEY) != ""
    assert rates.limited(KEY) == 2


def test_setting_the_same_limit_again_changes_nothing():
    rates = Rates(TestClock().monotonic_ms)
    for _ in range(5):
        rates.limit(KEY, limit(1, burst=1))
        rates.over(KEY)
    assert rates.limited(KEY) == 4


def test_without_a_limit_everything_passes_and_what_was_counted_stays_until_it_is_forgotten():
    rates = Rates(TestClock().monotonic_ms)
    assert rates.over(KEY, 1_000_000) == ""
    rates.limit(KEY, limit(1))
    assert rates.over(KEY, 2) == "rate limit: default/sender may send 1 messages in 1000 ms, 1 at once"
    rates.limit(KEY, None)
    assert rates.over(KEY, 1_000_000) == ""
    assert rates.limited(KEY) == 2
    rates.forget(KEY)
    assert rates.limited(KEY) == 0


def test_threads_that_share_a_limit_get_no_more_than_it():
    rates, got = Rates(TestClock().monotonic_ms), []
    rates.limit(KEY, limit(500))
    threads = [
        threading.Thread(target=lambda: got.append(sum(not rates.over(KEY) for _ in range(400)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 500
    assert rates.limited(KEY) == 1_100
