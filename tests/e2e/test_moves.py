"""Deployments that move between sources of one place: handed over as they run, whichever source is read first."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from orchestrator.store.state_dir import holder
from tests.e2e.conftest import EXAMPLES, Airs, deployment, git, wait_until

GRANTS = {"storage.read": ["self"], "storage.write": ["self"]}
AT_ONCE, LATER = ("--interval", "100ms"), ("--interval", "1h")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airs]:
    """One agent for all tests of this module, each with a folder, sources and deployments of its own."""
    made = Airs(tmp_path_factory.mktemp("moves"))
    try:
        made.run("agent", "start")
        yield made
    finally:
        made.close()


def kill(airs: Airs) -> None:
    """End the agent as a power cut does."""
    owner = holder(airs.state_dir)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    wait_until(lambda: holder(airs.state_dir) is None)


class Place:
    """A folder that holds components and two folders of manifests, in a work tree of its own."""

    def __init__(self, airs: Airs, name: str) -> None:
        self.airs, self.name, self.folder = airs, name, airs.folder / name
        shutil.copytree(EXAMPLES / "02-counter" / "components", self.folder / "components")
        for source in ("a", "b"):
            (self.folder / source).mkdir()
            self.write(source, f"{name}-stays-{source}")
        git(self.folder, "init", "--quiet", "--initial-branch=main")
        self.commit()

    def path(self, source: str, deployed: str) -> Path:
        return self.folder / source / f"{deployed}.yaml"

    def write(self, source: str, deployed: str, **more: object) -> Path:
        path = self.path(source, deployed)
        path.write_text(deployment(deployed, "../components/counter-1.0.0", grants=GRANTS, **more))
        return path

    def move(self, deployed: str, to: str) -> None:
        origin = "b" if to == "a" else "a"
        self.path(origin, deployed).rename(self.path(to, deployed))

    def commit(self) -> None:
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", "change")

    def add(self, source: str, *options: str) -> None:
        self.airs.run("source", "add", str(self.folder / source), "--name", f"{self.name}-{source}", *options)

    def add_git(self, source: str, *options: str) -> None:
        place = f"{self.folder}/.git#main:{source}"
        self.airs.run("source", "add", place, "--name", f"{self.name}-{source}", *options)

    def owner(self, deployed: str) -> str:
        found = next((each for each in self.airs.client().deployments() if each.name == deployed), None)
        return "" if found is None else found.source.removeprefix(f"{self.name}-")

    def told(self, deployed: str) -> list[str]:
        lines = map(json.loads, self.airs.quick("events", "-o", "json").stdout.splitlines())
        return [line["reason"] for line in lines if (line.get("key") or {}).get("name") == deployed]

    def count(self, deployed: str) -> str:
        return self.airs.quick("request", deployed, "increment").stdout.strip()

    def handled(self, deployed: str) -> int:
        """Count its messages in this life of it: one that is removed and created anew begins again."""
        return next(each.traffic.handled for each in self.airs.client().deployments() if each.name == deployed)

    def revisions(self, deployed: str) -> int:
        return len(self.airs.json("history", deployed))

    def not_done(self, source: str) -> list[str]:
        views = {each["name"]: each for each in self.airs.json("get", "sources", check=False)}
        return [f"{each['status']}: {each['detail']}" for each in views[f"{self.name}-{source}"]["notDone"]]


def since(place: Place, deployed: str, before: list[str]) -> list[str]:
    """Return what was done with a deployment since then; that a source waits to be read may be told or not."""
    return [each for each in place.told(deployed)[len(before) :] if each not in ("blocked", "waiting")]


def test_a_moved_file_hands_its_deployment_over_as_it_runs(user: Airs):
    place = Place(user, "moved")
    place.write("a", "moving")
    place.add("a")
    place.add("b")
    assert place.count("moving") == "1"
    before = place.told("moving")
    place.move("moving", to="b")
    wait_until(lambda: place.owner("moving") == "b")
    assert (place.count("moving"), place.handled("moving"), place.revisions("moving")) == ("2", 2, 1)
    place.path("b", "moving").rename(place.path("b", "another-file"))
    place.write("b", "witness")  # of that other file having been read
    wait_until(lambda: place.owner("witness") == "b")
    assert (place.count("moving"), place.handled("moving"), place.revisions("moving")) == ("3", 3, 1)
    assert since(place, "moving", before) == ["moved"]


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_a_move_in_a_repository_is_seen_through_whichever_source_is_read_first(user: Airs, first: str, second: str):
    place, name = Place(user, f"read-{first}"), f"counter-{first}"
    place.write("a", name)
    place.commit()
    place.add_git(first, *AT_ONCE)
    place.add_git(second, *LATER)
    assert place.count(name) == "1"
    before = place.told(name)
    place.move(name, to="b")
    place.commit()
    wait_until(lambda: place.owner(name) == "b")
    assert (place.count(name), place.handled(name), place.revisions(name)) == ("2", 2, 1)
    assert since(place, name, before) == ["moved"]
    place.path("b", name).unlink()  # and now it is gone from both
    place.commit()
    wait_until(lambda: place.owner(name) == "") if first == "b" else None


def test_a_sibling_that_cannot_be_read_holds_a_removal(user: Airs):
    place = Place(user, "doubt")
    place.write("a", "doubtful")
    place.add("a")
    place.add("b")
    place.folder.joinpath("b").rename(place.folder / "away")
    wait_until(lambda: user.json("source", "show", "doubt-b", check=False)["staleSince"])
    place.path("a", "doubtful").unlink()
    wait_until(lambda: place.not_done("a"))
    assert place.not_done("a")[0].startswith("held: doubt-b may want it, and cannot be read: ")
    planned = user.quick("plan", str(place.folder / "a"), "--source", "doubt-a").stdout
    assert "held because sibling-unread" in planned
    assert place.count("doubtful") == "1"
    place.folder.joinpath("away").rename(place.folder / "b")
    wait_until(lambda: place.owner("doubtful") == "")


def test_of_two_sources_that_both_want_it_the_first_keeps_it_until_it_lets_go(user: Airs):
    place = Place(user, "both")
    place.write("a", "wanted-twice")
    place.add("a")
    place.add("b")
    assert place.count("wanted-twice") == "1"
    place.write("b", "wanted-twice")
    wait_until(lambda: place.not_done("b"))
    assert place.not_done("b") == ["blocked: belongs to both-a; --adopt takes it over"]
    assert "wanted-twice" in user.quick("plan", str(place.folder / "b"), "--source", "both-b").stdout
    place.path("a", "wanted-twice").unlink()
    wait_until(lambda: place.owner("wanted-twice") == "b")
    wait_until(lambda: not place.not_done("b"))
    assert (place.count("wanted-twice"), place.handled("wanted-twice")) == ("2", 2)


def test_what_is_applied_by_hand_waits_for_the_watched_beside_it(user: Airs):
    place = Place(user, "applied")
    place.write("a", "by-hand")
    user.run("apply", str(place.folder / "a"), "--source", "applied-a")
    place.add_git("b", *LATER)
    place.airs.run("source", "remove", "applied-b")
    place.add("b")
    assert place.count("by-hand") == "1"
    place.move("by-hand", to="b")
    wait_until(lambda: place.not_done("b"))  # it belongs to what was applied, which nobody reads again
    applied = user.run("apply", str(place.folder / "a"), "--source", "applied-a")
    assert "by-hand moves to applied-b" in applied.stdout + applied.stderr
    wait_until(lambda: place.owner("by-hand") == "b")
    assert (place.count("by-hand"), place.handled("by-hand")) == ("2", 2)
    place.path("a", "applied-stays-a").unlink()
    place.write("a", "new-one")
    user.run("apply", str(place.folder / "a"), "--source", "applied-a")  # nobody wants it: it is removed at last
    assert place.owner("applied-stays-a") == ""


def test_a_dependency_may_be_of_another_source(user: Airs):
    place = Place(user, "needs")
    place.write("b", "dependent", dependsOn=["dependency"])
    place.add_git("a", *AT_ONCE)
    place.add("b", "--no-wait")
    told = wait_until(lambda: user.json("source", "show", "needs-b", check=False)["diagnostics"])
    assert told[0]["summary"].startswith("depends on `default/dependency`, which does not exist")
    assert place.owner("needs-stays-b") == "b"  # it delays nobody else
    place.write("a", "dependency")
    place.commit()
    wait_until(lambda: place.owner("dependent") == "b" and user.phase("dependent") == "running")


def rename(place: Place, old: str, new: str) -> None:
    """Save a manifest with another name, and the one that it had."""
    path = place.path("a", old)
    text = json.loads(path.read_text())
    text["metadata"] = {"name": new, "formerly": old}
    path.write_text(json.dumps(text))
    path.rename(place.path("a", new))


def names(place: Place) -> set[str]:
    return {each.name for each in place.airs.client().deployments() if each.source == f"{place.name}-a"}


def test_a_renamed_deployment_takes_over_all_that_it_was(user: Airs):
    place = Place(user, "renamed")
    place.write("a", "old-name")
    user.run("apply", str(place.folder / "a"), "--source", "renamed-a")
    assert place.count("old-name") == "1"
    rename(place, "old-name", "new-name")
    planned = user.quick("plan", str(place.folder / "a"), "--source", "renamed-a").stdout
    assert "→ default/new-name formerly default/old-name   1.0.0   because renamed" in planned
    assert "0 to create" in planned
    assert "0 to remove" in planned
    assert "1 to rename" in planned
    user.run("apply", str(place.folder / "a"), "--source", "renamed-a")
    assert names(place) == {"new-name", "renamed-stays-a"}
    assert (place.count("new-name"), place.revisions("new-name")) == ("2", 1)
    assert "renamed" in place.told("new-name")
    refused = user.quick("request", "old-name", "get", check=False)
    assert "default/old-name is default/new-name now; send it there" in refused.stderr
    assert "No changes" in user.quick("plan", str(place.folder / "a"), "--source", "renamed-a").stdout


def test_a_deployment_may_move_and_be_renamed_at_once(user: Airs):
    place = Place(user, "away")
    place.write("a", "at-home")
    place.commit()
    place.add_git("a", *AT_ONCE)
    place.add_git("b", *LATER)
    assert place.count("at-home") == "1"
    rename(place, "at-home", "abroad")
    place.move("abroad", to="b")
    place.commit()
    wait_until(lambda: place.owner("abroad") == "b" and user.phase("abroad") == "running")
    assert (place.count("abroad"), place.revisions("abroad"), place.owner("at-home")) == ("2", 1, "")


@pytest.mark.parametrize("seed", [1])
def test_a_rename_is_whole_or_not_at_all_whenever_the_agent_is_killed(airs: Airs, seed: int):
    random = Random(seed)
    airs.run("agent", "start")
    place = Place(airs, "killed")
    place.write("a", "one")
    place.add("a")
    assert place.count("one") == "1"
    old, new = "one", "two"
    for expected in range(2, 7):
        rename(place, old, new)
        pause = monotonic() + random.uniform(0.05, 0.35)
        wait_until(lambda: monotonic() > pause)  # noqa: B023 — an instant that the seed chose
        kill(airs)
        recorded = {each["name"] for each in airs.json("get", "deployments", check=False)} - {"killed-stays-a"}
        assert recorded in ({old}, {new})
        airs.run("agent", "start")
        wait_until(lambda: names(place) == {new, "killed-stays-a"} and airs.phase(new) == "running")  # noqa: B023
        assert (place.count(new), place.revisions(new)) == (str(expected), 1)
        old, new = new, old
