"""An instance that waits before it is started again: it takes no worker's time, and nobody else waits with it."""

from collections.abc import Callable
from random import Random

from orchestrator.messaging.mailbox.envelope import Envelope
from orchestrator.model.message import Message, Outcome, Replied
from orchestrator.model.spec import Backoff, RestartPolicy
from orchestrator.supervise.service import Service
from tests.plan.build import deployment
from tests.simulation.time import SeededWorkers
from tests.supervise.stage import SENDER, Stage

LONG_MS = 3_600_000
RESTART = RestartPolicy(intensity=100, backoff=Backoff(initial_ms=LONG_MS, max_ms=LONG_MS, factor=1.0))


def waiting(replicas: int = 1) -> Stage:
    """Return a stage one instance of which waits an hour before it is started again; nothing else is left to do."""
    made = Stage(SeededWorkers(Random(0)), restart=RESTART, replicas=replicas)
    made.set.scale(made.deployment)
    made.workers.run_all()
    made.send("trap")
    made.workers.run_all()
    assert "backing-off" in made.phases
    assert made.workers.jobs == []
    return made


def neighbour(made: Stage) -> Service:
    """Have another deployment beside it, in the same process with the same workers and clock."""
    service = Service(deployment("two", restart=RESTART), made.environment)
    service.route.direct({service.ensure(deployment("two", restart=RESTART)).lane: 100}, hold=False)
    return service


def answer(made: Stage, offer: Callable[[Envelope], object]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    offer(Envelope(Message(sender=SENDER, payload=b"echo x", timestamp_ns=0), outcomes.append))
    made.workers.run_all()
    return outcomes


def test_the_other_instances_of_its_deployment_answer_meanwhile():
    made = waiting(replicas=3)
    assert sorted(made.phases) == ["backing-off", "running", "running"]
    assert [answer(made, made.route.offer) for _ in range(10)] == [[Replied(b"x")]] * 10
    assert made.clock.now_ms == 0


def test_another_deployment_starts_answers_fails_and_is_stopped_meanwhile():
    made = waiting()
    other = neighbour(made)
    made.workers.run_all()
    assert [i.ready for i in other.observe()] == [True]
    assert answer(made, other.route.offer) == [Replied(b"x")]
    other.drop(other.revisions()[0])
    made.workers.run_all()
    assert other.drop(other.revisions()[0])
    assert made.clock.now_ms == 0
    assert made.phases == ["backing-off"]


def test_each_waits_its_own_time_however_many_wait():
    made = waiting(replicas=2)
    made.fire(LONG_MS // 2)
    made.send("trap")
    made.workers.run_all()
    assert made.phases == ["backing-off", "backing-off"]
    made.fire(LONG_MS // 2)
    made.workers.run_all()
    assert sorted(made.phases) == ["backing-off", "running"]
    made.fire(LONG_MS // 2)
    made.workers.run_all()
    assert made.phases == ["running", "running"]


def test_one_that_waits_is_scaled_away_and_its_set_stopped_at_once():
    made = waiting()
    made.set.stop()
    assert made.set.is_gone
    assert made.clock.next_ms is None
