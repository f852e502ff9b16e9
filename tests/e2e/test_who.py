"""Who did what, when and why: commits and authors of sources, users at the socket, acts of operators."""

import getpass
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from .conftest import EXAMPLES, Airs, git, wait_until
from .stage import Stage

ME = {"uid": os.getuid(), "user": getpass.getuser()}


@pytest.fixture
def manifest(airs: Airs) -> Path:
    """`hello`, in a git work tree with one commit."""
    shutil.copytree(EXAMPLES / "01-hello", airs.folder / "hello", ignore=shutil.ignore_patterns("src", "README.md"))
    git(airs.folder, "init", "--quiet", "--initial-branch=main")
    committed(airs, "Deploy hello")
    return airs.folder / "hello" / "manifests" / "hello.yaml"


def committed(airs: Airs, subject: str, author: str = "Ada Lovelace <ada@example.org>") -> str:
    git(airs.folder, "add", "--all", ".")
    git(airs.folder, "commit", "--quiet", f"--author={author}", "-m", subject)
    return git(airs.folder, "rev-parse", "HEAD")


def test_a_plan_says_for_which_commit_and_author_it_was_made(airs: Airs, manifest: Path):
    head = git(airs.folder, "rev-parse", "HEAD")
    assert f"commit  {head[:10]} by Ada Lovelace: Deploy hello\n" in airs.quick("plan", manifest.parent).stdout
    plan = airs.json("plan", manifest.parent)
    assert plan["commit"] == {
        "id": head, "author": "Ada Lovelace <ada@example.org>", "subject": "Deploy hello", "dirty": False
    }  # fmt: skip
    assert plan["sourceRevision"] == head


def test_a_plan_of_files_that_are_not_the_commits_says_so(airs: Airs, manifest: Path):
    manifest.write_text(manifest.read_text() + "# changed\n")
    head = git(airs.folder, "rev-parse", "HEAD")
    assert f"commit  {head[:10]}-dirty by Ada Lovelace" in airs.quick("plan", manifest.parent).stdout
    assert airs.json("plan", manifest.parent)["sourceRevision"] == f"{head}-dirty"


def test_a_plan_of_a_folder_in_no_work_tree_has_no_commit(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    assert "commit" not in airs.quick("plan", folder).stdout
    assert airs.json("plan", folder)["commit"] is None


def test_an_applied_revision_says_who_applied_it_and_which_commit_it_was_made_for(airs: Airs, manifest: Path):
    airs.run("apply", manifest.parent)
    (first,) = airs.json("history", "hello")
    head = git(airs.folder, "rev-parse", "HEAD")
    assert (first["kind"], first["by"], first["sourceRevision"]) == ("Revision", ME, head)
    assert (first["commit"]["author"], first["commit"]["subject"]) == ("Ada Lovelace <ada@example.org>", "Deploy hello")
    assert f"{head[:10]}  {ME['user']}, commit by Ada Lovelace" in airs.quick("history", "hello").stdout
    started = next(each for each in events(airs) if each["reason"] == "rollout-started")
    assert (started["by"]["peer"], started["commit"]["id"], started["revision"]) == (ME, head, first["revision"])


def test_a_watched_revision_is_the_authors(airs: Airs, manifest: Path):
    running = airs.background("up", manifest.parent)
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
    wait_until(lambda: airs.version() == "1.1.0")
    head = git(airs.folder, "rev-parse", "HEAD")
    first, second = airs.json("history", "hello")
    assert [each["by"] for each in (first, second)] == [None, None]
    assert [each["sourceRevision"] for each in (first, second)] == [head, f"{head}-dirty"]
    newest = committed(airs, "Greet in another way", "Bob <bob@example.org>")
    wait_until(lambda: airs.json("status", "hello")["attemptedRevision"] == newest)
    running.says(f"{newest[:10]} by Bob: Greet in another way (nothing to do)")
    assert running.end() == 0
    lines = running.stdout.splitlines()
    assert (
        f"commit  {head[:10]} by Ada Lovelace: Deploy hello (+ default/hello 1.0.0), of {manifest.parent}" in lines[2]
    )
    assert any(f"{head[:10]}-dirty by Ada Lovelace: Deploy hello (± default/hello 1.0.0 → 1.1.0)" in x for x in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line) for line in lines[2:-1])
    assert lines[-1] == "Stopped."


def test_up_tells_what_changed_in_place_and_when_a_source_is_back(airs: Airs, manifest: Path):
    running = airs.background("up", manifest.parent)
    running.says("1.0.0 serves")
    old = manifest.read_text()
    manifest.write_text(re.sub(r"replicas: \d+", "replicas: 3", old))
    running.says("updated in place: replicas 2 → 3")
    away = airs.folder / "away"
    manifest.parent.rename(away)
    running.says("stale: ")
    away.rename(manifest.parent)
    running.says("is readable again")
    assert running.end() == 0


def events(airs: Airs) -> list[Any]:
    return [json.loads(line) for line in airs.quick("events", "-o", "json").stdout.splitlines()]


def acts(stage: Stage, name: str) -> list[tuple[str, str, str]]:
    """Return what was done by hand: the verb, what came of it, and why."""
    found = [each for each in stage.json("history", name) if each["kind"] == "Act"]
    assert all(each["by"] == ME and each["at"] for each in found)
    return [(each["verb"], each["detail"], each["why"]) for each in found]


def test_every_act_by_hand_is_an_entry_of_its_own_with_who_when_and_why(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0")
    stage.run("restart", "hello", "--reason", "it is slow")
    stage.run("rollback", "hello", "--reason", "users complain")
    stage.run("rollout", "retry", "hello")
    stage.wait_for_rollout("hello", "keeping", "succeeded")
    assert acts(stage, "hello") == [
        ("restart", "restarting 1 instance of 1.1.0", "it is slow"),
        ("rollback", "going back to revision 1 (1.0.0)", "users complain"),
        ("retry", "trying 1.1.0 again", ""),
    ]
    shown = stage.run("history", "hello").out.splitlines()
    assert [line.split()[0] for line in shown[-5:]] == ["restart", "rollback", "3", "retry", "4"]
    assert "going back to revision 1 (1.0.0) (users complain)" in shown[-4]
    asked = [
        each for each in map(json.loads, stage.run("-o", "json", "events", "hello").out.splitlines()) if each["by"]
    ]
    assert {each["by"]["why"] for each in asked if each["reason"] == "requested"} == {
        "it is slow",
        "users complain",
        "",
    }


def test_what_was_refused_or_needed_nothing_is_no_act(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.run("rollback", "hello", code=1)
    stage.run("rollback", "hello", "--to", "1", code=None)
    stage.run("rollout", "promote", "hello", code=None)
    assert acts(stage, "hello") == []


def test_a_deletion_is_found_in_the_history_that_stays(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.run("delete", "hello", "--reason", "not needed")
    wait_until(lambda: not stage.client.deployments())
    assert acts(stage, "hello") == [("delete", "removing; its stored data are kept", "not needed")]
    assert "no deployment default/hullo" in stage.run("history", "hullo", code=1).err
    assert "no deployment default/hullo" in stage.run("events", "hullo", code=1).err
    unnamed = stage.run("events", "--revision", "1", code=64).err
    assert "1 is a number in the history of one deployment" in unnamed
    assert "Name the deployment" in unnamed


def test_canaries_promoted_and_aborted_by_hand_say_by_whom(stage: Stage):
    rollout = {"strategy": "canary", "steps": [{"weight": 50}, {"pause": {}}, {"weight": 90}, {"pause": {}}]}
    stage.have("hello", "hello-1.0.0")
    stage.have("hello", "hello-1.1.0", rollout=rollout)
    stage.wait_for_rollout("hello", "paused")
    stage.run("rollout", "promote", "hello", "--reason", "looks good")
    stage.run("rollout", "abort", "hello", "--reason", "it does not")
    assert [(verb, why) for verb, _, why in acts(stage, "hello")] == [
        ("promote", "looks good"), ("abort", "it does not")
    ]  # fmt: skip


def test_runs_and_dead_letters_are_acts_too(stage: Stage):
    stage.have("counter", "counter-1.0.0", grants={})
    stage.run("send", "counter", "get")
    wait_until(lambda: stage.client.dead_letters())
    stage.run("replay", "counter", "--reason", "granted now")
    wait_until(lambda: not any(letter.sent_again for letter in stage.client.dead_letters()))
    stage.run("replay", "counter", "--discard")
    assert acts(stage, "counter") == [("replay", "1 dead letter", "granted now"), ("discard", "1 dead letter", "")]


def test_the_agents_own_log_tells_what_it_decided_and_for_whom(airs: Airs, manifest: Path):
    airs.run("apply", manifest.parent)
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
    airs.quick("apply", manifest.parent)
    airs.quick("rollback", "hello", "--reason", "users complain")
    airs.quick("rollout", "promote", "hello", check=False)
    shown = airs.quick("agent", "status").stdout
    log = airs.state_dir / "agent.log"
    assert f"log        {log}" in shown
    airs.quick("agent", "stop")
    me, text = ME["user"], log.read_text()
    for told in (
        "INFO     agent  airs ",
        f"create default/hello (new), for {manifest.parent} at {git(airs.folder, 'rev-parse', 'HEAD')[:10]} by Ada",
        f"by {me}: in-hand",
        "event  default/hello rollout-started: 1.0.0 → 1.1.0",
        f"event  default/hello requested: rollback by {me} (users complain)",
        f"refused {me}: promote",
        f"asked to stop by {me}",
        "agent  the agent has ended in order",
    ):
        assert told in text, f"{told}\n{text}"
    dated = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d [A-Z]+ ")
    assert all(map(dated.match, text.splitlines()))


def test_the_hint_of_a_failed_canary_leads_to_its_reason(stage: Stage):
    analysis = {"interval": "50ms", "minimumMessages": 5, "failureLimit": 0, "inconclusiveLimit": 1000}
    stage.have("hello", "hello-1.0.0")
    steps = [{"weight": 90}, {"pause": "1h"}]  # which it cannot pass before a message fails
    stage.write("hello", "hello-1.2.0", rollout={"strategy": "canary", "steps": steps, "analysis": analysis})
    with stage.load("hello", may_fail=True):
        failed = stage.apply(code=1)
    why = "errors in"
    assert why in failed.err
    commands = re.findall(r"`airs ([^`]+)`", failed.err.splitlines()[-1])
    assert commands
    for command in commands:
        assert why in stage.run(*command.split()).out, command
