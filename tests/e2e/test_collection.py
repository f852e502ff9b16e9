"""Artifacts are collected once nothing names them: by updates and deletions, whenever the agent is killed at it.

Time stands still here: whatever is in the store was claimed years ago as soon as a test says so.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

from .stage import ROOT, Stage, wait_until

NEVER_WARM = {"keepPrevious": "1ms", "retain": 2}
KILLS = 3
GARBAGE = 20_000  # files, so that a kill meets the agent before the last one


def artifacts(stage: Stage) -> Path:
    return stage.state_dir / "artifacts" / "sha256"


def names(stage: Stage) -> set[str]:
    return set(os.listdir(artifacts(stage)))


def age(stage: Stage) -> None:
    """Have every artifact be one that nobody claimed for years."""
    for path in artifacts(stage).iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))


def component(stage: Stage, version: str) -> str:
    """Make a component of another version, with other bytes, and return its artifact's name in the store."""
    folder = stage.folder / "components" / f"hello-{version}"
    shutil.copytree(ROOT / "examples/01-hello/components/hello-1.0.0", folder)
    toml, (wasm,) = folder / "Component.toml", folder.glob("*.wasm")
    toml.write_text(toml.read_text().replace('version = "1.0.0"', f'version = "{version}"'))
    name = version.encode()
    wasm.write_bytes(wasm.read_bytes() + bytes([0, len(name) + 1, len(name)]) + name)  # a custom section
    return hashlib.sha256(wasm.read_bytes()).hexdigest()


def freed(stage: Stage) -> list[str]:
    lines = stage.run("-o", "json", "events").out.splitlines()
    return [event["message"] for line in lines if (event := json.loads(line))["reason"] == "artifacts-removed"]


def test_what_leaves_the_history_is_freed_and_what_is_kept_can_be_gone_back_to(stage: Stage):
    first, second, third = (component(stage, version) for version in ("1.0.1", "1.0.2", "1.0.3"))
    stage.have("hello", "hello-1.0.1", rollout=NEVER_WARM)
    stage.have("hello", "hello-1.0.2", rollout=NEVER_WARM)
    age(stage)
    assert names(stage) == {first, second}
    stage.have("hello", "hello-1.0.3", rollout=NEVER_WARM)
    wait_until(lambda: names(stage) == {second, third}, "the first artifact to go")
    age(stage)
    stage.run("rollback", "hello")
    assert stage.is_running("hello", "1.0.2")
    age(stage)
    stage.run("restart", "hello")
    assert names(stage) == {second, third}
    assert wait_until(lambda: freed(stage))[0].startswith("1 artifact that nothing names any more: ")


def test_a_deletion_frees_what_no_other_deployment_runs(stage: Stage):
    shared, own = component(stage, "1.0.1"), component(stage, "1.0.2")
    stage.write("one", "hello-1.0.1")
    stage.write("two", "hello-1.0.2")
    stage.have("three", "hello-1.0.1")
    age(stage)
    stage.run("delete", "one", "two")
    wait_until(lambda: names(stage) == {shared}, f"{own} to go")
    stage.kill()
    stage.start()
    assert wait_until(lambda: stage.ask("three", "Ada")) == "Hello, Ada!"


def test_a_source_that_is_watched_frees_what_it_no_longer_wants_and_keeps_what_it_does(stage: Stage):
    pruned, kept = component(stage, "1.0.1"), component(stage, "1.0.2")
    for name, version in (("one", "1.0.1"), ("two", "1.0.2"), ("three", "1.0.2")):
        stage.write(name, f"hello-{version}")
    stage.run("source", "add", str(stage.manifests))
    wait_until(lambda: {view.name for view in stage.client.deployments() if view.ready} == {"one", "two", "three"})
    age(stage)
    (stage.manifests / "one.yaml").unlink()
    wait_until(lambda: names(stage) == {kept}, f"{pruned} to go")
    assert stage.ask("two", "Ada") == "Hello, Ada!"


def test_what_was_freed_with_a_deployment_is_not_gone_back_to_when_that_is_there_again(stage: Stage):
    old = component(stage, "1.0.1")
    stage.have("hello", "hello-1.0.1")
    age(stage)
    stage.run("delete", "hello")
    wait_until(lambda: old not in names(stage))
    stage.have("hello", "hello-1.0.0")
    ran = stage.run("rollback", "hello", "--to", "1", code=1)
    assert "the component of default/hello's revision 1 (1.0.1) is not kept any more" in ran.err
    assert stage.is_running("hello", "1.0.0")


def test_what_a_saved_plan_needs_is_there_until_it_is_applied(stage: Stage):
    stage.have("other", "hello-1.1.0")
    wanted = component(stage, "1.0.1")
    stage.write("hello", "hello-1.0.1")
    saved = stage.folder / "saved.plan"
    stage.run("plan", str(stage.manifests), "--out", str(saved))
    assert wanted in names(stage)
    stage.run("apply", str(saved), "--yes")
    assert stage.ask("hello", "Ada") == "Hello, Ada!"


def test_a_kill_in_the_middle_breaks_nothing_and_the_next_agent_goes_on(stage: Stage):
    needed = component(stage, "1.0.1")
    stage.write("gone", "hello-1.1.0")
    stage.have("hello", "hello-1.0.1")
    for number in range(GARBAGE):
        (artifacts(stage) / hashlib.sha256(str(number).encode()).hexdigest()).touch()
    for kill in range(KILLS):
        age(stage)
        before = len(names(stage))
        stage.have("gone", "hello-1.1.0", config={"kill": kill}, rollout=NEVER_WARM)
        stage.run("delete", "gone", "--no-wait")
        wait_until(lambda before=before: len(names(stage)) < before, "the agent to begin")
        stage.kill()
        assert 2 < len(names(stage)) < before
        stage.start()
        assert wait_until(lambda: stage.run("request", "hello", "Ada", code=None).out) == "Hello, Ada!\n"
    age(stage)
    stage.have("gone", "hello-1.1.0")
    age(stage)
    stage.run("delete", "gone")
    wait_until(lambda: names(stage) == {needed}, "the rest to go")
    assert "artifacts" in stage.run("doctor").out
