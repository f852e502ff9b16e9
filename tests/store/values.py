"""Values that the store tests write."""

import time

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Number, Record
from orchestrator.model.rollout import Cause
from orchestrator.model.spec import Deployment, Limits, PauseStep, Revision, RolloutPolicy, Strategy, WeightStep
from orchestrator.rollout.advance import begin
from orchestrator.store.engine import Engine, Tail
from orchestrator.store.lock import Owner
from orchestrator.store.synced import read_synced

OWNER = Owner(pid=4711, started_at="2025-01-01T00:00:00Z", command="airs up .", socket="/run/airs.sock")
COUNTER = DeploymentKey(namespace="default", name="counter")


def deployment(key=COUNTER, version="1.0.0"):
    revision = Revision(
        id=version.replace(".", "") * 16,
        component="counter",
        version=version,
        artifact="sha256:" + "0" * 64,
        stateful=False,
        config='{"greeting":"hello"}',
        grants=(),
        limits=Limits(memory_bytes=1 << 20, fuel=1_000, timeout_ms=100),
    )
    policy = RolloutPolicy(
        strategy=Strategy.CANARY, steps=(WeightStep(weight=10), PauseStep(), PauseStep(duration_ms=5))
    )
    return Deployment(key=key, revision=revision, labels=(("team", "core"),), rollout=policy)


def record(key=COUNTER, generation=1):
    wanted = deployment(key)
    rollout = begin(wanted, None, Cause.APPLY, 1_000)
    return Record(key=key, source="/srv/manifests", generation=generation, wanted=wanted, rollout=rollout)


def number(n, outcome=""):
    return Number(
        number=n, revision=deployment().revision, cause=Cause.APPLY, reason="new", started_ms=n, outcome=outcome
    )


def synced(path):
    """Wait until everything that was written is noted as being on the disk."""
    deadline = time.monotonic() + 30
    reader = Engine.reading(path / "db", Tail.CUT_OFF)
    sequence = reader.sequence()
    reader.close()
    while read_synced(path / "synced").sequence < sequence:
        assert time.monotonic() < deadline
        time.sleep(0.01)
