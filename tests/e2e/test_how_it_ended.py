"""Every command that waits says how what it began ended, and exits 1 where that is not what was asked for."""

import subprocess
import sys

from .stage import LIMIT_S, Stage, greeting, wait_until

NEVER = {"health": {"interval": "1s", "call": {"message": "ping", "expect": "never"}}, "restart": {"intensity": 0}}
PAUSED = {"strategy": "canary", "steps": [{"weight": 50}, {"pause": {}}], "analysis": {"interval": "1h"}}


def test_a_rollback_that_fails_is_a_failure(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "hello-1.2.0", **NEVER)
    stage.apply(code=1)
    assert "was rejected" in stage.run("rollback", "hello", "--to", "2", code=1).err
    ran = stage.run("rollback", "hello", "--to", "2", "--force", code=1)
    assert "going back to revision 2 (1.2.0)" in ran.err
    assert "error: default/hello: 1.2.0 failed" in ran.err
    assert "1.0.0 serves, 1/1 ready" in ran.err
    assert "rolled back" not in ran.err
    assert stage.history("hello")[-1] == (3, "1.2.0", "rollback", "rejected")
    assert stage.ask("hello", "Ada") == greeting("1.0.0", "Ada")


def test_a_retry_says_whether_it_worked_this_time(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "hello-1.1.0", **NEVER)
    stage.apply(code=1)
    assert "1.1.0 failed" in stage.run("rollout", "retry", "hello", code=1).err
    stage.write("hello", "hello-1.1.0")
    stage.apply(code=1)
    assert "default/hello runs 1.1.0, 1/1 ready" in stage.run("rollout", "retry", "hello").err


def test_promote_and_abort_wait_for_what_serves_then(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0", rollout=PAUSED)
    assert "default/hello runs 1.1.0, 1/1 ready" in stage.run("rollout", "promote", "hello").err
    assert stage.is_running("hello", "1.1.0")
    stage.have("hello", "hello-1.0.0", rollout=PAUSED)
    assert "default/hello runs 1.1.0, 1/1 ready" in stage.run("rollout", "abort", "hello").err
    assert stage.view("hello").sync == "held"


def test_a_restart_is_over_when_all_are_ready_again(stage: Stage):
    stage.have("hello", "hello-1.0.0", replicas=3)
    ran = stage.run("restart", "hello")
    assert "default/hello runs 1.0.0, 3/3 ready" in ran.err
    assert stage.view("hello").ready == 3


def test_a_delete_is_over_when_nothing_is_left(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    ran = stage.run("delete", "hello", "nobody", code=1)
    assert "default/hello is gone" in ran.err
    assert "no deployment default/nobody" in ran.err
    assert stage.client.deployments() == []


def test_a_rollback_that_another_apply_replaces_did_not_come_true(stage: Stage):
    for component in ("hello-1.0.0", "hello-1.1.0"):
        stage.have("hello", component, rollout={"keepPrevious": "0s"})
    wait_until(lambda: len(stage.view("hello").instances) == 1)
    stage.write("hello", "hello-1.1.0", health={"call": {"message": "ping", "expect": "never"}, "interval": "1h"})
    stage.apply("--no-wait")  # which acts on the way back as well: it will never be Ready
    command = [sys.executable, "-m", "orchestrator", "--state-dir", str(stage.state_dir), "rollback", "hello"]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(stage.history("hello")) == 3)
    stage.have("hello", "hello-1.0.0", config={"new": 1})
    _, said = waiting.communicate(timeout=LIMIT_S)
    assert "the rollout of default/hello was replaced by another" in said
    assert waiting.returncode == 1
