"""`airs source`: what the agent follows for good, whatever becomes of it, of its sources and of other sources."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.state_dir import holder
from tests.e2e.conftest import LIMIT_S, Airs, git, wait_until

FAST = ("--interval", "100ms")


@pytest.fixture
def manifests(airs: Airs) -> Path:
    return airs.copy_example("01-hello") / "manifests"


def point(manifest: Path, version: str) -> None:
    """Save the manifest with another version."""
    old = manifest.read_text()
    before = next(v for v in ("1.0.0", "1.1.0", "1.2.0") if f"hello-{v}" in old)
    manifest.write_text(old.replace(f"hello-{before}", f"hello-{version}"))


def another(manifests: Path, name: str, *, within: Path | None = None) -> Path:
    """Add a file that deploys the same component under another name."""
    path = (within or manifests) / f"{name}.yaml"
    path.write_text((manifests / "hello.yaml").read_text().replace("name: hello", f"name: {name}"))
    return path


def sources(airs: Airs) -> dict[str, Any]:
    return {each["name"]: each for each in airs.json("get", "sources", check=False)}


def source(airs: Airs, name: str | Path) -> Any:
    return airs.json("source", "show", name, check=False)


def sync(airs: Airs, name: str = "hello") -> str:
    return next((view.sync for view in airs.client().deployments() if view.name == name), "")


def kill(airs: Airs) -> None:
    """End the agent as a power cut does."""
    owner = holder(airs.state_dir)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    wait_until(lambda: holder(airs.state_dir) is None)


def events(airs: Airs) -> list[Any]:
    return [json.loads(line) for line in airs.quick("events", "-o", "json").stdout.splitlines()]


def names(airs: Airs) -> set[str]:
    return {view.name for view in airs.client().deployments()}


# ---- added for good ----


def test_an_added_folder_is_followed_by_every_agent_to_come(airs: Airs, manifests: Path):
    added = airs.run("source", "add", manifests)
    assert f"{manifests} is watched from now on" in added.stderr
    assert "default/hello runs 1.0.0, 2/2 ready" in added.stderr
    assert (airs.version(), sync(airs)) == ("1.0.0", "synced")
    point(manifests / "hello.yaml", "1.1.0")
    wait_until(lambda: airs.version() == "1.1.0")
    kill(airs)
    point(manifests / "hello.yaml", "1.2.0")
    airs.run("agent", "start")
    wait_until(lambda: airs.version() == "1.2.0" and sync(airs) == "synced")
    airs.quick("agent", "stop")
    point(manifests / "hello.yaml", "1.0.0")
    airs.run("agent", "start")
    wait_until(lambda: airs.version() == "1.0.0")
    assert source(airs, manifests)["follow"] == "watched"


def test_one_manifest_can_be_added(airs: Airs, manifests: Path):
    another(manifests, "extra")
    airs.run("source", "add", manifests / "hello.yaml")
    assert names(airs) == {"hello"}
    point(manifests / "hello.yaml", "1.1.0")
    wait_until(lambda: airs.version() == "1.1.0")


def told(airs: Airs) -> list[str]:
    """Return the reasons of what was told of no deployment."""
    return [event["reason"] for event in events(airs) if event.get("key") is None]


def test_an_added_repository_is_followed_and_stale_from_the_start_while_it_is_away(airs: Airs, manifests: Path):
    clone, bare = airs.folder, airs.folder.parent / "repository.git"
    git(airs.folder.parent, "init", "--quiet", "--bare", "--initial-branch=main", "repository.git")
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "remote", "add", "origin", str(bare))

    def push() -> str:
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--message", "change")
        git(clone, "push", "--quiet", "origin", "main")
        return git(clone, "rev-parse", "HEAD")

    first = push()
    place = f"{bare}#main:01-hello/manifests"
    airs.run("source", "add", place, *FAST)
    assert source(airs, place)["revision"] == first
    airs.quick("agent", "stop")
    away = bare.with_name("away.git")
    bare.rename(away)
    airs.run("agent", "start")
    wait_until(lambda: source(airs, place)["staleSince"])
    wait_until(lambda: airs.phase() == "running")  # stale is not empty
    assert sync(airs) == "stale"
    listed = airs.quick("source", "list").stdout
    assert "stale since" in listed
    assert "does not exist" in listed or "not a git repository" in listed or "cannot" in listed
    since = source(airs, place)["staleSince"]
    kill(airs)
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")
    assert source(airs, place)["staleSince"] == since  # it still is, since then
    wait_until(lambda: "source-stale" in told(airs))  # which this agent has seen for itself
    away.rename(bare)
    point(manifests / "hello.yaml", "1.1.0")
    second = push()
    wait_until(lambda: airs.version() == "1.1.0" and sync(airs) == "synced")
    assert source(airs, place)["revision"] == second
    assert told(airs).count("source-stale") == told(airs).count("source-readable") == 1


def test_a_source_that_cannot_be_read_when_it_is_added_is_tried_again(airs: Airs, manifests: Path):
    bare = airs.folder.parent / "repository.git"
    git(airs.folder.parent, "init", "--quiet", "--bare", "--initial-branch=main", "repository.git")
    place = f"{bare}#main:01-hello/manifests"
    added = airs.run("source", "add", place, *FAST, check=False)
    assert added.returncode == 1
    assert "there is no main in" in added.stderr
    assert "It stays watched, and is tried again" in added.stderr
    git(airs.folder, "init", "--quiet", "--initial-branch=main")
    git(airs.folder, "add", "--all")
    git(airs.folder, "commit", "--quiet", "--message", "first")
    git(airs.folder, "push", "--quiet", str(bare), "main")
    wait_until(lambda: airs.version() == "1.0.0")


def test_diagnostics_of_an_added_folder_name_files_in_full(airs: Airs, manifests: Path):
    broken = another(manifests, "broken")
    broken.write_text(broken.read_text().replace("replicas: 2", "replicsa: 2"))
    added = airs.run("source", "add", "01-hello/manifests", check=False)
    assert added.returncode == 65
    assert f"{broken}:11:3: error: unknown key `replicsa`" in added.stderr
    assert airs.version() == "1.0.0"


# ---- several at once ----


def test_each_deployment_belongs_to_one_source_until_another_adopts_it(airs: Airs, manifests: Path):
    other = airs.folder / "01-hello" / "other"
    other.mkdir()
    shutil.copy(manifests / "hello.yaml", other)
    point(other / "hello.yaml", "1.1.0")
    another(manifests, "mine", within=other)
    airs.run("source", "add", manifests, "--name", "first")
    blocked = airs.run("source", "add", other, "--name", "second", check=False)
    assert blocked.returncode == 1
    assert "default/hello blocked: belongs to first; --adopt takes it over" in blocked.stderr
    assert (airs.version(), names(airs)) == ("1.0.0", {"hello", "mine"})
    assert "belongs to first" in airs.quick("status").stdout
    adopting = airs.run("source", "add", other, "--name", "second", "--adopt")
    assert "its options are those given now" in adopting.stderr
    wait_until(lambda: airs.version() == "1.1.0")
    wait_until(lambda: [left["status"] for left in source(airs, "first")["notDone"]] == ["blocked"])
    assert source(airs, "second")["permissions"]["adopt"] is False  # used up
    airs.run("source", "add", manifests, "--name", "first", "--adopt")
    wait_until(lambda: airs.version() == "1.0.0")
    airs.quick("agent", "stop")
    airs.run("agent", "start")
    wait_until(lambda: source(airs, "second")["notDone"])
    assert airs.version() == "1.0.0"  # nobody takes anything over twice
    assert {name: each["watched"] for name, each in sources(airs).items()} == {"first": True, "second": True}


def test_what_one_source_removes_is_none_of_the_others(airs: Airs, manifests: Path):
    other = airs.folder / "01-hello" / "other"
    other.mkdir()
    another(manifests, "theirs", within=other)
    mine = another(manifests, "mine")
    airs.run("source", "add", manifests)
    airs.run("source", "add", other)
    mine.unlink()
    wait_until(lambda: names(airs) == {"hello", "theirs"})


def test_sources_that_read_the_same_files_are_told(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests)
    inner = airs.run("source", "add", manifests / "hello.yaml", check=False)
    assert f"{manifests} reads some of the same files" in inner.stderr
    assert inner.returncode == 1  # what it wants belongs to the other
    assert source(airs, manifests)["overlaps"] == [str(manifests / "hello.yaml")]
    assert "overlaps" in airs.quick("source", "show", manifests / "hello.yaml").stdout


def test_a_name_stands_for_one_place(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests, "--name", "shop")
    taken = airs.run("source", "add", manifests / "hello.yaml", "--name", "shop", check=False)
    assert taken.returncode == 1
    assert f"it reads {manifests}" in taken.stderr
    assert airs.quick("source", "show", manifests).stdout.startswith("source     shop\n")  # by its path as well


# ---- suspended, resumed, removed ----


def test_a_suspended_source_is_left_alone_until_it_is_resumed(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests)
    said = airs.quick("source", "suspend", manifests).stderr
    assert "its deployments keep running" in said
    point(manifests / "hello.yaml", "1.1.0")
    airs.quick("agent", "stop")
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")
    assert (airs.version(), sync(airs)) == ("1.0.0", "suspended")
    assert "(suspended since" in airs.quick("status").stdout
    assert "suspended" in airs.quick("source", "suspend", manifests).stderr
    refused = airs.run("source", "add", manifests, check=False)
    assert (refused.returncode, "airs source resume" in refused.stderr) == (1, True)
    airs.quick("source", "resume", manifests)
    wait_until(lambda: airs.version() == "1.1.0" and sync(airs) == "synced")
    by = {event["reason"]: event["by"]["peer"]["uid"] for event in events(airs) if event["reason"].startswith("source")}
    assert by == {"source-resumed": os.getuid()}


def test_a_source_that_is_removed_leaves_its_deployments_to_nobody(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests)
    removed = airs.quick("source", "remove", manifests, "--yes")
    assert "keep running, and will belong to no source" in removed.stderr
    assert "= default/hello" in removed.stderr
    assert (airs.phase(), sync(airs), sources(airs)) == ("running", "unowned", {})
    assert "none: it was removed" in airs.quick("status", "hello").stdout
    point(manifests / "hello.yaml", "1.1.0")
    airs.quick("agent", "stop")
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")
    assert airs.version() == "1.0.0"  # nobody looks
    planned = airs.quick("plan", manifests).stdout
    assert "= default/hello" in planned
    assert "was owned by no source" in planned
    airs.run("apply", manifests)
    wait_until(lambda: airs.version() == "1.1.0")
    assert sync(airs) == "applied"


def test_a_source_that_is_pruned_takes_its_deployments_along_and_no_others(airs: Airs, manifests: Path):
    other = airs.folder / "01-hello" / "other"
    other.mkdir()
    theirs = another(manifests, "theirs", within=other)
    theirs.write_text(theirs.read_text() + "  dependsOn: [hello]\n")
    another(manifests, "extra")
    airs.run("source", "add", manifests)
    airs.run("source", "add", other)
    removed = airs.quick("source", "remove", manifests, "--prune", "--yes")
    assert "- default/hello, which others depend on" in removed.stderr
    assert "- default/extra\n" in removed.stderr
    wait_until(lambda: names(airs) == {"theirs"})
    assert [*sources(airs)] == [str(other)]


def test_a_source_nobody_knows_is_an_error(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests, "--name", "shop")
    for verb in ("show", "suspend", "resume", "remove"):
        refused = airs.quick("source", verb, "shpo", check=False)
        assert (refused.returncode, "There are: shop." in refused.stderr) == (1, True)
    missing = airs.run("source", "add", airs.folder / "nowhere", check=False)
    assert (missing.returncode, "does not exist" in missing.stderr) == (64, True)


# ---- airs up beside an agent ----


def test_up_has_the_running_agent_watch_for_as_long_as_it_runs(airs: Airs, manifests: Path):
    airs.run("agent", "start")
    running = airs.background("up", manifests)
    running.says("The agent that runs already")
    wait_until(lambda: airs.phase() == "running")
    assert (sync(airs), source(airs, manifests)["follow"]) == ("synced", "up")
    point(manifests / "hello.yaml", "1.1.0")
    running.says("1.1.0 serves")
    (manifests / "hello.yaml").write_text("{")
    running.says("hello.yaml:")
    assert running.end() == 0
    assert f"{manifests} is not watched any more" in running.stderr
    assert sync(airs) == "invalid"
    assert airs.phase() == "running"
    assert "(not watched since" in airs.quick("status").stdout
    again = airs.background("up", manifests)
    again.says("hello.yaml:")  # what is wrong is told again
    again.process.kill()
    wait_until(lambda: source(airs, manifests)["follow"] == "not-watched")


def test_two_ups_do_not_watch_one_source(airs: Airs, manifests: Path):
    airs.run("agent", "start")
    running = airs.background("up", manifests)
    running.says("Watching")
    refused = airs.run("up", manifests, check=False)
    assert refused.returncode == 1
    assert "another `airs up` watches" in refused.stderr
    for verb in ("suspend", "remove"):
        refused = airs.quick("source", verb, manifests, check=False)
        assert (refused.returncode, "`airs up` watches" in refused.stderr) == (1, True)
    airs.run("source", "add", manifests)  # for good: the other may end
    assert running.end() == 0
    assert source(airs, manifests)["watched"] is True


def test_up_on_a_source_that_was_added_only_looks_on(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests)
    running = airs.background("up", manifests)
    running.says("it stays watched after this")
    assert running.end(signal.SIGTERM) == 0
    assert "stays watched" in running.stderr
    assert source(airs, manifests)["watched"] is True
    airs.quick("source", "suspend", manifests)
    refused = airs.run("up", manifests, check=False)
    assert (refused.returncode, "is suspended" in refused.stderr) == (1, True)


def test_up_says_when_the_agent_goes(airs: Airs, manifests: Path):
    airs.run("agent", "start")
    running = airs.background("up", manifests)
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    airs.quick("agent", "stop")
    assert running.process.wait(LIMIT_S) == 69
    assert "the agent has gone" in running.stderr
    airs.run("agent", "start")
    assert source(airs, manifests)["follow"] == "not-watched"


# ---- what is said while nobody looks ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_an_up_watched_is_not_called_synced_once_it_has_ended(airs: Airs, manifests: Path, number: int):
    running = airs.background("up", manifests)
    wait_until(lambda: airs.client().answers() and airs.phase() == "running" and sync(airs) == "synced")
    wait_until(lambda: source(airs, manifests)["readAt"])
    running.end(number)
    wait_until(lambda: holder(airs.state_dir) is None)
    recorded = airs.quick("status", check=False)
    assert recorded.returncode == 69
    assert "no agent is running on" in recorded.stderr
    assert "this is what was recorded last" in recorded.stderr
    assert "not-watched" in recorded.stdout
    assert "(not watched since" in recorded.stdout
    airs.run("agent", "start")
    wait_until(lambda: airs.phase() == "running")
    assert sync(airs) == "not-watched"
    shown = source(airs, manifests)
    assert (shown["follow"], shown["watched"]) == ("not-watched", False)
    assert 0 < shown["readAt"] <= shown["notWatchedSince"]


def test_a_manifest_that_turned_invalid_is_not_called_synced(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests)
    manifest = manifests / "hello.yaml"
    good = manifest.read_text()
    manifest.write_text(good.replace("replicas: 2", "replicsa: 2"))
    wait_until(lambda: sync(airs) == "invalid")
    message = airs.json("get", "deployments")[0]["message"]
    assert f"{manifest}:11:3: unknown key `replicsa`" in message
    status = airs.quick("status").stdout
    assert "its manifest is invalid" in status
    manifest.write_bytes(b"\x00{{")
    wait_until(lambda: f"{manifest}:" in airs.json("get", "deployments")[0]["message"])
    assert sync(airs) == "invalid"
    manifest.write_text(good)
    wait_until(lambda: sync(airs) == "synced")


def test_what_was_applied_once_says_so_and_when(airs: Airs, manifests: Path):
    airs.run("apply", manifests)
    assert sync(airs) == "applied"
    first = source(airs, manifests)
    assert (first["follow"], first["watched"], first["readAt"] > 0) == ("applied", False, True)
    assert "(applied 20" in airs.quick("status").stdout
    airs.run("apply", manifests)
    assert source(airs, manifests)["readAt"] > first["readAt"]


def test_without_an_agent_the_recorded_state_is_shown_and_called_that(airs: Airs, manifests: Path):
    nothing = airs.quick("status", check=False)
    assert (nothing.returncode, nothing.stdout) == (69, "")
    airs.run("source", "add", manifests)
    airs.quick("agent", "stop")
    status = airs.quick("status", "-o", "json", check=False)
    document = json.loads(status.stdout)
    assert (status.returncode, document["agentRunning"]) == (69, False)
    (view,) = document["deployments"]
    assert (view["version"], view["phase"], view["ready"], view["sync"]) == ("1.0.0", "stopped", 0, "not-watched")
    (seen,) = document["sources"]
    assert (seen["follow"], seen["watched"], seen["name"]) == ("watched", False, str(manifests))
    for arguments in (("get", "sources"), ("source", "list"), ("source", "show", manifests), ("status", "hello")):
        told = airs.quick(*arguments, check=False)
        assert (told.returncode, "this is what was recorded last" in told.stderr) == (69, True)
        assert str(manifests) in told.stdout
    assert airs.quick("status", "-w", check=False).returncode == 69
    assert airs.quick("get", "instances", check=False).stdout == ""


# ---- applied though it is watched ----


def test_apply_on_a_watched_source_allows_once_and_leaves_it_watched(airs: Airs, manifests: Path):
    extra = [another(manifests, f"extra-{number}") for number in range(4)]
    airs.run("source", "add", manifests)
    for path in extra:
        path.unlink()
    wait_until(lambda: len(source(airs, manifests)["notDone"]) == 4)  # too many at once
    assert len(names(airs)) == 5
    applied = airs.run("apply", manifests, "--allow-mass-prune", "--yes")
    assert f"{manifests} is watched" in applied.stderr
    wait_until(lambda: names(airs) == {"hello"})
    point(manifests / "hello.yaml", "1.1.0")
    wait_until(lambda: airs.version() == "1.1.0")
    assert source(airs, manifests)["permissions"]["allowMassPrune"] is False


def test_apply_on_a_suspended_source_is_told_and_resumes_nothing(airs: Airs, manifests: Path):
    airs.run("source", "add", manifests)
    airs.quick("source", "suspend", manifests)
    point(manifests / "hello.yaml", "1.1.0")
    applied = airs.run("apply", manifests)
    assert "is suspended, and stays so" in applied.stderr
    assert (airs.version(), source(airs, manifests)["follow"]) == ("1.1.0", "suspended")


# ---- a slow one ----


class Slow(BaseHTTPRequestHandler):
    """A git server that takes its time."""

    def do_GET(self) -> None:
        self.server.asked.set()  # type: ignore[attr-defined]
        self.server.may_answer.wait(LIMIT_S)  # type: ignore[attr-defined]
        self.send_error(404)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.asked, server.may_answer = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield server
    finally:
        server.may_answer.set()  # type: ignore[attr-defined]
        server.shutdown()
        serving.join()
        server.server_close()


def test_a_source_that_answers_slowly_keeps_nobody_waiting(airs: Airs, manifests: Path, slow: Any):
    airs.run("source", "add", manifests)
    place = f"http://127.0.0.1:{slow.server_port}/repository.git#main:"
    airs.run("source", "add", place, "--no-wait")
    assert slow.asked.wait(LIMIT_S)  # it is being read, and will be until `may_answer`
    point(manifests / "hello.yaml", "1.1.0")
    wait_until(lambda: airs.version() == "1.1.0")
    airs.quick("rollback", "hello")
    assert airs.quick("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    assert source(airs, place)["readAt"] is None
    airs.quick("source", "suspend", place)
    airs.quick("source", "resume", place)
    airs.quick("source", "remove", place, "--yes")
    assert [*sources(airs)] == [str(manifests)]
    assert not slow.may_answer.is_set()
