"""Commands reach the thread that decides, and their results or faults the one that asked; no ring is lost."""

import threading

import pytest

from orchestrator.controller.inbox import Inbox

LIMIT_MS = 30_000


def test_commands_are_obeyed_in_their_order_by_who_empties_it():
    inbox, done = Inbox(), []
    futures = [inbox.submit(lambda n=n: done.append((n, threading.current_thread())) or n) for n in range(3)]
    assert done == []
    inbox.obey()
    assert done == [(n, threading.current_thread()) for n in range(3)]
    assert [future.result(0) for future in futures] == [0, 1, 2]


def test_what_a_command_raises_is_for_who_asked_and_stops_nobody_else():
    inbox = Inbox()
    wrong, right = inbox.submit(lambda: 1 // 0), inbox.submit(lambda: "done")
    inbox.obey()
    assert right.result(0) == "done"
    with pytest.raises(ZeroDivisionError):
        wrong.result(0)


def test_a_command_that_was_cancelled_is_not_obeyed():
    inbox, done = Inbox(), []
    future = inbox.submit(lambda: done.append(1))
    assert future.cancel()
    inbox.obey()
    assert done == []


@pytest.mark.parametrize("ring", [Inbox.wake, lambda inbox: inbox.submit(int)], ids=["a ring", "a command"])
def test_who_rings_before_the_sleep_begins_ends_it(ring):
    inbox = Inbox()
    inbox.obey()
    ring(inbox)
    inbox.sleep(LIMIT_MS)  # else this test takes longer than any test may
    inbox.obey()


def test_a_command_wakes_who_sleeps():
    inbox, results = Inbox(), []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            inbox.obey()
            inbox.sleep(LIMIT_MS)
        inbox.obey()

    sleeper = threading.Thread(target=loop)
    sleeper.start()
    results += [inbox.submit(lambda n=n: n).result(LIMIT_MS / 1000) for n in range(100)]
    stop.set()
    inbox.wake()
    sleeper.join(LIMIT_MS / 1000)
    assert not sleeper.is_alive()
    assert results == [*range(100)]
