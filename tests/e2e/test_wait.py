"""`airs wait` and conditions: what scripts go on when they are so, and people read."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .stage import Stage, wait_until

TRAPS = {"restart": {"intensity": 0}, "health": {"interval": "50ms"}}
QUICK = {"health": {"interval": "50ms"}}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A repository that an agent follows, with a deployment that runs."""
    staged = Stage(tmp_path_factory.mktemp("wait"))
    staged.write("hello", "hello-1.0.0", **QUICK)
    git(staged.folder, "init", "-q", "-b", "main")
    commit(staged)
    staged.start()
    try:
        place = f"{staged.folder}#main:manifests"
        staged.run("source", "add", place, "--name", "shop", "--interval", "100ms")
        yield staged
    finally:
        staged.close()


def commit(stage: Stage) -> str:
    git(stage.folder, "add", "manifests", "components")
    git(stage.folder, "commit", "-q", "-m", "next", "--allow-empty")
    return git(stage.folder, "rev-parse", "HEAD")


def answers(stage: Stage, name: str) -> dict[str, dict[str, Any]]:
    return {each["type"]: each for each in stage.json("status", name)["conditions"]}


def test_a_script_goes_on_once_a_commit_runs(stage: Stage):
    stage.write("hello", "hello-1.1.0", **QUICK)
    head = commit(stage)
    waited = stage.run("wait", "hello", "--for", "synced", "--commit", head, "--timeout", "60s")
    assert "default/hello runs 1.1.0" in waited.err
    assert stage.is_running("hello", "1.1.0")
    answer = answers(stage, "hello")
    assert (answer["Ready"]["status"], answer["Ready"]["reason"]) == ("True", "Serving")
    assert answer["Reconciling"]["status"] == answer["Stalled"]["status"] == "False"
    assert "Serving" in stage.run("status", "hello").out


def test_what_waits_for_a_person_ends_the_waiting_with_1(stage: Stage):
    (stage.manifests / "hello.yaml").write_text("apiVersion: airs.dev/v1\nkind: Deployment\nmetadata: {name: hello}\n")
    head = commit(stage)
    waited = stage.run("wait", "--source", "shop", "--for", "synced", "--commit", head[:12], code=1)
    assert "InvalidManifest" in waited.err
    since = answers(stage, "hello")["Stalled"]["since"]
    assert stage.run("wait", "hello", "--for", "ready").code == 0, "what ran goes on"
    stage.stop()
    stage.start()
    wait_until(lambda: answers(stage, "hello")["Stalled"]["reason"] == "InvalidManifest")
    assert answers(stage, "hello")["Stalled"]["since"] == since, "it has been so since before the agent started"
    stage.write("hello", "hello-1.1.0", **QUICK)
    stage.run("wait", "hello", "--for", "synced", "--commit", commit(stage))
    assert answers(stage, "hello")["Stalled"]["status"] == "False"


def test_a_version_that_cannot_start_is_rejected_and_does_not_become_synced(stage: Stage):
    stage.write("hello", "faulty-init", **TRAPS)
    waited = stage.run("wait", "hello", "--for", "synced", "--commit", commit(stage), "--timeout", "60s", code=1)
    assert "Rejected" in waited.err
    stage.write("hello", "hello-1.1.0", **QUICK)
    stage.run("wait", "hello", "--for", "synced", "--commit", commit(stage))


def test_what_is_suspended_does_not_become_ready(stage: Stage):
    stage.write("hello", "hello-1.1.0", suspend=True, **QUICK)
    head = commit(stage)
    stage.run("wait", "hello", "--for", "rest", "--commit", head)
    assert "Suspended" in stage.run("wait", "hello", "--commit", head, code=1).err
    stage.write("hello", "hello-1.1.0", **QUICK)
    stage.run("wait", "hello", "--commit", commit(stage))


def test_what_is_gone_is_gone_and_what_never_comes_takes_until_the_time_is_up(stage: Stage):
    stage.write("other", "hello-1.0.0", **QUICK)
    stage.run("wait", "other", "--commit", commit(stage))
    assert "not gone" in stage.run("wait", "other", "--for", "gone", "--timeout", "100ms", code=124).err
    (stage.manifests / "other.yaml").unlink()
    commit(stage)
    assert "other is gone" in stage.run("wait", "other", "--for", "gone").err
    late = stage.run("wait", "other", "--timeout", "100ms", code=124)
    assert "default/other  is not there" in late.err


def test_wishes_that_mean_nothing_are_refused(stage: Stage):
    assert "nothing is named" in stage.run("wait", code=64).err
    assert "no commit's id" in stage.run("wait", "hello", "--commit", "main", code=64).err
    unread = stage.run("wait", "--source", "nix", "--timeout", "100ms", code=124)
    assert "source nix  is not there" in unread.err
