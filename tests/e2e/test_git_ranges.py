"""A SemVer range of tags: the newest is followed, and a tag that is deleted or moved takes nothing back."""

import shutil
from pathlib import Path

from tests.e2e.conftest import EXAMPLES, Airs, git, wait_until


class Releases:
    """A repository of one example that is released by tags."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "releases"
        shutil.copytree(EXAMPLES / "01-hello", self.folder / "hello", ignore=shutil.ignore_patterns("src", "README.md"))
        git(self.folder, "init", "--quiet", "--initial-branch=main")

    def release(self, tag: str, replicas: int, version: str = "1.0.0") -> str:
        """Commit the manifest with so many replicas, and tag that."""
        manifest = self.folder / "hello" / "manifests" / "hello.yaml"
        text = (EXAMPLES / "01-hello" / "manifests" / "hello.yaml").read_text()
        manifest.write_text(text.replace("replicas: 2", f"replicas: {replicas}").replace("-1.0.0", f"-{version}"))
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", f"release {tag}")
        git(self.folder, "tag", "--force", "--annotate", tag, "--message", tag)
        return git(self.folder, "rev-parse", "HEAD")

    def place(self, ref: str) -> str:
        return f"{self.folder}#{ref}:hello/manifests"


def test_a_range_follows_the_newest_tag_and_never_goes_back(airs: Airs):
    releases = Releases(airs.folder)
    first = releases.release("v1.0.0", 1)
    releases.release("v2.0.0-rc.1", 3)
    place = releases.place("v1.x")
    assert f"{first[:10]} (v1.0.0) by Nobody: release v1.0.0" in airs.quick("plan", place).stdout
    airs.run("source", "add", place, "--name", "shop", "--interval", "50ms")
    seen = airs.json("source", "show", "shop")
    assert (seen["revision"], seen["commit"]["tag"]) == (first, "v1.0.0")

    second = releases.release("v1.1.0", 1, "1.1.0")
    wait_until(lambda: airs.version() == "1.1.0")
    assert f"{second[:10]} (v1.1.0)" in airs.quick("source", "list").stdout
    assert f"source shop at {second[:10]} (v1.1.0)" in airs.quick("status").stdout
    assert [f"{commit[:10]} (v1.{number}.0)" in airs.quick("history", "hello").stdout
            for number, commit in enumerate((first, second))] == [True, True]  # fmt: skip

    git(releases.folder, "tag", "--delete", "v1.1.0")
    wait_until(lambda: airs.json("source", "show", "shop")["staleSince"])
    told = airs.quick("source", "show", "shop").stdout
    assert "the tag v1.1.0 is gone from" in told
    assert "the newest that is left is v1.0.0" in told
    assert airs.version() == "1.1.0"
    airs.quick("agent", "stop")
    airs.run("agent", "start")  # an agent to come knows as well what was followed
    wait_until(lambda: "is gone" in airs.json("source", "show", "shop")["failure"])
    releases.release("v1.1.0", 1)
    wait_until(lambda: "the tag v1.1.0 of" in airs.json("source", "show", "shop")["failure"])
    assert airs.version() == "1.1.0"

    releases.release("v1.1.1", 2, "1.1.0")
    wait_until(lambda: airs.json("source", "show", "shop")["commit"]["tag"] == "v1.1.1")
    assert airs.json("source", "show", "shop")["staleSince"] is None
    git(releases.folder, "tag", "--delete", "v1.1.1", "v1.1.0")
    wait_until(lambda: airs.json("source", "show", "shop")["staleSince"])
    airs.run("source", "add", place, "--name", "shop", "--interval", "50ms")  # what is there now is what is wanted
    wait_until(lambda: airs.version() == "1.0.0")


def test_a_branch_with_the_name_of_a_range_is_told_from_it(airs: Airs):
    releases = Releases(airs.folder)
    releases.release("v1.0.0", 1)
    git(releases.folder, "branch", "v1.x")
    refused = airs.quick("plan", releases.place("v1.x"), check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "v1.x means 2 things" in refused.stderr
    for meant in ("refs/heads/v1.x", "^1", ">=1 <2", "~1.0.0"):
        assert "+ default/hello" in airs.quick("plan", releases.place(meant)).stdout
    git(releases.folder, "tag", "--delete", "v1.0.0")
    assert "+ default/hello" in airs.quick("plan", releases.place("v1.x")).stdout
