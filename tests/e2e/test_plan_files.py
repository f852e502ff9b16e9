"""Plans: what they print, what they return, and what becomes of one that was saved."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from orchestrator.store.state_dir import holder
from tests.e2e.conftest import Airs, deployment, wait_until

FAILED, CHANGES, USAGE, INVALID, NO_AGENT, TIMED_OUT = 1, 2, 64, 65, 69, 124


@pytest.fixture
def manifest(airs: Airs) -> Path:
    return airs.copy_example("01-hello") / "manifests" / "hello.yaml"


def updated(manifest: Path, version: str = "1.1.0") -> None:
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", f"hello-{version}"))


def edited(plan: Path, old: str, new: str) -> Path:
    text = plan.read_text()
    assert old in text
    copy = plan.with_name("edited.json")
    copy.write_text(text.replace(old, new))
    return copy


def test_a_folder_without_deployments_is_told_as_that(airs: Airs):
    for command in ("validate", "plan", "apply"):
        assert (
            "There is no deployment: no `.yaml` or `.yml` file there has one." in airs.run(command, airs.folder).stdout
        )


def test_plan_and_validate_create_no_state(airs: Airs, manifest: Path):
    assert airs.quick("plan", manifest.parent).returncode == 0
    assert airs.quick("validate", manifest.parent).stdout == "1 deployment valid\n"
    assert not airs.state_dir.exists()


def test_what_a_plan_compiled_is_at_hand_for_the_next_one_and_the_agent(airs: Airs, manifest: Path):
    airs.run("agent", "start")
    wasm = manifest.parents[1] / "components" / "hello-1.0.0" / "hello.wasm"
    compiled = f"{hashlib.sha256(wasm.read_bytes()).hexdigest()}-*.cwasm"
    airs.quick("plan", manifest)
    assert len(list((airs.state_dir / "cache").glob(compiled))) == 1


def test_a_cache_that_belongs_to_nobody_here_keeps_nobody_from_planning(airs: Airs, manifest: Path):
    airs.run("agent", "start")
    key = airs.state_dir / "cache" / "key"
    key.unlink()
    key.mkdir()
    assert "1 to create" in airs.quick("plan", manifest).stdout


def test_only_the_detailed_exit_code_tells_of_changes(airs: Airs, manifest: Path):
    assert airs.quick("plan", manifest).returncode == 0
    assert airs.quick("plan", manifest, "--detailed-exitcode", check=False).returncode == CHANGES
    airs.run("apply", manifest)
    unchanged = airs.quick("plan", manifest, "--detailed-exitcode")
    assert "No changes." in unchanged.stdout


def test_the_same_plan_is_the_same_bytes(airs: Airs, manifest: Path):
    airs.run("apply", manifest)
    updated(manifest)
    first, second = (airs.quick("plan", manifest, "-o", "json").stdout for _ in range(2))
    assert first == second
    assert json.loads(first)["actions"][0]["reasons"] == ["artifact-changed"]


def test_a_saved_plan_is_applied_as_it_was_shown_and_once(airs: Airs, manifest: Path):
    plan = airs.folder / "plan.json"
    airs.quick("plan", manifest, "--out", plan)
    assert airs.quick("apply", plan, "--no-start", check=False).returncode == NO_AGENT
    updated(manifest)  # after it was saved, so it does not matter
    done = airs.run("apply", plan)
    assert "+ default/hello   1.0.0" in done.stdout
    assert airs.version() == "1.0.0"
    again = airs.quick("apply", plan, check=False)
    assert again.returncode == FAILED
    assert "stale" in again.stderr


def test_a_plan_made_before_something_else_was_decided_is_stale(airs: Airs, manifest: Path):
    airs.run("apply", manifest)
    updated(manifest)
    plan = airs.folder / "plan.json"
    airs.quick("plan", manifest, "--out", plan)
    airs.quick("delete", "hello")
    refused = airs.quick("apply", plan, check=False)
    assert refused.returncode == FAILED
    assert "the plan is stale" in refused.stderr
    assert airs.version() in ("1.0.0", "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not a saved plan"),
        ("garbage", "not a saved plan"),
        ("[]", "not a saved plan"),
        ("{}", "not a saved plan"),
        ("[" * 100_000, "not a saved plan"),
        ('{"formatVersion": "99.0"}', "another format"),
        ('{"formatVersion": "1.0"}', "not a saved plan"),
        ("\ud800\udcff", "not a saved plan"),
    ],
    ids=["empty", "garbage", "list", "object", "deep", "newer", "bare", "not-utf8"],
)
def test_what_is_no_plan_is_refused_and_starts_nothing(airs: Airs, content: str, why: str):
    plan = airs.folder / "plan.json"
    plan.write_bytes(content.encode("utf-8", "surrogatepass"))
    refused = airs.quick("apply", plan, check=False)
    assert (refused.returncode, refused.stdout) == (INVALID, "")
    assert why in refused.stderr
    assert holder(airs.state_dir) is None


def test_a_plan_that_was_changed_is_refused(airs: Airs, manifest: Path):
    plan = airs.folder / "plan.json"
    airs.quick("plan", manifest, "--out", plan)
    cut = airs.folder / "cut.json"
    cut.write_bytes(plan.read_bytes()[:-200])
    printed = airs.folder / "printed.json"
    printed.write_text(airs.quick("plan", manifest, "-o", "json").stdout)
    for other, why in (
        (edited(plan, '"replicas": 2', '"replicas": 3'), "edited"),
        (cut, "not a saved plan"),
        (printed, "no seal"),
    ):
        refused = airs.quick("apply", other, check=False)
        assert refused.returncode == INVALID
        assert why in refused.stderr
    assert holder(airs.state_dir) is None


def test_a_plan_of_another_state_directory_is_refused(airs: Airs, manifest: Path):
    plan = airs.folder / "plan.json"
    airs.quick("plan", manifest, "--out", plan)
    other = airs.folder / "other"
    refused = airs.quick("--state-dir", other, "apply", plan, "--no-start", check=False)
    assert refused.returncode in (INVALID, FAILED)
    refused = airs.run("apply", plan, env={"AIRS_STATE_DIR": str(other)}, check=False)
    assert refused.returncode == INVALID
    assert "another" in refused.stderr
    assert holder(other) is None


def test_a_plan_that_cannot_be_saved_is_a_failure(airs: Airs, manifest: Path):
    failed = airs.quick("plan", manifest, "--out", "/proc/plan.json", check=False)
    assert failed.returncode == FAILED
    assert "cannot save the plan" in failed.stderr
    assert airs.quick("plan", manifest, "--out", airs.folder, check=False).returncode == USAGE


def test_a_saved_plan_can_be_read_by_nobody_else_and_is_replaced_whole(airs: Airs, manifest: Path):
    plan = airs.folder / "plan.json"
    plan.write_text("what was there before, and longer than nothing")
    airs.quick("plan", manifest, "--out", plan, "--force")
    assert plan.stat().st_mode & 0o777 == 0o600, "it holds configuration"
    assert json.loads(plan.read_text())["seal"]
    assert [path.name for path in airs.folder.iterdir() if "plan" in path.name] == ["plan.json"]


def test_a_folder_that_is_not_there_starts_no_agent(airs: Airs):
    refused = airs.quick("apply", airs.folder / "nothing", check=False)
    assert (refused.returncode, refused.stdout) == (USAGE, "")
    assert not airs.state_dir.exists()


def test_a_bad_file_is_shown_in_its_place_and_the_others_go_on(airs: Airs, manifest: Path):
    bad = manifest.with_name("bad.yaml")
    bad.write_text(manifest.read_text().replace("name: hello", "name: other").replace("replicas: 2", "replicsa: 2"))
    done = airs.run("apply", manifest.parent, check=False)
    assert done.returncode == INVALID
    assert "bad.yaml:11:3: error" in done.stderr
    assert "replicas" in done.stderr
    assert airs.version() == "1.0.0"
    assert airs.version("other") == ""


def test_diagnostics_go_to_stderr_and_as_json_to_stdout(airs: Airs, manifest: Path):
    manifest.write_text(manifest.read_text().replace("replicas: 2", "replicas: two"))
    text = airs.quick("validate", manifest, check=False)
    assert (text.returncode, text.stdout) == (INVALID, "")
    found = airs.quick("validate", manifest, "-o", "json", check=False)
    assert (found.returncode, found.stderr) == (INVALID, "")
    document = json.loads(found.stdout)
    assert document["valid"] is False
    assert document["diagnostics"][0]["location"]["line"] == 11
    planned = airs.quick("plan", manifest, "-o", "json", check=False)
    assert planned.returncode == INVALID
    assert json.loads(planned.stdout)["actions"] == []


def test_a_grant_that_was_not_asked_for_is_an_invalid_manifest(airs: Airs, manifest: Path):
    manifest.write_text(manifest.read_text() + "  grants:\n    storage.read: [self]\n")
    refused = airs.quick("validate", manifest, check=False)
    assert refused.returncode == INVALID
    assert "storage.read" in refused.stderr


def test_apply_as_json_is_one_document(airs: Airs, manifest: Path):
    done = airs.run("apply", manifest, "-o", "json")
    document = json.loads(done.stdout)
    assert document["summary"]["create"] == 1
    assert document["deployments"][0]["phase"] == "running"
    assert "+ default/hello" in done.stderr


def test_what_never_gets_ready_fails_and_says_why(airs: Airs):
    airs.copy_component("faulty-init")
    manifests = airs.folder / "manifests"
    manifests.mkdir()
    spec = {"restart": {"intensity": 1, "backoff": {"initial": "1ms", "max": "1ms"}}}
    (manifests / "broken.yaml").write_text(deployment("broken", "../components/faulty-init", **spec))
    failed = airs.run("apply", manifests, check=False)
    assert failed.returncode == FAILED
    assert "default/broken did not become Ready" in failed.stderr
    assert "told to fail when built" in failed.stderr
    hint = failed.stderr.splitlines()[-1]
    assert "shows what led to it" in hint
    for command in re.findall(r"`airs ([^`]+)`", hint):
        assert "told to fail when built" in airs.quick(*command.split()).stdout, command
    assert airs.phase("broken") == "failed"


def test_waiting_ends_after_the_time_that_was_given(airs: Airs, manifest: Path):
    airs.copy_component("faulty-init")
    spec = {"restart": {"intensity": 1000, "backoff": {"initial": "10s", "max": "10s"}}}
    manifest.write_text(deployment("broken", "../../components/faulty-init", **spec))
    late = airs.run("apply", manifest, "--timeout", "100ms", "--root", airs.folder, check=False)
    assert late.returncode == TIMED_OUT
    assert "not Ready after 0.1s" in late.stderr
    wait_until(lambda: "told to fail when built" in airs.quick("status", "broken").stdout)
    again = airs.quick("apply", manifest, "--timeout", "100ms", "--root", airs.folder, check=False)
    assert again.returncode == TIMED_OUT  # though there is nothing left to do
    assert "told to fail when built" in again.stderr
    assert airs.quick("apply", manifest, "--no-wait", "--root", airs.folder).returncode == 0


def test_a_deployment_of_another_source_is_taken_over_only_when_asked(airs: Airs, manifest: Path):
    airs.run("apply", manifest.parent)
    blocked = airs.quick("apply", manifest.parent, "--source", "other", check=False)
    assert blocked.returncode in (FAILED, INVALID)
    assert str(manifest.parent) in blocked.stdout + blocked.stderr
    adopted = airs.quick("apply", manifest.parent, "--source", "other", "--adopt")
    assert "= default/hello" in adopted.stdout
    assert airs.json("get", "deployments")[0]["source"] == "other"


def several(manifest: Path, count: int) -> None:
    for number in range(count):
        text = (
            manifest.read_text().replace("name: hello", f"name: hello-{number}").replace("replicas: 2", "replicas: 1")
        )
        manifest.with_name(f"hello-{number}.yaml").write_text(text)
    manifest.unlink()


def test_many_removals_at_once_wait_for_permission(airs: Airs, manifest: Path):
    several(manifest, 5)
    airs.run("apply", manifest.parent)
    for number in range(4):
        manifest.with_name(f"hello-{number}.yaml").unlink()
    held = airs.quick("apply", manifest.parent, check=False)
    assert held.returncode == FAILED
    assert "mass-prune" in held.stderr
    assert len(airs.json("get", "deployments")) == 5
    allowed = airs.quick("apply", manifest.parent, "--allow-mass-prune")
    assert "4 to remove" in allowed.stdout
    assert [view["name"] for view in airs.json("get", "deployments")] == ["hello-4"]


def test_an_empty_folder_removes_nothing_without_permission(airs: Airs, manifest: Path):
    airs.run("apply", manifest.parent)
    manifest.unlink()
    held = airs.quick("apply", manifest.parent, check=False)
    assert held.returncode == FAILED
    assert "source-empty" in held.stderr
    assert airs.version() == "1.0.0"
    airs.quick("apply", manifest.parent, "--allow-empty", "--yes")
    assert airs.json("get", "deployments") == []


def test_a_folder_that_cannot_be_read_removes_nothing(airs: Airs, manifest: Path):
    airs.run("apply", manifest.parent)
    os.rename(manifest.parent, airs.folder / "away")
    assert airs.quick("apply", manifest.parent, check=False).returncode == USAGE
    assert airs.version() == "1.0.0"
