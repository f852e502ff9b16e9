"""`airs up FOLDER`: save a file and the new version serves; break one and the old version keeps running."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Airs, Background, wait_until


@pytest.fixture
def manifests(airs: Airs) -> Path:
    return airs.copy_example("01-hello") / "manifests"


def up(airs: Airs, manifests: Path, *options: str, name: str = "hello") -> Background:
    """Start `airs up` and wait until `name` serves."""
    running = airs.background("up", manifests, *options)
    wait_until(lambda: airs.client().answers() and airs.phase(name) == "running")
    return running


def point(manifest: Path, version: str) -> None:
    """Save the manifest with another version."""
    old = manifest.read_text()
    before = next(v for v in ("1.0.0", "1.1.0", "1.2.0") if f"hello-{v}" in old)
    manifest.write_text(old.replace(f"hello-{before}", f"hello-{version}"))


def another(manifests: Path, name: str) -> Path:
    """Add a file that deploys the same component under another name."""
    path = manifests / f"{name}.yaml"
    path.write_text((manifests / "hello.yaml").read_text().replace("name: hello", f"name: {name}"))
    return path


def names(airs: Airs) -> set[str]:
    return {view.name for view in airs.client().deployments()}


def test_a_saved_manifest_brings_the_new_version(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    point(manifests / "hello.yaml", "1.1.0")
    running.says("1.1.0 serves")
    assert airs.version() == "1.1.0"
    assert airs.quick("request", "hello", "Ada").stdout.strip() != "Hello, Ada!"
    assert airs.json("history", "hello")[-1]["version"] == "1.1.0"
    assert running.end() == 0


def test_a_rebuilt_component_serves_though_no_manifest_changed(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    before = airs.quick("request", "hello", "Ada").stdout
    components = manifests.parent / "components"
    rebuilt = (components / "hello-1.1.0" / "hello.wasm").read_bytes()
    (components / "hello-1.0.0" / "hello.wasm").write_bytes(rebuilt)  # in place, as compilers do
    wait_until(lambda: [entry["outcome"] for entry in airs.json("history", "hello")][1:] == ["running"])
    assert airs.quick("request", "hello", "Ada").stdout != before
    assert running.end() == 0


def test_a_file_that_is_deleted_takes_its_deployment_along_and_no_other(airs: Airs, manifests: Path):
    extra = another(manifests, "extra")
    running = up(airs, manifests, name="extra")
    wait_until(lambda: airs.phase("hello") == "running")
    extra.unlink()
    wait_until(lambda: names(airs) == {"hello"})
    assert airs.phase() == "running"
    assert running.end() == 0


def test_a_new_file_is_deployed(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    another(manifests, "later")
    wait_until(lambda: airs.phase("later") == "running")
    assert running.end() == 0


def test_a_broken_file_is_shown_in_its_place_while_what_runs_keeps_running(airs: Airs, manifests: Path):
    manifest = manifests / "hello.yaml"
    running = up(airs, manifests)
    good = manifest.read_text()
    manifest.write_text(good.replace("replicas: 2", "replicsa: 2"))
    running.says("hello.yaml:11:3: error: unknown key `replicsa`")
    running.says("did you mean `replicas`?")
    assert airs.phase() == "running"
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    status = airs.quick("status").stdout
    assert "hello.yaml:11:3: error" in status
    manifest.write_text(good.replace("hello-1.0.0", "hello-1.1.0"))
    wait_until(lambda: airs.version() == "1.1.0")
    assert "error" not in airs.quick("status").stdout
    assert running.end() == 0


def test_a_file_that_is_no_yaml_at_all_keeps_what_it_deployed(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    (manifests / "hello.yaml").write_bytes(b"\x00\xff{{{")
    running.says("hello.yaml:")
    assert airs.phase() == "running"
    another_file = manifests / "other.yaml"
    another_file.write_text((airs.folder / "01-hello/manifests/hello.yaml").read_text(errors="replace"))
    assert airs.phase() == "running"
    assert running.end() == 0


def test_a_half_written_file_is_not_believed(airs: Airs, manifests: Path):
    manifest = manifests / "hello.yaml"
    extra = another(manifests, "extra")
    running = up(airs, manifests, name="extra")
    wait_until(lambda: airs.phase("hello") == "running")
    whole = extra.read_bytes()
    with extra.open("wb") as file:  # written in pieces, as a slow copy does
        for start in range(0, len(whole), 40):
            file.write(whole[start : start + 40])
            file.flush()
            os.fsync(file.fileno())
    point(manifest, "1.1.0")
    wait_until(lambda: airs.version() == "1.1.0")
    reasons = [(e["key"]["name"], e["reason"]) for e in events(airs) if e["key"]]
    assert ("extra", "removed") not in reasons
    assert [name for name, reason in reasons if reason == "rollout-started"].count("extra") == 1
    assert running.end() == 0


def events(airs: Airs) -> list[dict[str, Any]]:
    return [json.loads(line) for line in airs.quick("events", "-o", "json").stdout.splitlines()]


def test_a_folder_that_is_gone_is_stale_and_deletes_nothing(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    away = airs.folder / "away"
    os.rename(manifests, away)
    running.says("stale")
    source = airs.json("get", "sources")[0]
    assert source["staleSince"] > 0
    assert "stale since" in airs.quick("status").stdout
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    point(away / "hello.yaml", "1.1.0")
    os.rename(away, manifests)
    wait_until(lambda: airs.version() == "1.1.0")
    assert airs.json("get", "sources")[0]["staleSince"] is None
    assert running.end() == 0


def test_a_folder_that_is_emptied_waits_for_permission(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    (manifests / "hello.yaml").unlink()
    running.says("the source is empty; --allow-empty")
    assert airs.phase() == "running"
    assert "the source is empty" in airs.quick("status").stdout
    assert running.end() == 0


def test_a_folder_that_may_be_emptied_is(airs: Airs, manifests: Path):
    running = up(airs, manifests, "--allow-empty")
    (manifests / "hello.yaml").unlink()
    wait_until(lambda: names(airs) == set())
    assert running.end() == 0


def test_a_manifest_replaced_by_a_rename_is_seen(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    draft = manifests / ".hello.yaml.swp"
    shutil.copy(manifests / "hello.yaml", draft)
    point(draft, "1.1.0")
    draft.replace(manifests / "hello.yaml")
    wait_until(lambda: airs.version() == "1.1.0")
    assert running.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_politely_and_leaves_nothing_behind(airs: Airs, manifests: Path, number: int):
    running = up(airs, manifests)
    assert running.end(number) == 0
    assert not (airs.state_dir / "agent.sock").exists()
    assert "Traceback" not in running.stdout + running.stderr
    assert airs.quick("status", check=False).returncode == 69
    again = up(airs, manifests)
    assert again.end(number) == 0


def test_what_a_watched_source_wants_cannot_be_deleted(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    refused = airs.quick("delete", "hello", check=False)
    assert refused.returncode == 1
    assert "still wanted by" in refused.stderr
    assert "suspend" in refused.stderr
    assert airs.phase() == "running"
    assert running.end() == 0


def test_a_rollback_is_held_until_the_source_changes(airs: Airs, manifests: Path):
    running = up(airs, manifests)
    point(manifests / "hello.yaml", "1.1.0")
    running.says("1.1.0 serves")
    airs.quick("rollback", "hello")
    assert airs.version() == "1.0.0"
    assert airs.json("get", "deployments")[0]["sync"] == "held"
    assert "held because" in airs.quick("status").stdout
    manifest = manifests / "hello.yaml"
    manifest.write_text(manifest.read_text() + "  config: {greeting: again}\n")
    wait_until(lambda: airs.version() == "1.1.0")
    assert running.end() == 0


def test_suspend_in_the_manifest_stops_and_starts_it(airs: Airs, manifests: Path):
    manifest = manifests / "hello.yaml"
    running = up(airs, manifests)
    good = manifest.read_text()
    manifest.write_text(good + "  suspend: true\n")
    wait_until(lambda: airs.phase() == "suspended")
    manifest.write_text(good)
    wait_until(lambda: airs.phase() == "running")
    assert running.end() == 0
