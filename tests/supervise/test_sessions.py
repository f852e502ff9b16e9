"""When sessions of typed calls end: unused for long, with their instance, or when their caller says so."""

from random import Random

from orchestrator.messaging.mailbox.envelope import Call, Envelope, Release
from orchestrator.model.message import BadCall, Exited, Outcome, Returned, Undelivered
from orchestrator.model.spec import HealthPolicy
from orchestrator.supervise.sessions import SESSION_IDLE_MS
from tests.simulation.time import SeededWorkers
from tests.supervise.stage import Stage

NO_CHECKS = HealthPolicy(interval_ms=10 * SESSION_IDLE_MS, timeout_ms=100, failure_threshold=2)


def stage() -> Stage:
    made = Stage(SeededWorkers(Random(0)), health=NO_CHECKS)
    made.set.scale(made.deployment)
    made.workers.run_all()
    return made


def done(made: Stage, work: Call | Release) -> Outcome:
    outcomes: list[Outcome] = []
    refused = made.route.offer(Envelope(work, outcomes.append))
    made.workers.run_all()
    return refused or outcomes[0]


def pass_time(made: Stage, milliseconds: int) -> None:
    made.fire(milliseconds)
    made.workers.run_all()


def held(made: Stage) -> dict[str, int]:
    return {session.name: session.handles for session in made.set.sessions()}


def test_a_session_ends_when_it_is_not_used_for_long_and_the_next_call_is_told():
    made = stage()
    assert done(made, Call("hold", (), "s")) == Returned(1)
    pass_time(made, SESSION_IDLE_MS - 1)
    assert held(made) == {"s": 1}
    pass_time(made, 1)
    assert held(made) == {}
    told = done(made, Call("hold", (), "s"))
    assert isinstance(told, Undelivered)
    assert (told.case, "unused for 10 minutes" in told.detail) == ("session-ended", True)
    assert done(made, Call("hold", (), "s")) == Returned(1)


def test_every_call_of_a_session_begins_its_time_anew():
    made = stage()
    for count in range(1, 5):
        assert done(made, Call("hold", (), "s")) == Returned(count)
        pass_time(made, SESSION_IDLE_MS - 1)
    assert held(made) == {"s": 4}


def test_a_call_that_comes_as_a_session_would_end_keeps_it():
    made = stage()
    done(made, Call("hold", (), "s"))
    outcomes: list[Outcome] = []
    made.route.offer(Envelope(Call("hold", (), "s"), outcomes.append))  # begun, and not done
    made.fire(SESSION_IDLE_MS)
    made.workers.run_all()
    assert outcomes == [Returned(2)]
    assert held(made) == {"s": 2}


def test_what_its_caller_ends_is_ended_and_begins_anew_without_a_word():
    made = stage()
    done(made, Call("hold", (), "s"))
    assert done(made, Release("s")) == Returned(1)
    assert done(made, Release("s")) == Undelivered("no-such-session", f"{made.route.key} has no session s")
    assert done(made, Call("hold", (), "s")) == Returned(1)


def test_a_call_that_never_began_leaves_no_session():
    made = stage()
    assert isinstance(done(made, Call("no-such-function", (), "s")), BadCall)
    assert isinstance(done(made, Release("s")), Undelivered)


def test_an_instance_that_fails_takes_its_sessions_along():
    made = stage()
    done(made, Call("hold", (), "s"))
    made.runtime.open[0].trap_next = True
    assert isinstance(done(made, Call("hold", (), "s")), Exited)
    pass_time(made, made.deployment.restart.backoff.max_ms)
    told = done(made, Call("hold", (), "s"))
    assert isinstance(told, Undelivered)
    assert "failed (trapped: told to)" in told.detail
    assert done(made, Call("hold", (), "s")) == Returned(1)


def test_an_instance_that_is_restarted_takes_its_sessions_along():
    made = stage()
    done(made, Call("hold", (), "s"))
    made.set.restart()
    made.workers.run_all()
    told = done(made, Call("hold", (), "s"))
    assert isinstance(told, Undelivered)
    assert "was stopped" in told.detail
    pass_time(made, 2 * SESSION_IDLE_MS)  # nothing of the former is left to fire
    assert done(made, Call("hold", (), "s")) == Returned(1)
