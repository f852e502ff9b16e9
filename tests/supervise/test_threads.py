"""The real scheduler and the real clock."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.concurrency.work import GIVE_WAY, LOAD, START, GivenUp, Held, Until
from orchestrator.supervise import scheduler as turns
from orchestrator.supervise.scheduler import GUEST_MAX, HELD_MAX, JOBS_MAX, Scheduler
from orchestrator.supervise.threads import ThreadPerJob
from orchestrator.supervise.timers import SystemClock

SOON_S = 10  # until a test fails for want of what it waits for


@pytest.fixture
def clock() -> Iterator[SystemClock]:
    made = SystemClock()
    yield made
    made.close()


@pytest.fixture
def scheduler(clock: SystemClock) -> Iterator[Scheduler]:
    made = Scheduler(clock, cores=2)
    yield made
    made.close()


def bug() -> None:
    raise ValueError("a bug of ours")


async def doing(act: Callable[[], Any], *pauses: Any) -> None:
    for pause in pauses:
        await (hold() if pause is hold else pause)
    act()


def hold(call: Callable[[], Any] = lambda: None) -> Held[Any]:
    """A call that holds a thread, and is never given up."""
    return Held(lambda _held: call())


def named(names: list[str], done: threading.Event) -> Callable[[], None]:
    def act() -> None:
        names.append(threading.current_thread().name)
        done.set()

    return act


def thread_of(scheduler: Scheduler, *pauses: Any) -> str:
    names: list[str] = []
    done = threading.Event()
    scheduler.submit(doing(named(names, done), *pauses))
    assert done.wait(SOON_S)
    return names[0]


def test_short_work_is_done_by_whoever_brings_it(scheduler):
    assert thread_of(scheduler) == threading.current_thread().name


@pytest.mark.parametrize(
    ("pause", "thread"), [(GIVE_WAY, "airs-long"), (LOAD, "airs-load"), (START, "airs-start"), (hold, "airs-hold")]
)
def test_other_work_goes_on_among_its_kind(scheduler, pause, thread):
    assert thread_of(scheduler, pause) == thread


def test_work_that_waits_goes_on_when_its_moment_has_come_and_not_before(scheduler):
    at_ns = time.monotonic_ns() + 20_000_000
    assert thread_of(scheduler, Until(at_ns)) == "airs-guest"
    assert time.monotonic_ns() >= at_ns


def test_work_that_waits_goes_on_once_when_it_is_woken_even_before_it_was_set_aside(scheduler):
    for early in (True, False):
        pause, done = Until(time.monotonic_ns() + 60_000_000_000), threading.Semaphore(0)
        if early:
            pause.wake()
        scheduler.submit(doing(done.release, pause))
        pause.wake()
        pause.wake()
        assert done.acquire(timeout=SOON_S)
        assert not done.acquire(blocking=False)


def test_a_thousand_that_wait_need_no_thread_each(scheduler):
    go_on, all_done, done = [], threading.Event(), []

    def act() -> None:
        done.append(1)
        if len(done) == 1_000:
            all_done.set()

    threads = threading.active_count()
    for _ in range(1_000):
        go_on.append(Until(time.monotonic_ns() + 60_000_000_000))
        scheduler.submit(doing(act, go_on[-1]))
    assert threading.active_count() <= threads
    for pause in go_on:
        pause.wake()
    assert all_done.wait(SOON_S)


def test_a_bug_in_one_work_is_reported_and_ends_nothing_else(scheduler, monkeypatch):
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)

    for pauses in ((), (GIVE_WAY,), (hold,)):
        scheduler.submit(doing(bug, *pauses))
        thread_of(scheduler, *pauses)
        thread_of(scheduler, *pauses)
    assert [str(one.exc_value) for one in reported] == ["a bug of ours"] * 3


def test_an_interruption_of_the_thread_that_brings_work_does_not_keep_the_turn(scheduler):
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scheduler.submit(doing(stop))
    assert thread_of(scheduler) == threading.current_thread().name


def test_work_that_computes_long_shares_the_cores(scheduler):
    together = threading.Barrier(2)
    done = threading.Barrier(3)

    async def meet() -> None:
        await GIVE_WAY
        together.wait(SOON_S)  # needs both to run at once
        done.wait(SOON_S)

    scheduler.submit(meet())
    scheduler.submit(meet())
    done.wait(SOON_S)


def test_those_that_give_way_take_turns(clock):
    scheduler, steps, done = Scheduler(clock, cores=1), [], threading.Event()

    async def steady(name: str) -> None:
        await GIVE_WAY
        for _ in range(3):
            steps.append(name)
            await GIVE_WAY
        if name == "b":
            done.set()

    first = threading.Event()
    scheduler.submit(doing(lambda: first.wait(SOON_S), GIVE_WAY))  # until both are there
    scheduler.submit(steady("a"))
    scheduler.submit(steady("b"))
    first.set()
    assert done.wait(SOON_S)
    assert steps == ["a", "b"] * 3
    scheduler.close()


def test_what_holds_a_thread_delays_nobody(scheduler):
    go_on = threading.Event()
    for _ in range(50):
        scheduler.submit(doing(lambda: None, hold(lambda: go_on.wait(SOON_S))))
    assert thread_of(scheduler, hold) == "airs-hold"
    assert thread_of(scheduler, GIVE_WAY) == "airs-long"
    go_on.set()


def test_no_more_than_so_many_hold_a_thread_and_the_rest_waits(scheduler):
    go_on, together, done = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    def wait() -> None:
        together.release()
        go_on.wait(SOON_S)
        done.release()

    for _ in range(HELD_MAX + 5):
        scheduler.submit(doing(lambda: None, hold(wait)))
    for _ in range(HELD_MAX):
        assert together.acquire(timeout=SOON_S)
    assert not together.acquire(blocking=False)
    go_on.set()
    for _ in range(HELD_MAX + 5):
        assert done.acquire(timeout=SOON_S)


def test_calls_that_do_not_return_are_given_up_and_others_take_their_places(scheduler):
    """Twice as many as may hold a thread, none of which returns before the end of the test."""
    go_on, given_up, back = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    async def call() -> None:
        def wait(held: Held[None]) -> None:
            held.over_within(time.monotonic_ns())
            go_on.wait(SOON_S)

        held = Held(wait)
        try:
            await held
        except GivenUp:
            held.when_back(back.release)
            given_up.release()

    before = threading.active_count()
    for _ in range(2 * HELD_MAX):
        scheduler.submit(call())
    for _ in range(2 * HELD_MAX):
        assert given_up.acquire(timeout=SOON_S)
    assert not back.acquire(blocking=False)
    assert thread_of(scheduler, hold) == "airs-hold"
    go_on.set()
    for _ in range(2 * HELD_MAX):
        assert back.acquire(timeout=SOON_S)
    deadline = time.monotonic() + SOON_S
    while threading.active_count() > before + HELD_MAX and time.monotonic() < deadline:
        pass
    assert threading.active_count() <= before + HELD_MAX


def test_a_call_that_is_given_up_before_its_turn_is_never_made(scheduler):
    made, back = threading.Event(), threading.Event()
    go_on, there, told = threading.Event(), threading.Semaphore(0), threading.Event()

    def wait() -> None:
        there.release()
        go_on.wait(SOON_S)

    async def call(held: Held[None]) -> None:
        try:
            await held
        except GivenUp:
            held.when_back(back.set)
            told.set()

    for _ in range(HELD_MAX):
        scheduler.submit(doing(lambda: None, hold(wait)))
    for _ in range(HELD_MAX):
        assert there.acquire(timeout=SOON_S)
    late = Held(lambda _held: made.set())
    late.over_within(time.monotonic_ns())
    scheduler.submit(call(late))
    assert told.wait(SOON_S)
    go_on.set()
    assert back.wait(SOON_S)
    assert not made.is_set()


def threads_of(scheduler: Scheduler, count: int) -> list[str]:
    """Bring work that brings as much work as `count` says, and return who did that."""
    threads: list[str] = []
    done = threading.Event()

    def bring_many() -> None:
        for number in range(count):
            last = done.set if number == count - 1 else lambda: None
            scheduler.submit(doing(lambda end=last: (threads.append(threading.current_thread().name), end())))

    scheduler.submit(doing(bring_many))
    assert done.wait(SOON_S)
    return threads


def test_somebody_elses_thread_is_let_go_after_so_many_steps(scheduler, monkeypatch):
    monkeypatch.setattr(turns, "GUEST_NS", 10**12)
    mine = threading.current_thread().name
    assert threads_of(scheduler, 3 * GUEST_MAX) == [mine] * (GUEST_MAX - 1) + ["airs-guest"] * (2 * GUEST_MAX + 1)


def test_somebody_elses_thread_is_let_go_after_some_time(scheduler, monkeypatch):
    monkeypatch.setattr(turns, "GUEST_NS", 0)
    assert threads_of(scheduler, 3) == [threading.current_thread().name, "airs-guest", "airs-guest"]


def test_nothing_that_is_submitted_from_many_threads_at_once_is_lost_or_done_twice(scheduler):
    done: list[int] = []
    all_done = threading.Event()

    def act(number: int) -> None:
        done.append(number)
        if len(done) == 8_000:
            all_done.set()

    def bring(first: int) -> None:
        for number in range(first, first + 1_000):
            pauses = ((), (GIVE_WAY,), (hold,), (Until(0),))[number % 4]
            scheduler.submit(doing(lambda n=number: act(n), *pauses))

    threads = [threading.Thread(target=bring, args=(n * 1_000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all_done.wait(SOON_S)
    assert sorted(done) == list(range(8_000))


def test_calls_are_made_in_the_order_they_are_due_and_never_early(clock):
    made: list[tuple[str, int]] = []
    done = threading.Event()
    begin = clock.monotonic_ms()

    def note(name: str) -> None:
        made.append((name, clock.monotonic_ms() - begin))

    clock.call_later(30, lambda: (note("later"), done.set()))
    clock.call_later(10, lambda: note("sooner"))
    assert done.wait(SOON_S)
    assert [name for name, _ in made] == ["sooner", "later"]
    assert made[0][1] >= 10
    assert made[1][1] >= 30


def test_a_cancelled_call_is_not_made(clock):
    made: list[str] = []
    done = threading.Event()
    clock.call_later(5, lambda: made.append("cancelled")).cancel()
    clock.call_later(10, done.set)
    assert done.wait(SOON_S)
    assert made == []


def test_a_call_that_raises_does_not_end_the_clock(clock):
    done = threading.Event()

    clock.call_later(0, bug)
    clock.call_later(5, done.set)
    assert done.wait(SOON_S)


def test_jobs_have_a_thread_each_up_to_the_limit_and_what_is_beyond_waits():
    threads = ThreadPerJob("airs-job", JOBS_MAX)
    go_on, ran = threading.Event(), threading.Semaphore(0)
    all_at_work = threading.Barrier(JOBS_MAX + 1)

    def long() -> None:
        all_at_work.wait(SOON_S)
        go_on.wait(SOON_S)

    for _ in range(JOBS_MAX):
        threads.submit(long)
    all_at_work.wait(SOON_S)
    threads.submit(ran.release)
    assert not ran.acquire(blocking=False)
    go_on.set()
    assert ran.acquire(timeout=SOON_S)


def test_a_job_that_raises_keeps_no_other_from_running():
    threads = ThreadPerJob("airs-job", JOBS_MAX)
    ran = threading.Semaphore(0)
    for _ in range(JOBS_MAX + 1):
        threads.submit(bug)
    threads.submit(ran.release)
    assert ran.acquire(timeout=SOON_S)
