"""Everything at once for a while: each message that was let in is handled or a dead letter; and thousands of actors.

`AIRS_SOAK_S` says for how many seconds the random part goes on, and makes the actors ten thousand; CI gives it a few,
a person some minutes.
"""

import os
import random
import threading
import time
from contextlib import closing

import pytest

from orchestrator.client import AgentClient
from orchestrator.contract.documents import DeploymentView
from orchestrator.contract.problem import Failure

from .stage import COUNTER_GRANTS, LIMIT_S, Stage, wait_until

SOAK_S = float(os.environ.get("AIRS_SOAK_S", "8"))
REPLICAS = 1000 if "AIRS_SOAK_S" in os.environ else 200  # of each of ten deployments
STORED_MAX = 50_000  # messages whose mark has to fit into what the component may store
NAMES = ("one", "batched", "dropping", "durable", "keyed")
AGAIN = {"type": "permanent", "intensity": 1000, "period": "1s", "backoff": {"initial": "1ms", "max": "10ms"}}
SPECS = {
    "one": {"replicas": 2, "mailbox": {"capacity": 5000}},
    "batched": {"mailbox": {"capacity": 5000, "batch": 64}},
    "dropping": {"mailbox": {"capacity": 50, "whenFull": "drop-oldest", "ttl": "500ms"}},
    "durable": {"mailbox": {"capacity": 5000, "attempts": 2, "batch": 8}, "delivery": "at-least-once"},
    "keyed": {"replicas": 3, "mailbox": {"capacity": 5000}, "routing": {"policy": "consistent-hash"}},
}
BAD = ("trap", "div0", "err no", "fail 2 no", "nonsense")


class Sender(threading.Thread):
    """Sends messages of all kinds to one deployment, and counts those that were let in, and the good ones of them."""

    def __init__(self, stage: Stage, name: str, until: float, most: int = 10**9) -> None:
        super().__init__()
        self.most = most
        self.client, self.key, self.until = stage.new_client(), stage.key(name), until
        self.chance = random.Random(name)
        self.let_in = 0
        self.good: set[str] = set()

    def run(self) -> None:
        with closing(self.client):
            while time.monotonic() < self.until and len(self.good) < self.most:
                messages = [self._message() for _ in range(self.chance.randrange(1, 60))]
                try:
                    queued = self.client.send_many(self.key, [one.encode() for one in messages], None, LIMIT_S)
                except Failure:  # held back by a rollout, or full for long
                    continue
                self.let_in += queued
                self.good |= {one.split()[1] for one in messages[:queued] if one.startswith("store")}

    def _message(self) -> str:
        number = self.chance.randrange(10**9)
        return self.chance.choice(BAD) if self.chance.random() < 0.03 else f"store {self.key.name}-{number} x"


def disturb(stage: Stage, until: float) -> None:
    """Restart, scale and update what runs, at random."""
    chance = random.Random(7)
    while time.monotonic() < until:
        name = chance.choice(NAMES)
        if chance.random() < 0.5:
            stage.run("restart", name, "--no-wait", code=None)
        else:
            spec = SPECS[name] | {"config": {"greeting": f"{chance.randrange(3)}"}}
            if name == "one":
                spec |= {"replicas": chance.randrange(1, 4)}
            stage.write(name, "faulty", grants=COUNTER_GRANTS, restart=AGAIN, **spec)
            stage.run("apply", str(stage.manifests), "--yes", "--no-wait", code=None)
        time.sleep(chance.random() / 2)


def is_quiet(view: DeploymentView) -> bool:
    """Whether nothing waits, is at work, or is to be sent again."""
    traffic = view.traffic
    return traffic.waiting == 0 and accounted(view) == traffic.received


def accounted(view: DeploymentView) -> int:
    """Count what was handled well, became a dead letter, or failed and was sent again."""
    traffic = view.traffic
    return traffic.handled - traffic.errors + traffic.lost + traffic.sent_again


def kept(client: AgentClient, stage: Stage, wanted: set[str]) -> set[str]:
    """Return those that have been stored; asked for a few at a time, as a guest has little memory."""
    found: set[str] = set()
    for begin in {one[: len("durable-") + 3] for one in wanted}:
        reply = client.request(stage.key("durable"), f"keys {begin}".encode(), None, LIMIT_S)
        found |= set((reply or b"").decode().split())
    return found


def test_each_message_that_was_let_in_is_handled_or_a_dead_letter(stage: Stage):
    for name, spec in SPECS.items():
        stage.write(name, "faulty", grants=COUNTER_GRANTS, restart=AGAIN, **spec)
    stage.apply()
    until = time.monotonic() + SOAK_S
    senders = [Sender(stage, name, until) for name in NAMES]
    for sender in senders:
        sender.start()
    disturb(stage, until)
    for sender in senders:
        sender.join()
    for sender in senders:
        name = sender.key.name
        view = wait_until(lambda name=name: (found := stage.view(name)) and is_quiet(found) and found, limit_s=60)
        traffic = view.traffic
        assert traffic.received - traffic.sent_again == sender.let_in, name
        assert accounted(view) == traffic.received, name
        assert sender.let_in > 50, "there was something to lose"
    assert any(stage.view(name).restarts for name in NAMES)


def test_what_was_acknowledged_for_good_is_stored_when_it_is_over(stage: Stage):
    """As above, where nothing but the messages themselves ends an instance: each good one has left its mark."""
    stage.write("durable", "faulty", grants=COUNTER_GRANTS, restart=AGAIN, **SPECS["durable"])
    stage.apply()
    sender = Sender(stage, "durable", time.monotonic() + SOAK_S / 4, STORED_MAX)
    sender.start()
    sender.join()
    wait_until(lambda: is_quiet(stage.view("durable")), limit_s=60)
    with closing(stage.new_client()) as client:
        stored = kept(client, stage, sender.good)
    assert sender.good
    assert sender.good <= stored


@pytest.mark.slow
def test_thousands_of_actors_answer_in_one_agent(stage: Stage):
    names = [f"many-{number}" for number in range(10)]
    for name in names:
        stage.write(
            name, "hello-1.0.0", replicas=REPLICAS, routing={"policy": "round-robin"}, health={"interval": "1h"}
        )
    stage.run("apply", str(stage.manifests), "--yes", "--timeout", "300s")
    assert all(stage.view(name).ready == REPLICAS for name in names)
    lines = stage.folder / "lines"
    lines.write_text("x\n" * 2000)
    for name in names:
        stage.run("send", name, "--lines", str(lines))
    for name in names:
        wait_until(lambda name=name: stage.view(name).traffic.handled == 2000, limit_s=120)
    assert {stage.view(name).traffic.errors for name in names} == {0}
