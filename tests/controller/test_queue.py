"""The work queue: each key once, when its time has come, and every key now and then."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.controller.queue import SWEEP_MS, SWEEP_STEP_MS, WorkQueue
from orchestrator.model.ids import DeploymentKey

KEYS = [DeploymentKey("default", f"d{number}") for number in range(7)]
A, B = KEYS[:2]


class Clock:
    def __init__(self):
        self.now_ms = 0

    def __call__(self):
        return self.now_ms


def queue_at(clock):
    return WorkQueue(clock)


def nothing():
    return ()


def test_a_key_is_taken_once_however_often_it_was_added():
    queue = queue_at(Clock())
    queue.add([A, B])
    queue.add([A])
    assert queue.wait_ms() == 0
    assert queue.take(nothing) == {A, B}
    assert queue.take(nothing) == set()


def test_a_key_waits_for_the_earliest_time_that_was_asked_for():
    clock = Clock()
    queue = queue_at(clock)
    queue.add_in(A, 500)
    queue.add_in(A, 200)
    queue.add_in(A, 900)
    assert queue.wait_ms() == 200
    clock.now_ms = 199
    assert queue.take(nothing) == set()
    clock.now_ms = 200
    assert queue.take(nothing) == {A}
    clock.now_ms = 900
    assert queue.take(nothing) == set()


def test_whoever_was_looked_at_earlier_says_anew_when_to_look_again():
    clock = Clock()
    queue = queue_at(clock)
    queue.add_in(A, 500)
    queue.add([A])
    assert queue.take(nothing) == {A}
    clock.now_ms = 500
    assert queue.take(nothing) == set()
    queue.add_in(A, 10)
    assert queue.wait_ms() == 10


def test_everything_is_looked_at_within_a_sweep_and_not_all_at_once():
    clock = Clock()
    queue = queue_at(clock)
    taken = []
    while clock.now_ms < SWEEP_MS + SWEEP_STEP_MS:
        clock.now_ms += max(1, queue.wait_ms())
        taken.append(queue.take(lambda: KEYS))
    assert set().union(*taken) == set(KEYS)
    assert max(map(len, taken)) == 1


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 300), st.integers(0, 200)), max_size=30))
def test_no_key_is_forgotten_or_taken_early(steps):
    clock = Clock()
    queue = queue_at(clock)
    due = {}
    for key, delay_ms, passes_ms in steps:
        queue.add_in(key, delay_ms)
        due[key] = min(due.get(key, clock.now_ms + delay_ms), clock.now_ms + delay_ms)
        clock.now_ms += passes_ms
        expected = {one for one, at_ms in due.items() if at_ms <= clock.now_ms}
        assert queue.take(nothing) == expected
        due = {one: at_ms for one, at_ms in due.items() if one not in expected}
