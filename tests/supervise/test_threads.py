"""The real workers and the real clock."""

import threading

import pytest

from orchestrator.supervise.job_threads import AT_ONCE_MAX, JobThreads
from orchestrator.supervise.timers import SystemClock
from orchestrator.supervise.workers import Pool, ThreadWorkers

SOON_S = 10  # until a test fails for want of what it waits for


def bug() -> None:
    raise ValueError("a bug of ours")


@pytest.fixture
def clock():
    made = SystemClock()
    yield made
    made.close()


def run(pool: Pool) -> threading.Event:
    done = threading.Event()
    pool.submit(done.set)
    return done


def test_a_job_that_raises_leaves_the_pool_as_large_as_it_was():
    pool = Pool("test", 2)
    for _ in range(10):
        pool.submit(bug)
    both = threading.Barrier(3)
    pool.submit(both.wait)
    pool.submit(both.wait)
    both.wait(SOON_S)
    pool.close()


def test_a_guest_that_waits_lends_its_place():
    pool = Pool("test", 1)
    go_on, waits = threading.Event(), threading.Event()

    def wait() -> None:
        with pool.blocked():
            waits.set()
            go_on.wait(SOON_S)

    pool.submit(wait)
    assert waits.wait(SOON_S)
    assert run(pool).wait(SOON_S)
    go_on.set()
    assert run(pool).wait(SOON_S)
    pool.close()


def test_the_spare_leaves_again_so_that_threads_do_not_add_up():
    pool = Pool("spares", 1)
    for _ in range(50):
        done = threading.Event()

        def wait(done: threading.Event = done) -> None:
            with pool.blocked():
                pass
            done.set()

        pool.submit(wait)
        assert done.wait(SOON_S)
    together = threading.Barrier(2)
    pool.submit(lambda: together.wait(SOON_S))
    together.wait(SOON_S)
    assert sum(thread.name == "spares" for thread in threading.enumerate()) < 10
    pool.close()


def test_a_slow_start_never_delays_a_message():
    workers = ThreadWorkers(cores=1)
    go_on, done = threading.Event(), threading.Event()
    for _ in range(4):
        workers.submit_slow(lambda: go_on.wait(SOON_S))
    workers.submit(done.set)
    assert done.wait(SOON_S)
    go_on.set()
    workers.close()


def test_waiting_on_a_thread_that_is_none_of_ours_is_harmless():
    workers = ThreadWorkers(cores=1)
    with workers.blocked():
        pass
    workers.close()


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
    threads = JobThreads()
    go_on, ran = threading.Event(), threading.Semaphore(0)
    all_at_work = threading.Barrier(AT_ONCE_MAX + 1)

    def long() -> None:
        all_at_work.wait(SOON_S)
        go_on.wait(SOON_S)

    for _ in range(AT_ONCE_MAX):
        threads.submit(long)
    all_at_work.wait(SOON_S)
    threads.submit(ran.release)
    assert not ran.acquire(blocking=False)
    go_on.set()
    assert ran.acquire(timeout=SOON_S)


def test_a_job_that_raises_keeps_no_other_from_running():
    threads = JobThreads()
    ran = threading.Semaphore(0)
    for _ in range(AT_ONCE_MAX + 1):
        threads.submit(bug)
    threads.submit(ran.release)
    assert ran.acquire(timeout=SOON_S)
