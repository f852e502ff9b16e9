"""Calls at once: each item once, results in order, no more at a time than allowed."""

import threading

from orchestrator.fetch.parallel import all_at_once


def test_each_is_called_once_and_no_more_at_a_time_than_allowed():
    lock, running, most = threading.Lock(), [], []

    def call(number: int) -> int:
        with lock:
            running.append(number)
            most.append(len(running))
        with lock:
            running.remove(number)
        if number == 3:
            raise KeyError(number)
        return number * 2

    found = all_at_once(call, range(10), 3)
    assert [one for one in found if not isinstance(one, KeyError)] == [0, 2, 4, 8, 10, 12, 14, 16, 18]
    assert isinstance(found[3], KeyError)
    assert max(most) <= 3
    assert all_at_once(call, [], 3) == []
