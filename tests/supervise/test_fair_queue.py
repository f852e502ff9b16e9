"""Whose turn is next: shares by priority, nobody waits for ever, and order within each."""

import threading
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given

from orchestrator.concurrency.work import GIVE_WAY
from orchestrator.model.spec import Priority
from orchestrator.supervise.fair_queue import SHARES, FairQueue
from orchestrator.supervise.scheduler import Scheduler
from orchestrator.supervise.timers import SystemClock

PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
SOON_S = 20.0


@given(st.lists(st.sampled_from(PRIORITIES), max_size=200))
def test_everything_is_taken_once_and_in_order_within_its_priority(priorities):
    turns: FairQueue[tuple[Priority, int]] = FairQueue()
    for number, priority in enumerate(priorities):
        turns.put((priority, number), priority)
    assert len(turns) == len(priorities)
    taken = [turns.take() for _ in priorities]
    assert turns.take() is None
    for priority in PRIORITIES:
        numbers = [one[1] for one in taken if one is not None and one[0] is priority]
        assert numbers == [number for number, one in enumerate(priorities) if one is priority]


@pytest.mark.parametrize("there", [PRIORITIES, PRIORITIES[:2], PRIORITIES[1:], (Priority.HIGH, Priority.LOW)])
def test_turns_are_shared_by_priority(there):
    turns: FairQueue[Priority] = FairQueue()
    share = dict(zip(PRIORITIES, SHARES, strict=True))
    for priority in there:
        for _ in range(1000):
            turns.put(priority, priority)
    rounds = 10
    taken = Counter(turns.take() for _ in range(rounds * sum(share[priority] for priority in there)))
    assert taken == {priority: rounds * share[priority] for priority in there}


@given(st.lists(st.sampled_from(PRIORITIES), max_size=30))
def test_one_of_low_priority_waits_for_twenty_others_at_most(before):
    turns: FairQueue[str] = FairQueue()
    for priority in before:
        turns.put("before", priority)
    while len(turns):
        turns.take()
    turns.put("low", Priority.LOW)
    waited = 0
    while waited < 100:
        turns.put("high", Priority.HIGH)
        turns.put("normal", Priority.NORMAL)
        waited += 1
        if turns.take() == "low":
            break
    assert waited <= 2 * sum(SHARES)


@pytest.fixture
def one_core():
    clock = SystemClock()
    scheduler = Scheduler(clock, cores=1)
    yield scheduler
    scheduler.close()
    clock.close()


def steps_of(scheduler: Scheduler, each: int, *pauses) -> list[Priority]:
    """Have one work of each priority make steps, all of them there before the first is made; who made which."""
    steps: list[Priority] = []
    ready, ended = threading.Event(), threading.Semaphore(0)

    async def wait() -> None:
        for pause in pauses:
            await pause
        ready.wait(SOON_S)

    async def work(priority: Priority) -> None:
        for _ in range(each):
            for pause in pauses:
                await pause
            steps.append(priority)
        ended.release()

    threading.Thread(target=scheduler.submit, args=(wait(),)).start()
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
        scheduler.submit(work(priority), priority)
    ready.set()
    for _ in PRIORITIES:
        assert ended.acquire(timeout=SOON_S)
    return steps


def test_long_work_of_a_higher_priority_makes_more_of_the_steps(one_core):
    steps = steps_of(one_core, 100, GIVE_WAY)
    when_done = {priority: max(at for at, one in enumerate(steps) if one is priority) for priority in PRIORITIES}
    assert when_done[Priority.HIGH] < when_done[Priority.NORMAL] < when_done[Priority.LOW]
    lows = steps[: when_done[Priority.HIGH]].count(Priority.LOW)
    assert lows <= 20, "it had one of 21 turns, and some before the others came"


def test_short_work_of_a_higher_priority_is_done_first(one_core):
    done: list[tuple[Priority, int]] = []
    ended = threading.Semaphore(0)

    async def note(priority: Priority, number: int) -> None:
        done.append((priority, number))
        ended.release()

    async def bring() -> None:
        """Bring work while the turn is taken, so that all of it waits."""
        for number in range(10):
            for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
                one_core.submit(note(priority, number), priority)

    one_core.submit(bring())
    for _ in range(30):
        assert ended.acquire(timeout=SOON_S)
    assert [priority for priority, _ in done[:10]] == [Priority.HIGH] * 10
    assert [one for one in done if one[0] is Priority.LOW] == [(Priority.LOW, number) for number in range(10)]
