"""Everything that can be asked of a set of instances, at once, changing threads wherever a lock is taken or let go."""

import os
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from orchestrator.messaging import asking
from orchestrator.messaging.mailbox import route
from orchestrator.model.spec import Backoff, HealthPolicy, RestartPolicy, RestartType
from orchestrator.runtime.call.finish import finish
from orchestrator.supervise import check_rounds, instance, instances, rolling, sessions
from tests.supervise.interleave import Interleaver
from tests.supervise.stage import Stage

SEEDS = range(int(os.environ.get("AIRS_INTERLEAVINGS", "80")))
POLICIES = (RestartPolicy(type=RestartType.TEMPORARY), RestartPolicy(intensity=0), RestartPolicy(backoff=Backoff(1)))
EAGER = HealthPolicy(interval_ms=10, timeout_ms=10, failure_threshold=1)


@pytest.fixture(params=SEEDS)
def threads(request, monkeypatch) -> Interleaver:
    interleaver = Interleaver(request.param)
    for module in (asking, check_rounds, instance, instances, rolling, route, sessions):
        monkeypatch.setattr(module, "threading", SimpleNamespace(Lock=interleaver.Lock))
    return interleaver


def stage(threads: Interleaver, health: HealthPolicy = EAGER, **fields: object) -> Stage:
    workers = SimpleNamespace(submit=lambda work, _priority=None: threads.go(lambda: finish(work)))
    made = Stage(workers, threads.change, health=health, **fields)
    made.set.scale(made.deployment)
    return made


def messages(made: Stage, words: list[str]) -> None:
    for word in words:
        made.send(word)


def checks(made: Stage) -> None:
    for _ in range(3):
        made.fire(10)


def test_whatever_comes_before_it_a_stop_ends_every_instance_once(threads):
    made = stage(threads, replicas=2)
    if threads.random.random() < 0.5:
        threads.run()
    words = threads.random.choices(["echo x", "err", "trap", "health unhealthy"], k=3)
    threads.go(lambda: messages(made, words))
    threads.go(lambda: checks(made))
    threads.go(made.set.restart)
    threads.go(lambda: made.set.scale(replace(made.deployment, replicas=threads.random.choice((0, 1, 3)))))
    threads.go(lambda: made.set.scale(replace(made.set.deployment, restart=threads.random.choice(POLICIES))))
    threads.go(made.set.stop)
    threads.run()
    assert made.set.is_gone
    assert not made.runtime.open
    assert all(len(outcomes) <= 1 for outcomes in made.outcomes)
    assert made.route.depth == sum(not outcomes for outcomes in made.outcomes)
    assert made.route.busy(made.set.lane) == 0


@pytest.mark.parametrize("health", [EAGER, HealthPolicy()], ids=["asked how it is", "left alone"])
def test_whatever_comes_together_every_answer_is_handed_over_once(threads, health):
    made = stage(threads, health, replicas=2)
    threads.run()
    words = threads.random.choices(["ask", "ask", "ask briefly", "echo x", "health degraded"], k=5)
    for word in words:
        threads.go(lambda word=word: made.send(word))
    threads.go(lambda: checks(made))
    threads.run()
    made.fire(10)
    threads.run()
    assert len(made.asked) == sum(word.startswith("ask") for word in words)
    assert all(len(answers) == 1 for answers in made.asked.values())
    assert made.route.requests.seen().waiting == 0
    assert made.phases == ["running"] * 2


def test_a_stop_answers_what_its_instances_still_wait_for(threads):
    made = stage(threads, replicas=2)
    threads.run()
    for word in threads.random.choices(["ask", "ask", "trap", "ask briefly"], k=5):
        threads.go(lambda word=word: made.send(word))
    threads.go(made.set.restart if threads.random.random() < 0.3 else made.set.stop)
    threads.go(lambda: made.fire(10))
    threads.run()
    made.set.stop()
    threads.run()
    assert made.set.is_gone
    seen = made.route.requests.seen()
    assert (seen.waiting, seen.sent) == (0, len(made.asked))
    assert all(len(answers) <= 1 for answers in made.asked.values())
    heard = sum(map(len, made.asked.values()))
    assert heard <= seen.answered + seen.failed + seen.timed_out
    assert heard == len(made.asked) or seen.cancelled or made.heard.exits


def test_whatever_comes_together_every_instance_comes_back_and_takes_messages(threads):
    made = stage(threads, replicas=2)
    words = threads.random.choices(["echo x", "err", "trap", "none"], k=4)
    threads.go(lambda: messages(made, words))
    threads.go(lambda: checks(made))
    threads.go(made.set.restart)
    replicas = threads.random.choice((1, 2, 3))
    threads.go(lambda: made.set.scale(replace(made.deployment, replicas=replicas)))
    threads.run()
    for _ in range(6):
        threads.go(lambda: made.fire(200))
        threads.run()
    assert made.phases == ["running"] * replicas
    assert made.set.ready == len(made.runtime.open) == replicas
    assert all(len(outcomes) == 1 for outcomes in made.outcomes)
    answers = [made.send() for _ in range(replicas)]
    threads.run()
    assert all(answers)


def test_of_a_set_that_is_restarted_only_one_instance_is_away_at_a_time(threads):
    made = stage(threads, replicas=3)
    threads.run()
    least = []
    made.heard.changed = lambda _key: least.append(made.set.ready)
    threads.go(made.set.restart)
    threads.run()
    assert min(least) == 2
    assert made.set.ready == 3
    assert len(made.runtime.guests) == 6


def test_one_that_works_alone_never_meets_its_successor(threads):
    made = stage(threads, replicas=1)
    at_work: list[int] = []

    def hear(*_: object) -> None:
        at_work.append(sum(guest.message is not None for guest in made.runtime.open))

    made.runtime._hear = hear
    threads.run()
    threads.go(lambda: messages(made, ["echo x"] * 4))
    threads.go(lambda: (made.set.scale(replace(made.deployment, replicas=0)), made.set.scale(made.deployment)))
    threads.go(made.set.restart)
    threads.run()
    assert max(at_work) == 1
    assert all(len(outcomes) == 1 for outcomes in made.outcomes)
