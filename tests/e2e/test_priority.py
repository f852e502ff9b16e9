"""A deployment's priority, through the command line: who has more of the turns is done sooner."""

import threading
from contextlib import closing

from .stage import Stage

COMPUTE = "repeat 400000 limits"


def test_of_those_that_compute_the_one_of_high_priority_is_done_before_the_others(stage: Stage):
    limits = {"timeout": "2s"}
    stage.write("low", "faulty", replicas=6, priority="low", limits=limits)
    stage.write("high", "faulty", priority="high", limits=limits)
    stage.apply()
    done: list[str] = []

    def ask(name: str) -> None:
        with closing(stage.new_client()) as client:
            client.request(stage.key(name), COMPUTE.encode(), None, 60.0)
        done.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in ["low"] * 6 + ["high"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "high" in done[:3]


def test_priority_is_changed_in_place(stage: Stage):
    stage.have("one", "faulty")
    before = stage.lives("one")
    said = stage.have("one", "faulty", priority="high").said
    assert "priority" in said
    assert stage.lives("one") == before
