"""Checks of many instances in rounds: as one job, hardly early and never late, a few at a time."""

from random import Random

from orchestrator.model.message import Replied
from orchestrator.model.spec import HealthPolicy
from orchestrator.supervise.check_rounds import SHARE, SLICE, CheckRounds
from tests.simulation.time import FakeClock, SeededWorkers
from tests.supervise.stage import Stage

INTERVAL_MS = 5_000


class Counted(SeededWorkers):
    """Workers that count what they are given."""

    def __init__(self) -> None:
        super().__init__(Random(0))
        self.given = 0

    def submit(self, work, *priority) -> None:
        self.given += 1
        super().submit(work, *priority)


def passed(clock: FakeClock, workers: SeededWorkers, milliseconds: int) -> int:
    """Let time pass; returns how many timers were due."""
    due = clock.pass_time(milliseconds)
    for one in due:
        one.fire()
    workers.run_all()
    return len(due)


def test_what_is_due_at_about_the_same_time_takes_one_timer_and_one_job():
    clock, workers, made = FakeClock(), Counted(), []
    rounds = CheckRounds(clock, workers)
    for number in range(SLICE):
        rounds.call_later(INTERVAL_MS, lambda number=number: made.append(number))
        clock.now_ms += 1  # each a little later than the one before
    assert passed(clock, workers, INTERVAL_MS) == 1
    assert made == [*range(SLICE)]
    assert workers.given == 1


def test_a_check_is_never_late_and_hardly_early():
    for began_ms in range(0, 200, 7):
        clock, workers, made = FakeClock(), Counted(), []
        clock.now_ms = began_ms
        CheckRounds(clock, workers).call_later(INTERVAL_MS, lambda made=made: made.append(True))
        passed(clock, workers, INTERVAL_MS - INTERVAL_MS // SHARE - 1)
        assert not made
        passed(clock, workers, INTERVAL_MS // SHARE + 1)
        assert made


def test_one_of_a_short_interval_is_due_to_the_millisecond():
    clock, workers, made = FakeClock(), Counted(), []
    clock.now_ms = 3
    CheckRounds(clock, workers).call_later(10, lambda: made.append(True))
    passed(clock, workers, 9)
    assert not made
    passed(clock, workers, 1)
    assert made


def test_what_was_cancelled_is_not_called_and_others_of_its_round_are():
    clock, workers, made = FakeClock(), Counted(), []
    rounds = CheckRounds(clock, workers)
    first, _ = (rounds.call_later(INTERVAL_MS, lambda word=word: made.append(word)) for word in ("one", "other"))
    first.cancel()
    passed(clock, workers, INTERVAL_MS)
    assert made == ["other"]


def test_a_large_round_lets_others_work_go_between_its_checks():
    clock, workers, made = FakeClock(), Counted(), []
    rounds = CheckRounds(clock, workers)
    for _ in range(3 * SLICE + 1):
        rounds.call_later(INTERVAL_MS, lambda: made.append("check"))
    for due in clock.pass_time(INTERVAL_MS):
        due.fire()
    workers.run_one()
    assert made == ["check"] * SLICE
    workers.run_all()
    assert made == ["check"] * (3 * SLICE + 1)
    assert workers.given == 4


def test_healthy_instances_at_rest_take_a_timer_a_round_and_tell_nobody():
    workers = Counted()
    made = Stage(workers, health=HealthPolicy(interval_ms=INTERVAL_MS), replicas=50)
    made.set.scale(made.deployment)
    workers.run_all()
    changes = made.heard.changes
    assert passed(made.clock, workers, INTERVAL_MS) == 1
    assert {guest.checked for guest in made.runtime.guests} == {2}  # as it started, and now
    assert made.heard.changes == changes
    assert passed(made.clock, workers, INTERVAL_MS) == 1
    assert {guest.checked for guest in made.runtime.guests} == {3}


def test_an_instance_that_is_at_work_is_checked_before_its_next_message():
    workers = Counted()
    made = Stage(workers, health=HealthPolicy(interval_ms=INTERVAL_MS))
    made.set.scale(made.deployment)
    workers.run_all()
    first, second = made.send("echo x"), made.send("echo y")
    workers.run_one()  # the first has begun
    (due,) = made.clock.pass_time(INTERVAL_MS)
    due.fire()
    (guest,) = made.runtime.guests
    seen: list[int] = []
    made.runtime.guests[0]._hear = lambda guest, _message: seen.append(guest.checked)
    workers.run_all()
    assert (first, second, seen) == ([Replied(b"x")], [Replied(b"y")], [2])
    assert guest.checked == 2
