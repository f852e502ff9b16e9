"""An agent that is killed around approvals and revocations: every answer that was given stands, and the book verifies.

`AIRS_KILLS` says how often; `make soak` kills more often than the tests.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .stage import COUNTER_GRANTS, Stage, wait_until

KILLS = int(os.environ.get("AIRS_KILLS", "3"))


@pytest.fixture
def ruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage whose policy wants writing approved, and a deployment for each kill that waits for that."""
    made = Stage(tmp_path)
    policies = tmp_path / "policies"
    policies.mkdir()
    body = {
        "apiVersion": "airs.dev/v1", "kind": "Policy", "metadata": {"name": "production"},
        "spec": {"approve": {"storage.write": ["self"]}},
    }  # fmt: skip
    (policies / "production.yaml").write_text(json.dumps(body))
    monkeypatch.setenv("AIRS_POLICY", str(policies))
    for number in range(KILLS):
        made.write(f"c-{number}", "counter-1.0.0", grants=COUNTER_GRANTS, replicas=0)
    return made


def written(stage: Stage) -> int:
    """Return the bytes of the audit book."""
    return sum(segment.stat().st_size for segment in (stage.state_dir / "audit").glob("*.jsonl"))


@contextmanager
def asked(stage: Stage, growths: int, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in a process of its own until the audit book has grown so many times, or it has ended."""
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(stage.state_dir), *arguments]
    size = written(stage)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as asking:
        while growths and asking.poll() is None:
            now = written(stage)
            growths, size = growths - (now != size), now
        yield asking


def entries(stage: Stage, *options: str) -> list[dict]:
    return [json.loads(line) for line in stage.run("-o", "json", "audit", "show", *options).out.splitlines()]


def test_what_was_approved_stays_approved_whenever_the_agent_is_killed(ruled: Stage) -> None:
    chance = random.Random(17)
    ruled.start()
    try:
        ruled.run("source", "add", str(ruled.manifests), "--no-wait")
        names = [f"c-{number}" for number in range(KILLS)]
        wait_until(lambda: [one["deployment"] for one in ruled.json("approvals")] == sorted(names))
        approved = set()
        for name in names:
            with asked(ruled, chance.randrange(4), "approve", name, "--reason", f"killed at {name}") as asking:
                ruled.kill()
            if asking.returncode == 0:
                approved.add(name)
            ruled.run("audit", "verify")  # as it was left
            ruled.start()
        given = {one["deployment"] for one in ruled.json("approvals", "--given")}
        assert approved <= given
        ruled.client.audit()
        noted = [entry["subject"] for entry in entries(ruled, "--kind", "approved")]
        assert sorted(noted) == sorted(f"default/{name}" for name in given)  # each once, and no other
        wait_until(lambda: given <= {view.name for view in ruled.client.deployments()})  # and acted upon
        ruled.run("audit", "verify")
    finally:
        ruled.close()


def test_a_key_that_was_revoked_stays_revoked_whenever_the_command_and_the_agent_are_killed(stage: Stage) -> None:
    chance = random.Random(23)
    for number in range(KILLS):
        out = stage.folder / "keys"
        stage.run("keygen", "--name", f"k-{number}", "--out", str(out))
        stage.run("trust", "add", str(out / f"k-{number}.pub"))
    revoked = set()
    for number in range(KILLS):
        with asked(stage, chance.randrange(3), "trust", "revoke", f"k-{number}") as asking:
            asking.kill()
            stage.kill()
        if asking.returncode == 0:
            revoked.add(f"k-{number}")
        stage.run("audit", "verify")
        stage.start()
    now = {each["name"]: each["state"] for each in stage.json("trust", "list")}
    assert all(now[name] == "revoked" for name in revoked)
    noted = {entry["subject"] for entry in entries(stage, "--kind", "key-revoked")}
    assert {name for name, state in now.items() if state == "revoked"} <= noted  # the book first
    assert set(now) == {f"k-{number}" for number in range(KILLS)}
    stage.run("audit", "verify")
