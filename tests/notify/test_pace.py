"""How soon, how often, and how long a server may ask us to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.notify.pace import ASKED_MAX_MS, SendRate, asked_wait_ms, backoff_ms


@pytest.mark.parametrize(
    ("failures", "chance", "wait_ms"),
    [(1, 0, 500), (1, 1, 1_000), (2, 1, 2_000), (4, 0, 4_000), (10, 1, 512_000), (11, 1, 600_000), (10**9, 0, 300_000)],
)
def test_the_wait_doubles_up_to_ten_minutes(failures, chance, wait_ms):
    assert backoff_ms(failures, chance) == wait_ms


@pytest.mark.parametrize(
    ("said", "wait_ms"),
    [
        ("", 0), ("0", 0), ("120", 120_000), (" 7 ", 7_000), ("999999", ASKED_MAX_MS), ("-5", 0), ("1.5", 0),
        ("9" * 40, 0), ("soon", 0), ("Wed, 21 Oct 2015 07:28:10 GMT", 10_000), ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 9999 07:28:00 GMT", ASKED_MAX_MS), ("Wed, 99 Oct 2015 07:28:00 GMT", 0),
    ],
)  # fmt: skip
def test_a_server_may_ask_to_wait_up_to_an_hour(said, wait_ms):
    assert asked_wait_ms(said, 1_445_412_480) == wait_ms


@given(st.text(max_size=40))
def test_whatever_a_server_says_is_a_wait(said):
    assert 0 <= asked_wait_ms(said, 0) <= ASKED_MAX_MS


@given(st.integers(1, 1_000), st.lists(st.integers(0, 20_000), max_size=50))
def test_no_minute_has_more_than_is_allowed_beside_a_burst(per_minute, gaps):
    allowance, now, sent = SendRate(per_minute, 0), 0, []
    for gap in gaps:
        now += gap
        while not allowance.wait_ms(now):
            allowance.take()
            sent.append(now)
        assert 0 < allowance.wait_ms(now) <= 60_000 / per_minute + 1
    for at in sent:
        assert sum(at <= each < at + 60_000 for each in sent) <= per_minute + max(1, per_minute / 6) + 1
